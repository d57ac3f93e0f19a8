//! Connection attempts counted by partner, direction and result.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use lexicon::{Direction, Domain, Report, report::Purpose};

/// How many attempts with a partner (none: strangers) ended with which code.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Key, u64>>);

/// Partner, direction, code.
type Key = (Option<Domain>, Direction, Box<str>);

impl Attempts {
    /// Counts reports; probes and questions about keys are no attempts to federate.
    pub(crate) fn count(&self, reports: &[Report]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports.iter().filter(|report| report.purpose == Purpose::Stanzas) {
            let key = (report.partner.clone(), report.direction, report.result.as_str().into());
            *counts.entry(key).or_default() += 1;
        }
    }

    /// The counts of those partners that `is_partner` knows, and of strangers; the others are forgotten.
    pub(crate) fn list(&self, is_partner: impl Fn(&Domain) -> bool) -> Vec<(Key, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|(partner, _, _), _| partner.as_ref().is_none_or(&is_partner));
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }
}
