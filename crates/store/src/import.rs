//! Many changes as one: all of them or none, each with its audit row.

use lexicon::BareJid;
use policy::{AccessPolicy, Partner, PolicyName, Settings};

use crate::{Actor, Store, StoreError, access, contact, head::Change, partner, setting};

/// One change of an import.
#[derive(Clone, Debug)]
pub enum ImportStep {
    /// A partner that is new, or takes the place of the one with the same primary domain.
    Partner(Box<Partner>),
    /// The gateway-wide settings.
    Settings(Box<Settings>),
    /// A policy that is new, or takes the place of the one with the same identity.
    Policy(AccessPolicy),
    /// The policy of a user; none: none of their own.
    Assign(BareJid, Option<PolicyName>),
    /// An administrator's entry: internal user, partner's user.
    Contact(BareJid, BareJid),
}

impl Store {
    /// Makes all changes in order, or none.
    ///
    /// `expected` is the edge revision ([`crate::Revisions::edge`]) that the steps were made for.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if partners, domains, settings or policies were changed since; else those of the single
    /// changes.
    pub async fn import(&self, actor: &Actor, expected: u64, steps: &[ImportStep]) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let revision = change.edge_revision();
        if revision != expected {
            return Err(StoreError::Conflict { what: "the configuration".to_owned(), revision });
        }
        let mut changed = false;
        for step in steps {
            changed |= apply(&mut change, actor, step).await?;
        }
        if changed {
            change.commit().await?;
        }
        Ok(())
    }
}

/// Whether it changed anything.
async fn apply(change: &mut Change<'_>, actor: &Actor, step: &ImportStep) -> Result<bool, StoreError> {
    match step {
        ImportStep::Partner(new) => {
            let before = partner::existing(change.connection(), &new.primary_domain, None).await;
            match before {
                Ok(before) if before.partner == **new => return Ok(false),
                Ok(before) => drop(partner::set(change, actor, &before, new).await?),
                Err(StoreError::NotFound { .. }) => drop(partner::add(change, actor, new).await?),
                Err(error) => return Err(error),
            }
        }
        ImportStep::Settings(settings) => {
            let before = setting::load(change.connection()).await?;
            if before == **settings {
                return Ok(false);
            }
            setting::replace(change, actor, &before, settings).await?;
        }
        ImportStep::Policy(policy) => {
            let before = match access::existing(change.connection(), &policy.identity).await {
                Ok(before) if before.policy == *policy => return Ok(false),
                Ok(before) => Some(before),
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            access::put(change, actor, before.as_ref(), policy).await?;
        }
        ImportStep::Assign(user, policy) => return access::assign(change, actor, user, policy.as_ref()).await,
        ImportStep::Contact(internal, partner) => return contact::add(change, actor, internal, partner).await,
    }
    Ok(true)
}
