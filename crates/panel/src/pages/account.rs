//! One's own account: the password, and where one is signed in.

use std::time::Instant;

use axum::{
    Extension,
    extract::{Query, State},
    http::{HeaderMap, Method, header},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use serde_json::{Value, json};

use super::{
    Asked, Button, COOKIE, Fields, Form, Pages, Piece, Place, Section, View, Visitor, asked, cookie,
    login::session_cookie,
    session, store_failed,
    view::{Field, Kind, Table, text, time},
    words::PeopleWords,
};
use crate::api::v1::dto::Problem;

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Query(query): Query<Asked>,
) -> Response {
    let w = PeopleWords::of(visitor.language);
    let mut view = view(&pages, &visitor, &headers, form(&visitor)).await;
    view.done = match asked(&query, "done") {
        "password" => Some(w.password_changed.to_owned()),
        "elsewhere" => Some(w.signed_out_elsewhere.to_owned()),
        _ => None,
    };
    view.show()
}

async fn view(pages: &Pages, visitor: &Visitor, headers: &HeaderMap, form: Form) -> View {
    let (words, w) = (visitor.words(), PeopleWords::of(visitor.language));
    let secret = cookie(headers, COOKIE).unwrap_or_default();
    let mut table = Table::new("sessions", w.sessions, &[w.from, w.began, w.last_used], words.none);
    let sessions = session::of(&pages.means.store, &visitor.session.name).await.unwrap_or_else(|error| {
        tracing::error!(%error, "sessions could not be listed");
        Vec::new()
    });
    for session in sessions {
        let is_this = session.is_of(&secret);
        let mut from = vec![text(session.origin)];
        if is_this {
            from.push(Piece::Badge("info", w.this_one.to_owned()));
        }
        table.row(vec![from, vec![time(session.began_at.to_string())], vec![time(session.seen_at.to_string())]]);
    }
    let elsewhere = Button::new("/account/elsewhere", w.sign_out_elsewhere, "", None);
    table.note = vec![Piece::Button(elsewhere)];
    let frame = visitor.frame_at(Place::Account, "", words.account);
    View::new(frame, w.account_lead, vec![Section::Form(form), Section::Table(table)])
}

fn form(visitor: &Visitor) -> Form {
    let w = PeopleWords::of(visitor.language);
    Form {
        id: "password",
        heading: w.change_password.to_owned(),
        note: String::new(),
        action: "/account".to_owned(),
        hidden: Vec::new(),
        fields: vec![
            Field::new("current", w.current_password, Kind::Password, "").required(),
            Field::new("password", w.new_password, Kind::Password, "").hint(w.password_hint).required(),
            Field::new("again", w.password_again, Kind::Password, "").required(),
        ],
        submit: w.change_password.to_owned(),
        cancel: None,
        refused: None,
        fault: None,
    }
}

/// A new password ends all sessions; this browser gets another one.
pub(super) async fn change_password(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Extension(fields): Extension<Fields>,
) -> Response {
    let (w, name) = (PeopleWords::of(visitor.language), &visitor.session.name);
    let mut form = form(&visitor);
    if fields.text("password") != fields.text("again") {
        form.fields[2].error = Some(w.passwords_differ.to_owned());
        return view(&pages, &visitor, &headers, form).await.refuse(422);
    }
    let address = visitor.remote.0.ip();
    if !pages.failures.may_try(Instant::now(), name, address) {
        form.fault = Some(visitor.words().paused.to_owned());
        return view(&pages, &visitor, &headers, form).await.refuse(429);
    }
    let body = json!({ "current": fields.text("current"), "password": fields.text("password") });
    let answer = pages.inside.ask::<Value>(&visitor.caller, Method::PUT, "/whoami/password", None, &body).await;
    match answer {
        Ok(_) => begin_again(&pages, &visitor).await,
        Err(problem) => {
            if problem.errors.iter().any(|error| error.field == "current") {
                pages.failures.failed(Instant::now(), name, address);
            }
            form.faults(&visitor, &problem);
            view(&pages, &visitor, &headers, form).await.refuse(problem.status)
        }
    }
}

async fn begin_again(pages: &Pages, visitor: &Visitor) -> Response {
    let name = &visitor.session.name;
    let Ok(Some(account)) = pages.means.store.administrator(name).await else {
        return visitor.failed(&Problem { status: 500, ..Problem::default() });
    };
    let origin = visitor.remote.0.ip().to_string();
    let secret = match session::begin(&pages.means.store, &account, &origin).await {
        Ok(secret) => secret,
        Err(error) => return store_failed(&error, "a session could not begin"),
    };
    let cookie = [(header::SET_COOKIE, session_cookie(&secret))];
    (AppendHeaders(cookie), Redirect::to("/account?done=password")).into_response()
}

pub(super) async fn sign_out_elsewhere(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    _: Extension<Fields>,
) -> Response {
    let secret = cookie(&headers, COOKIE).unwrap_or_default();
    if let Err(error) = pages.means.store.end_other_sessions(&visitor.session.name, &secret).await {
        return store_failed(&error, "sessions could not end");
    }
    Redirect::to("/account?done=elsewhere").into_response()
}
