//! Logging in and out, and the language.

use std::time::Instant;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use serde_json::json;
use store::Actor;

use super::{
    COOKIE, FORM_BYTES_MAX, Fields, LANGUAGE_COOKIE, Pages, Words, cookie, is_from_here, language, page, session,
    store_failed,
};
use crate::{access::Remote, password};

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    words: &'static Words,
    language: &'static str,
    name: String,
    error: Option<&'static str>,
    version: &'static str,
    /// The form that was sent after its session had ended.
    kept: Kept,
}

/// A form that waits for its sender to log in again: where it goes and what was entered, secrets left out.
#[derive(Clone, Default)]
struct Kept {
    path: String,
    fields: Vec<(String, String)>,
}

/// Before the names of the fields that are kept.
const KEPT: &str = "kept-";

impl Kept {
    fn of(path: &str, fields: &Fields) -> Self {
        let is_secret =
            |name: &str| ["password", "secret", "current", "again", "passphrase"].iter().any(|of| name.contains(of));
        let kept = fields.0.iter().filter(|(name, _)| name != "form_token" && !is_secret(name));
        Self { path: path.to_owned(), fields: kept.cloned().collect() }
    }

    fn read(fields: &Fields) -> Self {
        let kept =
            fields.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value.clone())));
        let path = fields.text("kept_path");
        // To a page of ours alone.
        let is_ours = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
        Self { path: if is_ours { path.to_owned() } else { String::new() }, fields: kept.collect() }
    }
}

/// The page to log in, with the form that was sent too late.
pub(super) fn keep(headers: &HeaderMap, path: &str, fields: &Fields) -> Response {
    let mut form = Login::new(headers, "");
    form.kept = Kept::of(path, fields);
    let expired = form.words.expired;
    form.refused(StatusCode::UNAUTHORIZED, expired)
}

/// The form that was kept, to be sent now.
#[derive(Template)]
#[template(path = "resume.html")]
struct Resume {
    form: Login,
    token: String,
}

impl Login {
    fn new(headers: &HeaderMap, name: &str) -> Self {
        let language = language(headers);
        Self {
            words: language.words(),
            language: language.tag(),
            name: name.to_owned(),
            error: None,
            version: env!("CARGO_PKG_VERSION"),
            kept: Kept::default(),
        }
    }

    fn refused(self, status: StatusCode, error: &'static str) -> Response {
        page(status, &Self { error: Some(error), ..self })
    }
}

pub(super) async fn show(headers: HeaderMap) -> Response {
    page(StatusCode::OK, &Login::new(&headers, ""))
}

pub(super) async fn login(State(pages): State<Pages>, request: Request) -> Response {
    let remote = request.extensions().get::<Remote>().copied();
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, FORM_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (fields, now) = (Fields::read(&bytes), Instant::now());
    let (name, secret) = (fields.text("name").trim(), fields.text("password"));
    let mut form = Login::new(&parts.headers, name);
    form.kept = Kept::read(&fields);
    let (wrong, paused, stale) = (form.words.wrong, form.words.paused, form.words.stale);
    let Some(Remote(remote)) = remote.filter(|_| is_from_here(&parts.headers)) else {
        return form.refused(StatusCode::FORBIDDEN, stale);
    };
    if !pages.failures.may_try(now, name, remote.ip()) {
        return form.refused(StatusCode::TOO_MANY_REQUESTS, paused);
    }
    let account = match pages.means.store.administrator(name).await {
        Ok(account) => account.filter(|account| account.enabled),
        Err(error) => return store_failed(&error, "an administrator could not be looked up"),
    };
    let is_right = password::verify(secret.to_owned(), account.as_ref().map(|account| account.password.as_str())).await;
    let Some(account) = account.filter(|_| is_right) else {
        pages.failures.failed(now, name, remote.ip());
        tracing::warn!(%remote, "a login failed");
        return form.refused(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    };
    pages.failures.succeeded(name);
    let actor = Actor::new(account.name.clone(), remote.ip().to_string());
    if let Err(error) = pages.means.store.record(&actor, "administrator.signed_in", &account.name, json!({})).await {
        return store_failed(&error, "a login could not be recorded");
    }
    let secret = match session::begin(&pages.means.store, &account, &remote.ip().to_string()).await {
        Ok(secret) => secret,
        Err(error) => return store_failed(&error, "a session could not begin"),
    };
    let cookie = AppendHeaders([(header::SET_COOKIE, session_cookie(&secret))]);
    if form.kept.path.is_empty() {
        return (cookie, Redirect::to("/")).into_response();
    }
    (cookie, page(StatusCode::OK, &Resume { form, token: session::form_token(&secret) })).into_response()
}

/// The cookie of a session.
pub(super) fn session_cookie(secret: &str) -> String {
    format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

pub(super) async fn logout(State(pages): State<Pages>, headers: HeaderMap, _: Extension<Fields>) -> Response {
    if let Some(secret) = cookie(&headers, COOKIE)
        && let Err(error) = pages.means.store.end_session(&secret).await
    {
        return store_failed(&error, "a session could not end");
    }
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    (AppendHeaders([(header::SET_COOKIE, gone)]), Redirect::to("/login")).into_response()
}

/// Keeps the language that was chosen.
pub(super) async fn choose_language(Path(tag): Path<String>) -> Response {
    let Some(chosen) = super::Language::of_tag(&tag) else { return StatusCode::NOT_FOUND.into_response() };
    let year = 365 * 24 * 3600;
    let kept = format!("{LANGUAGE_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={year}", chosen.tag());
    (AppendHeaders([(header::SET_COOKIE, kept)]), Redirect::to("/")).into_response()
}
