//! Internal domains and trunks: what serves our users, and what partners must find in DNS.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use policy::role::Act;
use serde_json::{Value, json};

use super::{
    Asked, Fields, Form, Frame, Pages, Place, Section, View, Visitor, Words,
    connection::Choices,
    publish, saved, trunks,
    view::{Field, Kind, Piece, Table, link, segment, state, text},
    words::InsideWords,
};
use crate::api::v1::dto::{Certificates, Domain, Page, Trunk, XmppServer};

pub(super) fn frame(visitor: &Visitor, title: impl Into<String>) -> Frame {
    visitor.frame_at(Place::Inside, "", title)
}

pub(super) fn resource(name: &str) -> String {
    format!("/domains/{}", segment(name))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let domains = pages.inside.get::<Page<Domain>>(&visitor.caller, "/domains").await;
    let trunks = pages.inside.get::<Page<Trunk>>(&visitor.caller, "/trunks").await;
    let certificates = pages.inside.get::<Certificates>(&visitor.caller, "/certificates").await.unwrap_or_default();
    let (domains, trunks) = match (domains, trunks) {
        (Ok(domains), Ok(trunks)) => (domains.items, trunks.items),
        (Err(problem), _) | (_, Err(problem)) => return visitor.failed(&problem),
    };
    let columns = [w.domain, w.backends, words.state, w.certificate_names, ""];
    let mut table = Table::new("domains", w.domains, &columns, w.no_domains);
    for domain in &domains {
        table.row(domain_row(&visitor, domain, &certificates));
    }
    let sections = vec![Section::Table(table), Section::Table(trunks::table(&visitor, &trunks))];
    let mut view = View::new(frame(&visitor, words.domains_and_trunks), w.domains_lead, sections);
    view.actions = vec![
        visitor.link(Act::ChangeConfiguration, "/trunks/new", w.new_trunk, ""),
        visitor.link(Act::ChangeConfiguration, "/domains/new", w.new_domain, ""),
    ];
    view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
    view.show()
}

fn domain_row(visitor: &Visitor, domain: &Domain, certificates: &Certificates) -> Vec<Vec<Piece>> {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let certificate = publish::cover(visitor, &domain.name, certificates);
    let standing = match domain.connected {
        Some(true) => state("ok", w.connected),
        Some(false) => state("bad", w.not_connected),
        None => text("–"),
    };
    let path = resource(&domain.name);
    let mut first = vec![text(&domain.display_name)];
    first.extend(domain.warnings.iter().map(|warning| Piece::English(warning.message.clone())));
    vec![
        first,
        vec![text(domain.backends.join(", "))],
        vec![standing],
        vec![certificate],
        vec![
            link(format!("{path}/publish"), w.publish),
            visitor.link(Act::ChangeConfiguration, &format!("{path}/edit"), words.edit, &domain.name),
            visitor.link(Act::ChangeConfiguration, &format!("{path}/delete"), words.delete, &domain.name),
        ],
    ]
}

pub(super) fn form(visitor: &Visitor, domain: Option<&Domain>) -> Form {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let server = domain.and_then(|domain| domain.xmpp_server.clone());
    let server = server.unwrap_or_else(|| XmppServer {
        tls: "required".to_owned(),
        sasl: "required".to_owned(),
        ..XmppServer::default()
    });
    let backends = domain.map_or_else(|| "registrar".to_owned(), |domain| domain.backends.join("\n"));
    let choices = Choices::new(words);
    let list = |all: &[(&'static str, &'static str, &'static str)]| {
        Kind::Choice(
            all.iter()
                .map(|(value, name, rule)| ((*value).to_owned(), (*name).to_owned(), (*rule).to_owned()))
                .collect(),
        )
    };
    let mut fields = Vec::new();
    if domain.is_none() {
        fields.push(Field::new("name", w.domain, Kind::Text, "").required());
    }
    fields.extend([
        Field::new("backends", w.backends, Kind::Area, backends).hint(w.backends_hint).required(),
        Field::new("secret", w.secret, Kind::Password, "").hint(w.secret_hint),
        Field::new("targets", w.server_targets, Kind::Area, server.targets.join("\n")).hint(w.server_targets_hint),
        Field::new("sources", w.sources, Kind::Area, server.sources.join("\n")).hint(w.sources_hint),
        Field::new("tls", words.tls_negotiation, list(&choices.tls), server.tls),
        Field::new("sasl", words.sasl_negotiation, list(&choices.sasl), server.sasl),
        Field::new("dialback", words.dialback_negotiation, list(&choices.dialback), server.dialback.to_string()),
        Field::new("trust_roots", w.roots, Kind::Area, server.trust_roots).hint(w.roots_hint),
        Field::new("pins", words.pins, Kind::Area, server.pins.join("\n")).hint(words.pins_hint),
    ]);
    let name = domain.map(|domain| domain.name.as_str());
    Form {
        id: "domain",
        heading: name.map_or_else(|| w.new_domain.to_owned(), str::to_owned),
        note: String::new(),
        action: name.map_or_else(|| "/domains/new".to_owned(), |name| format!("{}/edit", resource(name))),
        hidden: vec![("revision", domain.map(|domain| domain.revision.to_string()).unwrap_or_default())],
        fields,
        submit: words.commit.to_owned(),
        cancel: Some(("/domains".to_owned(), words.cancel)),
        refused: visitor.refused(Act::ChangeConfiguration),
        fault: None,
    }
}

fn with_crumbs(visitor: &Visitor, name: Option<&str>, form: Form) -> View {
    let w = InsideWords::of(visitor.language);
    let title = name.map_or_else(|| w.new_domain.to_owned(), |name| Words::fill(w.edit_domain, &[name]));
    let mut view = View::new(frame(visitor, title.clone()), "", vec![Section::Form(form)]);
    view.crumbs = vec![("/domains".to_owned(), visitor.words().domains_and_trunks.to_owned()), (String::new(), title)];
    view
}

/// What was entered; of the inner server only where there is one.
pub(super) fn entered(fields: &Fields) -> Value {
    let backends = fields.lines("backends");
    let mut body = json!({ "backends": backends });
    if !fields.text("secret").is_empty() {
        body["secret"] = fields.text("secret").into();
    }
    if backends.iter().any(|backend| backend == "xmpp") {
        body["xmpp_server"] = json!({
            "targets": fields.lines("targets"),
            "sources": fields.lines("sources"),
            "tls": fields.text("tls"),
            "sasl": fields.text("sasl"),
            "dialback": fields.is_on("dialback"),
            "pins": fields.lines("pins"),
        });
        let roots = fields.text("trust_roots").trim();
        if !roots.is_empty() {
            body["xmpp_server"]["trust_roots"] = roots.into();
        }
    }
    body
}

pub(super) async fn new(Extension(visitor): Extension<Visitor>) -> Response {
    with_crumbs(&visitor, None, form(&visitor, None)).show()
}

pub(super) async fn create(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let mut body = entered(&fields);
    body["name"] = fields.text("name").trim().into();
    match pages.inside.ask::<Domain>(&visitor.caller, Method::POST, "/domains", None, &body).await {
        Ok(domain) => Redirect::to(&format!("{}/publish", resource(&domain.name))).into_response(),
        Err(problem) => {
            let form = form(&visitor, None).after(&visitor, &fields, &problem);
            with_crumbs(&visitor, None, form).refuse(problem.status)
        }
    }
}

pub(super) async fn edit(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    match pages.inside.get::<Domain>(&visitor.caller, &resource(&name)).await {
        Ok(domain) => with_crumbs(&visitor, Some(&name), form(&visitor, Some(&domain))).show(),
        Err(problem) => visitor.failed(&problem),
    }
}

pub(super) async fn change(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let path = resource(&name);
    let revision = fields.text("revision").parse().ok();
    match pages.inside.ask::<Domain>(&visitor.caller, Method::PATCH, &path, revision, &entered(&fields)).await {
        Ok(_) => saved("/domains"),
        Err(problem) => match pages.inside.get::<Domain>(&visitor.caller, &path).await {
            Ok(domain) => {
                let form = form(&visitor, Some(&domain)).after(&visitor, &fields, &problem);
                with_crumbs(&visitor, Some(&name), form).refuse(problem.status)
            }
            Err(_) => visitor.failed(&problem),
        },
    }
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(name): Path<String>) -> Response {
    let w = InsideWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_domain, &[&name]));
    let action = format!("{}/delete", resource(&name));
    visitor.question(frame, w.delete_domain_lead, action, visitor.words().remove, "/domains")
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    pages.delete(&visitor, &resource(&name), "/domains").await
}
