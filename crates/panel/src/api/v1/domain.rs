//! Internal domains: list, show, add, change, remove. A component's secret goes in and never comes out.

use axum::{Json, extract::State, http::StatusCode};
use policy::settings::Passphrase;
use store::Backend;

use super::{
    body::{Body, Named, Nothing, Parameters},
    dto::{Domain, DomainChanges, FieldError, NewDomain, Page},
    problem::Refused,
};
use crate::{Means, access::Administrator};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Domain>>, Refused> {
    let domains = means.store.domains().await?;
    let connected = means.live.components().await;
    let items = domains.iter().map(|domain| told(domain, &connected)).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Domain>, Refused> {
    let domain = find(&means, &name).await?;
    Ok(Json(told(&domain, &means.live.components().await)))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Administrator(actor): Administrator,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<Domain>), Refused> {
    let (new, mut errors) = body.read::<NewDomain>();
    let backends = new.backends.map_or_else(|| vec![Backend::Registrar], |texts| backends(&texts, &mut errors));
    let secret = secret(new.secret, &backends, &mut errors);
    if backends.contains(&Backend::Component) && secret.is_none() && !errors.iter().any(|e| e.field == "secret") {
        refuse(&mut errors, "secret", "required", "a component needs a secret".to_owned());
    }
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
    let domain = match secret {
        Some(secret) => means.store.add_component_domain(&actor, &name, &secret).await?,
        None => means.store.add_domain(&actor, &name, &backends).await?,
    };
    Ok((StatusCode::CREATED, Json(told(&domain, &[]))))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Administrator(actor): Administrator,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<Domain>, Refused> {
    let (changes, mut errors) = body.read::<DomainChanges>();
    let before = find(&means, &name).await?;
    let backends = changes.backends.map_or(before.backends, |texts| backends(&texts, &mut errors));
    let secret = secret(changes.secret, &backends, &mut errors);
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let domain = means.store.set_domain(&actor, &name, &backends, secret.as_ref()).await?;
    Ok(Json(told(&domain, &means.live.components().await)))
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

async fn find(means: &Means, name: &lexicon::Domain) -> Result<store::InternalDomain, Refused> {
    let domain = means.store.domains().await?.into_iter().find(|domain| domain.name == *name);
    domain.ok_or_else(|| Refused::not_found(&format!("internal domain {name}")))
}

fn told(domain: &store::InternalDomain, components: &[super::dto::Component]) -> Domain {
    let is_connected = components.iter().any(|component| component.domain == domain.name.as_ascii());
    let connected = domain.backends.contains(&Backend::Component).then_some(is_connected);
    Domain { connected, ..Domain::from(domain) }
}

fn backends(texts: &[String], errors: &mut Vec<FieldError>) -> Vec<Backend> {
    let mut refuse = |code: &str, message: String| refuse(errors, "backends", code, message);
    let mut backends = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(backend) if backends.contains(&backend) => refuse("repeated", format!("{text} is listed twice")),
            Ok(backend) => backends.push(backend),
            Err(error) => refuse("not_a_choice", format!("{text} was entered; {error}")),
        }
    }
    if texts.is_empty() {
        refuse("required", "at least one backend is needed".to_owned());
    }
    if backends.len() > 1 {
        refuse("too_many", "this version serves a domain by one backend".to_owned());
    }
    backends
}

/// The secret that was entered; it is for components alone.
fn secret(text: Option<String>, backends: &[Backend], errors: &mut Vec<FieldError>) -> Option<Passphrase> {
    let text = text?;
    if !backends.contains(&Backend::Component) {
        refuse(errors, "secret", "not_allowed", "only a component has a secret".to_owned());
        return None;
    }
    match text.parse() {
        Ok(secret) => Some(secret),
        Err(error) => {
            refuse(errors, "secret", "not_allowed", format!("{error}"));
            None
        }
    }
}

fn refuse(errors: &mut Vec<FieldError>, field: &str, code: &str, message: String) {
    errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
}
