//! What the shard remembers of messages that have ended, in bounded tables: the oldest entry goes first.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

use lexicon::BareJid;

use super::receipts::Receipts;

/// Accepted messages whose failure would still be told.
const SENT_MAX: usize = 65_536;
/// Pairs of users of which something is remembered.
const PAIRS_MAX: usize = 16_384;

/// An internal user and a partner's user.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Pair {
    pub(crate) internal: BareJid,
    pub(crate) partner: BareJid,
}

/// The tables.
#[derive(Debug)]
pub(super) struct Memory {
    /// Stanza ids of messages that were answered 202.
    sent: Recent<String, Pair>,
    /// The last Call-ID from the user to the partner's user.
    call_ids: Recent<Pair, Arc<str>>,
    /// Who was told that encrypted messages cannot be read.
    hinted: Recent<Pair, ()>,
    /// Addresses that components and trunks have used.
    seen: Recent<BareJid, ()>,
    /// Whose probe a component was handed as a request to see presence.
    probes: Recent<Pair, ()>,
    /// Internal users whose endpoints take word of typing outside of sessions.
    typing: Recent<BareJid, ()>,
    /// Internal users whose endpoints take `message/cpim`.
    envelopes: Recent<BareJid, ()>,
    /// Whose messages are asked after.
    pub(super) receipts: Receipts,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            sent: Recent::new(SENT_MAX),
            call_ids: Recent::new(PAIRS_MAX),
            hinted: Recent::new(PAIRS_MAX),
            seen: Recent::new(PAIRS_MAX),
            probes: Recent::new(PAIRS_MAX),
            typing: Recent::new(PAIRS_MAX),
            envelopes: Recent::new(PAIRS_MAX),
            receipts: Receipts::default(),
        }
    }
}

impl Memory {
    /// A message was accepted.
    pub(super) fn accepted(&mut self, id: String, pair: Pair) {
        self.sent.put(id, pair);
    }

    /// Whether `id` is an accepted message of this pair; it is so once.
    pub(super) fn take_failed(&mut self, id: &str, pair: &Pair) -> bool {
        self.sent.entries.get(id).is_some_and(|known| known == pair) && self.sent.entries.remove(id).is_some()
    }

    /// Notes the Call-ID of a message; whether it is that of the message before.
    pub(super) fn repeats(&mut self, pair: &Pair, call_id: &str) -> bool {
        let repeats = self.call_ids.entries.get(pair).is_some_and(|last| **last == *call_id);
        if !repeats {
            self.call_ids.put(pair.clone(), call_id.into());
        }
        repeats
    }

    /// A component or a trunk has used this address.
    pub(super) fn saw(&mut self, address: &BareJid) {
        if !self.has_seen(address) {
            self.seen.put(address.clone(), ());
        }
    }

    /// Whether a component has used this address.
    pub(super) fn has_seen(&self, address: &BareJid) -> bool {
        self.seen.entries.contains_key(address)
    }

    /// A component was handed a probe as a request to see presence.
    pub(super) fn probe(&mut self, pair: Pair) {
        self.probes.put(pair, ());
    }

    /// Whether the last request of this pair was a probe; it is so once.
    pub(super) fn take_probe(&mut self, pair: &Pair) -> bool {
        self.probes.entries.remove(pair).is_some()
    }

    /// An endpoint of this user takes word of typing.
    pub(super) fn takes_typing(&mut self, user: &BareJid) {
        if !self.has_taken_typing(user) {
            self.typing.put(user.clone(), ());
        }
    }

    /// One of them does not.
    pub(super) fn takes_no_typing(&mut self, user: &BareJid) {
        self.typing.entries.remove(user);
    }

    /// Whether endpoints of this user are told of typing.
    pub(super) fn has_taken_typing(&self, user: &BareJid) -> bool {
        self.typing.entries.contains_key(user)
    }

    /// An endpoint of this user takes `message/cpim`.
    pub(super) fn takes_envelopes(&mut self, user: &BareJid) {
        if !self.has_taken_envelopes(user) {
            self.envelopes.put(user.clone(), ());
        }
    }

    /// One of them does not.
    pub(super) fn takes_no_envelopes(&mut self, user: &BareJid) {
        self.envelopes.entries.remove(user);
    }

    /// Whether endpoints of this user are asked for notifications.
    pub(super) fn has_taken_envelopes(&self, user: &BareJid) -> bool {
        self.envelopes.entries.contains_key(user)
    }

    /// Whether a hint is due; it is so once.
    pub(super) fn hint(&mut self, pair: &Pair) -> bool {
        let due = !self.hinted.entries.contains_key(pair);
        if due {
            self.hinted.put(pair.clone(), ());
        }
        due
    }
}

/// A table of at most `max` entries.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    max: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), max }
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.remove(key)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(partner: &str) -> Pair {
        Pair { internal: BareJid::parse("romeo@c.example").unwrap(), partner: BareJid::parse(partner).unwrap() }
    }

    #[test]
    fn a_failure_is_told_once_and_only_for_the_pair_that_it_concerns() {
        let mut memory = Memory::default();
        memory.accepted("m1".into(), pair("juliet@f.example"));
        assert!(!memory.take_failed("m1", &pair("nurse@f.example")));
        assert!(!memory.take_failed("m2", &pair("juliet@f.example")));
        assert!(memory.take_failed("m1", &pair("juliet@f.example")));
        assert!(!memory.take_failed("m1", &pair("juliet@f.example")));
    }

    #[test]
    fn a_call_id_repeats_from_its_second_message_on() {
        let mut memory = Memory::default();
        let juliet = pair("juliet@f.example");
        for (call_id, repeats) in [("a", false), ("a", true), ("a", true), ("b", false), ("a", false)] {
            assert_eq!(memory.repeats(&juliet, call_id), repeats, "{call_id}");
        }
    }

    #[test]
    fn the_oldest_entry_goes_first() {
        let mut recent = Recent::new(2);
        for n in [1, 2, 3] {
            recent.put(n, ());
        }
        let mut left: Vec<_> = recent.entries.into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
    }
}
