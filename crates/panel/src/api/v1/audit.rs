//! The audit log: read, never written here.

use std::time::Duration;

use axum::{Json, extract::State};
use lexicon::{NotATime, Timestamp};
use store::AuditFilter;

use super::{
    body::{Nothing, Parameters},
    dto::{Audit, AuditVerified, Page},
    problem::Refused,
};
use crate::Means;

/// Rows in a page if the caller does not say.
const LIMIT_DEFAULT: u32 = 100;
/// Rows in a page at most.
const LIMIT_MAX: u32 = 1000;
/// `2026-11-23` stands for the whole day.
const DAY_LENGTH: usize = 10;
const DAY: Duration = Duration::from_hours(24);

/// Which rows to list, newest first.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    subject: Option<String>,
    who: Option<String>,
    action: Option<String>,
    /// A day or a moment, in UTC; from then on.
    since: Option<String>,
    /// The same; up to then, a day included.
    until: Option<String>,
    after: Option<u64>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<Audit>>, Refused> {
    let limit = listing.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let until = moment("until", listing.until.as_deref())?;
    let whole_day = listing.until.as_deref().is_some_and(|text| text.len() == DAY_LENGTH);
    let filter = AuditFilter {
        since: moment("since", listing.since.as_deref())?,
        until: until.map(|until| if whole_day { until + DAY } else { until }),
        subject: listing.subject,
        who: listing.who,
        action: listing.action,
        after: listing.after,
        limit,
    };
    let rows = means.store.audit(&filter).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|found| found == limit);
    let next = rows.last().filter(|_| full).map(|last| last.number.to_string());
    Ok(Json(Page { items: rows.into_iter().map(Audit::from).collect(), next }))
}

/// Empty is absent, as forms send it.
fn moment(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|error: NotATime| Refused::field(field, "time_invalid", error.to_string()))
}

pub(crate) async fn verify(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<AuditVerified>, Refused> {
    Ok(Json(AuditVerified { rows: means.store.verify_audit().await? }))
}
