//! Reports: listed newest first, and shown with every fact.

use axum::{
    Json,
    extract::{Path, State},
};
use lexicon::{Direction, Domain, RowId};
use store::ReportFilter;

use super::{
    body::{Nothing, Parameters},
    dto::{Page, Report},
    problem::Refused,
};
use crate::Means;

/// Reports in a page if the caller does not say.
const LIMIT_DEFAULT: u32 = 50;

/// Which reports to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    /// A domain of the partner.
    partner: Option<String>,
    /// Only of those who are no partner.
    strangers: bool,
    /// `success`, `failure`, or a code.
    outcome: Option<String>,
    direction: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<Report>>, Refused> {
    let limit = listing.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, store::report::REPORT_PAGE_MAX);
    let filter = filter(&means, listing, limit).await?;
    let reports = means.store.reports(&filter).await?;
    let full = u32::try_from(reports.len()).is_ok_and(|found| found == limit);
    let next = reports.last().filter(|_| full).map(|last| last.id.to_string());
    Ok(Json(Page { items: reports.iter().map(Report::from).collect(), next }))
}

async fn filter(means: &Means, listing: Listing, limit: u32) -> Result<ReportFilter, Refused> {
    let partner = match listing.partner.as_deref().map(Domain::parse).transpose() {
        Ok(None) => None,
        Ok(Some(domain)) => {
            // A report is kept under the primary domain.
            let snapshot = means.store.snapshot().await?;
            let primary = snapshot.partner_of(&domain).map(|partner| partner.primary_domain.clone());
            Some(primary.unwrap_or(domain))
        }
        Err(error) => return Err(Refused::field("partner", "domain_invalid", error.to_string())),
    };
    let direction = match listing.direction.as_deref() {
        None => None,
        Some("inbound") => Some(Direction::Inbound),
        Some("outbound") => Some(Direction::Outbound),
        Some(_) => return Err(Refused::field("direction", "not_a_choice", "allowed are inbound and outbound")),
    };
    let (succeeded, result) = match listing.outcome {
        None => (None, None),
        Some(word) if word == "success" => (Some(true), None),
        Some(word) if word == "failure" => (Some(false), None),
        code => (None, code),
    };
    let after = match listing.after.as_deref().map(str::parse::<RowId>).transpose() {
        Ok(after) => after,
        Err(error) => return Err(Refused::field("after", "id_invalid", error.to_string())),
    };
    Ok(ReportFilter { partner, strangers: listing.strangers, succeeded, result, direction, after, limit })
}

pub(crate) async fn show(
    State(means): State<Means>,
    Path(id): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Report>, Refused> {
    let missing = || Refused::not_found(&format!("report {id}; only the newest of each partner are kept"));
    let parsed = id.parse::<RowId>().map_err(|_| missing())?;
    let report = means.store.report(parsed).await?.ok_or_else(missing)?;
    let story = serde_json::to_value(&report).ok();
    Ok(Json(Report { story, ..Report::from(&report) }))
}
