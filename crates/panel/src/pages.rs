//! The control panel's pages (control-panel.md): rendered here, complete without script.
//!
//! A page changes nothing but through the API, which it calls in this process in the name of who is logged in: so roles,
//! checks and audit are the same as from anywhere. Text of others is escaped by the templates; nothing inline is executed,
//! since the Content-Security-Policy permits our own style sheet and script alone. The script keeps pages true while they are
//! open; without it they are as complete.
//!
//! Every form brings back a text that only its own session knows, and is refused if the browser says that it comes from
//! elsewhere.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use policy::role::{Act, Role};
use store::{Actor, StoreError};

use crate::{
    Means,
    access::{Caller, Remote},
    api::v1::dto::Problem,
};

mod account;
mod administrators;
mod audit;
mod certificates;
mod connection;
mod domains;
mod failures;
mod form;
mod import;
mod inside;
mod login;
mod message;
mod overview;
mod partner;
mod partners;
mod place;
mod policies;
mod probe;
mod publish;
mod registrations;
mod report;
mod reports;
mod session;
mod settings;
mod setup;
mod streams;
mod tokens;
mod trunks;
mod user;
mod users;
mod view;
mod words;

use failures::Failures;
use inside::Inside;
use place::{Place, Tab};
use session::{COOKIE, Session};
use view::{Button, Form, Notice, Piece, Section, View};
use words::{Language, Words};

/// The cookie of the chosen language.
const LANGUAGE_COOKIE: &str = "__Host-language";

const STYLE: &str = include_str!("../assets/panel.css");
const SCRIPT: &str = include_str!("../assets/panel.js");

/// Nothing but our style sheet and script, events and forms from and to ourselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all pages are made from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages {
    means: Means,
    inside: Inside,
    failures: Arc<Failures>,
    drafts: Arc<probe::Drafts>,
}

/// The pages; `api` is the API without a check of the caller.
pub(crate) fn router(means: Means, api: Router) -> Router {
    let pages = Pages { means, inside: Inside::new(api), failures: Arc::default(), drafts: Arc::default() };
    let behind_login = Router::new()
        .merge(operation())
        .merge(federation())
        .merge(inside_and_users())
        .merge(security())
        .route("/partners", get(partners::list))
        .route("/partners/{domain}", get(partner::show))
        .route("/partners/new", get(form::new).post(form::create))
        .route("/partners/{domain}/edit", get(form::edit).post(form::change))
        .route("/partners/{domain}/enabled", post(partners::enable))
        .route("/partners/{domain}/delete", get(partners::ask_delete).post(partners::delete))
        .route("/probes/{id}", get(probe::show))
        .route("/probes/{id}/cancel", post(probe::cancel))
        .route("/probes/{id}/form", post(probe::back_to_form))
        .route("/logout", post(login::logout))
        .route_layer(middleware::from_fn_with_state(pages.clone(), require_session));
    Router::new()
        .route("/login", get(login::show).post(login::login))
        .route("/setup/{secret}", get(setup::show).post(setup::make_administrator))
        .route("/language/{tag}", get(login::choose_language))
        .route("/assets/panel.css", get(style))
        .route("/assets/panel.js", get(script))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .merge(behind_login)
        .layer(middleware::map_response(with_policy))
        .with_state(pages)
}

fn operation() -> Router<Pages> {
    Router::new()
        .route("/", get(overview::show))
        .route("/events", get(streams::events))
        .route("/registrations", get(registrations::list))
        .route("/streams", get(streams::list))
        .route("/streams/{number}/close", post(streams::close))
        .route("/message", get(message::show).post(message::send))
        .route("/reports", get(reports::list))
        .route("/reports/{id}", get(report::show))
}

fn federation() -> Router<Pages> {
    Router::new()
        .route("/policies", get(policies::list))
        .route("/policies/new", get(policies::new).post(policies::create))
        .route("/policies/{identity}/edit", get(policies::edit).post(policies::change))
        .route("/policies/{identity}/delete", get(policies::ask_delete).post(policies::delete))
        .route("/settings", get(settings::show).post(settings::change))
        .route("/import", get(import::show).post(import::import))
        .route("/export/{format}", get(import::export))
}

fn inside_and_users() -> Router<Pages> {
    Router::new()
        .route("/domains", get(domains::list))
        .route("/domains/new", get(domains::new).post(domains::create))
        .route("/domains/{name}/edit", get(domains::edit).post(domains::change))
        .route("/domains/{name}/publish", get(publish::show))
        .route("/domains/{name}/delete", get(domains::ask_delete).post(domains::delete))
        .route("/trunks/new", get(trunks::new).post(trunks::create))
        .route("/trunks/{name}/edit", get(trunks::edit).post(trunks::change))
        .route("/trunks/{name}/test", post(trunks::test))
        .route("/trunks/{name}/delete", get(trunks::ask_delete).post(trunks::delete))
        .route("/users", get(users::list))
        .route("/users/new", get(users::new).post(users::create))
        .route("/users/{address}", get(user::show))
        .route("/users/{address}/enabled", post(user::enable))
        .route("/users/{address}/password", post(user::set_password))
        .route("/users/{address}/policy", post(user::assign))
        .route("/users/{address}/contact", post(user::act))
        .route("/users/{address}/delete", get(user::ask_delete).post(user::delete))
}

fn security() -> Router<Pages> {
    Router::new()
        .route("/administrators", get(administrators::list))
        .route("/administrators/new", get(administrators::new).post(administrators::create))
        .route("/administrators/{name}/edit", get(administrators::edit).post(administrators::change))
        .route("/administrators/{name}/delete", get(administrators::ask_delete).post(administrators::delete))
        .route("/tokens", get(tokens::list))
        .route("/tokens/new", get(tokens::new).post(tokens::create))
        .route("/tokens/{name}/delete", get(tokens::ask_delete).post(tokens::delete))
        .route("/certificates", get(certificates::list))
        .route("/certificates/reload", post(certificates::reload))
        .route("/audit", get(audit::list))
        .route("/audit/verify", get(audit::verify))
        .route("/audit/export/{format}", get(audit::export))
        .route("/first/domain", get(setup::domain).post(setup::save_domain))
        .route("/first/publish", get(setup::publish))
        .route("/account", get(account::show).post(account::change_password))
        .route("/account/elsewhere", post(account::sign_out_elsewhere))
}

impl Pages {
    /// Deletes, and shows the list.
    async fn delete(&self, visitor: &Visitor, path: &str, list: &str) -> Response {
        match self.inside.ask::<serde_json::Value>(&visitor.caller, Method::DELETE, path, None, &()).await {
            Ok(_) => saved(list),
            Err(problem) => visitor.failed(&problem),
        }
    }
}

/// The page that says so.
fn saved(page: &str) -> Response {
    Redirect::to(&format!("{page}?saved=1")).into_response()
}

/// Who looks at a page, and how.
#[derive(Clone)]
pub(crate) struct Visitor {
    caller: Caller,
    session: Session,
    language: Language,
    remote: Remote,
}

/// What every page has around it.
pub(crate) struct Frame {
    words: &'static Words,
    language: &'static str,
    title: String,
    name: String,
    role: &'static str,
    /// What every form brings back.
    form_token: String,
    may_change: bool,
    may_probe: bool,
    version: &'static str,
    /// Whether what the page shows is kept true while it is open.
    is_live: bool,
    bar: Vec<Tab>,
    place: &'static str,
    tabs: Vec<Tab>,
}

impl Visitor {
    fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// A page of the partners.
    fn frame(&self, title: impl Into<String>) -> Frame {
        self.frame_at(Place::Federation, "/partners", title)
    }

    fn frame_at(&self, place: Place, tab: &str, title: impl Into<String>) -> Frame {
        let words = self.words();
        Frame {
            is_live: matches!(place, Place::Overview | Place::Monitoring),
            bar: place.bar(words),
            place: place.word(words),
            tabs: place.tabs(words, tab),
            words,
            language: self.language.tag(),
            title: title.into(),
            name: self.session.name.clone(),
            role: role_word(words, self.caller.role),
            form_token: self.session.form_token.clone(),
            may_change: self.caller.role.may(Act::ChangeConfiguration),
            may_probe: self.caller.role.may(Act::ProbePartner),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Visitor {
    /// Why the visitor's role may not do this; none: it may.
    fn refused(&self, act: Act) -> Option<&'static str> {
        let words = self.words();
        let needs = match act {
            Act::ChangePeople => words.needs_user_administrator,
            Act::ProbePartner => words.needs_prober,
            Act::Audit => words.needs_auditor,
            _ => words.needs_administrator,
        };
        (!self.caller.role.may(act)).then_some(needs)
    }

    /// The page of a refusal that belongs to no form.
    fn failed(&self, problem: &Problem) -> Response {
        let words = self.words();
        let why = if problem.errors.is_empty() {
            problem.detail.clone()
        } else {
            problem
                .errors
                .iter()
                .map(|error| format!("{}: {}", error.field, error.message))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let fact = if problem.status == 403 { words.no_permission } else { words.refused_title };
        let mut view = View::new(self.frame(words.refused_title), "", Vec::new());
        view.notice = Some(Notice { class: "bad", fact: fact.to_owned(), why });
        view.refuse(problem.status)
    }

    /// A question before something is done: what it ends, and the way back.
    fn question(&self, frame: Frame, lead: &str, action: String, word: &str, back: &str) -> Response {
        let words = self.words();
        let heading = frame.title.clone();
        let form = Form {
            id: "question",
            heading,
            note: words.cannot_be_undone.to_owned(),
            action,
            hidden: Vec::new(),
            fields: Vec::new(),
            submit: word.to_owned(),
            cancel: Some((back.to_owned(), words.cancel)),
            refused: None,
            fault: None,
        };
        View::new(frame, lead, vec![Section::Form(form)]).show()
    }

    /// A button that is usable by the roles of `act` alone.
    fn button(&self, act: Act, action: impl Into<String>, word: &str, of: &str) -> Piece {
        Piece::Button(Button::new(action, word, of, self.refused(act)))
    }

    /// A link for the roles of `act`; for others a button that says why not.
    fn link(&self, act: Act, href: &str, word: &str, of: &str) -> Piece {
        match self.refused(act) {
            None => view::link(href, word),
            refused => Piece::Button(Button::new(href, word, of, refused)),
        }
    }
}

/// What stands in the URL behind the path.
pub(crate) type Asked = std::collections::BTreeMap<String, String>;

/// A value of it; empty if it is not there.
fn asked<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.get(name).map_or("", String::as_str)
}

fn role_word(words: &'static Words, role: Role) -> &'static str {
    match role {
        Role::Administrator => words.role_administrator,
        Role::UserAdministrator => words.role_user_administrator,
        Role::HelpDesk => words.role_help_desk,
        Role::Viewer => words.role_viewer,
    }
}

/// Lets in who has a session whose administrator is as when it began; others are sent to log in.
async fn require_session(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let remote = parts.extensions.get::<Remote>().copied();
    let Some(visitor) = visitor(&pages, &parts.headers, remote).await else {
        if parts.method.is_safe() || !is_from_here(&parts.headers) {
            return Redirect::to("/login").into_response();
        }
        // The session has ended in mid-form: what was typed is kept by the page to log in.
        let Ok(bytes) = axum::body::to_bytes(body, FORM_BYTES_MAX).await else {
            return Redirect::to("/login").into_response();
        };
        return login::keep(&parts.headers, parts.uri.path(), &Fields::read(&bytes));
    };
    if !parts.method.is_safe() {
        let words = visitor.language.words();
        let Ok(bytes) = axum::body::to_bytes(body, FORM_BYTES_MAX).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let fields = Fields::read(&bytes);
        if !is_from_here(&parts.headers) || fields.text("form_token") != visitor.session.form_token {
            return (StatusCode::FORBIDDEN, words.stale).into_response();
        }
        body = axum::body::Body::empty();
        parts.extensions.insert(fields);
    }
    parts.extensions.insert(visitor);
    next.run(Request::from_parts(parts, body)).await
}

/// Largest form in octets: PEM roots of a partner fit, escaped.
const FORM_BYTES_MAX: usize = 1 << 20;

async fn visitor(pages: &Pages, headers: &HeaderMap, remote: Option<Remote>) -> Option<Visitor> {
    let (secret, remote) = (cookie(headers, COOKIE)?, remote?);
    let session = match session::find(&pages.means.store, &secret).await {
        Ok(session) => session?,
        Err(error) => {
            tracing::error!(%error, "a session could not be looked up");
            return None;
        }
    };
    let actor = Actor::new(session.name.clone(), remote.0.ip().to_string());
    let caller = Caller { actor, role: session.role };
    Some(Visitor { caller, session, language: language(headers), remote })
}

fn language(headers: &HeaderMap) -> Language {
    let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(|tag| Language::of_tag(&tag));
    let accepted = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| Language::accepted(value.to_str().ok()?));
    chosen.or_else(accepted).unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// Whether a browser says that a form was on one of our own pages (`Sec-Fetch-Site`, `Origin`). One that says neither is not
/// believed.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).map(|origin| origin.strip_prefix("https://") == text(header::HOST));
    match (site, origin) {
        (None, None) | (_, Some(false)) => false,
        (site, _) => site.is_none_or(|site| site == "same-origin"),
    }
}

/// What cannot be done because the store fails, which is told in the log.
fn store_failed(error: &StoreError, what: &str) -> Response {
    tracing::error!(%error, "{what}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The fields of a form that was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The lines of a field that are not blank.
    fn lines(&self, name: &str) -> Vec<String> {
        self.text(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a box was ticked.
    fn is_on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// What a field holds; empty if it was not sent.
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// A page with its status.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], Bytes::from_static(STYLE.as_bytes()))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], Bytes::from_static(SCRIPT.as_bytes()))
}

async fn with_policy(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_send_forms() {
        for (headers, is_ours) in [
            (&[("origin", "https://gw.example:8443"), ("sec-fetch-site", "same-origin")][..], true),
            (&[("origin", "https://gw.example:8443")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "http://gw.example:8443")], false),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://gw.example:8443"), ("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            let mut map = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("gw.example:8443"))]);
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_from_here(&map), is_ours, "{headers:?}");
        }
    }
}
