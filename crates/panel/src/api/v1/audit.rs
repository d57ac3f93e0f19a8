//! The audit log: read, never written here.

use axum::{Json, extract::State};
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

/// Which rows to list, newest first.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    subject: Option<String>,
    after: Option<u64>,
    limit: Option<u32>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<Audit>>, Refused> {
    let limit = listing.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let filter = AuditFilter { subject: listing.subject, after: listing.after, limit };
    let rows = means.store.audit(&filter).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|found| found == limit);
    let next = rows.last().filter(|_| full).map(|last| last.number.to_string());
    Ok(Json(Page { items: rows.into_iter().map(Audit::from).collect(), next }))
}

pub(crate) async fn verify(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<AuditVerified>, Refused> {
    Ok(Json(AuditVerified { rows: means.store.verify_audit().await? }))
}
