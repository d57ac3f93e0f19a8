//! How many connections there may be: in all, of one source, and of those that have not sent anything whole yet.
//!
//! A connection is half open until its first whole message. Where a source has too many of these, its oldest one makes
//! room for the new one, so that an honest endpoint, which speaks at once, always gets in.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Connections in all.
const CONNECTIONS_MAX: usize = 10_000;
/// Connections of one source address.
const CONNECTIONS_PER_SOURCE_MAX: usize = 256;
/// Half-open connections in all.
const HALF_OPEN_MAX: usize = 1024;
/// Half-open connections of one source address.
const HALF_OPEN_PER_SOURCE_MAX: usize = 128;

/// The seats of all listeners.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    half_open: usize,
    numbered: u64,
    by_source: HashMap<IpAddr, OfSource>,
}

#[derive(Debug, Default)]
struct OfSource {
    connections: usize,
    /// Oldest first, with the word for each that its seat is given away.
    half_open: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// The seat of one connection; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    source: IpAddr,
    number: u64,
}

impl Seats {
    /// A seat for a new connection, and the word that ends it while it is half open; none if there is no room.
    pub(crate) fn take(seats: &Arc<Self>, source: IpAddr) -> Option<(Seat, oneshot::Receiver<()>)> {
        let mut counts = seats.lock();
        let of_source = counts.by_source.get(&source);
        let (connections, half_open) = of_source.map_or((0, 0), |of| (of.connections, of.half_open.len()));
        let is_full = connections >= CONNECTIONS_PER_SOURCE_MAX || half_open >= HALF_OPEN_PER_SOURCE_MAX;
        if counts.total >= CONNECTIONS_MAX || (is_full && !counts.displace(source)) {
            return None;
        }
        if counts.half_open >= HALF_OPEN_MAX {
            let crowded = counts.by_source.iter().max_by_key(|(_, of)| of.half_open.len()).map(|(source, _)| *source);
            if let Some(crowded) = crowded {
                counts.displace(crowded);
            }
        }
        let (end, ended) = oneshot::channel();
        counts.numbered += 1;
        counts.total += 1;
        counts.half_open += 1;
        let number = counts.numbered;
        let of_source = counts.by_source.entry(source).or_default();
        of_source.connections += 1;
        of_source.half_open.push_back((number, end));
        drop(counts);
        Some((Seat { seats: Arc::clone(seats), source, number }, ended))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Ends the oldest half-open connection of a source; whether there was one.
    fn displace(&mut self, source: IpAddr) -> bool {
        let oldest = self.by_source.get_mut(&source).and_then(|of_source| of_source.half_open.pop_front());
        let Some((_, end)) = oldest else { return false };
        self.half_open -= 1;
        // A connection that has just ended by itself does not hear it.
        let _ = end.send(());
        true
    }

    fn proved(&mut self, source: IpAddr, number: u64) {
        let Some(of_source) = self.by_source.get_mut(&source) else { return };
        let before = of_source.half_open.len();
        of_source.half_open.retain(|(other, _)| *other != number);
        self.half_open -= before - of_source.half_open.len();
    }
}

impl Seat {
    /// Something whole came: the seat is kept.
    pub(crate) fn proved(&self) {
        self.seats.lock().proved(self.source, self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.seats.lock();
        counts.proved(self.source, self.number);
        counts.total -= 1;
        if let Some(of_source) = counts.by_source.get_mut(&self.source) {
            of_source.connections -= 1;
            if of_source.connections == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_oldest_half_open_connection_makes_room() {
        let seats = Arc::<Seats>::default();
        let mut taken: Vec<_> =
            (0..HALF_OPEN_PER_SOURCE_MAX).map(|_| Seats::take(&seats, source(1)).unwrap()).collect();
        taken[0].0.proved();
        let (_new, mut waits) = Seats::take(&seats, source(1)).unwrap();
        assert!(taken.iter_mut().skip(1).all(|(_, end)| end.try_recv().is_err()), "there was room for one");
        let (_other, _) = Seats::take(&seats, source(1)).unwrap();
        assert!(taken[1].1.try_recv().is_ok() && taken[2].1.try_recv().is_err());
        assert!(taken[0].1.try_recv().is_err(), "it has proved itself");
        assert!(waits.try_recv().is_err());
        drop(taken);
        assert_eq!(seats.lock().half_open, 2);
    }

    #[test]
    fn a_source_has_only_so_many_connections_and_others_are_not_touched() {
        let seats = Arc::<Seats>::default();
        let mut taken = Vec::new();
        for _ in 0..CONNECTIONS_PER_SOURCE_MAX {
            let (seat, _) = Seats::take(&seats, source(1)).unwrap();
            seat.proved();
            taken.push(seat);
        }
        assert!(Seats::take(&seats, source(1)).is_none());
        assert!(Seats::take(&seats, source(2)).is_some());
        taken.pop();
        assert!(Seats::take(&seats, source(1)).is_some());
        drop(taken);
        assert!(seats.lock().by_source.is_empty() && seats.lock().total == 0);
    }
}
