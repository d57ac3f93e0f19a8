//! Connection attempts counted by leg, partner, direction and result.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use lexicon::{
    Direction, Domain, Report,
    report::{Leg, Purpose},
};

/// How many attempts with a partner, or the inner server of a domain (none: strangers), ended with which code.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Key, u64>>);

/// Leg, partner or internal domain, direction, code.
type Key = (Leg, Option<Domain>, Direction, Box<str>);

impl Attempts {
    /// Counts reports; probes and questions about keys are no attempts to federate.
    pub(crate) fn count(&self, reports: &[Report]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports.iter().filter(|report| report.purpose == Purpose::Stanzas) {
            let key = (report.leg, report.partner.clone(), report.direction, report.result.as_str().into());
            *counts.entry(key).or_default() += 1;
        }
    }

    /// The counts of those partners and internal domains that `is_known` knows, and of strangers; the others are forgotten.
    pub(crate) fn list(&self, is_known: impl Fn(Leg, &Domain) -> bool) -> Vec<(Key, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|(leg, partner, ..), _| partner.as_ref().is_none_or(|partner| is_known(*leg, partner)));
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }
}
