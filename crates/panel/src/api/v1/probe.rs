//! Probes: started, looked at, cancelled. What was entered is judged as if it were to be saved, and nothing is saved.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use lexicon::{Domain, DomainPair};
use policy::{EdgeSnapshot, diagnosis, role::Act};
use serde_json::json;

use super::{
    body::{Body, Nothing, Parameters, unreadable_roots},
    dto::{FieldError, NewProbe, Probe, Report, Step, WorkingRow},
    problem::Refused,
};
use crate::{Means, ProbeState, access::Caller};

pub(crate) async fn start(
    State(means): State<Means>,
    caller: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<Probe>), Refused> {
    let new = body.parse::<NewProbe>()?;
    let snapshot = means.store.snapshot().await?;
    let pair = pair(&new, &snapshot)?;
    if snapshot.partner_of(&pair.remote).is_none() {
        caller.may(Act::Operate)?;
    }
    let settings = settings(new, &pair, &snapshot)?;
    let (domain, local) = (pair.remote.as_ascii().to_owned(), pair.local.as_ascii().to_owned());
    let negotiation = settings.negotiation;
    let Some(id) = means.live.start_probe(pair, settings) else {
        return Err(Refused::busy("too many probes are running; wait until one is done"));
    };
    let what = json!({
        "local": local,
        "tls": negotiation.tls.as_str(),
        "sasl": negotiation.sasl.as_str(),
        "dialback": negotiation.dialback,
    });
    means.store.record(&caller.actor, "probe.started", &domain, what).await?;
    let probe = Probe { id, domain, local, state: "running".to_owned(), ..Probe::default() };
    Ok((StatusCode::ACCEPTED, Json(probe)))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Path(id): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Probe>, Refused> {
    let state = means.live.probe(&id).ok_or_else(|| missing(&id))?;
    Ok(Json(told(id, &state)))
}

pub(crate) async fn cancel(
    State(means): State<Means>,
    _: Caller,
    Path(id): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.live.cancel_probe(&id).then_some(StatusCode::NO_CONTENT).ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Refused {
    Refused::not_found(&format!("probe {id}; only the last ones are remembered"))
}

/// From which of our domains to which of theirs.
fn pair(new: &NewProbe, snapshot: &EdgeSnapshot) -> Result<DomainPair, Refused> {
    let domain = |field: &str, text: &str| {
        Domain::parse(text).map_err(|error| Refused::field(field, "domain_invalid", format!("{text}: {error}")))
    };
    let remote = domain("domain", &new.domain)?;
    if snapshot.is_internal(&remote) {
        return Err(Refused::field("domain", "domain_is_internal", format!("{remote} is one of our internal domains")));
    }
    let local = match &new.local {
        Some(text) => domain("local", text)?,
        None => {
            let first = snapshot.internal_domains().next().cloned();
            first.ok_or_else(|| Refused::field("local", "not_internal", "there is no internal domain yet"))?
        }
    };
    if !snapshot.is_internal(&local) {
        return Err(Refused::field("local", "not_internal", format!("{local} is not an internal domain")));
    }
    Ok(DomainPair { local, remote })
}

/// The settings to try, judged like those of a partner that is saved.
fn settings(new: NewProbe, pair: &DomainPair, snapshot: &EdgeSnapshot) -> Result<policy::Partner, Refused> {
    let changes = policy::PartnerChanges::from(new.settings.unwrap_or_default());
    let checked = match snapshot.partner_of(&pair.remote) {
        Some(partner) => changes.check(partner, snapshot.directory()),
        None => {
            let primary_domain = pair.remote.as_ascii().to_owned();
            policy::PartnerDraft { primary_domain, changes }.check(snapshot.directory())
        }
    };
    let checked = checked.map_err(|errors| Refused::fields(errors.into_iter().map(FieldError::from).collect()))?;
    match unreadable_roots(&checked.partner.trust_roots) {
        Some(error) => Err(Refused::fields(vec![error])),
        None => Ok(checked.partner),
    }
}

fn told(id: String, state: &ProbeState) -> Probe {
    let mut probe = Probe {
        id,
        domain: state.pair.remote.as_ascii().to_owned(),
        local: state.pair.local.as_ascii().to_owned(),
        state: match (state.done, state.cancelled) {
            (_, true) => "cancelled",
            (true, false) => "done",
            (false, false) => "running",
        }
        .to_owned(),
        ..Probe::default()
    };
    let Some(report) = &state.report else { return probe };
    probe.steps = Report::from(report).steps;
    if !state.done || state.cancelled {
        // There is no result yet.
        probe.steps.retain(|step: &Step| step.name != "result");
        return probe;
    }
    probe.report = Some(Report::from(report));
    probe.rows = diagnosis::rows_that_work(report).into_iter().map(WorkingRow::from).collect();
    probe
}

impl From<diagnosis::WorkingRow> for WorkingRow {
    fn from(working: diagnosis::WorkingRow) -> Self {
        let negotiation = working.row.negotiation;
        Self {
            row: working.row.number,
            tls: negotiation.tls.to_string(),
            sasl: negotiation.sasl.to_string(),
            dialback: negotiation.dialback,
            method: working.method.as_str().to_owned(),
        }
    }
}
