//! Administrators and their roles.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::Method,
    response::{IntoResponse as _, Response},
};
use policy::role::{Act, Role};
use serde_json::{Value, json};

use super::{
    Asked, Fields, Form, Frame, Pages, Piece, Place, Section, View, Visitor, Words, role_word, saved,
    view::{Field, Kind, Table, segment, state, text},
    words::SecurityWords,
};
use crate::api::v1::dto::{Administrator, Page};

fn frame(visitor: &Visitor, title: impl Into<String>) -> Frame {
    visitor.frame_at(Place::Security, "/administrators", title)
}

fn resource(name: &str) -> String {
    format!("/administrators/{}", segment(name))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let all: Page<Administrator> = match pages.inside.get(&visitor.caller, "/administrators").await {
        Ok(all) => all,
        Err(problem) => return visitor.failed(&problem),
    };
    let columns = [words.name, words.role, words.state, w.created, ""];
    let mut table = Table::new("administrators", words.administrators, &columns, words.none);
    for one in &all.items {
        let standing = if one.enabled { state("ok", words.enabled) } else { state("off", words.state_disabled) };
        let role = one.role.parse().map_or("", |role| role_word(words, role));
        let path = resource(&one.name);
        table.row(vec![
            vec![text(&one.name)],
            vec![text(role)],
            vec![standing],
            vec![Piece::Time(one.created_at.clone())],
            vec![
                visitor.link(Act::Administer, &format!("{path}/edit"), words.edit, &one.name),
                visitor.link(Act::Administer, &format!("{path}/delete"), words.delete, &one.name),
            ],
        ]);
    }
    let mut view = View::new(frame(&visitor, words.administrators), w.administrators_lead, vec![Section::Table(table)]);
    view.actions = vec![visitor.link(Act::Administer, "/administrators/new", w.new_administrator, "")];
    view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
    view.show()
}

/// The roles to choose from, with what each may.
pub(super) fn roles(visitor: &Visitor) -> Kind {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let rule = |role: Role| match role {
        Role::Administrator => w.rule_administrator,
        Role::UserAdministrator => w.rule_user_administrator,
        Role::HelpDesk => w.rule_help_desk,
        Role::Viewer => w.rule_viewer,
    };
    let choice = |role: Role| (role.to_string(), role_word(words, role).to_owned(), rule(role).to_owned());
    Kind::Choice(Role::ALL.into_iter().map(choice).collect())
}

fn form(visitor: &Visitor, known: Option<&Administrator>) -> Form {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let role = known.map_or("viewer", |known| known.role.as_str());
    let mut fields = Vec::new();
    if known.is_none() {
        fields.push(Field::new("name", words.name, Kind::Text, "").required());
    }
    fields.push(Field::new("role", words.role, roles(visitor), role).required());
    let password = Field::new("password", words.password, Kind::Password, "");
    fields.push(match known {
        None => password.hint(w.password_hint).required(),
        Some(_) => password.hint(w.new_password_hint),
    });
    if let Some(known) = known {
        fields.push(Field::new("enabled", w.may_sign_in, Kind::Check, known.enabled.to_string()));
    }
    let name = known.map(|known| known.name.as_str());
    Form {
        id: "administrator",
        heading: name.map_or_else(|| w.new_administrator.to_owned(), str::to_owned),
        note: String::new(),
        action: name.map_or_else(|| "/administrators/new".to_owned(), |name| format!("{}/edit", resource(name))),
        hidden: Vec::new(),
        fields,
        submit: words.commit.to_owned(),
        cancel: Some(("/administrators".to_owned(), words.cancel)),
        refused: visitor.refused(Act::Administer),
        fault: None,
    }
}

fn with_crumbs(visitor: &Visitor, name: Option<&str>, form: Form) -> View {
    let w = SecurityWords::of(visitor.language);
    let title = name.map_or_else(|| w.new_administrator.to_owned(), |name| Words::fill(w.edit_administrator, &[name]));
    let mut view = View::new(frame(visitor, title.clone()), "", vec![Section::Form(form)]);
    view.crumbs =
        vec![("/administrators".to_owned(), visitor.words().administrators.to_owned()), (String::new(), title)];
    view
}

pub(super) async fn new(Extension(visitor): Extension<Visitor>) -> Response {
    with_crumbs(&visitor, None, form(&visitor, None)).show()
}

pub(super) async fn create(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let text = |name: &str| fields.text(name).to_owned();
    let body = json!({ "name": text("name").trim(), "role": text("role"), "password": text("password") });
    match pages.inside.ask::<Value>(&visitor.caller, Method::POST, "/administrators", None, &body).await {
        Ok(_) => saved("/administrators"),
        Err(problem) => {
            let form = form(&visitor, None).after(&visitor, &fields, &problem);
            with_crumbs(&visitor, None, form).refuse(problem.status)
        }
    }
}

/// The administrator of that name.
async fn find(pages: &Pages, visitor: &Visitor, name: &str) -> Result<Administrator, Response> {
    let all = pages.inside.get::<Page<Administrator>>(&visitor.caller, "/administrators").await;
    let all = all.map_err(|problem| visitor.failed(&problem))?;
    let found = all.items.into_iter().find(|one| one.name == name);
    found.ok_or_else(|| axum::http::StatusCode::NOT_FOUND.into_response())
}

pub(super) async fn edit(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    match find(&pages, &visitor, &name).await {
        Ok(known) => with_crumbs(&visitor, Some(&name), form(&visitor, Some(&known))).show(),
        Err(refusal) => refusal,
    }
}

pub(super) async fn change(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let mut body = json!({ "role": fields.text("role"), "enabled": fields.is_on("enabled") });
    if !fields.text("password").is_empty() {
        body["password"] = fields.text("password").into();
    }
    match pages.inside.ask::<Value>(&visitor.caller, Method::PATCH, &resource(&name), None, &body).await {
        Ok(_) => saved("/administrators"),
        Err(problem) => match find(&pages, &visitor, &name).await {
            Ok(known) => {
                let form = form(&visitor, Some(&known)).after(&visitor, &fields, &problem);
                with_crumbs(&visitor, Some(&name), form).refuse(problem.status)
            }
            Err(refusal) => refusal,
        },
    }
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(name): Path<String>) -> Response {
    let w = SecurityWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_administrator, &[&name]));
    let action = format!("{}/delete", resource(&name));
    visitor.question(frame, w.delete_administrator_lead, action, visitor.words().remove, "/administrators")
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    pages.delete(&visitor, &resource(&name), "/administrators").await
}
