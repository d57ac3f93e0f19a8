//! Trunks: list, show, add, change, remove, test. Policy judges a change whole; nothing is saved while anything is wrong.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use policy::{FieldError as PolicyError, TrunkName, trunk::Checked};
use serde_json::json;
use store::{Backend, InternalDomain, StoreError, StoredTrunk};

use super::{
    body::{ATTEMPTS_MAX, Body, Expected, Named, Nothing, Parameters, Try, etag, together, unreadable_roots},
    dto::{FieldError, NewTrunk, Page, Trunk, TrunkChanged, TrunkChanges, TrunkState, TrunkTest},
    problem::Refused,
};
use crate::{Means, access::Caller};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Trunk>>, Refused> {
    let (trunks, domains) = (means.store.trunks().await?, means.store.domains().await?);
    let states = means.live.trunks().await;
    let items = trunks.iter().map(|stored| told(stored, &states, &domains)).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn show(
    State(means): State<Means>,
    Named(name): Named<TrunkName>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<(HeaderMap, Json<Trunk>), Refused> {
    let (stored, domains) = (find(&means, &name).await?, means.store.domains().await?);
    Ok((etag(stored.revision), Json(told(&stored, &means.live.trunks().await, &domains))))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Try { dry_run }): Parameters<Try>,
    body: Body,
) -> Result<(StatusCode, HeaderMap, Json<TrunkChanged>), Refused> {
    let (new, errors) = body.read::<NewTrunk>();
    let checked = complete(errors, policy::TrunkDraft::from(new).check())?;
    if dry_run {
        let changed = changed(Trunk::from(&checked.trunk), &checked, true);
        return Ok((StatusCode::OK, HeaderMap::new(), Json(changed)));
    }
    let stored = means.store.add_trunk(&actor, &checked.trunk).await?;
    let changed = changed(Trunk::from(&stored), &checked, false);
    Ok((StatusCode::CREATED, etag(stored.revision), Json(changed)))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(name): Named<TrunkName>,
    Parameters(Try { dry_run }): Parameters<Try>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<TrunkChanged>), Refused> {
    let (changes, errors) = body.read::<TrunkChanges>();
    let changes = policy::TrunkChanges::from(changes);
    let mut attempt = 1;
    loop {
        let before = find(&means, &name).await?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Conflict { what: format!("the trunk {name}"), revision: before.revision }.into());
        }
        let checked = complete(errors.clone(), changes.check(&before.trunk))?;
        if dry_run {
            let trunk = StoredTrunk { trunk: checked.trunk.clone(), ..before };
            return Ok((etag(trunk.revision), Json(changed(Trunk::from(&trunk), &checked, true))));
        }
        match means.store.set_trunk(&actor, &checked.trunk, Some(before.revision)).await {
            Ok(stored) => return Ok((etag(stored.revision), Json(changed(Trunk::from(&stored), &checked, false)))),
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(name): Named<TrunkName>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_trunk(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn test(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Named(name): Named<TrunkName>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<TrunkTest>, Refused> {
    find(&means, &name).await?;
    let Some(test) = means.live.test_trunk(&name).await else {
        return Err(Refused::busy("the trunk is not in use yet, or too much is being tested; try again"));
    };
    means.store.record(&actor, "trunk.tested", name.as_str(), json!({ "passed": test.passed })).await?;
    Ok(Json(test))
}

async fn find(means: &Means, name: &TrunkName) -> Result<StoredTrunk, Refused> {
    let stored = means.store.trunks().await?.into_iter().find(|stored| stored.trunk.name == *name);
    stored.ok_or_else(|| Refused::not_found(&format!("trunk {name}")))
}

/// What was checked, or the faults of reading and of policy together.
fn complete(mut errors: Vec<FieldError>, checked: Result<Checked, Vec<PolicyError>>) -> Result<Checked, Refused> {
    let checked = match checked {
        Ok(checked) => checked,
        Err(found) => return Err(Refused::fields(together(errors, found))),
    };
    errors.extend(unreadable_roots(&checked.trunk.trust_roots));
    if errors.is_empty() { Ok(checked) } else { Err(Refused::fields(errors)) }
}

fn changed(trunk: Trunk, checked: &Checked, dry_run: bool) -> TrunkChanged {
    TrunkChanged { trunk, warnings: checked.warnings.iter().cloned().map(Into::into).collect(), dry_run }
}

/// A trunk with what is known of it now.
fn told(stored: &StoredTrunk, states: &[TrunkState], domains: &[InternalDomain]) -> Trunk {
    let backend = Backend::Trunk(stored.trunk.name.clone());
    let served = domains.iter().filter(|domain| domain.backends.contains(&backend));
    let live = states.iter().find(|state| state.name == stored.trunk.name.as_str()).cloned().unwrap_or_default();
    Trunk {
        state: Some(state(stored.trunk.enabled, &live).to_owned()),
        domains: Some(served.map(|domain| domain.name.as_ascii().to_owned()).collect()),
        target_states: Some(live.targets),
        connections: Some(live.connections),
        ..Trunk::from(stored)
    }
}

/// The word for all its addresses together.
fn state(enabled: bool, live: &TrunkState) -> &'static str {
    let any = |state: &str| live.targets.iter().any(|target| target.state == state);
    match (any("up"), any("down"), any("unknown")) {
        _ if !enabled => "disabled",
        (true, false, _) => "up",
        (true, true, _) => "degraded",
        (false, true, false) => "down",
        (false, ..) => "not_tried",
    }
}
