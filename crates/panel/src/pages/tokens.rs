//! API tokens. The secret of one is shown when it is made, and never again.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::Method,
    response::Response,
};
use policy::role::Act;
use serde_json::{Value, json};

use super::{
    Asked, Fields, Form, Frame, Pages, Piece, Place, Section, View, Visitor, Words,
    administrators::roles,
    role_word,
    view::{Field, Kind, Table, Text, segment, text},
    words::SecurityWords,
};
use crate::api::v1::dto::{Page, Token, TokenMade};

fn frame(visitor: &Visitor, title: impl Into<String>) -> Frame {
    visitor.frame_at(Place::Security, "/tokens", title)
}

fn resource(name: &str) -> String {
    format!("/tokens/{}", segment(name))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let all: Page<Token> = match pages.inside.get(&visitor.caller, "/tokens").await {
        Ok(all) => all,
        Err(problem) => return visitor.failed(&problem),
    };
    let mut table = Table::new("tokens", words.tokens, &[words.name, words.role, w.made_by, w.ends, ""], w.no_tokens);
    for token in &all.items {
        let mut ends = vec![Piece::Time(token.expires_at.clone())];
        if token.expired {
            ends.push(Piece::Badge("bad", w.expired.to_owned()));
        }
        let role = token.role.parse().map_or("", |role| role_word(words, role));
        table.row(vec![
            vec![text(&token.name)],
            vec![text(role)],
            vec![text(&token.created_by)],
            ends,
            vec![visitor.link(
                Act::Administer,
                &format!("{}/delete", resource(&token.name)),
                words.delete,
                &token.name,
            )],
        ]);
    }
    let mut view = View::new(frame(&visitor, words.tokens), w.tokens_lead, vec![Section::Table(table)]);
    view.actions = vec![visitor.link(Act::Administer, "/tokens/new", w.new_token, "")];
    view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
    view.show()
}

fn form(visitor: &Visitor) -> Form {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    Form {
        id: "token",
        heading: w.new_token.to_owned(),
        note: String::new(),
        action: "/tokens/new".to_owned(),
        hidden: Vec::new(),
        fields: vec![
            Field::new("name", words.name, Kind::Text, "").required(),
            Field::new("role", words.role, roles(visitor), "viewer").required(),
            Field::new("expires_in_days", w.days, Kind::Number(String::new()), "90").hint(w.days_hint),
        ],
        submit: words.commit.to_owned(),
        cancel: Some(("/tokens".to_owned(), words.cancel)),
        refused: visitor.refused(Act::Administer),
        fault: None,
    }
}

fn view(visitor: &Visitor, form: Form) -> View {
    let title = SecurityWords::of(visitor.language).new_token;
    let mut view = View::new(frame(visitor, title), "", vec![Section::Form(form)]);
    view.crumbs = vec![("/tokens".to_owned(), visitor.words().tokens.to_owned()), (String::new(), title.to_owned())];
    view
}

pub(super) async fn new(Extension(visitor): Extension<Visitor>) -> Response {
    view(&visitor, form(&visitor)).show()
}

pub(super) async fn create(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let w = SecurityWords::of(visitor.language);
    let days = fields.text("expires_in_days").trim();
    let days = days.parse::<u32>().map_or_else(|_| Value::from(days), Value::from);
    let body = json!({ "name": fields.text("name").trim(), "role": fields.text("role"), "expires_in_days": days });
    match pages.inside.ask::<TokenMade>(&visitor.caller, Method::POST, "/tokens", None, &body).await {
        Ok(made) => {
            let title = Words::fill(w.token_made, &[&made.token.name]);
            let secret = Text { heading: title.clone(), note: w.token_made_lead.to_owned(), text: made.secret };
            let mut view = View::new(frame(&visitor, title.clone()), "", vec![Section::Text(secret)]);
            view.crumbs = vec![("/tokens".to_owned(), visitor.words().tokens.to_owned()), (String::new(), title)];
            view.show()
        }
        Err(problem) => {
            let form = form(&visitor).after(&visitor, &fields, &problem);
            view(&visitor, form).refuse(problem.status)
        }
    }
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(name): Path<String>) -> Response {
    let w = SecurityWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_token, &[&name]));
    visitor.question(
        frame,
        w.delete_token_lead,
        format!("{}/delete", resource(&name)),
        visitor.words().remove,
        "/tokens",
    )
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    pages.delete(&visitor, &resource(&name), "/tokens").await
}
