//! How many connections there may be: half-open ones, those of one address, those of one partner, all.
//!
//! Each admission is a guard; dropping it gives the place back, so no path through a connection can leak one. Of a
//! partner's limit one place is kept for each direction: the partner's own connections can never keep us from answering.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lexicon::{Direction, Domain};
use tokio::sync::Semaphore;

/// Verification streams of one partner at a time (partner-policy §1).
const VERIFICATIONS_MAX: usize = 4;

/// For so long a partner may send at once.
const BURST: Duration = Duration::from_secs(10);

/// The counts of a process.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    half_open: usize,
    by_address: BTreeMap<IpAddr, usize>,
    streams: u64,
    partners: BTreeMap<Domain, PartnerCount>,
    verifications: BTreeMap<Domain, Arc<Semaphore>>,
    /// Until when each partner's stanzas would take at its rate.
    paced_until: BTreeMap<Domain, Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PartnerCount {
    inbound: u64,
    outbound: u64,
}

impl Admission {
    /// Admits a connection that has no authorised pair yet.
    pub(crate) fn half_open(
        self: &Arc<Self>,
        address: IpAddr,
        limit: u64,
        limit_per_address: u64,
    ) -> Result<HalfOpen, Crowded> {
        let address = network_of(address);
        let mut counts = self.counts();
        if counts.half_open as u64 >= limit {
            return Err(Crowded::Total);
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address as u64 >= limit_per_address {
            return Err(Crowded::Address);
        }
        *of_address += 1;
        counts.half_open += 1;
        Ok(HalfOpen { admission: Arc::clone(self), address })
    }

    /// Admits a stanza connection of the partner with this primary domain.
    pub(crate) fn stream(
        self: &Arc<Self>,
        partner: &Domain,
        direction: Direction,
        limit: u64,
        limit_total: u64,
    ) -> Option<StreamPlace> {
        let mut counts = self.counts();
        let count = counts.partners.get(partner).copied().unwrap_or_default();
        let same = if direction == Direction::Inbound { count.inbound } else { count.outbound };
        if counts.streams >= limit_total || count.inbound + count.outbound >= limit || same + 1 >= limit {
            return None;
        }
        counts.streams += 1;
        let count = counts.partners.entry(partner.clone()).or_default();
        *count.side(direction) += 1;
        Some(StreamPlace { admission: Arc::clone(self), partner: partner.clone(), direction })
    }

    /// How long to read nothing more from a partner that has just sent `stanzas`, so that it keeps to `rate` a second
    /// with a burst of 10 s (partner-policy §4).
    pub(crate) fn pace(&self, partner: &Domain, stanzas: usize, rate: u64, now: Instant) -> Duration {
        let mut counts = self.counts();
        let until = counts.paced_until.entry(partner.clone()).or_insert(now);
        *until = (*until).max(now) + Duration::from_secs_f64(stanzas as f64 / rate.max(1) as f64);
        until.saturating_duration_since(now + BURST)
    }

    /// The budget of verification streams of the partner with this primary domain.
    pub(crate) fn verifications(&self, partner: &Domain) -> Arc<Semaphore> {
        let mut counts = self.counts();
        let budget = counts.verifications.entry(partner.clone());
        Arc::clone(budget.or_insert_with(|| Arc::new(Semaphore::new(VERIFICATIONS_MAX))))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartnerCount {
    fn side(&mut self, direction: Direction) -> &mut u64 {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }
}

/// One customer of IPv6 has a /64, so its addresses count as one.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Why a half-open connection is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crowded {
    /// All of them together have reached the limit.
    Total,
    /// Those of its address have.
    Address,
}

/// The place of a connection without an authorised pair.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.half_open -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// The place of a stanza connection.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    admission: Arc<Admission>,
    partner: Domain,
    direction: Direction,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.streams -= 1;
        if let Some(count) = counts.partners.get_mut(&self.partner) {
            *count.side(self.direction) -= 1;
            if count.inbound + count.outbound == 0 {
                counts.partners.remove(&self.partner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn half_open_connections_are_limited_in_total_and_by_address() {
        let admission = Arc::new(Admission::default());
        let open = |address: &str| admission.half_open(ip(address), 3, 2);
        let first = open("192.0.2.1").unwrap();
        let _second = open("::ffff:192.0.2.1").unwrap();
        assert_eq!(open("192.0.2.1").unwrap_err(), Crowded::Address);
        let _third = open("2001:db8::1").unwrap();
        assert_eq!(open("192.0.2.9").unwrap_err(), Crowded::Total);
        drop(first);
        let _fourth = open("2001:db8::2:1").unwrap();
        assert_eq!(open("2001:db8::3").unwrap_err(), Crowded::Total);
    }

    #[test]
    fn a_partner_is_read_slower_beyond_its_rate() {
        let (admission, now) = (Admission::default(), Instant::now());
        let fabrikam = Domain::parse("fabrikam.example").unwrap();
        let pace = |stanzas, seconds| admission.pace(&fabrikam, stanzas, 100, now + Duration::from_secs(seconds));
        assert_eq!(pace(1000, 0), Duration::ZERO);
        assert_eq!(pace(50, 0), Duration::from_millis(500));
        assert_eq!(pace(50, 1), Duration::ZERO);
        assert_eq!(pace(1000, 60), Duration::ZERO);
    }

    #[test]
    fn a_partner_keeps_one_place_in_each_direction() {
        let admission = Arc::new(Admission::default());
        let fabrikam = Domain::parse("fabrikam.example").unwrap();
        let place = |direction| admission.stream(&fabrikam, direction, 3, 10);
        let (_a, b) = (place(Direction::Inbound).unwrap(), place(Direction::Inbound).unwrap());
        assert!(place(Direction::Inbound).is_none());
        let _c = place(Direction::Outbound).unwrap();
        assert!(place(Direction::Outbound).is_none());
        drop(b);
        assert!(place(Direction::Outbound).is_some());
        let other = Domain::parse("litware.example").unwrap();
        assert!(admission.stream(&other, Direction::Outbound, 20, 2).is_none(), "the total limit counts all partners");
    }
}
