//! What went through, counted so that it balances: in = delivered + answered + dropped by reason +
//! queued + delivery_unknown.
//!
//! A stanza or request counts as in when it is taken up, and once more when it ends; what is between the two is queued.
//! Reasons are fixed words, never anything that came from outside.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ::sip::{invite, transaction};

use crate::refusals::Refusals;

/// One direction of the ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    /// Taken up.
    pub received: u64,
    /// Handed to the other side, which accepted.
    pub delivered: u64,
    /// Answered: with an error, or by ourselves.
    pub answered: u64,
    /// Met with silence, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Accepted by a stream that broke before the other side acknowledged it: it may have arrived.
    pub delivery_unknown: u64,
    /// Not ended yet.
    pub queued: u64,
}

impl Ledger {
    /// Whether the sum is right.
    pub fn is_balanced(&self) -> bool {
        let dropped: u64 = self.dropped.values().sum();
        self.received == self.delivered + self.answered + dropped + self.delivery_unknown + self.queued
    }
}

/// What the gateway has counted since it started.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Stanzas of partners.
    pub from_partners: Ledger,
    /// MESSAGE requests of internal users, stanzas of components, and what the gateway says in users' names: presence,
    /// requests to see it and their answers.
    pub from_users: Ledger,
    /// SIP messages that went nowhere, by reason: defects, requests of unknown senders, late answers; and what the
    /// transactions absorbed or repeated.
    pub sip: BTreeMap<&'static str, u64>,
    /// Connections of components that were refused, by reason.
    pub components: BTreeMap<&'static str, u64>,
}

/// The counters of a gateway; shared by its tasks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) from_partners: Way,
    pub(crate) from_users: Way,
    pub(crate) refusals: Refusals,
    sip: Reasons,
    components: Reasons,
    transactions: Mutex<transaction::Counters>,
    dialogs: Mutex<invite::Counters>,
}

impl Counters {
    /// Counts a SIP message that went nowhere.
    pub(crate) fn sip(&self, reason: &'static str) {
        self.sip.add(reason);
    }

    /// Counts a connection of a component that was refused.
    pub(crate) fn component(&self, reason: &'static str) {
        self.components.add(reason);
    }

    /// Takes over what the transaction layer has counted.
    pub(crate) fn transactions(&self, counted: transaction::Counters) {
        *self.transactions.lock().unwrap_or_else(PoisonError::into_inner) = counted;
    }

    /// Takes over what the dialogs have counted.
    pub(crate) fn dialogs(&self, counted: invite::Counters) {
        *self.dialogs.lock().unwrap_or_else(PoisonError::into_inner) = counted;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut sip = self.sip.read();
        let counted = *self.transactions.lock().unwrap_or_else(PoisonError::into_inner);
        let of_dialogs = *self.dialogs.lock().unwrap_or_else(PoisonError::into_inner);
        let all = words(counted).into_iter().chain(dialog_words(of_dialogs));
        sip.extend(all.filter(|(_, count)| *count > 0));
        let (from_partners, from_users) = (self.from_partners.ledger(), self.from_users.ledger());
        Snapshot { from_partners, from_users, sip, components: self.components.read() }
    }
}

fn words(counted: transaction::Counters) -> [(&'static str, u64); 13] {
    [
        ("acks_stray", counted.acks_stray),
        ("answers_dropped", counted.answers_dropped),
        ("answered_evicted", counted.answered_evicted),
        ("refusals_unacknowledged", counted.refusals_unacknowledged),
        ("requests_expired", counted.requests_expired),
        ("requests_merged", counted.requests_merged),
        ("requests_refused", counted.requests_refused),
        ("requests_repeated", counted.requests_repeated),
        ("requests_unusable", counted.requests_unusable),
        ("responses_absorbed", counted.responses_absorbed),
        ("responses_misplaced", counted.responses_misplaced),
        ("responses_stray", counted.responses_stray),
        ("retransmissions", counted.retransmissions),
    ]
}

fn dialog_words(counted: invite::Counters) -> [(&'static str, u64); 7] {
    [
        ("session_commands_dropped", counted.commands_dropped),
        ("session_forks_ended", counted.forks_ended),
        ("session_limit", counted.invitations_refused),
        ("session_order", counted.requests_out_of_order),
        ("session_strays", counted.strays),
        ("session_unknown", counted.requests_unknown),
        ("session_unwritable", counted.unwritable),
    ]
}

/// The counters of one direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    received: AtomicU64,
    delivered: AtomicU64,
    answered: AtomicU64,
    unknown: AtomicU64,
    dropped: Reasons,
}

impl Way {
    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// It may have arrived or not.
    pub(crate) fn lost(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: &'static str) {
        self.dropped.add(reason);
    }

    /// Ended ones are read before those taken up, so that `queued` is never below zero.
    fn ledger(&self) -> Ledger {
        let dropped = self.dropped.read();
        let ended = [&self.delivered, &self.answered, &self.unknown].map(|count| count.load(Ordering::Acquire));
        let received = self.received.load(Ordering::Acquire);
        let queued = received.saturating_sub(ended.iter().sum::<u64>() + dropped.values().sum::<u64>());
        let [delivered, answered, delivery_unknown] = ended;
        Ledger { received, delivered, answered, dropped, delivery_unknown, queued }
    }
}

/// Counts by fixed words; dropping is rare, so a lock is cheap.
#[derive(Debug, Default)]
struct Reasons(Mutex<BTreeMap<&'static str, u64>>);

impl Reasons {
    fn add(&self, reason: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    fn read(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_ended_is_queued() {
        let counters = Counters::default();
        for _ in 0..5 {
            counters.from_partners.received();
        }
        counters.from_partners.delivered();
        counters.from_partners.answered();
        counters.from_partners.dropped("uninvited");
        let ledger = counters.snapshot().from_partners;
        assert_eq!((ledger.queued, ledger.is_balanced()), (2, true));
        assert_eq!(ledger.dropped["uninvited"], 1);
    }
}
