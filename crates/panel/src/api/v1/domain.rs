//! Internal domains: list, add, remove.

use axum::{Json, extract::State, http::StatusCode};
use store::Backend;

use super::{
    body::{Body, Named, Nothing, Parameters},
    dto::{Domain, FieldError, NewDomain, Page},
    problem::Refused,
};
use crate::{Means, access::Administrator};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Domain>>, Refused> {
    let items = means.store.domains().await?.iter().map(Domain::from).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Administrator(actor): Administrator,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<Domain>), Refused> {
    let (new, mut errors) = body.read::<NewDomain>();
    let backends = backends(new.backends, &mut errors);
    let snapshot = means.store.snapshot().await?;
    let name = match snapshot.directory().check_internal("name", &new.name) {
        Ok(name) if errors.is_empty() => name,
        Ok(_) => return Err(Refused::fields(errors)),
        Err(error) => {
            if !errors.iter().any(|known| known.field == error.field) {
                errors.push(error.into());
            }
            return Err(Refused::fields(errors));
        }
    };
    let domain = means.store.add_domain(&actor, &name, &backends).await?;
    Ok((StatusCode::CREATED, Json(Domain::from(&domain))))
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Administrator(actor): Administrator,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_domain(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn backends(texts: Option<Vec<String>>, errors: &mut Vec<FieldError>) -> Vec<Backend> {
    let Some(texts) = texts else { return vec![Backend::Registrar] };
    let mut refuse = |code: &str, message: String| {
        errors.push(FieldError { field: "backends".to_owned(), code: code.to_owned(), message });
    };
    let mut backends = Vec::new();
    for text in &texts {
        match text.parse() {
            Ok(backend) if backends.contains(&backend) => refuse("repeated", format!("{text} is listed twice")),
            Ok(backend) => backends.push(backend),
            Err(error) => refuse("not_a_choice", format!("{text} was entered; {error}")),
        }
    }
    if texts.is_empty() {
        refuse("required", "at least one backend is needed".to_owned());
    }
    backends
}
