//! The table of partners: searched, filtered by state, in pages; switched on and off, and deleted after a question.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::{Value, json};

use super::{Fields, Frame, Pages, Visitor, Words, page};
use crate::api::v1::dto::{Partner, PartnerChanged, PartnerPage};

/// Rows of a page.
const ROWS: usize = 50;
/// The states in the order of the filters: word of the API, class of the shape.
pub(super) const STATES: [(&str, &str); 5] =
    [("down", "bad"), ("degraded", "warn"), ("up", "ok"), ("not_tried", "none"), ("disabled", "off")];

/// What is in the URL.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Shown {
    q: String,
    state: String,
    sort: String,
    page: usize,
    saved: String,
}

#[derive(Template)]
#[template(path = "partners.html")]
struct List {
    frame: Frame,
    q: String,
    saved: Option<String>,
    filters: Vec<Filter>,
    /// The columns that the table can be sorted by: word, link, how it is sorted now.
    domain: Order,
    kind: Order,
    last_success: Order,
    rows: Vec<Row>,
    /// The pages around this one.
    previous: Option<String>,
    next: Option<String>,
    /// Where in all of them it is.
    range: String,
}

/// A column that the table can be sorted by.
struct Order {
    link: String,
    /// `ascending`, `descending`, or nothing.
    now: &'static str,
}

impl Order {
    /// The link sorts by the column, and backwards if that is so already.
    fn new(shown: &Shown, column: &str) -> Self {
        let backwards = format!("-{column}");
        let sort = if shown.sort.is_empty() { "domain" } else { &shown.sort };
        let now = match sort {
            sort if sort == column => "ascending",
            sort if sort == backwards => "descending",
            _ => "",
        };
        let wanted = if now == "ascending" { &backwards } else { column };
        Self { link: shown.link(&shown.state, wanted, 0), now }
    }
}

impl Shown {
    /// What the API is asked for.
    fn resource(&self) -> String {
        let offset = self.page.saturating_mul(ROWS).to_string();
        let limit = ROWS.to_string();
        let start = "/partners?";
        let mut query = form_urlencoded::Serializer::for_suffix(start.to_owned(), start.len());
        query.append_pair("limit", &limit).append_pair("offset", &offset).append_pair("q", &self.q);
        for (name, value) in [("state", &self.state), ("sort", &self.sort)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    /// The table as it is searched, with this state, order and page.
    fn link(&self, state: &str, sort: &str, page: usize) -> String {
        let page = if page == 0 { String::new() } else { page.to_string() };
        let sort = if sort == "domain" { "" } else { sort };
        link(&[("q", &self.q), ("state", state), ("sort", sort), ("page", &page)])
    }
}

struct Filter {
    link: String,
    word: &'static str,
    class: &'static str,
    count: u64,
    is_current: bool,
}

struct Row {
    domain: String,
    display: String,
    further: usize,
    description: String,
    kind: &'static str,
    tls: &'static str,
    sasl: &'static str,
    dialback: &'static str,
    class: &'static str,
    state: &'static str,
    failure: String,
    /// The report of the failure.
    report: String,
    last_success: String,
    warnings: Vec<&'static str>,
    is_plaintext: bool,
    enabled: bool,
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(shown): Query<Shown>,
) -> Response {
    let words = visitor.language.words();
    let offset = shown.page.saturating_mul(ROWS);
    let found: PartnerPage = match pages.inside.get(&visitor.caller, &shown.resource()).await {
        Ok(found) => found,
        Err(problem) => return visitor.failed(&problem),
    };
    let rows: Vec<_> = found.items.iter().map(|partner| row(words, partner)).collect();
    let of_state = |state: &str| found.counts.get(state).copied().unwrap_or_default();
    let total = if shown.state.is_empty() { found.counts.values().sum() } else { of_state(&shown.state) };
    let range = format!("{}–{} / {total}", offset + usize::from(!rows.is_empty()), offset + rows.len());
    let list = List {
        frame: visitor.frame(words.partners),
        saved: (!shown.saved.is_empty()).then(|| Words::fill(words.saved, &[&shown.saved])),
        filters: filters(words, &shown, &found),
        domain: Order::new(&shown, "domain"),
        kind: Order::new(&shown, "type"),
        last_success: Order::new(&shown, "last_success"),
        previous: shown.page.checked_sub(1).map(|page| shown.link(&shown.state, &shown.sort, page)),
        next: found.next.is_some().then(|| shown.link(&shown.state, &shown.sort, shown.page + 1)),
        range,
        rows,
        q: shown.q,
    };
    page(StatusCode::OK, &list)
}

fn filters(words: &'static Words, shown: &Shown, found: &PartnerPage) -> Vec<Filter> {
    let all = Filter {
        link: shown.link("", &shown.sort, 0),
        word: words.all,
        class: "",
        count: found.counts.values().sum(),
        is_current: shown.state.is_empty(),
    };
    let of_state = STATES.map(|(state, class)| Filter {
        link: shown.link(state, &shown.sort, 0),
        word: state_word(words, state),
        class,
        count: found.counts.get(state).copied().unwrap_or_default(),
        is_current: shown.state == state,
    });
    [all].into_iter().chain(of_state).collect()
}

/// The table with what is not empty of these in its query.
fn link(values: &[(&str, &str)]) -> String {
    let start = "/partners?";
    let mut query = form_urlencoded::Serializer::for_suffix(start.to_owned(), start.len());
    query.extend_pairs(values.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

fn row(words: &'static Words, partner: &Partner) -> Row {
    let state = partner.state.as_deref().unwrap_or("not_tried");
    let class = STATES.iter().find(|(known, _)| *known == state).map_or("none", |(_, class)| class);
    let is_bad = matches!(state, "down" | "degraded");
    let failure = partner.last_failure.as_ref().filter(|_| is_bad);
    Row {
        domain: partner.primary_domain.clone(),
        display: partner.display_domain.clone(),
        further: partner.additional_domains.len(),
        description: partner.description.chars().take(200).collect(),
        kind: kind_word(words, &partner.partner_type),
        tls: requirement_word(words, &partner.tls),
        sasl: requirement_word(words, &partner.sasl),
        dialback: if partner.dialback { words.yes } else { words.no },
        class,
        state: state_word(words, state),
        failure: failure.map(|failure| failure.result.clone()).unwrap_or_default(),
        report: failure.map(|failure| failure.report.clone()).unwrap_or_default(),
        last_success: partner.last_success.as_ref().map(|last| last.at.clone()).unwrap_or_default(),
        warnings: partner.warnings.iter().filter_map(|warning| warning_word(words, &warning.code)).collect(),
        is_plaintext: partner.warnings.iter().any(|warning| warning.code.starts_with("plaintext")),
        enabled: partner.enabled,
    }
}

pub(super) fn state_word(words: &'static Words, state: &str) -> &'static str {
    match state {
        "up" => words.state_up,
        "degraded" => words.state_degraded,
        "down" => words.state_down,
        "disabled" => words.state_disabled,
        _ => words.state_not_tried,
    }
}

pub(super) fn kind_word(words: &'static Words, kind: &str) -> &'static str {
    match kind {
        "federated" => words.federated,
        "public_verified" => words.public_verified,
        _ => words.public_unverified,
    }
}

pub(super) fn requirement_word(words: &'static Words, requirement: &str) -> &'static str {
    match requirement {
        "required" => words.required,
        "optional" => words.optional,
        _ => words.not_supported,
    }
}

pub(super) fn method_word(words: &'static Words, method: &str) -> &'static str {
    match method {
        "sasl_over_tls" => words.sasl_over_tls,
        "tls_dialback" => words.tls_dialback,
        _ => words.tcp_dialback,
    }
}

/// What a warning of the negotiation says; none: it is another one.
pub(super) fn warning_word(words: &'static Words, code: &str) -> Option<&'static str> {
    Some(match code {
        "dialback_inoperative" => words.warn_dialback_inoperative,
        "tls_optional_with_sasl" => words.warn_tls_optional_with_sasl,
        "plaintext_possible" => words.warn_plaintext_possible,
        "plaintext_only" => words.warn_plaintext_only,
        _ => return None,
    })
}

pub(super) async fn enable(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(domain): Path<String>,
) -> Response {
    let body = json!({ "enabled": fields.text("enabled") == "true" });
    let path = path(&domain);
    match pages.inside.ask::<PartnerChanged>(&visitor.caller, Method::PATCH, &path, None, &body).await {
        Ok(changed) => back(&changed.partner.primary_domain),
        Err(problem) => visitor.failed(&problem),
    }
}

#[derive(Template)]
#[template(path = "partner_delete.html")]
struct Question {
    frame: Frame,
    domain: String,
    button: String,
}

pub(super) async fn ask_delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(domain): Path<String>,
) -> Response {
    let words = visitor.language.words();
    match pages.inside.get::<Partner>(&visitor.caller, &path(&domain)).await {
        Ok(partner) => {
            let display = &[partner.display_domain.as_str()];
            let frame = visitor.frame(Words::fill(words.delete_title, display));
            let button = Words::fill(words.delete_button, display);
            page(StatusCode::OK, &Question { frame, domain: partner.primary_domain, button })
        }
        Err(problem) => visitor.failed(&problem),
    }
}

pub(super) async fn delete(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(domain): Path<String>,
) -> Response {
    match pages.inside.ask::<Value>(&visitor.caller, Method::DELETE, &path(&domain), None, &()).await {
        Ok(_) => Redirect::to("/partners").into_response(),
        Err(problem) => visitor.failed(&problem),
    }
}

/// The resource of a partner; a name that is none finds nothing.
pub(super) fn path(domain: &str) -> String {
    format!("/partners/{}", form_urlencoded::byte_serialize(domain.as_bytes()).collect::<String>())
}

/// Back to the table, which says what was saved.
pub(super) fn back(domain: &str) -> Response {
    Redirect::to(&link(&[("saved", domain)])).into_response()
}
