//! What the rules for contacts refused or met with silence, for each partner by reason, so that its page can say why people do not
//! reach each other.
//!
//! Only configured partners are counted, so the administrator alone decides how many there are. A stranger is in the whole
//! counters ([`crate::Snapshot`]).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use lexicon::Domain;

/// What was refused of one partner's traffic since the start. Reasons are the codes of `policy::contact`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartnerRefusals {
    /// What its users sent.
    pub from_partner: BTreeMap<&'static str, u64>,
    /// What internal users sent to it.
    pub to_partner: BTreeMap<&'static str, u64>,
}

/// All partners by primary domain. Refusals are rare, so a lock is cheap.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<Domain, PartnerRefusals>>);

impl Refusals {
    pub(crate) fn refused_from(&self, primary: &Domain, reason: &'static str) {
        self.change(primary, |refused| *refused.from_partner.entry(reason).or_default() += 1);
    }

    pub(crate) fn refused_to(&self, primary: &Domain, reason: &'static str) {
        self.change(primary, |refused| *refused.to_partner.entry(reason).or_default() += 1);
    }

    fn change(&self, primary: &Domain, change: impl FnOnce(&mut PartnerRefusals)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(primary.clone()).or_default());
    }

    pub(crate) fn of(&self, primary: &Domain) -> PartnerRefusals {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(primary).cloned().unwrap_or_default()
    }
}
