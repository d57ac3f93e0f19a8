//! The half-open connections of one side, known or strange, ordered by how much each network holds, so that the one that
//! is to make room is found without looking at all of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Seat,
    network::{Neighbours, Network},
};

/// Most seats first; among equals the one whose oldest seat is the oldest.
type Rank = (usize, Reverse<u64>);

#[derive(Debug, Default)]
pub(super) struct Seats {
    len: usize,
    groups: BTreeMap<Neighbours, Group>,
    ranking: BTreeSet<(Rank, Neighbours)>,
}

#[derive(Debug, Default)]
struct Group {
    len: usize,
    networks: BTreeMap<Network, BTreeMap<u64, Arc<Seat>>>,
    ranking: BTreeSet<(Rank, Network)>,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many `network` holds.
    pub(super) fn of(&self, network: Network) -> usize {
        let group = self.groups.get(&network.neighbours());
        group.and_then(|group| group.networks.get(&network)).map_or(0, BTreeMap::len)
    }

    pub(super) fn take(&mut self, network: Network, number: u64, seat: Arc<Seat>) {
        self.len += 1;
        self.change(network, |group| {
            group.len += 1;
            group.networks.entry(network).or_default().insert(number, seat);
        });
    }

    pub(super) fn leave(&mut self, network: Network, number: u64) {
        if !self.groups.contains_key(&network.neighbours()) {
            return;
        }
        let left = self.change(network, |group| {
            let left = group.networks.get_mut(&network).and_then(|seats| seats.remove(&number));
            group.len -= usize::from(left.is_some());
            left
        });
        self.len -= usize::from(left.is_some());
    }

    /// Takes the oldest seat from the network that holds the most, among the neighbours that hold the most. For a newcomer
    /// that would then hold more itself, none.
    pub(super) fn leave_for(&mut self, newcomer: Option<Network>) -> Option<Arc<Seat>> {
        let (_, most) = self.ranking.last().copied()?;
        let group = self.groups.get(&most)?;
        let (_, network) = group.ranking.last().copied()?;
        let seats = group.networks.get(&network)?;
        if let Some(newcomer) = newcomer {
            let (own, theirs) = match newcomer.neighbours() {
                same if same == most => (self.of(newcomer), seats.len()),
                other => (self.groups.get(&other).map_or(0, |group| group.len), group.len),
            };
            if own >= theirs {
                return None;
            }
        }
        let (number, seat) = seats.first_key_value().map(|(number, seat)| (*number, Arc::clone(seat)))?;
        self.leave(network, number);
        Some(seat)
    }

    /// Changes the group of `network` and keeps both rankings right.
    fn change<T>(&mut self, network: Network, change: impl FnOnce(&mut Group) -> T) -> T {
        let neighbours = network.neighbours();
        let group = self.groups.entry(neighbours).or_default();
        if let Some(rank) = group.rank() {
            self.ranking.remove(&(rank, neighbours));
        }
        if let Some(rank) = group.networks.get(&network).and_then(rank) {
            group.ranking.remove(&(rank, network));
        }
        let changed = change(group);
        match group.networks.get(&network).and_then(rank) {
            Some(rank) => drop(group.ranking.insert((rank, network))),
            None => drop(group.networks.remove(&network)),
        }
        match group.rank() {
            Some(rank) => drop(self.ranking.insert((rank, neighbours))),
            None => drop(self.groups.remove(&neighbours)),
        }
        changed
    }
}

impl Group {
    /// None without a seat.
    fn rank(&self) -> Option<Rank> {
        let ((_, oldest), _) = self.ranking.last()?;
        Some((self.len, *oldest))
    }
}

/// None without a seat.
fn rank(seats: &BTreeMap<u64, Arc<Seat>>) -> Option<Rank> {
    seats.first_key_value().map(|(oldest, _)| (seats.len(), Reverse(*oldest)))
}
