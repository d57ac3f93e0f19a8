//! How a pair comes to a stream: on a connection of the partner's that carries stanzas both ways (XEP-0288), by a new
//! connection, or, when the partner's connection limit is reached, on one that is open.
//!
//! A connection may be shared by pairs of the same partner domain, and by those of other domains of the partner whose
//! server understands dialback errors and is found at the same address and port (XEP-0220 §2.6.2).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use lexicon::{Direction, Domain, DomainPair};
use policy::EdgeSnapshot;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use xmpp::route::{Input, RouteFailure, RouteState};

use super::{Routes, lane::Lane, parcel::Ticket};
use crate::{
    carrier::{Carriage, Event, News},
    connection::Ways,
    edge::Edge,
    failure,
    outbound::{self, Attempt},
};

/// Additions on their way to one connection.
const ADDITIONS_MAX: usize = 16;

/// The connection that carries a pair, by number, and the pair's lane on it.
pub(super) type Carried = (u64, Arc<Lane>);

/// What the routes know of connections.
pub(super) struct Carriers {
    /// None once nothing is dialled any more.
    ways: Option<Ways>,
    /// Those that we opened, and those of partners that were offered.
    connections: BTreeMap<u64, Known>,
    /// Where a pair may go without a connection of ours.
    offers: BTreeMap<DomainPair, Vec<Carried>>,
}

struct Known {
    remote: Domain,
    /// Pairs that it carries, or is to carry.
    pairs: BTreeSet<DomainPair>,
    /// Only on ours can pairs be added.
    additions: Option<mpsc::Sender<Arc<Lane>>>,
    ready: Arc<Notify>,
    /// Once some pair was authorised on it.
    carriage: Option<Carriage>,
}

impl Carriers {
    pub(super) fn new(ways: Ways) -> Self {
        Self { ways: Some(ways), connections: BTreeMap::new(), offers: BTreeMap::new() }
    }

    /// From now on connections only end.
    pub(super) fn dial_no_more(&mut self) {
        self.ways = None;
    }

    /// Whether some connection has not told its end.
    pub(super) fn are_alive(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Finds or makes a stream for `pair`: what carries it now, and what its route has to hear at once.
    pub(super) fn connect(
        &mut self,
        edge: &Arc<Edge>,
        pair: &DomainPair,
        sasl: bool,
    ) -> (Option<Carried>, Option<Input<Ticket>>) {
        if let Some(carried) = self.offers.get(pair).and_then(|offers| offers.first()) {
            return (Some(carried.clone()), Some(Input::Up));
        }
        let carried = self.dial(edge, pair, sasl).or_else(|| self.share(edge, pair));
        if carried.is_some() || self.search(edge, pair) {
            return (carried, None);
        }
        (None, Some(Input::Down(Some(outbound::at_limit()))))
    }

    /// By a new connection; none at the partner's limit.
    fn dial(&mut self, edge: &Arc<Edge>, pair: &DomainPair, sasl: bool) -> Option<Carried> {
        let ways = self.ways.clone()?;
        let place = edge.place(&pair.remote, Direction::Outbound)?;
        let number = edge.streams.number();
        let (additions, added) = mpsc::channel(ADDITIONS_MAX);
        let ready = Arc::<Notify>::default();
        let lane = Arc::new(Lane::new(pair.clone(), Arc::clone(&ready), Arc::clone(&edge.lane_bytes)));
        let known = Known {
            remote: pair.remote.clone(),
            pairs: BTreeSet::from([pair.clone()]),
            additions: Some(additions),
            ready: Arc::clone(&ready),
            carriage: None,
        };
        self.connections.insert(number, known);
        let attempt = Attempt { connection: number, lane: Arc::clone(&lane), sasl, place, additions: added, ready };
        tokio::spawn(outbound::run(Arc::clone(edge), attempt, ways));
        Some((number, lane))
    }

    /// On an open connection of ours to the same domain.
    fn share(&mut self, edge: &Edge, pair: &DomainPair) -> Option<Carried> {
        let fits = |known: &Known| known.carriage.is_some() && known.remote == pair.remote;
        self.add(edge, pair, fits)
    }

    /// On an open connection of ours to the same partner at one of these addresses, whose server takes other domains too.
    fn share_at(&mut self, edge: &Edge, pair: &DomainPair, addresses: &[SocketAddr]) -> Option<Carried> {
        let snapshot = edge.snapshot();
        let takes = |carriage: Carriage| carriage.other_targets && addresses.contains(&carriage.peer);
        let one = |known: &Known| of_one_partner(&snapshot, &known.remote, &pair.remote);
        self.add(edge, pair, |known| known.carriage.is_some_and(takes) && one(known))
    }

    fn add(&mut self, edge: &Edge, pair: &DomainPair, fits: impl Fn(&Known) -> bool) -> Option<Carried> {
        let (number, known) =
            self.connections.iter_mut().find(|(_, known)| known.additions.is_some() && fits(known))?;
        let lane = Arc::new(Lane::new(pair.clone(), Arc::clone(&known.ready), Arc::clone(&edge.lane_bytes)));
        known.additions.as_ref()?.try_send(Arc::clone(&lane)).ok()?;
        known.pairs.insert(pair.clone());
        Some((*number, lane))
    }

    /// Has the server of the pair's remote domain located, if some connection to the same partner might take the pair.
    fn search(&self, edge: &Arc<Edge>, pair: &DomainPair) -> bool {
        let snapshot = edge.snapshot();
        let takes = |known: &Known| known.carriage.is_some_and(|carriage| carriage.other_targets);
        let fits = |known: &Known| takes(known) && of_one_partner(&snapshot, &known.remote, &pair.remote);
        let Some(ways) = self.ways.as_ref().filter(|_| self.connections.values().any(fits)) else { return false };
        let (edge, pair, news) = (Arc::clone(edge), pair.clone(), ways.news.clone());
        tokio::spawn(async move {
            let partner = edge.snapshot().partner_of(&pair.remote).cloned();
            let located = edge.locate(&pair.remote, partner.as_deref());
            let found = timeout(edge.limits().establishment_timeout, located).await;
            let endpoints = found.ok().and_then(Result::ok).unwrap_or_default();
            let addresses = endpoints.iter().map(|endpoint| endpoint.address).collect();
            // News of no connection.
            let _ = news.send(News { connection: 0, event: Event::Located(pair, addresses) }).await;
        });
        true
    }
}

/// Two partners may be hosted at one address: what is one's is never carried on a connection to the other.
fn of_one_partner(snapshot: &EdgeSnapshot, one: &Domain, other: &Domain) -> bool {
    let partner = |domain| snapshot.partner_of(domain).map(|partner| &partner.primary_domain);
    partner(one).is_some_and(|found| partner(other) == Some(found))
}

impl Routes {
    pub(super) fn hear(&mut self, news: News) {
        let News { connection, event } = news;
        match event {
            Event::Authorised(pair, carriage) => {
                if let Some(known) = self.carriers.connections.get_mut(&connection) {
                    known.carriage = Some(carriage);
                }
                if self.is_carrier(&pair, connection) {
                    self.drive(&pair, Input::Up);
                }
            }
            Event::Offered(lane) => self.offered(connection, lane),
            Event::Lost(pair, failure) => {
                self.carriers.forget(&pair, connection);
                self.lose(&pair, connection, failure);
            }
            Event::Located(pair, addresses) => self.located(&pair, &addresses),
            Event::Closed(failure) => {
                let Some(known) = self.carriers.connections.remove(&connection) else { return };
                for pair in known.pairs {
                    self.carriers.forget(&pair, connection);
                    self.lose(&pair, connection, failure.clone());
                }
            }
        }
    }

    /// A connection of the partner's may carry the pair: at once, if it has no other.
    fn offered(&mut self, connection: u64, lane: Arc<Lane>) {
        let pair = lane.pair.clone();
        let known = self.carriers.connections.entry(connection).or_insert_with(|| Known {
            remote: pair.remote.clone(),
            pairs: BTreeSet::new(),
            additions: None,
            ready: Arc::default(),
            carriage: None,
        });
        known.pairs.insert(pair.clone());
        self.carriers.offers.entry(pair.clone()).or_default().push((connection, Arc::clone(&lane)));
        if let Some(entry) = self.entries.get_mut(&pair).filter(|entry| entry.carrier.is_none()) {
            entry.carrier = Some((connection, lane));
            self.drive(&pair, Input::Up);
        }
    }

    /// At the limit it turned out where the pair's server is.
    fn located(&mut self, pair: &DomainPair, addresses: &[SocketAddr]) {
        let waits =
            |entry: &&mut super::Entry| entry.carrier.is_none() && entry.route.state() == RouteState::Connecting;
        let Some(entry) = self.entries.get_mut(pair).filter(waits) else { return };
        entry.carrier = self.carriers.share_at(&self.edge, pair, addresses);
        if entry.carrier.is_none() {
            self.drive(pair, Input::Down(Some(outbound::at_limit())));
        }
    }

    fn is_carrier(&self, pair: &DomainPair, connection: u64) -> bool {
        self.entries.get(pair).is_some_and(|entry| entry.is_carried_by(connection))
    }

    /// The pair is no longer on this connection; what the stream did not take goes back to the route.
    fn lose(&mut self, pair: &DomainPair, connection: u64, failure: Option<RouteFailure>) {
        if !self.is_carrier(pair, connection) {
            return;
        }
        if let Some(failure) = &failure {
            let code = failure::code(failure);
            let remedy = policy::diagnosis::remedy(code, self.edge.leg(), Direction::Outbound, pair);
            let (local, remote, code) = (&pair.local, &pair.remote, code.as_str());
            tracing::info!(%local, %remote, code, remedy, "no stream to the other server");
            tracing::debug!(%pair, %failure, "no stream to the partner");
        }
        let carried = self.entries.get_mut(pair).and_then(|entry| entry.carrier.take());
        self.drive(pair, Input::Down(failure));
        if let Some((_, lane)) = carried {
            self.submit(pair, std::iter::from_fn(|| lane.take()));
        }
    }
}

impl Carriers {
    fn forget(&mut self, pair: &DomainPair, connection: u64) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.pairs.remove(pair);
        }
        if let Some(offers) = self.offers.get_mut(pair) {
            offers.retain(|(number, _)| *number != connection);
            if offers.is_empty() {
                self.offers.remove(pair);
            }
        }
    }
}
