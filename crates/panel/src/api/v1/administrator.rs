//! Administrators: who may log in, and with which role. A password goes in and never comes out.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use policy::role::Role;

use super::{
    body::{Body, Nothing, Parameters},
    dto::{Administrator, AdministratorChanges, FieldError, NewAdministrator, OwnPassword, Page},
    problem::Refused,
    token::check_name,
};
use crate::{Means, access::Caller, password};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Administrator>>, Refused> {
    let items = means.store.administrators().await?.iter().map(Administrator::from).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<Administrator>), Refused> {
    let (new, mut errors) = body.read::<NewAdministrator>();
    let name = new.name.trim();
    check_name(name, &mut errors);
    let role = role(&new.role, &mut errors);
    check_password(&new.password, &mut errors);
    let (Some(role), true) = (role, errors.is_empty()) else { return Err(Refused::fields(errors)) };
    let made = password::hash(new.password).await;
    let added = means.store.add_administrator(&actor, name, role, &made).await?;
    Ok((StatusCode::CREATED, Json(Administrator::from(&added))))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Path(name): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<Administrator>, Refused> {
    let (changes, mut errors) = body.read::<AdministratorChanges>();
    let role = changes.role.as_deref().and_then(|text| role(text, &mut errors));
    if let Some(password) = &changes.password {
        check_password(password, &mut errors);
    }
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let password = match changes.password {
        Some(password) => Some(password::hash(password).await),
        None => None,
    };
    let changes = store::AdministratorChanges { role, password, enabled: changes.enabled };
    Ok(Json(Administrator::from(&means.store.set_administrator(&actor, &name, &changes).await?)))
}

/// The caller's own password, by who knows the one before.
pub(crate) async fn change_own(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<StatusCode, Refused> {
    let new: OwnPassword = body.parse()?;
    let Some(account) = means.store.administrator(&actor.who).await? else {
        return Err(Refused::not_found(&format!("administrator {}", actor.who)));
    };
    let mut errors = Vec::new();
    check_password(&new.password, &mut errors);
    if !password::verify(new.current, Some(&account.password)).await {
        let message = "this is not the password".to_owned();
        errors.push(FieldError { field: "current".to_owned(), code: "wrong".to_owned(), message });
    }
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let password = Some(password::hash(new.password).await);
    let changes = store::AdministratorChanges { password, ..store::AdministratorChanges::default() };
    means.store.set_administrator(&actor, &account.name, &changes).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Path(name): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_administrator(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_password(password: &str, errors: &mut Vec<FieldError>) {
    if let Some((code, message)) = password::fault(password) {
        errors.push(FieldError { field: "password".to_owned(), code: code.to_owned(), message });
    }
}

/// A role as entered; an error is kept.
pub(super) fn role(text: &str, errors: &mut Vec<FieldError>) -> Option<Role> {
    match text.parse() {
        Ok(role) => Some(role),
        Err(error) => {
            let message = format!("{text:?} was entered; {error}");
            errors.push(FieldError { field: "role".to_owned(), code: "not_a_choice".to_owned(), message });
            None
        }
    }
}
