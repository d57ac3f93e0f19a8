//! How many connections there may be: half-open ones, those of one address, those of one partner, all.
//!
//! Each admission is a guard; dropping it gives the place back, so no path through a connection can leak one. Of a
//! partner's limit one place is kept for each direction: the partner's own connections can never keep us from answering.
//! Who comes in at all is [`door`]'s part.

pub(crate) mod door;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lexicon::{Direction, Domain};
use tokio::sync::Semaphore;

pub(crate) use door::{Door, HalfOpen};

/// Verification streams of one partner at a time (partner-policy §1).
const VERIFICATIONS_MAX: usize = 4;

/// Verification streams that have their answer and wait for the other side to close. One more is closed without waiting.
const VERIFICATIONS_CLOSING_MAX: usize = 64;

/// For so long a partner may send at once.
const BURST: Duration = Duration::from_secs(10);

/// The counts of a process.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Connections without an authorised pair.
    pub(crate) door: Arc<Door>,
    /// Places of verification streams that are done.
    pub(crate) closing: Semaphore,
    counts: Mutex<Counts>,
}

impl Default for Admission {
    fn default() -> Self {
        let closing = Semaphore::new(VERIFICATIONS_CLOSING_MAX);
        Self { door: Arc::default(), closing, counts: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Counts {
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
