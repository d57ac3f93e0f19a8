//! Access policies: which internal users may use XMPP federation, and to whom a policy is assigned.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use lexicon::{BareJid, Domain};
use policy::{EdgeSnapshot, PolicyIdentity, PolicyName, access::Checked};
use store::{StoreError, StoredPolicy};

use super::{
    body::{ATTEMPTS_MAX, Body, Expected, Named, Nothing, Parameters, Try, etag, together},
    dto::{FieldError, NewPolicy, NewUserPolicy, Page, Policy, PolicyChanged, PolicyChanges, UserPolicy},
    problem::Refused,
};
use crate::{Means, access::Caller};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Policy>>, Refused> {
    let items = means.store.access_policies().await?.iter().map(Policy::from).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(identity): Named<PolicyIdentity>,
) -> Result<(HeaderMap, Json<Policy>), Refused> {
    let stored = find(&means, &identity).await?;
    Ok((etag(stored.revision), Json(Policy::from(&stored))))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Try { dry_run }): Parameters<Try>,
    body: Body,
) -> Result<(StatusCode, HeaderMap, Json<PolicyChanged>), Refused> {
    let (new, errors) = body.read::<NewPolicy>();
    let snapshot = means.store.snapshot().await?;
    let draft = policy::access::PolicyDraft::from(new);
    let checked = complete(errors, draft.check(|domain| is_primary(&snapshot, domain)))?;
    if let PolicyIdentity::Site(domain) = &checked.policy.identity
        && !snapshot.is_internal(domain)
    {
        let message = format!("{domain} is not one of our internal domains");
        return Err(Refused::field("identity", "not_internal", message));
    }
    if dry_run {
        let stored = StoredPolicy { policy: checked.policy.clone(), users: 0, revision: 0, updated_at: None };
        return Ok((StatusCode::OK, HeaderMap::new(), Json(changed(&stored, checked, true))));
    }
    let stored = means.store.add_access_policy(&actor, &checked.policy).await?;
    Ok((StatusCode::CREATED, etag(stored.revision), Json(changed(&stored, checked, false))))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(identity): Named<PolicyIdentity>,
    Parameters(Try { dry_run }): Parameters<Try>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<PolicyChanged>), Refused> {
    let (changes, errors) = body.read::<PolicyChanges>();
    let changes = policy::access::PolicyChanges::from(changes);
    let mut attempt = 1;
    loop {
        let before = find(&means, &identity).await?;
        let snapshot = means.store.snapshot().await?;
        let is_partner = |domain: &Domain| is_primary(&snapshot, domain);
        let checked = complete(errors.clone(), changes.check(&before.policy, is_partner))?;
        let based_on = expected.unwrap_or(before.revision);
        if dry_run {
            if based_on != before.revision {
                let what = format!("the access policy {identity}");
                return Err(StoreError::Conflict { what, revision: before.revision }.into());
            }
            let stored = StoredPolicy { policy: checked.policy.clone(), ..before };
            return Ok((etag(stored.revision), Json(changed(&stored, checked, true))));
        }
        match means.store.set_access_policy(&actor, Some(based_on), &checked.policy).await {
            Ok(stored) => return Ok((etag(stored.revision), Json(changed(&stored, checked, false)))),
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(identity): Named<PolicyIdentity>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Expected(expected): Expected,
) -> Result<StatusCode, Refused> {
    means.store.remove_access_policy(&actor, expected, &identity).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn of_user(
    State(means): State<Means>,
    Named(address): Named<BareJid>,
) -> Result<Json<UserPolicy>, Refused> {
    if !means.store.snapshot().await?.is_internal(address.domain()) {
        return Err(Refused::not_found(&format!("internal user {address}")));
    }
    tell(&means, &address).await
}

pub(crate) async fn assign(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(address): Named<BareJid>,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<UserPolicy>, Refused> {
    let NewUserPolicy { policy } = body.parse()?;
    let Some(policy) = policy else {
        return Err(Refused::field("policy", "required", "user:NAME, or null for none of its own"));
    };
    let name = policy.map(|text| name(&text)).transpose()?;
    match means.store.assign_policy(&actor, &address, name.as_ref()).await {
        Ok(()) => tell(&means, &address).await,
        Err(error @ StoreError::NotFound { .. }) => Err(Refused::field("policy", "no_such_policy", error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The name in `user:NAME`.
fn name(text: &str) -> Result<PolicyName, Refused> {
    match text.parse() {
        Ok(PolicyIdentity::User(name)) => Ok(name),
        Ok(_) => Err(Refused::field("policy", "not_for_users", "only a policy user:NAME is assigned to users")),
        Err(error) => Err(Refused::field("policy", "identity_invalid", error.to_string())),
    }
}

async fn tell(means: &Means, address: &BareJid) -> Result<Json<UserPolicy>, Refused> {
    let access = means.store.serving().await?.access;
    let assigned = means.store.assigned_policy(address).await?;
    let effective = find(means, &access.effective(address).identity).await?;
    Ok(Json(UserPolicy {
        address: address.to_string(),
        assigned: assigned.map(|name| PolicyIdentity::User(name).to_string()),
        effective: Policy::from(&effective),
    }))
}

async fn find(means: &Means, identity: &PolicyIdentity) -> Result<StoredPolicy, Refused> {
    let stored = means.store.access_policy(identity).await?;
    stored.ok_or_else(|| Refused::not_found(&format!("access policy {identity}")))
}

fn is_primary(snapshot: &EdgeSnapshot, domain: &Domain) -> bool {
    snapshot.partner_of(domain).is_some_and(|partner| partner.primary_domain == *domain)
}

fn complete(errors: Vec<FieldError>, checked: Result<Checked, Vec<policy::FieldError>>) -> Result<Checked, Refused> {
    match checked {
        Ok(checked) if errors.is_empty() => Ok(checked),
        Ok(_) => Err(Refused::fields(errors)),
        Err(found) => Err(Refused::fields(together(errors, found))),
    }
}

fn changed(stored: &StoredPolicy, checked: Checked, dry_run: bool) -> PolicyChanged {
    let warnings = checked.warnings.into_iter().map(Into::into).collect();
    PolicyChanged { policy: Policy::from(stored), warnings, dry_run }
}
