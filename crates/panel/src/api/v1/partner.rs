//! Partners: list, show, add, change, remove. Policy judges a change whole; nothing is saved while anything is wrong.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use lexicon::Domain;
use policy::{FieldError as PolicyError, diagnosis::PartnerState, partner::Checked};
use store::{StoreError, StoredPartner};

use super::{
    body::{ATTEMPTS_MAX, Body, Expected, Named, Nothing, Parameters, Try, etag, together, unreadable_roots},
    dto::{FieldError, NewPartner, Partner, PartnerChanged, PartnerChanges, PartnerPage, Refusals},
    problem::Refused,
    state::States,
};
use crate::{Means, access::Caller};

/// Partners in a page if the caller does not say, and at most.
const LIMIT_MAX: usize = 1000;

/// Which partners to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    /// Behind this primary domain; only in their own order.
    after: Option<String>,
    /// How many to leave out from the start.
    offset: usize,
    limit: Option<usize>,
    /// In a domain or in the description.
    q: String,
    /// `up`, `degraded`, `down`, `not_tried`, `disabled`.
    state: Option<String>,
    sort: Sort,
}

/// The order of a list; each also backwards.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
enum Sort {
    #[default]
    #[serde(rename = "domain")]
    Domain,
    #[serde(rename = "-domain")]
    DomainBackwards,
    #[serde(rename = "type")]
    Type,
    #[serde(rename = "-type")]
    TypeBackwards,
    #[serde(rename = "last_success")]
    LastSuccess,
    #[serde(rename = "-last_success")]
    LastSuccessBackwards,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<PartnerPage>, Refused> {
    let states = States::read(&means).await?;
    let q = listing.q.trim().to_lowercase();
    let found = states.partners().iter().filter(|stored| matches(stored, &q));
    let found: Vec<_> = found.map(|stored| (states.of(stored), stored)).collect();
    let mut counts = BTreeMap::new();
    for (state, _) in &found {
        *counts.entry(state.as_str().to_owned()).or_default() += 1;
    }
    let is_wanted = |state: PartnerState| listing.state.as_deref().is_none_or(|wanted| wanted == state.as_str());
    let mut wanted: Vec<_> = found.into_iter().filter(|(state, _)| is_wanted(*state)).map(|(_, of)| of).collect();
    sort(&mut wanted, listing.sort, &states);
    let after = listing.after.unwrap_or_default();
    let mut rest = wanted.into_iter().filter(|stored| *stored.partner.primary_domain.as_ascii() > *after);
    let limit = listing.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let rest = &mut rest.by_ref().skip(listing.offset);
    let items: Vec<_> = rest.take(limit).map(|stored| states.show(stored)).collect();
    let next = rest.next().and_then(|_| items.last().map(|last| last.primary_domain.clone()));
    Ok(Json(PartnerPage { items, next, counts }))
}

/// A domain that is or ends in what was entered, label by label, or contains it; or the description does.
fn matches(stored: &StoredPartner, q: &str) -> bool {
    let partner = &stored.partner;
    let is_in = |domain: &Domain| domain.as_ascii().contains(q) || domain.as_unicode().to_lowercase().contains(q);
    q.is_empty() || partner.domains().any(is_in) || partner.description.to_string().to_lowercase().contains(q)
}

fn sort(partners: &mut [&StoredPartner], by: Sort, states: &States) {
    match by {
        // They are kept so.
        Sort::Domain => {}
        Sort::DomainBackwards => partners.reverse(),
        Sort::Type => partners.sort_by_key(|stored| stored.partner.partner_type.as_str()),
        Sort::TypeBackwards => {
            partners.sort_by_key(|stored| std::cmp::Reverse(stored.partner.partner_type.as_str()));
        }
        Sort::LastSuccess => partners.sort_by_cached_key(|stored| states.last_success(stored)),
        Sort::LastSuccessBackwards => {
            partners.sort_by_cached_key(|stored| std::cmp::Reverse(states.last_success(stored)));
        }
    }
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(primary): Named<Domain>,
) -> Result<(HeaderMap, Json<Partner>), Refused> {
    let stored = find(&means, &primary).await?;
    let states = States::read(&means).await?;
    Ok((etag(stored.revision), Json(states.show(&stored))))
}

pub(crate) async fn refusals(
    State(means): State<Means>,
    Named(primary): Named<Domain>,
) -> Result<Json<Refusals>, Refused> {
    let stored = find(&means, &primary).await?;
    Ok(Json(means.live.refusals(&stored.partner.primary_domain)))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Try { dry_run }): Parameters<Try>,
    body: Body,
) -> Result<(StatusCode, HeaderMap, Json<PartnerChanged>), Refused> {
    let (new, errors) = body.read::<NewPartner>();
    let snapshot = means.store.snapshot().await?;
    let checked = complete(errors, policy::PartnerDraft::from(new).check(snapshot.directory()))?;
    if dry_run {
        let changed = changed(Partner::from(&checked.partner), &checked, None, true);
        return Ok((StatusCode::OK, HeaderMap::new(), Json(changed)));
    }
    let stored = means.store.add_partner(&actor, &checked.partner).await?;
    let changed = changed(Partner::from(&stored), &checked, None, false);
    Ok((StatusCode::CREATED, etag(stored.revision), Json(changed)))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(primary): Named<Domain>,
    Parameters(Try { dry_run }): Parameters<Try>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<PartnerChanged>), Refused> {
    let (changes, errors) = body.read::<PartnerChanges>();
    let changes = policy::PartnerChanges::from(changes);
    let mut attempt = 1;
    loop {
        let before = find(&means, &primary).await?;
        check_revision(&before, expected)?;
        let snapshot = means.store.snapshot().await?;
        let checked = complete(errors.clone(), changes.check(&before.partner, snapshot.directory()))?;
        let affected = affected(&means, &before, &checked).await?;
        if dry_run {
            let partner = StoredPartner { partner: checked.partner.clone(), ..before };
            let answer = changed(Partner::from(&partner), &checked, affected, true);
            return Ok((etag(partner.revision), Json(answer)));
        }
        match means.store.set_partner(&actor, Some(before.revision), &checked.partner).await {
            Ok(stored) => {
                let answer = changed(Partner::from(&stored), &checked, affected, false);
                return Ok((etag(stored.revision), Json(answer)));
            }
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(primary): Named<Domain>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Expected(expected): Expected,
) -> Result<StatusCode, Refused> {
    means.store.remove_partner(&actor, expected, &primary).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(means: &Means, primary: &Domain) -> Result<StoredPartner, Refused> {
    let stored = means.store.partner(primary).await?;
    stored.ok_or_else(|| Refused::not_found(&format!("partner {primary}")))
}

fn check_revision(stored: &StoredPartner, expected: Option<u64>) -> Result<(), Refused> {
    match expected {
        Some(expected) if expected != stored.revision => {
            let what = format!("the partner {}", stored.partner.primary_domain);
            Err(StoreError::Conflict { what, revision: stored.revision }.into())
        }
        _ => Ok(()),
    }
}

/// What was checked, or the faults of reading and of policy together; a field that could not be read is told once.
fn complete(mut errors: Vec<FieldError>, checked: Result<Checked, Vec<PolicyError>>) -> Result<Checked, Refused> {
    let checked = match checked {
        Ok(checked) => checked,
        Err(found) => return Err(Refused::fields(together(errors, found))),
    };
    errors.extend(unreadable_roots(&checked.partner.trust_roots));
    if errors.is_empty() { Ok(checked) } else { Err(Refused::fields(errors)) }
}

/// How many contacts a change of the partner type affects; none if it does not change.
async fn affected(means: &Means, before: &StoredPartner, checked: &Checked) -> Result<Option<u64>, Refused> {
    let (old, new) = (before.partner.partner_type, checked.partner.partner_type);
    if old == new {
        return Ok(None);
    }
    let contacts = means.store.contacts_of_partner(&before.partner.primary_domain).await?;
    let affected = contacts.iter().filter(|contact| contact.state.is_affected_by(old, new)).count();
    Ok(u64::try_from(affected).ok())
}

fn changed(partner: Partner, checked: &Checked, contacts_affected: Option<u64>, dry_run: bool) -> PartnerChanged {
    let warnings = checked.warnings.iter().cloned().map(Into::into).collect();
    PartnerChanged { partner, warnings, contacts_affected, dry_run }
}
