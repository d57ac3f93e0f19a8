//! What to publish in DNS for each internal domain, each line asked for now.

use axum::{Json, extract::State};
use lexicon::Domain;

use super::{
    body::Parameters,
    dto::{DnsZone, Page},
    problem::Refused,
};
use crate::Means;

/// Of which domain; of all without.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    domain: Option<Domain>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<Page<DnsZone>>, Refused> {
    let mut serving = means.store.serving().await?;
    if let Some(name) = which.domain {
        serving.domains.retain(|domain| domain.name == name);
        if serving.domains.is_empty() {
            return Err(Refused::not_found(&format!("internal domain {name}")));
        }
    }
    let partners = means.store.partners().await?.into_iter().map(|stored| stored.partner);
    let enabled = partners.filter(|partner| partner.enabled);
    let domains = enabled.flat_map(|partner| partner.domains().cloned().collect::<Vec<_>>()).collect();
    let zones = means.live.dns(serving, domains).await;
    let items = zones.map_err(|reason| Refused::field("dns", "unusable", reason))?;
    Ok(Json(Page { items, next: None }))
}
