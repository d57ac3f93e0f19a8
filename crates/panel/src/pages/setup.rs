//! The first run in four stages: administrator by a link that works once, internal domain with what serves it, what to
//! publish with the certificate, first partner.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use serde_json::json;
use store::{Actor, StoreError};

use super::{
    FORM_BYTES_MAX, Fields, Pages, Place, Section, View, Visitor, Words, certificates, domains, is_from_here, language,
    login::session_cookie,
    page, publish as published, session, store_failed,
    view::{self, Stage, short_time},
    words::{InsideWords, PeopleWords, SecurityWords},
};
use crate::{
    access::Remote,
    api::v1::dto::{Certificates, DnsZone, Domain, Page},
    password,
};

#[derive(Template)]
#[template(path = "setup.html")]
struct First {
    words: &'static Words,
    w: &'static SecurityWords,
    people: &'static PeopleWords,
    language: &'static str,
    stages: Vec<Stage>,
    /// Empty if the link does not work.
    secret: String,
    until: String,
    name: String,
    errors: Vec<(&'static str, String)>,
}

impl First {
    async fn new(pages: &Pages, headers: &HeaderMap, secret: &str) -> Self {
        let language = language(headers);
        let w = SecurityWords::of(language);
        let found = pages.means.store.setup_until(secret).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a setup link could not be looked up");
            None
        });
        let until = found.filter(|until| *until > net::clock::now().wall);
        Self {
            words: language.words(),
            w,
            people: PeopleWords::of(language),
            language: language.tag(),
            stages: stages(w, 0),
            secret: until.map(|_| secret.to_owned()).unwrap_or_default(),
            until: until.map(|until| short_time(&until.to_string())).unwrap_or_default(),
            name: String::new(),
            errors: Vec::new(),
        }
    }

    fn show(&self) -> Response {
        let status = match (self.secret.is_empty(), self.errors.is_empty()) {
            (true, _) => StatusCode::NOT_FOUND,
            (false, true) => StatusCode::OK,
            (false, false) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        page(status, self)
    }

    fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|(name, _)| *name == field).map(|(_, message)| message.as_str())
    }
}

/// The stages, of which the one with this index is open.
fn stages(w: &'static SecurityWords, current: usize) -> Vec<Stage> {
    let words = [w.stage_administrator, w.stage_domain, w.stage_publish, w.stage_partner];
    let stage = |(index, word): (usize, &&str)| Stage {
        word: (*word).to_owned(),
        class: match index.cmp(&current) {
            std::cmp::Ordering::Less => "ok",
            std::cmp::Ordering::Equal => "now",
            std::cmp::Ordering::Greater => "none",
        },
        is_current: index == current,
    };
    words.iter().enumerate().map(stage).collect()
}

pub(super) async fn show(State(pages): State<Pages>, headers: HeaderMap, Path(secret): Path<String>) -> Response {
    First::new(&pages, &headers, &secret).await.show()
}

/// The link is used up by the administrator that it makes, who is logged in at once.
pub(super) async fn make_administrator(
    State(pages): State<Pages>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    let remote = request.extensions().get::<Remote>().copied();
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, FORM_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let fields = Fields::read(&bytes);
    let mut first = First::new(&pages, &parts.headers, &secret).await;
    let Some(Remote(remote)) = remote.filter(|_| is_from_here(&parts.headers)) else {
        return (StatusCode::FORBIDDEN, first.words.stale).into_response();
    };
    if first.secret.is_empty() {
        return first.show();
    }
    fields.text("name").trim().clone_into(&mut first.name);
    first.errors = faults(&first, &fields);
    if !first.errors.is_empty() {
        return first.show();
    }
    let hash = password::hash(fields.text("password").to_owned()).await;
    let origin = remote.ip().to_string();
    let actor = Actor::new(first.name.clone(), origin.clone());
    match pages.means.store.set_up(&actor, &secret, &first.name, &hash).await {
        Ok(account) => {
            let session = match session::begin(&pages.means.store, &account, &origin).await {
                Ok(session) => session,
                Err(error) => return store_failed(&error, "a session could not begin"),
            };
            let cookie = AppendHeaders([(header::SET_COOKIE, session_cookie(&session))]);
            (cookie, Redirect::to("/first/domain")).into_response()
        }
        Err(StoreError::NotFound { .. }) => First::new(&pages, &parts.headers, &secret).await.show(),
        Err(error) => {
            first.errors = vec![("name", error.to_string())];
            first.show()
        }
    }
}

fn faults(first: &First, fields: &Fields) -> Vec<(&'static str, String)> {
    let mut errors = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if first.name.is_empty() || first.name.chars().count() > 64 || !first.name.chars().all(is_name) {
        errors.push(("name", first.words.field_required.to_owned()));
    }
    if password::fault(fields.text("password")).is_some() {
        errors.push(("password", first.people.password_hint.to_owned()));
    }
    if fields.text("password") != fields.text("again") {
        errors.push(("again", first.people.passwords_differ.to_owned()));
    }
    errors
}

/// The first internal domain, which `legation init` has made, or a new one.
async fn first_domain(pages: &Pages, visitor: &Visitor) -> Option<Domain> {
    let domains = pages.inside.get::<Page<Domain>>(&visitor.caller, "/domains").await;
    domains.ok().and_then(|domains| domains.items.into_iter().next())
}

fn stage_view(visitor: &Visitor, current: usize, title: &str, mut sections: Vec<Section>) -> View {
    let w = SecurityWords::of(visitor.language);
    sections.insert(0, Section::Progress(stages(w, current)));
    View::new(visitor.frame_at(Place::Inside, "", title), w.setup_lead, sections)
}

fn domain_form(visitor: &Visitor, known: Option<&Domain>) -> View {
    let w = SecurityWords::of(visitor.language);
    let mut form = domains::form(visitor, known);
    "/first/domain".clone_into(&mut form.action);
    w.go_on.clone_into(&mut form.submit);
    w.moving.clone_into(&mut form.note);
    form.cancel = Some(("/first/publish".to_owned(), visitor.words().skip_stage));
    stage_view(visitor, 1, w.stage_domain, vec![Section::Form(form)])
}

pub(super) async fn domain(State(pages): State<Pages>, Extension(visitor): Extension<Visitor>) -> Response {
    domain_form(&visitor, first_domain(&pages, &visitor).await.as_ref()).show()
}

pub(super) async fn save_domain(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let known = first_domain(&pages, &visitor).await;
    let mut body = domains::entered(&fields);
    let (method, path) = match &known {
        Some(domain) => (Method::PATCH, domains::resource(&domain.name)),
        None => {
            body["name"] = json!(fields.text("name").trim());
            (Method::POST, "/domains".to_owned())
        }
    };
    match pages.inside.ask::<Domain>(&visitor.caller, method, &path, None, &body).await {
        Ok(_) => Redirect::to("/first/publish").into_response(),
        Err(problem) => {
            let mut view = domain_form(&visitor, known.as_ref());
            for section in &mut view.sections {
                if let Section::Form(form) = section {
                    form.refill(&fields);
                    form.faults(&visitor, &problem);
                }
            }
            view.refuse(problem.status)
        }
    }
}

pub(super) async fn publish(State(pages): State<Pages>, Extension(visitor): Extension<Visitor>) -> Response {
    let (w, inside) = (SecurityWords::of(visitor.language), InsideWords::of(visitor.language));
    let zones = pages.inside.get::<Page<DnsZone>>(&visitor.caller, "/dns").await;
    let certificates = pages.inside.get::<Certificates>(&visitor.caller, "/certificates").await.unwrap_or_default();
    let mut sections = Vec::new();
    match zones {
        Ok(zones) => {
            sections.extend(zones.items.iter().map(|zone| Section::Table(published::zone_table(&visitor, zone))));
            sections.extend(zones.items.first().map(|zone| Section::Table(published::port_table(&visitor, zone))));
        }
        // Without DNS to ask the stage still shows the certificate.
        Err(problem) => tracing::debug!(detail = problem.detail, "nothing can be said of DNS"),
    }
    sections.push(Section::Table(certificates::table(&visitor, &certificates)));
    let mut view = stage_view(&visitor, 2, w.stage_publish, sections);
    inside.publish_lead.clone_into(&mut view.lead);
    view.actions = vec![view::link("/first/publish", inside.check_now), view::link("/partners/new", w.stage_partner)];
    view.show()
}
