//! Users of the built-in registrar. A password goes in and never comes out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use lexicon::BareJid;
use store::{Backend, Serving, StoreError};

use super::{
    body::{ATTEMPTS_MAX, Body, Expected, Named, Nothing, Parameters, address, etag},
    dto::{FieldError, NewPassword, NewUser, NewUserBackend, Page, User, UserBackend, UserChanges},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// Longest password in octets.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Longest display name in characters.
const DISPLAY_NAME_CHARS_MAX: usize = 256;
/// Users in a page if the caller does not say, and at most.
const LIMIT_MAX: usize = 1000;

/// Which users to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    after: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<User>>, Refused> {
    let (users, serving) = (means.store.users().await?, means.store.serving().await?);
    let after = listing.after.unwrap_or_default();
    let mut rest = users.iter().map(|user| told(user, &serving)).filter(|user| user.address > after);
    let items: Vec<_> = rest.by_ref().take(listing.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX)).collect();
    let next = rest.next().and_then(|_| items.last().map(|last| last.address.clone()));
    Ok(Json(Page { items, next }))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(address): Named<BareJid>,
) -> Result<(HeaderMap, Json<User>), Refused> {
    let user = find(&means, &address).await?;
    Ok((etag(user.revision), Json(told(&user, &means.store.serving().await?))))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<User>), Refused> {
    let (new, mut errors) = body.read::<NewUser>();
    let unread: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
    let user = address("address", &new.address, &mut errors);
    if let Some(user) = &user {
        check_domain(&means, user, &mut errors).await?;
    }
    check_password(&new.password, &mut errors);
    check_display_name(&new.display_name, &mut errors);
    errors = told_once(errors, &unread);
    let (Some(user), true) = (user, errors.is_empty()) else { return Err(Refused::fields(errors)) };
    let credentials = (means.credentials)(&user, &new.password, new.digest);
    let stored = means.store.add_user(&actor, &user, &new.display_name, &credentials).await?;
    Ok((StatusCode::CREATED, Json(told(&stored, &means.store.serving().await?))))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<User>), Refused> {
    let (changes, mut errors) = body.read::<UserChanges>();
    let mut attempt = 1;
    loop {
        let before = find(&means, &address).await?;
        let display_name = changes.display_name.clone().unwrap_or(before.display_name);
        check_display_name(&display_name, &mut errors);
        if !errors.is_empty() {
            return Err(Refused::fields(errors));
        }
        let enabled = changes.enabled.unwrap_or(before.enabled);
        let based_on = Some(expected.unwrap_or(before.revision));
        match means.store.set_user(&actor, &address, &display_name, enabled, based_on).await {
            Ok(user) => return Ok((etag(user.revision), Json(User::from(&user)))),
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) async fn set_password(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<User>, Refused> {
    let (new, mut errors) = body.read::<NewPassword>();
    let unread: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
    check_password(&new.password, &mut errors);
    errors = told_once(errors, &unread);
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    find(&means, &address).await?;
    let credentials = (means.credentials)(&address, &new.password, new.digest);
    Ok(Json(User::from(&means.store.set_credentials(&actor, &address, &credentials).await?)))
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_user(&actor, &address).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn told(user: &store::User, serving: &Serving) -> User {
    User { backend: serving.backend_of(&user.address).map(ToString::to_string), ..User::from(user) }
}

/// What serves an address, which need not have an account.
pub(crate) async fn show_backend(
    State(means): State<Means>,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<UserBackend>, Refused> {
    backend_of(&means, &address).await.map(Json)
}

pub(crate) async fn set_backend(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<UserBackend>, Refused> {
    let new: NewUserBackend = body.parse()?;
    let backend = match new.backend {
        Some(Some(text)) => Some(
            text.parse::<Backend>()
                .map_err(|error| Refused::field("backend", "not_a_choice", format!("{text} was entered; {error}")))?,
        ),
        Some(None) => None,
        None => return Err(Refused::field("backend", "required", "one of the domain's backends, or null")),
    };
    backend_of(&means, &address).await?;
    means.store.assign_backend(&actor, &address, backend.as_ref()).await?;
    backend_of(&means, &address).await.map(Json)
}

async fn backend_of(means: &Means, address: &BareJid) -> Result<UserBackend, Refused> {
    if address.local().is_none() {
        return Err(StoreError::NotAUser { address: address.to_string() }.into());
    }
    let serving = means.store.serving().await?;
    let Some(domain) = serving.domains.iter().find(|domain| domain.name == *address.domain()) else {
        return Err(Refused::not_found(&format!("internal domain {}", address.domain())));
    };
    Ok(UserBackend {
        address: address.to_string(),
        backend: serving.backend_of(address).map(ToString::to_string).unwrap_or_default(),
        assigned: serving.assigned.iter().any(|(assigned, _)| assigned == address),
        backends: domain.backends.iter().map(ToString::to_string).collect(),
    })
}

async fn find(means: &Means, address: &BareJid) -> Result<store::User, Refused> {
    let user = means.store.user(address).await?;
    user.ok_or_else(|| Refused::not_found(&format!("user {address}")))
}

async fn check_domain(means: &Means, user: &BareJid, errors: &mut Vec<FieldError>) -> Result<(), Refused> {
    let domain = user.domain();
    match means.store.domains().await?.iter().find(|internal| internal.name == *domain) {
        None => refuse(errors, "address", "not_internal", format!("{domain} is not one of our internal domains")),
        Some(internal) if !internal.backends.contains(&Backend::Registrar) => {
            let error = StoreError::NotRegistrar { domain: domain.clone() };
            refuse(errors, "address", "not_registrar", error.to_string());
        }
        Some(_) => {}
    }
    Ok(())
}

fn check_password(password: &str, errors: &mut Vec<FieldError>) {
    if password.is_empty() {
        refuse(errors, "password", "required", "a password is required".to_owned());
    } else if password.len() > PASSWORD_BYTES_MAX {
        refuse(errors, "password", "too_long", format!("at most {PASSWORD_BYTES_MAX} octets are allowed"));
    } else if password.chars().any(char::is_control) {
        refuse(errors, "password", "not_allowed", "control characters are not allowed".to_owned());
    }
}

fn check_display_name(name: &str, errors: &mut Vec<FieldError>) {
    let chars = name.chars().count();
    if chars > DISPLAY_NAME_CHARS_MAX {
        let message = format!("{chars} characters were entered; at most {DISPLAY_NAME_CHARS_MAX} are allowed");
        refuse(errors, "display_name", "too_long", message);
    } else if name.chars().any(char::is_control) {
        refuse(errors, "display_name", "not_allowed", "control characters are not allowed".to_owned());
    }
}

fn refuse(errors: &mut Vec<FieldError>, field: &str, code: &str, message: String) {
    errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
}

/// A field that could not be read has its default after that, whose faults are not the caller's.
fn told_once(errors: Vec<FieldError>, unread: &[String]) -> Vec<FieldError> {
    let of_reading =
        |error: &FieldError| matches!(error.code.as_str(), "wrong_type" | "not_a_choice" | "unknown_field");
    errors.into_iter().filter(|error| of_reading(error) || !unread.contains(&error.field)).collect()
}
