//! Test now: a probe with settings that are not saved, its progress, and the settings that were seen to fit, each filled in by
//! one click.
//!
//! What stands in the form is kept here while the probe is remembered, so that the way back loses nothing.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::Value;

use super::{
    Fields, Frame, Pages, Visitor, Words,
    form::{Entered, Showing},
    page,
    partners::{method_word, requirement_word},
    view::Step,
    words::korean,
};
use crate::api::v1::dto::{self, NewProbe, PartnerChanges, Probe, Problem};

/// Forms that are kept; beyond it the oldest goes.
const DRAFTS_MAX: usize = 64;
const RUNNING: &str = "running";

/// A form whose settings are being tried.
#[derive(Clone)]
struct Draft {
    probe: String,
    /// Who has filled it in: nobody else sees it.
    name: String,
    domain: String,
    revision: String,
    entered: Entered,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Drafts(Mutex<VecDeque<Draft>>);

impl Drafts {
    fn keep(&self, draft: Draft) {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drafts.len() >= DRAFTS_MAX {
            drafts.pop_front();
        }
        drafts.push_back(draft);
    }

    fn find(&self, probe: &str, name: &str) -> Option<Draft> {
        let drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.iter().find(|draft| draft.probe == probe && draft.name == name).cloned()
    }
}

#[derive(Template)]
#[template(path = "probe.html")]
struct Test {
    frame: Frame,
    id: String,
    is_running: bool,
    is_cancelled: bool,
    /// The outcome in a sentence, and whether it is good.
    outcome: Option<(String, bool)>,
    remedy: Option<String>,
    /// Both in the language of the page, where that is not the API's English.
    told: Option<(&'static str, &'static str)>,
    steps: Vec<Step>,
    fitting: Vec<Fitting>,
}

/// A step of a connection attempt.
pub(super) fn step(visitor: &Visitor, step: dto::Step) -> Step {
    let told = korean::step(visitor.language, &step.name, &step.result);
    Step { is_ok: step.result == "ok", told, text: step.text }
}

/// Settings that would work: what they are, by which method, and the value of the button.
struct Fitting {
    settings: String,
    method: &'static str,
    value: String,
}

/// Starts a probe with what stands in a form, or shows the form with its faults.
pub(super) async fn start(
    pages: &Pages,
    visitor: &Visitor,
    domain: &str,
    revision: &str,
    entered: Entered,
) -> Response {
    let showing = Showing::of(domain, revision, entered.clone());
    let settings: PartnerChanges = match serde_json::from_value(entered.body(false)) {
        Ok(settings) => settings,
        // What cannot be read is judged by the API as if it were to be saved, which tells every fault.
        Err(_) => return showing.judged(pages, visitor).await,
    };
    let tried = if domain.is_empty() { entered.primary_domain.trim() } else { domain };
    let new = NewProbe { domain: tried.to_owned(), local: None, settings: Some(settings) };
    match pages.inside.ask::<Probe>(&visitor.caller, Method::POST, "/probes", None, &new).await {
        Ok(probe) => {
            let (domain, revision) = (domain.to_owned(), revision.to_owned());
            let name = visitor.session.name.clone();
            pages.drafts.keep(Draft { probe: probe.id.clone(), name, domain, revision, entered });
            Redirect::to(&format!("/probes/{}", probe.id)).into_response()
        }
        Err(problem) => showing.refused(visitor, with_names_of_the_form(problem)),
    }
}

/// In a probe the primary domain is called otherwise.
fn with_names_of_the_form(mut problem: Problem) -> Problem {
    for error in problem.errors.iter_mut().filter(|error| error.field == "domain") {
        "primary_domain".clone_into(&mut error.field);
    }
    problem
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    let words = visitor.language.words();
    let probe: Probe = match pages.inside.get(&visitor.caller, &path(&id)).await {
        Ok(probe) => probe,
        Err(problem) => return visitor.failed(&problem),
    };
    let is_running = probe.state == RUNNING;
    let report = probe.report.filter(|_| !is_running);
    let steps = report.as_ref().map_or(probe.steps, |report| report.steps.clone()).into_iter();
    let fitting = probe.rows.iter().map(|row| {
        let dialback = if row.dialback { words.yes } else { words.no };
        let (tls, sasl) = (requirement_word(words, &row.tls), requirement_word(words, &row.sasl));
        Fitting {
            settings: format!("TLS {tls} · SASL {sasl} · {} {dialback}", words.dialback),
            method: method_word(words, &row.method),
            value: format!("{} {} {}", row.tls, row.sasl, row.dialback),
        }
    });
    let test = Test {
        frame: visitor.frame(Words::fill(words.test_of, &[&probe.domain])),
        id,
        is_running,
        is_cancelled: probe.state == "cancelled",
        outcome: report.as_ref().map(|report| (report.summary.clone(), report.result == "ok")),
        told: report.as_ref().and_then(|report| korean::report(visitor.language, &report.result)),
        remedy: report.and_then(|report| report.remedy),
        steps: steps.map(|step| self::step(&visitor, step)).collect(),
        fitting: fitting.collect(),
    };
    page(StatusCode::OK, &test)
}

pub(super) async fn cancel(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    match pages.inside.ask::<Value>(&visitor.caller, Method::DELETE, &path(&id), None, &()).await {
        Ok(_) => Redirect::to(&format!("/probes/{id}")).into_response(),
        Err(problem) => visitor.failed(&problem),
    }
}

/// Back to the form, with the settings of a fitting row filled in if one was chosen.
pub(super) async fn back_to_form(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(id): Path<String>,
) -> Response {
    let Some(draft) = pages.drafts.find(&id, &visitor.session.name) else {
        return Redirect::to("/partners").into_response();
    };
    let Draft { domain, revision, mut entered, .. } = draft;
    let fitting: Vec<_> = fields.text("fitting").split(' ').collect();
    if let [tls, sasl, dialback] = fitting[..] {
        for remedy in [format!("tls={tls}"), format!("sasl={sasl}"), format!("dialback={dialback}")] {
            entered = entered.remedied(&remedy);
        }
    }
    Showing::of(&domain, &revision, entered).show(&visitor, StatusCode::OK)
}

fn path(id: &str) -> String {
    format!("/probes/{}", form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>())
}
