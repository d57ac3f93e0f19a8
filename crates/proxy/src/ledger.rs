//! What became of every stanza: the ledger of a proxy.
//!
//! In each column, at any moment: accepted = delivered + answered + dropped by reason + queued + delivery_unknown.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::rate::Rate;

/// A snapshot of the counters, one column for each origin of stanzas.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    /// From partners, towards the inside.
    pub inbound: Column,
    /// From the inside, towards partners.
    pub outbound: Column,
    /// Errors made here about the partners' stanzas, towards partners.
    pub errors: Column,
}

/// Stanzas of one origin.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Column {
    /// Taken over.
    pub accepted: u64,
    /// Settled by the inside, or written to an authorised stream.
    pub delivered: u64,
    /// Ended by one error to the sender.
    pub answered: u64,
    /// Ended in silence, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// On the way.
    pub queued: u64,
    /// Nobody can tell whether it arrived.
    pub delivery_unknown: u64,
}

impl Column {
    /// Whether every stanza is accounted for.
    pub fn is_balanced(&self) -> bool {
        let dropped: u64 = self.dropped.values().sum();
        self.accepted == self.delivered + self.answered + dropped + self.queued + self.delivery_unknown
    }
}

/// Why a stanza ended in silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dropped {
    /// An error or the result of an iq, which nothing may answer (RFC 6120 §8.3.1).
    NotAnswerable,
    /// An error about a stanza of the partner, for which the route had no room or no way.
    ErrorUndeliverable,
    /// A presence whose place a later one took while both waited (partner-policy §4).
    Superseded,
}

impl Dropped {
    const ALL: [Self; 3] = [Self::NotAnswerable, Self::ErrorUndeliverable, Self::Superseded];

    fn as_str(self) -> &'static str {
        match self {
            Self::NotAnswerable => "not_answerable",
            Self::ErrorUndeliverable => "error_undeliverable",
            Self::Superseded => "superseded",
        }
    }
}

/// The counters behind a [`Ledger`].
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) inbound: Counts,
    pub(crate) outbound: Counts,
    pub(crate) errors: Counts,
    /// Both ways.
    pub(crate) messages: Rate,
}

impl Counters {
    pub(crate) fn new(began: Instant) -> Self {
        let (inbound, outbound, errors) = Default::default();
        Self { inbound, outbound, errors, messages: Rate::new(began) }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger { inbound: self.inbound.column(), outbound: self.outbound.column(), errors: self.errors.column() }
    }
}

/// The counters of one column. A stanza is counted as accepted before anything else, so a reader that looks in between
/// sees it as queued.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    delivered: AtomicU64,
    answered: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    unknown: AtomicU64,
}

impl Counts {
    pub(crate) fn accept(&self, stanzas: usize) {
        self.accepted.fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    pub(crate) fn deliver(&self, stanzas: usize) {
        self.delivered.fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self, stanzas: usize) {
        self.answered.fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    pub(crate) fn drop_silently(&self, stanzas: usize, reason: Dropped) {
        self.dropped[reason as usize].fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self, stanzas: usize) {
        self.unknown.fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    fn column(&self) -> Column {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Endings are read before beginnings, so that the difference is never negative.
        let (delivered, answered) = (read(&self.delivered), read(&self.answered));
        let dropped = Dropped::ALL.map(|reason| (reason.as_str(), read(&self.dropped[reason as usize])));
        let delivery_unknown = read(&self.unknown);
        let ended = delivered + answered + delivery_unknown + dropped.iter().map(|(_, count)| count).sum::<u64>();
        let accepted = read(&self.accepted);
        Column {
            accepted,
            delivered,
            answered,
            dropped: dropped.into_iter().filter(|(_, count)| *count > 0).collect(),
            queued: accepted.saturating_sub(ended),
            delivery_unknown,
        }
    }
}
