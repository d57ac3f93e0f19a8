//! How often an address may fail: a bucket of connections per network, refilled at a rate. Each connection takes one out
//! and puts it back when a pair is authorised on it, or when a question about a key that is in flight proves that we were
//! expected. So only failures count, and who means well is never slowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::network::Network;

/// Failures at once: what an address may hold half open by default, so that this limit is not felt before that one.
const BURST: u32 = 64;

/// Between two more failures. A TLS handshake costs us about a millisecond, so one address costs less than a hundredth of a
/// core; a server that tries again after a failure waits for seconds.
const INTERVAL: Duration = Duration::from_millis(125);

/// A known network may fail so many times as often: behind one address of a hosting provider there are partners and many
/// that are none, and a partner may be asked after keys that somebody has forged in our name.
const KNOWN_FACTOR: u32 = 8;

/// Networks that are remembered, about 2 MB. Past it the one that has failed the least is forgotten: against more addresses
/// than that only the limits of half-open connections help.
const REMEMBERED_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Rates {
    /// When the bucket of each network will be full again.
    full_at: BTreeMap<Network, Instant>,
    order: BTreeSet<(Instant, Network)>,
}

impl Rates {
    /// Whether a connection may be taken out of the network's bucket.
    pub(super) fn has_room(&self, network: Network, is_known: bool, now: Instant) -> bool {
        let interval = interval(is_known);
        self.full_at.get(&network).is_none_or(|full_at| *full_at + interval <= now + INTERVAL * BURST)
    }

    /// Takes one out.
    pub(super) fn take(&mut self, network: Network, is_known: bool, now: Instant) {
        // A bucket that is full says nothing.
        while let Some((full_at, of)) = self.order.first().copied().filter(|(full_at, _)| *full_at <= now) {
            self.order.remove(&(full_at, of));
            self.full_at.remove(&of);
        }
        let before = self.full_at.get(&network).copied();
        self.set(network, before.map_or(now, |before| before.max(now)) + interval(is_known));
        if self.full_at.len() > REMEMBERED_MAX
            && let Some((_, forgotten)) = self.order.pop_first()
        {
            self.full_at.remove(&forgotten);
        }
    }

    /// Puts one back.
    pub(super) fn give_back(&mut self, network: Network, is_known: bool) {
        let Some(before) = self.full_at.get(&network).copied() else { return };
        if let Some(earlier) = before.checked_sub(interval(is_known)) {
            self.set(network, earlier);
        }
    }

    fn set(&mut self, network: Network, full_at: Instant) {
        if let Some(before) = self.full_at.insert(network, full_at) {
            self.order.remove(&(before, network));
        }
        self.order.insert((full_at, network));
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        assert_eq!(self.full_at.len(), self.order.len());
        self.full_at.len()
    }
}

fn interval(is_known: bool) -> Duration {
    if is_known { INTERVAL / KNOWN_FACTOR } else { INTERVAL }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// How many connections are admitted when `count` come at once and fail.
    fn served(rates: &mut Rates, is_known: bool, count: u32, now: Instant) -> u32 {
        let mut come = |_: &u32| {
            let has_room = rates.has_room(network(1), is_known, now);
            if has_room {
                rates.take(network(1), is_known, now);
            }
            has_room
        };
        (0..count).filter(|number| come(number)).count().try_into().expect("a small number")
    }

    #[test]
    fn an_address_that_keeps_failing_is_served_at_a_rate() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        assert_eq!(served(&mut rates, false, 1000, now), BURST);
        assert_eq!(served(&mut rates, false, 1000, now + Duration::from_secs(1)), 8);
        assert_eq!(served(&mut rates, false, 1000, now + Duration::from_secs(60)), BURST);
        assert_eq!(served(&mut Rates::default(), true, 1000, now), BURST * KNOWN_FACTOR);
        assert!(rates.has_room(network(2), false, now), "others are not touched");
    }

    #[test]
    fn an_address_whose_connections_succeed_is_never_slowed() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        for _ in 0..10_000 {
            assert_eq!(served(&mut rates, false, 1, now), 1);
            rates.give_back(network(1), false);
        }
    }

    #[test]
    fn the_table_is_bounded_and_empties() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        for number in 0..u32::try_from(REMEMBERED_MAX).expect("a small number") * 2 {
            rates.take(network(number), false, now);
        }
        assert_eq!(rates.remembered(), REMEMBERED_MAX);
        rates.take(network(1), false, now + Duration::from_secs(60));
        assert_eq!(rates.remembered(), 1);
    }
}
