//! Import, shown before it is done, and export.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use policy::role::Act;

use super::{
    Asked, Fields, Form, Frame, Notice, Pages, Piece, Place, Section, View, Visitor,
    view::{Facts, Field, Kind, Table, segment, small, state, text},
    words::{SecurityWords, korean},
};
use crate::api::v1::dto::{Import, ImportRow};

fn frame(visitor: &Visitor) -> Frame {
    visitor.frame_at(Place::Federation, "/import", visitor.words().import)
}

pub(super) async fn show(Extension(visitor): Extension<Visitor>, Query(_): Query<Asked>) -> Response {
    let w = SecurityWords::of(visitor.language);
    let sections = vec![Section::Form(form(&visitor)), Section::Facts(exports(&visitor))];
    View::new(frame(&visitor), w.import_lead, sections).show()
}

fn exports(visitor: &Visitor) -> Facts {
    let w = SecurityWords::of(visitor.language);
    let links = vec![
        visitor.link(Act::Audit, "/export/json", w.export_json, ""),
        visitor.link(Act::Audit, "/export/csv", w.export_csv, ""),
        small(w.export_note),
    ];
    Facts {
        id: "export",
        heading: w.export.to_owned(),
        rows: vec![(visitor.words().partners.to_owned(), links)],
        actions: Vec::new(),
    }
}

fn form(visitor: &Visitor) -> Form {
    let w = SecurityWords::of(visitor.language);
    Form {
        id: "import",
        heading: visitor.words().import.to_owned(),
        note: w.nothing_saved.to_owned(),
        action: "/import".to_owned(),
        hidden: vec![("dry_run", "true".to_owned())],
        fields: vec![
            Field::new("file", w.import_text, Kind::Area, "").hint(w.import_hint).required(),
            Field::new("sites", w.sites, Kind::Text, "").hint(w.sites_hint),
        ],
        submit: w.dry_run.to_owned(),
        cancel: None,
        refused: visitor.refused(Act::ChangeConfiguration),
        fault: None,
    }
}

/// The same text again, to be saved now.
fn commit_form(visitor: &Visitor, fields: &Fields) -> Form {
    let w = SecurityWords::of(visitor.language);
    let mut form = form(visitor);
    form.hidden = vec![
        ("dry_run", "false".to_owned()),
        ("file", fields.text("file").to_owned()),
        ("sites", fields.text("sites").to_owned()),
    ];
    let skip = Field::new("skip_invalid", w.skip_invalid, Kind::Check, fields.text("skip_invalid"));
    form.fields = vec![skip.hint(w.skip_invalid_hint)];
    w.import_now.clone_into(&mut form.submit);
    form.cancel = Some(("/import".to_owned(), visitor.words().cancel));
    form
}

pub(super) async fn import(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let w = SecurityWords::of(visitor.language);
    let is_trial = fields.text("dry_run") != "false";
    let skips = fields.is_on("skip_invalid");
    let sites = segment(fields.text("sites").trim());
    let path = format!("/import?dry_run={is_trial}&skip_invalid={skips}&sites={sites}");
    let answer = pages.inside.send::<Import>(&visitor.caller, &path, fields.text("file").to_owned().into_bytes()).await;
    match answer {
        Ok(import) => {
            let mut sections = Vec::new();
            if is_trial {
                sections.push(Section::Form(commit_form(&visitor, &fields)));
            }
            let heading = if is_trial { w.would_change } else { w.has_changed };
            sections.extend(told(&visitor, heading, &import));
            let mut view = View::new(frame(&visitor), w.import_lead, sections);
            if is_trial {
                let fact = w.nothing_saved.to_owned();
                view.notice = Some(Notice { class: "warn", fact, why: String::new() });
            } else {
                view.done = Some(visitor.words().done_saved.to_owned());
            }
            view.show()
        }
        Err(problem) => {
            let mut form = if is_trial { form(&visitor) } else { commit_form(&visitor, &fields) };
            form.refill(&fields);
            form.faults(&visitor, &problem);
            View::new(frame(&visitor), w.import_lead, vec![Section::Form(form)]).refuse(problem.status)
        }
    }
}

fn told(visitor: &Visitor, heading: &str, import: &Import) -> Vec<Section> {
    let w = SecurityWords::of(visitor.language);
    let mut table = Table::new("rows", heading, &[w.row, w.subject, w.action, w.details], w.no_rows);
    table.rows.reserve(import.rows.len());
    for row in &import.rows {
        table.row(vec![
            vec![text(row.row.to_string())],
            vec![text(&row.subject)],
            vec![state(class(row), action(w, &row.action))],
            details(visitor, row),
        ]);
    }
    let access = [(w.gains, &import.gains_access), (w.loses, &import.loses_access)];
    let rows: Vec<_> = access
        .into_iter()
        .filter(|(_, users)| !users.is_empty())
        .map(|(name, users)| (name.to_owned(), vec![text(users.join(", "))]))
        .collect();
    let mut sections = Vec::new();
    if !rows.is_empty() {
        let facts = Facts { id: "access", heading: visitor.words().users.to_owned(), rows, actions: Vec::new() };
        sections.push(Section::Facts(facts));
    }
    sections.push(Section::Table(table));
    sections
}

fn class(row: &ImportRow) -> &'static str {
    match (row.errors.is_empty(), row.warnings.is_empty()) {
        (false, _) => "bad",
        (true, false) => "warn",
        (true, true) => "ok",
    }
}

fn action(w: &'static SecurityWords, action: &str) -> String {
    let word = match action {
        "add" => w.adds,
        "change" => w.changes,
        "unchanged" => w.unchanged,
        "invalid" => w.invalid,
        later => later,
    };
    word.to_owned()
}

fn details(visitor: &Visitor, row: &ImportRow) -> Vec<Piece> {
    let told = |field: &str, code: &str, message: &str| match korean::fault(visitor.language, code, message) {
        Some(told) => small(format!("{field}: {told}")),
        None => Piece::English(format!("{field}: {message}")),
    };
    let changes =
        row.changes.iter().map(|change| small(format!("{}: {} → {}", change.field, change.before, change.after)));
    let errors = row.errors.iter().map(|error| told(&error.field, &error.code, &error.message));
    let warnings = row.warnings.iter().map(|of| told(&of.field, &of.code, &of.message));
    changes.chain(errors).chain(warnings).collect()
}

/// All partners as the API exports them.
pub(super) async fn export(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(format): Path<String>,
) -> Response {
    if !matches!(format.as_str(), "json" | "csv") {
        return StatusCode::NOT_FOUND.into_response();
    }
    pages.inside.raw(&visitor.caller, &format!("/partners/export?format={format}")).await
}
