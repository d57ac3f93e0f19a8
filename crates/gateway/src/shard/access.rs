//! Access policies in force (partner-policy §5): a user who loses access ceases to exist for partners at once, and one who
//! gains it is shown at once to those who may watch.
//!
//! What is stored of contacts stays, so that access given back restores everything.

use std::mem;

use ::sip::event::Reason;
use lexicon::BareJid;
use policy::AccessPolicies;
use xmpp::stanza::{Condition, StanzaError};

use super::{Shard, memory::Pair};

impl Shard {
    /// Takes the policies as they are now.
    pub(super) fn take_access(&mut self, access: AccessPolicies) {
        if self.access == access {
            return;
        }
        let before = mem::replace(&mut self.access, access);
        self.show_by_access(&before);
        let lost = |pair: &Pair| self.may_use(&before, pair) && !self.may_use(&self.access, pair);
        let watching: Vec<_> = self.watched_pairs().filter(|pair| lost(pair)).cloned().collect();
        let talking: Vec<_> = self.talking_pairs().filter(|(_, pair)| lost(pair)).map(|(talk, _)| talk).collect();
        watching.iter().for_each(|pair| self.end_pair(pair, Reason::Rejected));
        let error = StanzaError::new(Condition::ServiceUnavailable);
        talking.into_iter().for_each(|talk| self.stop_session(talk, error.clone()));
    }

    /// Partners' users see what has changed for them.
    fn show_by_access(&mut self, before: &AccessPolicies) {
        let pair =
            |(internal, partner): (&BareJid, &BareJid)| Pair { internal: internal.clone(), partner: partner.clone() };
        let pairs = self.book.watching_pairs().map(pair);
        let changed: Vec<_> =
            pairs.filter(|pair| self.may_use(before, pair) != self.may_use(&self.access, pair)).collect();
        changed.iter().for_each(|pair| self.show_changed(pair));
    }

    /// Whether the internal user of a pair may exchange stanzas with the partner of the other.
    fn may_use(&self, access: &AccessPolicies, pair: &Pair) -> bool {
        let edge = self.snapshot();
        let partner = edge.as_ref().and_then(|edge| edge.partner_of(pair.partner.domain()));
        partner.is_some_and(|partner| access.judge(&pair.internal, partner).is_allowed())
    }
}
