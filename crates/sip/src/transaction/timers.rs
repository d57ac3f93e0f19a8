//! Deadlines of all transactions in order. Each transaction has at most one, so the set is never larger than they are.

use std::{collections::BTreeSet, time::Instant};

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Owner {
    Client(u64),
    Server(u64),
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, Owner)>);

impl Timers {
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The owner of the first deadline that has come, taken out.
    pub(super) fn due(&mut self, now: Instant) -> Option<Owner> {
        let (at, owner) = *self.0.first()?;
        (at <= now).then(|| {
            self.0.remove(&(at, owner));
            owner
        })
    }

    pub(super) fn set(&mut self, owner: Owner, old: Option<Instant>, new: Option<Instant>) {
        if let Some(old) = old {
            self.0.remove(&(old, owner));
        }
        if let Some(new) = new {
            self.0.insert((new, owner));
        }
    }
}
