//! Trunks: the ways to SIP deployments.

use axum::{
    Extension,
    extract::{Path, State},
    http::Method,
    response::Response,
};
use policy::role::Act;
use serde_json::{Value, json};

use super::{
    Fields, Form, Notice, Pages, Section, View, Visitor, Words,
    domains::frame,
    saved,
    view::{Field, Kind, Piece, Step, Steps, Table, segment, small, state, text},
    words::{InsideWords, korean},
};
use crate::api::v1::dto::{Trunk, TrunkChanged, TrunkTarget, TrunkTest};

fn resource(name: &str) -> String {
    format!("/trunks/{}", segment(name))
}

pub(super) fn table(visitor: &Visitor, trunks: &[Trunk]) -> Table {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let columns = [w.trunk, w.targets, w.peer_names, w.serves, words.state, ""];
    let mut table = Table::new("trunks", w.trunks, &columns, w.no_trunks);
    for trunk in trunks {
        let path = resource(&trunk.name);
        let states = trunk.target_states.as_deref().unwrap_or_default();
        let standing = if trunk.enabled {
            states.iter().flat_map(|target| target_state(visitor, target)).collect()
        } else {
            vec![state("off", words.state_disabled)]
        };
        table.row(vec![
            vec![text(&trunk.name), small(&trunk.description)],
            vec![text(trunk.targets.join(", ")), small(trunk.transport.to_uppercase())],
            vec![text(trunk.peer_names.join(", "))],
            vec![text(trunk.domains.clone().unwrap_or_default().join(", "))],
            standing,
            vec![
                visitor.button(Act::Operate, format!("{path}/test"), words.test, &trunk.name),
                visitor.link(Act::ChangeConfiguration, &format!("{path}/edit"), words.edit, &trunk.name),
                visitor.link(Act::ChangeConfiguration, &format!("{path}/delete"), words.delete, &trunk.name),
            ],
        ]);
    }
    table
}

fn target_state(visitor: &Visitor, target: &TrunkTarget) -> Vec<Piece> {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let (class, word) = match target.state.as_str() {
        "up" => ("ok", words.state_up),
        "down" => ("bad", words.state_down),
        _ => ("none", w.unknown_state),
    };
    let place = target.address.as_ref().unwrap_or(&target.target);
    let mut pieces = vec![state(class, word), text(place)];
    pieces.extend(target.round_trip_ms.map(|ms| small(Words::fill(w.round_trip, &[&ms.to_string()]))));
    pieces.extend(target.last_error.clone().map(Piece::English));
    pieces
}

fn form(visitor: &Visitor, trunk: Option<&Trunk>) -> Form {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let known = trunk.cloned().unwrap_or_else(|| Trunk {
        transport: "tls".to_owned(),
        dialect: "plain".to_owned(),
        session_mode: "pager".to_owned(),
        enabled: true,
        ..Trunk::default()
    });
    let choice = |all: &[(&str, &str, &str)]| {
        Kind::Choice(all.iter().map(|(value, name, rule)| ((*value).into(), (*name).into(), (*rule).into())).collect())
    };
    let transports = choice(&[("tls", "TLS", ""), ("tcp", "TCP", ""), ("udp", "UDP", "")]);
    let dialects = choice(&[("plain", w.standard, w.standard_rule), ("lync", "Lync", w.lync_rule)]);
    let modes = choice(&[("pager", w.pager, w.pager_rule), ("session", w.session, w.session_rule)]);
    let mut fields = Vec::new();
    if trunk.is_none() {
        fields.push(Field::new("name", words.name, Kind::Text, "").required());
    }
    let check =
        |name: &str, label: &str, hint: &str, on: bool| Field::new(name, label, Kind::Check, on.to_string()).hint(hint);
    fields.extend([
        Field::new("description", words.description, Kind::Text, known.description),
        Field::new("targets", w.targets, Kind::Area, known.targets.join("\n")).hint(w.targets_hint).required(),
        Field::new("transport", w.transport, transports, known.transport),
        Field::new("peer_names", w.peer_names, Kind::Area, known.peer_names.join("\n")).hint(w.peer_names_hint),
        Field::new("trust_roots", w.roots, Kind::Area, known.trust_roots).hint(w.roots_hint),
        Field::new("sources", w.sources, Kind::Area, known.sources.join("\n")).hint(w.sources_hint),
        Field::new("dialect", w.dialect, dialects, known.dialect),
        Field::new("session_mode", w.session_mode, modes, known.session_mode),
        check("congestion_safe", w.congestion_safe, w.congestion_safe_hint, known.congestion_safe),
        check("enabled", words.enabled, "", known.enabled),
    ]);
    let name = trunk.map(|trunk| trunk.name.as_str());
    Form {
        id: "trunk",
        heading: name.map_or_else(|| w.new_trunk.to_owned(), str::to_owned),
        note: String::new(),
        action: name.map_or_else(|| "/trunks/new".to_owned(), |name| format!("{}/edit", resource(name))),
        hidden: vec![("revision", trunk.and_then(|trunk| trunk.revision).map(|of| of.to_string()).unwrap_or_default())],
        fields,
        submit: words.commit.to_owned(),
        cancel: Some(("/domains".to_owned(), words.cancel)),
        refused: visitor.refused(Act::ChangeConfiguration),
        fault: None,
    }
}

fn with_crumbs(visitor: &Visitor, name: Option<&str>, form: Form) -> View {
    let w = InsideWords::of(visitor.language);
    let title = name.map_or_else(|| w.new_trunk.to_owned(), |name| Words::fill(w.edit_trunk, &[name]));
    let mut view = View::new(frame(visitor, title.clone()), "", vec![Section::Form(form)]);
    view.crumbs = vec![("/domains".to_owned(), visitor.words().domains_and_trunks.to_owned()), (String::new(), title)];
    view
}

fn entered(fields: &Fields) -> Value {
    let roots = fields.text("trust_roots").trim();
    json!({
        "description": fields.text("description"),
        "targets": fields.lines("targets"),
        "transport": fields.text("transport"),
        "peer_names": fields.lines("peer_names"),
        "trust_roots": if roots.is_empty() { "system" } else { roots },
        "sources": fields.lines("sources"),
        "dialect": fields.text("dialect"),
        "session_mode": fields.text("session_mode"),
        "congestion_safe": fields.is_on("congestion_safe"),
        "enabled": fields.is_on("enabled"),
    })
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
    match pages.inside.ask::<TrunkChanged>(&visitor.caller, Method::POST, "/trunks", None, &body).await {
        Ok(_) => saved("/domains"),
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
    match pages.inside.get::<Trunk>(&visitor.caller, &resource(&name)).await {
        Ok(trunk) => with_crumbs(&visitor, Some(&name), form(&visitor, Some(&trunk))).show(),
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
    match pages.inside.ask::<TrunkChanged>(&visitor.caller, Method::PATCH, &path, revision, &entered(&fields)).await {
        Ok(_) => saved("/domains"),
        Err(problem) => match pages.inside.get::<Trunk>(&visitor.caller, &path).await {
            Ok(trunk) => {
                let form = form(&visitor, Some(&trunk)).after(&visitor, &fields, &problem);
                with_crumbs(&visitor, Some(&name), form).refuse(problem.status)
            }
            Err(_) => visitor.failed(&problem),
        },
    }
}

pub(super) async fn test(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    let w = InsideWords::of(visitor.language);
    let path = format!("{}/test", resource(&name));
    let test: TrunkTest = match pages.inside.ask(&visitor.caller, Method::POST, &path, None, &json!({})).await {
        Ok(test) => test,
        Err(problem) => return visitor.failed(&problem),
    };
    let told = |step: &crate::api::v1::dto::TrunkTestStep| {
        let told = korean::hop(visitor.language, &step.stage, step.ok);
        let text = format!("{} {}: {} ({} ms)", step.target, step.stage, step.text, step.took_ms);
        Step { is_ok: step.ok, told, text }
    };
    let steps =
        Steps { heading: visitor.words().what_happened.to_owned(), rows: test.steps.iter().map(told).collect() };
    let title = Words::fill(w.test_of_trunk, &[&name]);
    let mut view = View::new(frame(&visitor, title.clone()), "", vec![Section::Steps(steps)]);
    let (class, fact) = if test.passed { ("ok", w.test_passed) } else { ("bad", w.test_failed) };
    view.notice = Some(Notice { class, fact: fact.to_owned(), why: String::new() });
    view.crumbs = vec![("/domains".to_owned(), visitor.words().domains_and_trunks.to_owned()), (String::new(), title)];
    view.show()
}

pub(super) async fn ask_delete(Extension(visitor): Extension<Visitor>, Path(name): Path<String>) -> Response {
    let w = InsideWords::of(visitor.language);
    let frame = frame(&visitor, Words::fill(w.delete_trunk, &[&name]));
    let action = format!("{}/delete", resource(&name));
    visitor.question(frame, w.delete_trunk_lead, action, visitor.words().remove, "/domains")
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    pages.delete(&visitor, &resource(&name), "/domains").await
}
