//! What SIP users have registered, in the order of their addresses.

use axum::{Json, extract::State};

use super::{
    body::Parameters,
    dto::{Page, Registration},
    problem::Refused,
};
use crate::Means;

/// Registrations in a page if the caller does not say, and at most.
const LIMIT_MAX: usize = 1000;

/// Which registrations to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    /// In the address, the URI or where it came from.
    q: String,
    /// Behind this key.
    after: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<Registration>>, Refused> {
    let q = listing.q.trim().to_lowercase();
    let mut found = means.live.registrations().await;
    found.retain(|registration| {
        let Registration { user, contact, source, .. } = registration;
        [user, contact, source].into_iter().any(|text| text.to_lowercase().contains(&q))
    });
    found.sort_by_key(key);
    let after = listing.after.unwrap_or_default();
    let mut rest = found.into_iter().filter(|registration| key(registration) > after);
    let limit = listing.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| items.last().map(key));
    Ok(Json(Page { items, next }))
}

/// A user registers each contact once.
fn key(registration: &Registration) -> String {
    format!("{} {}", registration.user, registration.contact)
}
