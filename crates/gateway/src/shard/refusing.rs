//! What the rules refuse is counted for the partner that it is about.

use lexicon::Domain;

use super::Shard;

impl Shard {
    /// Counts what the rules refused of the users of `domain`, if it is a partner's.
    pub(super) fn count_refused_from(&self, domain: &Domain, reason: &'static str) {
        let edge = self.snapshot();
        if let Some(partner) = edge.as_ref().and_then(|edge| edge.partner_of(domain)) {
            self.counters.refusals.refused_from(&partner.primary_domain, reason);
        }
    }

    /// Counts what the rules refused to send to `domain`, if it is a partner's.
    pub(super) fn count_refused_to(&self, domain: &Domain, reason: &'static str) {
        let edge = self.snapshot();
        if let Some(partner) = edge.as_ref().and_then(|edge| edge.partner_of(domain)) {
            self.counters.refusals.refused_to(&partner.primary_domain, reason);
        }
    }
}
