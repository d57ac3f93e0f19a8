//! One internal user: effective access policy and why, contacts in both directions and who invited whom, and what an
//! administrator does in the user's name.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::Method,
    response::Response,
};
use policy::role::Act;
use serde_json::{Value, json};

use super::{
    Asked, Button, Fields, Form, Pages, Piece, Section, View, Visitor, Words, policies, saved,
    users::{frame, home},
    view::{Facts, Field, Kind, Table, segment, state, text, time},
    words::PeopleWords,
};
use crate::api::v1::dto::{Contact, Page, Problem, User, UserPolicy};

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
    Query(query): Query<Asked>,
) -> Response {
    let mut view = match view(&pages, &visitor, &address, None).await {
        Ok(view) => view,
        Err(problem) => return visitor.failed(&problem),
    };
    view.done = query.contains_key("saved").then(|| visitor.words().done_saved.to_owned());
    view.show()
}

/// The page; `fault` is what was refused in the form of this action.
async fn view(
    pages: &Pages,
    visitor: &Visitor,
    address: &str,
    fault: Option<(&'static str, &Fields, &Problem)>,
) -> Result<View, Problem> {
    let words = visitor.words();
    let name = segment(address);
    let policy: UserPolicy = pages.inside.get(&visitor.caller, &format!("/users/{name}/policy")).await?;
    let contacts: Page<Contact> =
        pages.inside.get(&visitor.caller, &format!("/contacts?internal={name}&limit=200")).await?;
    // None: behind a trunk or an inner server there are no accounts of ours.
    let user: Option<User> = pages.inside.get(&visitor.caller, &format!("/users/{name}")).await.ok();
    let choices = policies::choices(pages, visitor).await;
    let mut sections = vec![
        Section::Facts(facts(visitor, address, user.as_ref(), &policy)),
        Section::Table(contact_table(visitor, address, &contacts.items)),
    ];
    let mut forms = vec![add_form(visitor, address), policy_form(visitor, address, &policy, choices)];
    if user.is_some() {
        forms.push(password_form(visitor, address));
    }
    for mut form in forms {
        if let Some((action, fields, problem)) = fault
            && form.id == action
        {
            form.refill(fields);
            form.faults(visitor, problem);
        }
        sections.push(Section::Form(form));
    }
    let mut view = View::new(frame(visitor, address), "", sections);
    view.crumbs = vec![("/users".to_owned(), words.users.to_owned()), (String::new(), address.to_owned())];
    Ok(view)
}

fn facts(visitor: &Visitor, address: &str, user: Option<&User>, policy: &UserPolicy) -> Facts {
    let (words, w) = (visitor.words(), PeopleWords::of(visitor.language));
    let partners = &policy.effective.partners;
    let reach = if partners.is_empty() { w.reaches_all.to_owned() } else { partners.join(", ") };
    let mut rows = vec![
        (w.access.to_owned(), vec![policies::effective(&policy.effective, w.yes_by, w.no_by)]),
        (w.reaches.to_owned(), vec![text(reach)]),
    ];
    let mut actions = Vec::new();
    if let Some(user) = user {
        let standing = if user.enabled { state("ok", w.enabled) } else { state("off", w.disabled) };
        rows.push((words.state.to_owned(), vec![standing]));
        rows.push((w.shown_name.to_owned(), vec![text(&user.display_name)]));
        let word = if user.enabled { words.disable } else { words.enable };
        let refused = visitor.refused(Act::ChangePeople);
        let mut button = Button::new(format!("{}/enabled", home(address)), word, address, refused);
        button.fields = vec![("enabled", (!user.enabled).to_string())];
        actions.push(Piece::Button(button));
        actions.push(visitor.link(Act::ChangePeople, &format!("{}/delete", home(address)), words.delete, address));
    }
    Facts { id: "facts", heading: w.facts.to_owned(), rows, actions }
}

fn contact_table(visitor: &Visitor, address: &str, contacts: &[Contact]) -> Table {
    let (words, w) = (visitor.words(), PeopleWords::of(visitor.language));
    let columns = [w.contact, w.has_added, w.is_seen, w.invited_by, ""];
    let mut table = Table::new("contacts", w.contacts, &columns, w.no_contacts);
    for contact in contacts {
        let yes = |is_so: bool| if is_so { state("ok", words.yes) } else { state("none", words.no) };
        let mut who = vec![text(&contact.partner)];
        if contact.blocked {
            who.push(Piece::Badge("bad", w.blocked.to_owned()));
        }
        if contact.invited {
            who.push(Piece::Badge("info", w.pending.to_owned()));
        }
        let mut actions: Vec<(&str, &str)> = Vec::new();
        if contact.invited {
            actions.extend([("accept", w.accept), ("decline", w.decline)]);
        }
        actions.push(if contact.blocked { ("unblock", w.unblock) } else { ("block", w.block) });
        actions.push(("end", w.end));
        let button = |(verb, word): (&str, &str)| contact_button(visitor, address, &contact.partner, verb, word);
        let inviter = match contact.invited_by.as_str() {
            "internal" => w.by_internal,
            "partner" => w.by_partner,
            _ => "–",
        };
        table.row(vec![
            who,
            vec![yes(contact.added)],
            vec![yes(contact.authorised)],
            vec![text(inviter), time(&contact.created_at)],
            actions.into_iter().map(button).collect(),
        ]);
    }
    table
}

/// A button that does something to a contact.
pub(super) fn contact_button(visitor: &Visitor, internal: &str, partner: &str, verb: &str, word: &str) -> Piece {
    let action = format!("{}/contact", home(internal));
    let mut button = Button::new(action, word, partner, visitor.refused(Act::ChangePeople));
    button.fields = vec![("partner", partner.to_owned()), ("verb", verb.to_owned())];
    Piece::Button(button)
}

fn small_form(visitor: &Visitor, id: &'static str, heading: &str, action: String, fields: Vec<Field>) -> Form {
    Form {
        id,
        heading: heading.to_owned(),
        note: String::new(),
        action,
        hidden: Vec::new(),
        fields,
        submit: heading.to_owned(),
        cancel: None,
        refused: visitor.refused(Act::ChangePeople),
        fault: None,
    }
}

fn add_form(visitor: &Visitor, address: &str) -> Form {
    let w = PeopleWords::of(visitor.language);
    let field = Field::new("partner", w.partner_address, Kind::Text, "").required();
    let mut form = small_form(visitor, "contact", w.add_contact, format!("{}/contact", home(address)), vec![field]);
    form.hidden = vec![("verb", "add".to_owned())];
    w.add.clone_into(&mut form.submit);
    form
}

fn policy_form(visitor: &Visitor, address: &str, policy: &UserPolicy, choices: Vec<(String, String)>) -> Form {
    let w = PeopleWords::of(visitor.language);
    let assigned = policy.assigned.clone().unwrap_or_default();
    let field = Field::new("policy", w.policy, Kind::Select(choices), assigned).hint(w.policy_hint);
    let mut form = small_form(visitor, "policy", w.policy, format!("{}/policy", home(address)), vec![field]);
    w.assign.clone_into(&mut form.submit);
    form
}

fn password_form(visitor: &Visitor, address: &str) -> Form {
    let w = PeopleWords::of(visitor.language);
    let field = Field::new("password", w.new_password, Kind::Password, "").required();
    small_form(visitor, "password", w.set_password, format!("{}/password", home(address)), vec![field])
}

/// Does it, and shows the page again.
async fn then_show(
    pages: &Pages,
    visitor: &Visitor,
    address: &str,
    request: (Method, String, Value),
    form: Option<(&'static str, &Fields)>,
) -> Response {
    let (method, path, body) = request;
    match pages.inside.ask::<Value>(&visitor.caller, method, &path, None, &body).await {
        Ok(_) => saved(&home(address)),
        Err(problem) => {
            let fault = form.map(|(action, fields)| (action, fields, &problem));
            match view(pages, visitor, address, fault).await {
                Ok(view) if fault.is_some() => view.refuse(problem.status),
                _ => visitor.failed(&problem),
            }
        }
    }
}

pub(super) async fn enable(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let body = json!({ "enabled": fields.is_on("enabled") });
    let request = (Method::PATCH, format!("/users/{}", segment(&address)), body);
    then_show(&pages, &visitor, &address, request, None).await
}

pub(super) async fn set_password(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let body = json!({ "password": fields.text("password") });
    let request = (Method::PUT, format!("/users/{}/password", segment(&address)), body);
    then_show(&pages, &visitor, &address, request, Some(("password", &fields))).await
}

pub(super) async fn assign(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let policy = Some(fields.text("policy")).filter(|policy| !policy.is_empty());
    let request = (Method::PUT, format!("/users/{}/policy", segment(&address)), json!({ "policy": policy }));
    then_show(&pages, &visitor, &address, request, Some(("policy", &fields))).await
}

pub(super) async fn act(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let (verb, partner) = (fields.text("verb"), fields.text("partner").trim());
    let known = ["accept", "block", "decline", "end", "unblock"].contains(&verb);
    let path = if known { format!("/contacts/{verb}") } else { "/contacts".to_owned() };
    let request = (Method::POST, path, json!({ "internal": address, "partner": partner }));
    let form = (!known).then_some(("contact", &fields));
    then_show(&pages, &visitor, &address, request, form).await
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(address): Path<String>) -> Response {
    let w = PeopleWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_user, &[&address]));
    let action = format!("{}/delete", home(&address));
    visitor.question(frame, w.delete_user_lead, action, visitor.words().remove, &home(&address))
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(address): Path<String>,
) -> Response {
    let path = format!("/users/{}", segment(&address));
    pages.delete(&visitor, &path, "/users").await
}
