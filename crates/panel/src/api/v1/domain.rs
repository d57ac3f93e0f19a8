//! Internal domains: list, show, add, change, remove. A component's secret goes in and never comes out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use policy::{
    InnerServer, InnerServerChanges, TrunkName,
    backend::{self, Around},
    settings::Passphrase,
};
use store::{Backend, Service, Serving, StoreError};

use super::{
    body::{ATTEMPTS_MAX, Body, Expected, Named, Nothing, Parameters, etag, together, unreadable_roots},
    dto::{Component, Domain, DomainChanges, FieldError, FieldWarning, NewDomain, Page, XmppServer},
    problem::Refused,
};
use crate::{Means, access::Caller};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Domain>>, Refused> {
    let (serving, connected) = (means.store.serving().await?, means.live.components().await);
    let items = serving.domains.iter().map(|domain| told(domain, &serving, &connected)).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<(HeaderMap, Json<Domain>), Refused> {
    let serving = means.store.serving().await?;
    let domain = find(&serving, &name)?;
    Ok((etag(domain.revision), Json(told(domain, &serving, &means.live.components().await))))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, HeaderMap, Json<Domain>), Refused> {
    let (new, mut errors) = body.read::<NewDomain>();
    let serving = means.store.serving().await?;
    let backends = new.backends.unwrap_or_else(|| vec![Backend::Registrar.to_string()]);
    let entered = Entered { backends, secret: new.secret, server: new.xmpp_server.map(InnerServerChanges::from) };
    let snapshot = means.store.snapshot().await?;
    let name = snapshot.directory().check_internal("name", &new.name);
    let checked = entered.check(None, &serving, &mut errors);
    let name = match name {
        Ok(name) if errors.is_empty() => name,
        Ok(_) => return Err(Refused::fields(errors)),
        Err(error) => return Err(Refused::fields(together(errors, vec![error]))),
    };
    let domain = means.store.add_domain_with(&actor, &name, &checked.service()).await?;
    let told = told(&domain, &means.store.serving().await?, &[]);
    Ok((StatusCode::CREATED, etag(domain.revision), Json(told)))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<Domain>), Refused> {
    let (changes, errors) = body.read::<DomainChanges>();
    let mut attempt = 1;
    loop {
        let serving = means.store.serving().await?;
        let before = find(&serving, &name)?;
        if expected.is_some_and(|expected| expected != before.revision) {
            let what = format!("the internal domain {name}");
            return Err(StoreError::Conflict { what, revision: before.revision }.into());
        }
        let checked = check_changes(changes.clone(), before, &serving, errors.clone())?;
        match means.store.set_domain_with(&actor, &name, &checked.service(), Some(before.revision)).await {
            Ok(domain) => {
                let told = told(&domain, &means.store.serving().await?, &means.live.components().await);
                return Ok((etag(domain.revision), Json(told)));
            }
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The changes together with what stays, or every error.
fn check_changes(
    changes: DomainChanges,
    before: &store::InternalDomain,
    serving: &Serving,
    mut errors: Vec<FieldError>,
) -> Result<Checked, Refused> {
    if changes.xmpp_server == Some(None) {
        let message = "the server goes when xmpp is taken from the backends".to_owned();
        refuse(&mut errors, "xmpp_server", "not_allowed", message);
    }
    let backends = changes.backends.unwrap_or_else(|| before.backends.iter().map(ToString::to_string).collect());
    let server = changes.xmpp_server.flatten().map(InnerServerChanges::from);
    let entered = Entered { backends, secret: changes.secret, server };
    let checked = entered.check(Some(&before.name), serving, &mut errors);
    if errors.is_empty() { Ok(checked) } else { Err(Refused::fields(errors)) }
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(name): Named<lexicon::Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_domain(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn find<'a>(serving: &'a Serving, name: &lexicon::Domain) -> Result<&'a store::InternalDomain, Refused> {
    let domain = serving.domains.iter().find(|domain| domain.name == *name);
    domain.ok_or_else(|| Refused::not_found(&format!("internal domain {name}")))
}

fn told(domain: &store::InternalDomain, serving: &Serving, components: &[Component]) -> Domain {
    let is_connected = components.iter().any(|component| component.domain == domain.name.as_ascii());
    let connected = domain.backends.contains(&Backend::Component).then_some(is_connected);
    let server = server_of(serving, &domain.name);
    let warnings = server.map(InnerServer::warnings).unwrap_or_default().into_iter().map(FieldWarning::from);
    let warnings = warnings.map(|warning| FieldWarning { field: format!("xmpp_server.{}", warning.field), ..warning });
    Domain {
        connected,
        xmpp_server: server.map(XmppServer::from),
        warnings: warnings.collect(),
        ..Domain::from(domain)
    }
}

fn server_of<'a>(serving: &'a Serving, name: &lexicon::Domain) -> Option<&'a InnerServer> {
    serving.inner_servers.iter().find(|(domain, _)| domain == name).map(|(_, server)| server)
}

/// What is to serve a domain, as entered.
struct Entered {
    backends: Vec<String>,
    secret: Option<String>,
    server: Option<InnerServerChanges>,
}

/// The same, checked as far as it could be.
#[derive(Default)]
struct Checked {
    backends: Vec<Backend>,
    secret: Option<Passphrase>,
    server: Option<InnerServer>,
}

impl Checked {
    fn service(&self) -> Service<'_> {
        Service { backends: &self.backends, secret: self.secret.as_ref(), server: self.server.as_ref() }
    }
}

impl Entered {
    /// Adds every error to `errors`, each field's once. `name` is that of a domain that is there already.
    fn check(self, name: Option<&lexicon::Domain>, serving: &Serving, errors: &mut Vec<FieldError>) -> Checked {
        let known_secret = name.is_some_and(|name| {
            serving.components.iter().any(|component| component.domain == *name && component.secret.is_some())
        });
        let known_server = name.and_then(|name| server_of(serving, name));
        let trunks: Vec<TrunkName> = serving.trunks.iter().map(|trunk| trunk.name.clone()).collect();
        let around = Around {
            trunks: &trunks,
            has_secret: known_secret || self.secret.is_some(),
            has_server: known_server.is_some() || self.server.is_some(),
        };
        let is_among = |backend: Backend| self.backends.iter().any(|text| *text == backend.to_string());
        let (has_component, has_xmpp) = (is_among(Backend::Component), is_among(Backend::Xmpp));
        let backends = backend::check(&self.backends, &around).unwrap_or_else(|found| {
            *errors = together(std::mem::take(errors), found);
            Vec::new()
        });
        let secret = self.secret.and_then(|text| secret(&text, has_component, errors));
        let server = self.server.and_then(|changes| server(&changes, known_server, has_xmpp, errors));
        Checked { backends, secret, server }
    }
}

/// The server that was entered, joined with what is known; it is for the backend xmpp alone.
fn server(
    changes: &InnerServerChanges,
    known: Option<&InnerServer>,
    has_xmpp: bool,
    errors: &mut Vec<FieldError>,
) -> Option<InnerServer> {
    if !has_xmpp {
        let message = "only the backend xmpp has a server: add xmpp to the backends".to_owned();
        refuse(errors, "xmpp_server", "not_allowed", message);
    }
    let within = |error: FieldError| FieldError { field: format!("xmpp_server.{}", error.field), ..error };
    match changes.check(known) {
        Ok(server) => {
            errors.extend(unreadable_roots(&server.trust_roots).map(within));
            Some(server)
        }
        Err(found) => {
            errors.extend(found.into_iter().map(FieldError::from).map(within));
            None
        }
    }
}

/// The secret that was entered; it is for components alone.
fn secret(text: &str, has_component: bool, errors: &mut Vec<FieldError>) -> Option<Passphrase> {
    if !has_component {
        refuse(errors, "secret", "not_allowed", "only a component has a secret".to_owned());
        return None;
    }
    text.parse().map_err(|error| refuse(errors, "secret", "not_allowed", format!("{error}"))).ok()
}

fn refuse(errors: &mut Vec<FieldError>, field: &str, code: &str, message: String) {
    errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
}
