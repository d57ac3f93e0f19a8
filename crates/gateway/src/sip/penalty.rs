//! A limit for sources that only cause refusals.
//!
//! Every request that is refused without proof of who sent it (unknown domain, no or wrong credentials, defects) costs its
//! source one of a budget that refills with time. A source without budget is not answered and not looked at. Requests of
//! authenticated users cost nothing. Sources are single IPv4 addresses and /64 networks of IPv6.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

/// Refusals that a source may cause at once.
const BURST: u32 = 2000;
/// Refusals regained per second.
const PER_SECOND: u32 = 200;
/// Sources remembered.
const SOURCES_MAX: usize = 16_384;

/// Budgets by source; a source that is not here has its whole budget.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    spent: HashMap<IpAddr, Spent>,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    refusals: u32,
    since: Instant,
}

impl Spent {
    fn now(self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        self.refusals.saturating_sub(u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(PER_SECOND))
    }
}

impl Penalties {
    /// Whether `source` has used up its budget.
    pub(crate) fn is_exhausted(&self, source: IpAddr, now: Instant) -> bool {
        self.spent.get(&network(source)).is_some_and(|spent| spent.now(now) >= BURST)
    }

    /// Counts a refusal.
    pub(crate) fn charge(&mut self, source: IpAddr, now: Instant) {
        let source = network(source);
        if self.spent.len() >= SOURCES_MAX && !self.spent.contains_key(&source) {
            self.spent.retain(|_, spent| spent.now(now) > 0);
            if self.spent.len() >= SOURCES_MAX {
                return;
            }
        }
        let spent = self.spent.entry(source).or_insert(Spent { refusals: 0, since: now });
        let left = spent.now(now);
        if left != spent.refusals || left == 0 {
            *spent = Spent { refusals: left, since: now };
        }
        spent.refusals = spent.refusals.saturating_add(1);
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_runs_out_of_refusals_and_regains_them() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        let (bad, good) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..BURST {
            assert!(!penalties.is_exhausted(bad, start));
            penalties.charge(bad, start);
        }
        assert!(penalties.is_exhausted(bad, start));
        assert!(penalties.is_exhausted("::ffff:192.0.2.1".parse().unwrap(), start));
        assert!(!penalties.is_exhausted(good, start));
        assert!(!penalties.is_exhausted(bad, start + Duration::from_secs(1)));
        penalties.charge(bad, start + Duration::from_secs(1));
        assert!(!penalties.is_exhausted(bad, start + Duration::from_secs(2)));
    }

    #[test]
    fn neighbours_in_an_ipv6_network_share_one_budget() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        for _ in 0..BURST {
            penalties.charge("2001:db8::1".parse().unwrap(), start);
        }
        assert!(penalties.is_exhausted("2001:db8::2".parse().unwrap(), start));
        assert!(!penalties.is_exhausted("2001:db8:0:1::1".parse().unwrap(), start));
    }
}
