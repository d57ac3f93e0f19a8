//! Internal users of the built-in registrar.

use axum::{
    Extension,
    extract::{Query, State},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use policy::role::Act;
use serde_json::json;

use super::{
    Asked, Fields, Form, Frame, Pages, Place, Section, View, Visitor, asked,
    view::{Field, Kind, Search, Table, link, segment, small, state, text},
    words::PeopleWords,
};
use crate::api::v1::dto::{Page, Problem, User};

/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn frame(visitor: &Visitor, title: impl Into<String>) -> Frame {
    visitor.frame_at(Place::Users, "", title)
}

/// The page of an address.
pub(super) fn home(address: &str) -> String {
    format!("/users/{}", segment(address))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), PeopleWords::of(visitor.language));
    let q = asked(&query, "q").trim().to_lowercase();
    let users = match all(&pages, &visitor, asked(&query, "after")).await {
        Ok(users) => users,
        Err(problem) => return visitor.failed(&problem),
    };
    let is_found =
        |user: &&User| q.is_empty() || user.address.contains(&q) || user.display_name.to_lowercase().contains(&q);
    let mut found = users.iter().filter(is_found);
    let shown: Vec<_> = found.by_ref().take(ROWS).collect();
    let has_more = found.next().is_some();
    let mut table = Table::new("users", words.users, &[w.user, w.shown_name, w.backend, words.state], w.no_users);
    for user in &shown {
        let standing = if user.enabled { state("ok", w.enabled) } else { state("off", w.disabled) };
        table.row(vec![
            vec![link(home(&user.address), &user.address)],
            vec![text(&user.display_name)],
            vec![text(user.backend.clone().unwrap_or_else(|| "registrar".to_owned()))],
            vec![standing],
        ]);
    }
    if let Some(last) = shown.last().filter(|_| has_more) {
        table.next = Some(format!("/users?q={}&after={}", segment(&q), segment(&last.address)));
        table.next_word = words.next;
    }
    // A user behind a trunk is in no list, but has contacts and a policy.
    let result = if q.contains('@') { vec![link(home(&q), w.open), small(&q)] } else { Vec::new() };
    let field = Field::new("q", w.search, Kind::Text, asked(&query, "q"));
    let search =
        Search { action: "/users", label: words.search.to_owned(), fields: vec![field], word: words.search, result };
    let sections = vec![Section::Search(search), Section::Table(table)];
    let mut view = View::new(frame(&visitor, words.users), w.lead, sections);
    view.actions = vec![visitor.link(Act::ChangePeople, "/users/new", w.new_user, "")];
    view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
    view.show()
}

/// All behind an address, a page of the API at a time.
async fn all(pages: &Pages, visitor: &Visitor, after: &str) -> Result<Vec<User>, Problem> {
    let (mut users, mut after) = (Vec::new(), after.to_owned());
    loop {
        let part: Page<User> = pages.inside.get(&visitor.caller, &format!("/users?after={}", segment(&after))).await?;
        users.extend(part.items);
        match part.next {
            Some(next) => after = next,
            None => return Ok(users),
        }
    }
}

fn form(visitor: &Visitor) -> Form {
    let (words, w) = (visitor.words(), PeopleWords::of(visitor.language));
    Form {
        id: "user",
        heading: w.new_user.to_owned(),
        note: String::new(),
        action: "/users/new".to_owned(),
        hidden: Vec::new(),
        fields: vec![
            Field::new("address", words.address, Kind::Text, "").required(),
            Field::new("display_name", w.shown_name, Kind::Text, ""),
            Field::new("password", w.password, Kind::Password, "").required(),
        ],
        submit: words.commit.to_owned(),
        cancel: Some(("/users".to_owned(), words.cancel)),
        refused: visitor.refused(Act::ChangePeople),
        fault: None,
    }
}

fn view(visitor: &Visitor, form: Form) -> View {
    let title = PeopleWords::of(visitor.language).new_user;
    let mut view = View::new(frame(visitor, title), "", vec![Section::Form(form)]);
    view.crumbs = vec![("/users".to_owned(), visitor.words().users.to_owned()), (String::new(), title.to_owned())];
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
    let body = json!({
        "address": fields.text("address").trim(),
        "display_name": fields.text("display_name"),
        "password": fields.text("password"),
    });
    match pages.inside.ask::<User>(&visitor.caller, Method::POST, "/users", None, &body).await {
        Ok(user) => Redirect::to(&home(&user.address)).into_response(),
        Err(problem) => {
            let form = form(&visitor).after(&visitor, &fields, &problem);
            view(&visitor, form).refuse(problem.status)
        }
    }
}
