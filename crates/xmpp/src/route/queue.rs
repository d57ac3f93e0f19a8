//! The stanzas that wait for a stream, in order, with a deadline each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::{
    stanza::{StanzaKind, StanzaRef},
    xml::Batch,
};

#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) stanza: Batch,
    pub(super) ticket: T,
    pub(super) deadline: Instant,
    pub(super) queued_at: Instant,
}

/// From and to of a presence, as written.
type Addresses = (Box<str>, Box<str>);

#[derive(Debug)]
pub(super) struct Queue<T> {
    /// By the order they came in.
    entries: BTreeMap<u64, Entry<T>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// The availability that waits for each pair of addresses: only the latest matters.
    availability: BTreeMap<Addresses, u64>,
    next: u64,
    bytes: usize,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), deadlines: BTreeSet::new(), availability: BTreeMap::new(), next: 0, bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that the entries keep in memory, tokens not counted.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Appends `entry` and returns the one it supersedes; returns `entry` itself if it exceeds a limit.
    pub(super) fn push(
        &mut self,
        entry: Entry<T>,
        stanzas_max: usize,
        bytes_max: usize,
    ) -> Result<Option<Entry<T>>, Box<Entry<T>>> {
        let addresses = availability_of(&entry.stanza);
        let superseded = addresses.as_ref().and_then(|addresses| self.availability.get(addresses).copied());
        let freed =
            superseded.and_then(|index| self.entries.get(&index)).map_or(0, |entry| entry.stanza.bytes_retained());
        let stanza = entry.stanza.detached(0);
        let stanzas = self.entries.len() - usize::from(superseded.is_some()) + 1;
        let bytes = self.bytes - freed + stanza.bytes_retained();
        if stanzas > stanzas_max || bytes > bytes_max {
            return Err(Box::new(entry));
        }
        let superseded = superseded.and_then(|index| self.remove(index));
        let index = self.next;
        self.next += 1;
        self.bytes += stanza.bytes_retained();
        self.deadlines.insert((entry.deadline, index));
        if let Some(addresses) = addresses {
            self.availability.insert(addresses, index);
        }
        self.entries.insert(index, Entry { stanza, ..entry });
        Ok(superseded)
    }

    /// The oldest entry.
    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        let (index, _) = self.entries.first_key_value()?;
        let index = *index;
        self.remove(index)
    }

    /// An entry whose deadline has passed.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Entry<T>> {
        let (deadline, index) = *self.deadlines.first()?;
        if deadline <= now { self.remove(index) } else { None }
    }

    fn remove(&mut self, index: u64) -> Option<Entry<T>> {
        let entry = self.entries.remove(&index)?;
        self.deadlines.remove(&(entry.deadline, index));
        self.bytes -= entry.stanza.bytes_retained();
        if let Some(addresses) = availability_of(&entry.stanza)
            && self.availability.get(&addresses) == Some(&index)
        {
            self.availability.remove(&addresses);
        }
        Some(entry)
    }
}

/// The addresses of a presence that says "available" or "unavailable": subscriptions and probes never supersede.
fn availability_of(stanza: &Batch) -> Option<Addresses> {
    let stanza = StanzaRef::of(stanza.element(0))?;
    let says_availability =
        stanza.kind() == StanzaKind::Presence && matches!(stanza.stanza_type(), None | Some("unavailable"));
    match (stanza.from(), stanza.to()) {
        (Some(from), Some(to)) if says_availability => Some((from.into(), to.into())),
        _ => None,
    }
}
