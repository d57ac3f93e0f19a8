//! The audit log: filtered, exported, and its chain of hashes checked.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use policy::role::Act;
use serde_json::Value;

use super::{
    Asked, Notice, Pages, Piece, Place, Section, View, Visitor, Words, asked,
    view::{Field, Kind, Search, Table, segment, small, text},
    words::{SecurityWords, korean},
};
use crate::api::v1::dto::{Audit, AuditVerified, Page, Problem};

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    show(&pages, &visitor, &query, None).await
}

pub(super) async fn verify(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let w = SecurityWords::of(visitor.language);
    let notice = match pages.inside.get::<AuditVerified>(&visitor.caller, "/audit/verify").await {
        Ok(AuditVerified { rows }) => ("ok", Words::fill(w.intact, &[&rows.to_string()])),
        Err(problem) if problem.status == 403 => return visitor.failed(&problem),
        Err(problem) => ("bad", Words::fill(w.broken, &[&problem.detail])),
    };
    let (class, fact) = notice;
    show(&pages, &visitor, &query, Some(Notice { class, fact, why: String::new() })).await
}

async fn show(pages: &Pages, visitor: &Visitor, query: &Asked, notice: Option<Notice>) -> Response {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let filter = filter(query);
    let after = match asked(query, "after") {
        "" => String::new(),
        after => format!("&after={}", segment(after)),
    };
    let path = format!("/audit?{filter}{after}");
    // A filter that cannot be read finds nothing, and says why.
    let (rows, notice) = match pages.inside.get::<Page<Audit>>(&visitor.caller, &path).await {
        Ok(rows) => (rows, notice),
        Err(problem) if problem.status == 422 => {
            (Page { items: Vec::new(), next: None }, Some(unread(visitor, &problem)))
        }
        Err(problem) => return visitor.failed(&problem),
    };
    let labels = [w.audit_subject, w.audit_who, w.audit_action, w.audit_since, w.audit_until];
    let fields =
        FILTERS.iter().zip(labels).map(|(name, label)| Field::new(name, label, Kind::Text, asked(query, name)));
    let search = Search {
        action: "/audit",
        label: words.search.to_owned(),
        fields: fields.collect(),
        word: words.search,
        result: Vec::new(),
    };
    let mut table = table(visitor, words.audit, &rows.items);
    table.next = rows.next.map(|next| format!("/audit?{filter}&after={}", segment(&next)));
    table.next_word = words.next;
    let frame = visitor.frame_at(Place::Security, "/audit", words.audit);
    let mut view = View::new(frame, w.audit_lead, vec![Section::Search(search), Section::Table(table)]);
    view.notice = notice;
    view.actions = [
        ("/audit/verify".to_owned(), w.verify),
        (format!("/audit/export/csv?{filter}"), w.export_csv),
        (format!("/audit/export/json?{filter}"), w.export_json),
    ]
    .into_iter()
    .map(|(href, word)| visitor.link(Act::Audit, &href, word, ""))
    .collect();
    view.show()
}

/// What the log is filtered by, in the words of the API.
const FILTERS: [&str; 5] = ["subject", "who", "action", "since", "until"];

fn filter(query: &Asked) -> String {
    let pairs = FILTERS.iter().map(|name| (name, asked(query, name).trim())).filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| format!("{name}={}", segment(value))).collect::<Vec<_>>().join("&")
}

fn unread(visitor: &Visitor, problem: &Problem) -> Notice {
    let error = problem.errors.first();
    let told = error.and_then(|error| korean::fault(visitor.language, &error.code, &error.message));
    Notice { class: "bad", fact: told.unwrap_or_else(|| problem.detail.clone()), why: String::new() }
}

pub(super) fn table(visitor: &Visitor, heading: &str, rows: &[Audit]) -> Table {
    let w = SecurityWords::of(visitor.language);
    let mut table = Table::new("audit", heading, &[w.time, w.who, w.what, w.before, w.after], w.no_entries);
    for row in rows {
        let told = |value: &Option<Value>, other: &Option<Value>| {
            let differs = value.as_ref().map(|value| changed(value, other.as_ref())).filter(|told| !told.is_empty());
            differs.map_or_else(|| text("–"), Piece::Code)
        };
        table.row(vec![
            vec![Piece::Time(row.at.clone())],
            vec![text(&row.who), small(&row.origin)],
            vec![text(&row.action), small(&row.subject)],
            vec![told(&row.before, &row.after)],
            vec![told(&row.after, &row.before)],
        ]);
    }
    table
}

/// What differs from the other value, cut to a line of the table.
fn changed(value: &Value, other: Option<&Value>) -> String {
    let kept = match value {
        Value::Object(fields) => {
            let differs = |(name, value): &(&String, &Value)| other.and_then(|other| other.get(*name)) != Some(*value);
            let fields = fields.iter().filter(differs).filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
        }
        _ => value.to_string(),
    };
    let end = kept.floor_char_boundary(400);
    if end < kept.len() { format!("{}…", &kept[..end]) } else { kept }
}

/// Most rows of an export.
const EXPORT_ROWS_MAX: usize = 100_000;

pub(super) async fn export(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(format): Path<String>,
    Query(query): Query<Asked>,
) -> Response {
    let rows = match all(&pages, &visitor, &filter(&query)).await {
        Ok(rows) => rows,
        Err(problem) => return visitor.failed(&problem),
    };
    let (kind, text) = match format.as_str() {
        "json" => ("application/json", serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())),
        "csv" => ("text/csv; charset=utf-8", csv(&rows).map_err(|error| error.to_string())),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match text {
        Ok(text) => {
            let name = format!("attachment; filename=\"audit.{format}\"");
            ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response()
        }
        Err(detail) => visitor.failed(&Problem { status: 500, detail, ..Problem::default() }),
    }
}

async fn all(pages: &Pages, visitor: &Visitor, filter: &str) -> Result<Vec<Audit>, Problem> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/audit?{filter}{after}&limit=1000");
        let part: Page<Audit> = pages.inside.get(&visitor.caller, &path).await?;
        rows.extend(part.items);
        match part.next {
            Some(next) if rows.len() < EXPORT_ROWS_MAX => after = format!("&after={next}"),
            _ => return Ok(rows),
        }
    }
}

/// A cell that begins like a formula is a text: spreadsheets would reckon it.
fn csv(rows: &[Audit]) -> Result<String, ::csv::Error> {
    let harmless = |text: &str| match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["number", "at", "who", "origin", "action", "subject", "before", "after", "hash"])?;
    for row in rows {
        let value = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        writer.write_record([
            row.number.to_string(),
            row.at.clone(),
            harmless(&row.who),
            harmless(&row.origin),
            row.action.clone(),
            harmless(&row.subject),
            value(&row.before),
            value(&row.after),
            row.hash.clone(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
