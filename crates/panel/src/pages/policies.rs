//! External Access Policy: which internal users may use XMPP federation (partner-policy §5).

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::Method,
    response::Response,
};
use policy::role::Act;
use serde_json::{Value, json};

use super::{
    Asked, Fields, Form, Frame, Pages, Place, Section, View, Visitor, Words, asked, saved,
    view::{Field, Kind, Search, Table, segment, small, state, text},
    words::InsideWords,
};
use crate::api::v1::dto::{Page, Policy, PolicyChanged, UserPolicy};

fn frame(visitor: &Visitor, title: impl Into<String>) -> Frame {
    visitor.frame_at(Place::Federation, "/policies", title)
}

fn resource(identity: &str) -> String {
    format!("/policies/{}", segment(identity))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let policies: Page<Policy> = match pages.inside.get(&visitor.caller, "/policies").await {
        Ok(policies) => policies,
        Err(problem) => return visitor.failed(&problem),
    };
    let who = asked(&query, "who");
    let mut result = Vec::new();
    if !who.is_empty() {
        let path = format!("/users/{}/policy", segment(who));
        match pages.inside.get::<UserPolicy>(&visitor.caller, &path).await {
            Ok(found) => {
                let has = found.effective.enable_federation_access && found.effective.enable_xmpp_access;
                result.push(if has { state("ok", w.access) } else { state("off", w.no_access) });
                result.push(text(Words::fill(w.by_policy, &[&found.effective.identity])));
            }
            Err(problem) => result.push(text(problem.detail)),
        }
    }
    let field = Field::new("who", w.which, Kind::Text, who);
    let search = Search { action: "/policies", label: w.which.to_owned(), fields: vec![field], word: w.check, result };
    let columns = [w.policy, w.scope, w.federation_access, w.access, w.users, ""];
    let mut table = Table::new("policies", w.policies, &columns, words.none);
    table.columns[4].1 = "n";
    for policy in &policies.items {
        let on = |is_on: bool| if is_on { state("ok", w.on) } else { state("off", w.off) };
        let partners = match policy.partners.len() {
            0 => w.all_partners.to_owned(),
            count => Words::fill(w.some_partners, &[&count.to_string()]),
        };
        let edit = format!("{}/edit", resource(&policy.identity));
        let mut actions = vec![visitor.link(Act::ChangeConfiguration, &edit, words.edit, &policy.identity)];
        if policy.scope != "global" {
            let delete = format!("{}/delete", resource(&policy.identity));
            actions.push(visitor.link(Act::ChangeConfiguration, &delete, words.delete, &policy.identity));
        }
        table.row(vec![
            vec![text(&policy.identity), small(partners)],
            vec![text(scope_word(w, &policy.scope))],
            vec![on(policy.enable_federation_access)],
            vec![on(policy.enable_xmpp_access)],
            vec![text(policy.users.to_string())],
            actions,
        ]);
    }
    let mut view = View::new(
        frame(&visitor, words.access_policy),
        w.policy_lead,
        vec![Section::Search(search), Section::Table(table)],
    );
    view.actions = vec![visitor.link(Act::ChangeConfiguration, "/policies/new", w.new_policy, "")];
    view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
    view.show()
}

fn scope_word(w: &'static InsideWords, scope: &str) -> &'static str {
    match scope {
        "global" => w.scope_global,
        "site" => w.scope_site,
        _ => w.scope_user,
    }
}

/// The form; the identity of a policy that is there already stays.
fn form(visitor: &Visitor, identity: Option<&str>, policy: &Policy, revision: &str) -> Form {
    let w = InsideWords::of(visitor.language);
    let words = visitor.words();
    let mut fields = Vec::new();
    if identity.is_none() {
        let scopes = vec![
            ("site".to_owned(), w.scope_site.to_owned(), w.site_rule.to_owned()),
            ("user".to_owned(), w.scope_user.to_owned(), w.user_rule.to_owned()),
        ];
        fields.push(Field::new("scope", w.scope, Kind::Choice(scopes), "user").required());
        fields.push(Field::new("identity", words.name, Kind::Text, "").required());
    }
    let flag = |name: &str, label: &str, hint: &str, value: bool| {
        Field::new(name, label, Kind::Check, value.to_string()).hint(hint)
    };
    fields.push(flag(
        "enable_federation_access",
        w.enable_federation,
        w.enable_federation_hint,
        policy.enable_federation_access,
    ));
    fields.push(flag("enable_xmpp_access", w.enable_xmpp, w.enable_xmpp_hint, policy.enable_xmpp_access));
    let partners = Field::new("partners", w.partners, Kind::Area, policy.partners.join("\n"));
    fields.push(partners.hint(w.partners_hint));
    Form {
        id: "policy",
        heading: identity.map_or_else(|| w.new_policy.to_owned(), str::to_owned),
        note: String::new(),
        action: identity.map_or_else(|| "/policies/new".to_owned(), |identity| format!("{}/edit", resource(identity))),
        hidden: vec![("revision", revision.to_owned())],
        fields,
        submit: words.commit.to_owned(),
        cancel: Some(("/policies".to_owned(), words.cancel)),
        refused: visitor.refused(Act::ChangeConfiguration),
        fault: None,
    }
}

fn title(visitor: &Visitor, identity: Option<&str>) -> String {
    let w = InsideWords::of(visitor.language);
    identity.map_or_else(|| w.new_policy.to_owned(), |identity| Words::fill(w.edit_policy, &[identity]))
}

fn with_crumbs(visitor: &Visitor, identity: Option<&str>, form: Form) -> View {
    let title = title(visitor, identity);
    let mut view = View::new(frame(visitor, title.clone()), "", vec![Section::Form(form)]);
    view.crumbs = vec![("/policies".to_owned(), visitor.words().access_policy.to_owned()), (String::new(), title)];
    view
}

pub(super) async fn new(Extension(visitor): Extension<Visitor>) -> Response {
    with_crumbs(&visitor, None, form(&visitor, None, &Policy::default(), "")).show()
}

pub(super) async fn create(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let identity = format!("{}:{}", fields.text("scope"), fields.text("identity").trim());
    let mut body = entered(&fields);
    body["identity"] = identity.into();
    let answer = pages.inside.ask::<PolicyChanged>(&visitor.caller, Method::POST, "/policies", None, &body).await;
    match answer {
        Ok(_) => saved("/policies"),
        Err(problem) => {
            let form = form(&visitor, None, &Policy::default(), "").after(&visitor, &fields, &problem);
            with_crumbs(&visitor, None, form).refuse(problem.status)
        }
    }
}

fn entered(fields: &Fields) -> Value {
    json!({
        "enable_federation_access": fields.is_on("enable_federation_access"),
        "enable_xmpp_access": fields.is_on("enable_xmpp_access"),
        "partners": fields.lines("partners"),
    })
}

pub(super) async fn edit(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(identity): Path<String>,
) -> Response {
    match pages.inside.get::<Policy>(&visitor.caller, &resource(&identity)).await {
        Ok(policy) => {
            let form = form(&visitor, Some(&identity), &policy, &policy.revision.to_string());
            with_crumbs(&visitor, Some(&identity), form).show()
        }
        Err(problem) => visitor.failed(&problem),
    }
}

pub(super) async fn change(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(identity): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let (path, body) = (resource(&identity), entered(&fields));
    let revision = fields.text("revision").parse().ok();
    match pages.inside.ask::<PolicyChanged>(&visitor.caller, Method::PATCH, &path, revision, &body).await {
        Ok(_) => saved("/policies"),
        Err(problem) => {
            // Committing again saves over what somebody else has changed meanwhile.
            let now: Option<Policy> = pages.inside.get(&visitor.caller, &path).await.ok();
            let revision = now.map(|policy| policy.revision.to_string()).unwrap_or_default();
            let form =
                form(&visitor, Some(&identity), &Policy::default(), &revision).after(&visitor, &fields, &problem);
            with_crumbs(&visitor, Some(&identity), form).refuse(problem.status)
        }
    }
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(identity): Path<String>) -> Response {
    let w = InsideWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_policy, &[&identity]));
    let action = format!("{}/delete", resource(&identity));
    visitor.question(frame, w.delete_policy_lead, action, visitor.words().remove, "/policies")
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(identity): Path<String>,
) -> Response {
    pages.delete(&visitor, &resource(&identity), "/policies").await
}

/// Which policies may be assigned to users, for a drop-down that begins with none.
pub(super) async fn choices(pages: &Pages, visitor: &Visitor) -> Vec<(String, String)> {
    let policies = pages.inside.get::<Page<Policy>>(&visitor.caller, "/policies").await;
    let items = policies.map(|page| page.items).unwrap_or_default();
    let named = items.into_iter().filter(|policy| policy.scope == "user");
    let none = (String::new(), visitor.words().none.to_owned());
    [none].into_iter().chain(named.map(|policy| (policy.identity.clone(), policy.identity))).collect()
}

/// Whether the policy lets federate, and by which: words of the page of a user.
pub(super) fn effective(policy: &Policy, yes: &str, no: &str) -> super::Piece {
    match policy.enable_federation_access && policy.enable_xmpp_access {
        true => state("ok", Words::fill(yes, &[&policy.identity])),
        false => state("off", Words::fill(no, &[&policy.identity])),
    }
}
