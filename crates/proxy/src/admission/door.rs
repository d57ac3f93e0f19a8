//! Who comes in: connections without an authorised pair, in total, by address, and by how often an address fails.
//!
//! Strangers cannot shut partners out (XEP-0205 §4). When all places are taken a newcomer takes the oldest one of the
//! network that holds the most, as long as it then holds no more itself; strangers make room for networks that are
//! *known*, and never the other way round. A network is known when a pair was authorised on a connection from it, or when
//! DNS names it for the server of a configured partner.
//!
//! An address whose connections keep failing is served only so many a second: see [`rate`]. All tables here are bounded.

mod known;
mod network;
mod rate;
mod seats;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use self::{known::Known, network::Network, rate::Rates, seats::Seats};

/// The places before authorisation, and who may take one.
#[derive(Debug, Default)]
pub(crate) struct Door {
    inside: Mutex<Inside>,
    refused: [AtomicU64; Crowded::ALL.len()],
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    /// Of networks that are not known.
    strangers: Seats,
    /// Of known ones.
    acquaintances: Seats,
    known: Known,
    rates: Rates,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crowded {
    /// All half-open ones together have reached the limit, and none of them is to make room for this one.
    Total,
    /// Those of its address have.
    Address,
    /// Too many of its address have failed.
    Rate,
    /// It was half open and made room for another one.
    Displaced,
}

impl Crowded {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Total, Self::Address, Self::Rate, Self::Displaced];

    /// The word of logs, status and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Total => "half_open_limit",
            Self::Address => "half_open_per_address",
            Self::Rate => "failing_too_often",
            Self::Displaced => "displaced",
        }
    }
}

impl Door {
    /// Admits a connection that has no authorised pair yet.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        (limit, limit_per_address): (u64, u64),
        now: Instant,
    ) -> Result<HalfOpen, Crowded> {
        let network = Network::of(address);
        let mut inside = self.inside();
        let is_known = inside.known.has(network);
        let decided = inside.seat(network, is_known, (limit, limit_per_address), now);
        let (number, seat, displaced) = decided.inspect_err(|crowded| self.count(*crowded))?;
        if displaced {
            self.count(Crowded::Displaced);
        }
        Ok(HalfOpen(Arc::new(Place { door: Arc::clone(self), network, number, is_known, seat })))
    }

    /// The server of a configured partner is found at this address.
    pub(crate) fn know(&self, address: IpAddr) {
        self.inside().known.add(Network::of(address));
    }

    /// Connections that were turned away, by the reason's word.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Crowded::ALL.into_iter().map(|why| (why.as_str(), self.refused[why as usize].load(Ordering::Relaxed)))
    }

    fn count(&self, why: Crowded) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// A seat for one more connection from `network`: its number, and whether another one had to go for it.
    fn seat(
        &mut self,
        network: Network,
        is_known: bool,
        (limit, limit_per_address): (u64, u64),
        now: Instant,
    ) -> Result<(u64, Arc<Seat>, bool), Crowded> {
        let held = self.strangers.of(network) + self.acquaintances.of(network);
        if held as u64 >= limit_per_address {
            return Err(Crowded::Address);
        }
        if !self.rates.has_room(network, is_known, now) {
            return Err(Crowded::Rate);
        }
        let is_full = (self.strangers.len() + self.acquaintances.len()) as u64 >= limit;
        if is_full && !self.make_room(network, is_known) {
            return Err(Crowded::Total);
        }
        self.rates.take(network, is_known, now);
        self.next += 1;
        let seat = Arc::<Seat>::default();
        let side = if is_known { &mut self.acquaintances } else { &mut self.strangers };
        side.take(network, self.next, Arc::clone(&seat));
        Ok((self.next, seat, is_full))
    }

    /// Has one connection go for another one from `network`, if that is fair.
    fn make_room(&mut self, network: Network, is_known: bool) -> bool {
        let leaving = match is_known {
            true if self.strangers.len() > 0 => self.strangers.leave_for(None),
            true => self.acquaintances.leave_for(Some(network)),
            false => self.strangers.leave_for(Some(network)),
        };
        let Some(seat) = leaving else { return false };
        seat.displaced.notify_one();
        true
    }
}

/// What a half-open connection listens to.
#[derive(Debug, Default)]
struct Seat {
    displaced: Notify,
    /// A pair is authorised: the connection is no longer half open, and nothing displaces it.
    authorised: AtomicBool,
    /// What it took out of the bucket of its network was put back.
    proved: AtomicBool,
}

/// The place of a connection without an authorised pair, given back when the last clone is dropped or a pair is authorised.
#[derive(Clone, Debug)]
pub(crate) struct HalfOpen(Arc<Place>);

#[derive(Debug)]
struct Place {
    door: Arc<Door>,
    network: Network,
    number: u64,
    is_known: bool,
    seat: Arc<Seat>,
}

impl HalfOpen {
    /// A pair is authorised: the network is known from now on, and this connection was none that failed.
    pub(crate) fn authorised(&self) {
        if self.0.seat.authorised.swap(true, Ordering::Relaxed) {
            return;
        }
        self.0.leave();
        self.0.door.inside().known.add(self.0.network);
        self.proved();
    }

    /// Whether [`authorised`](Self::authorised) was called.
    pub(crate) fn is_authorised(&self) -> bool {
        self.0.seat.authorised.load(Ordering::Relaxed)
    }

    /// The peer has shown that it was asked by us: it knows the id of a stream of ours (a dialback key in flight).
    pub(crate) fn proved(&self) {
        if !self.0.seat.proved.swap(true, Ordering::Relaxed) {
            self.0.door.inside().rates.give_back(self.0.network, self.0.is_known);
        }
    }

    /// Until the connection has to make room for another one. Never, once a pair is authorised on it.
    pub(crate) async fn displaced(&self) {
        self.0.seat.displaced.notified().await;
        if self.is_authorised() {
            std::future::pending::<()>().await;
        }
    }
}

impl Place {
    /// Idempotent; a displaced place was given back already.
    fn leave(&self) {
        let mut inside = self.door.inside();
        let side = if self.is_known { &mut inside.acquaintances } else { &mut inside.strangers };
        side.leave(self.network, self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
