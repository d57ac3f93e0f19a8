//! The routes: for each domain pair an `xmpp::route` machine and at most one stream that carries it.
//!
//! One task owns them. It never waits for a connection: a route that is up puts its stanzas into a lane, from which the
//! stream takes. A pair gets a stream by a new connection, or, when the partner's connection limit is reached, on an open
//! one to the same domain.

pub(crate) mod lane;
pub(crate) mod parcel;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lexicon::{Direction, Domain, DomainPair};
use link::{Envelope, Inbox};
use net::{clock, entropy};
use policy::Settings;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep_until, timeout},
};
use xmpp::{
    route::{Input, Output, Route, RouteFailure, RouteLimits, RouteState},
    stanza::{Condition, StanzaError},
    stream::{Refusal, StreamFailure},
};

use crate::{
    edge::{CLOSE_TIMEOUT, Edge},
    failure,
    inbound::ToRoute,
    outbound::{self, Attempt, Event, News},
    routes::{
        lane::Lane,
        parcel::{Parcel, Ticket},
    },
};

/// News of connections on their way here.
const NEWS_MAX: usize = 256;

/// Additions on their way to one connection.
const ADDITIONS_MAX: usize = 16;

/// The first delay after a failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest delay, also after a failure that only a person can remedy.
const BACKOFF_MAX: Duration = Duration::from_secs(120);

/// How long the task sleeps when nothing is due.
const NOTHING_DUE: Duration = Duration::from_secs(3600);

/// Serves all routes until the proxy stops; then everything that waits is refused.
pub(crate) async fn run(edge: Arc<Edge>, mut inbox: Inbox, mut to_routes: mpsc::Receiver<ToRoute>) {
    let mut snapshots = edge.snapshots.clone();
    let mut stopping = edge.stopping.clone();
    snapshots.mark_unchanged();
    let (told, mut news) = mpsc::channel(NEWS_MAX);
    let mut routes = Routes::new(edge, told);
    loop {
        let due = routes.next_due().unwrap_or_else(|| Instant::now() + NOTHING_DUE);
        tokio::select! {
            // Policy first: what was published before a stanza was sent counts for it.
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Ok(()) = snapshots.changed() => routes.judge_again(),
            Some(heard) = news.recv() => routes.hear(heard),
            () = sleep_until(due.into()) => routes.tick(),
            Some(told) = to_routes.recv() => routes.hear_inbound(told),
            envelope = inbox.receive() => match envelope {
                Some(envelope) => routes.take(envelope),
                None => break,
            },
        }
    }
    routes.stop(inbox, to_routes, news).await;
}

struct Routes {
    edge: Arc<Edge>,
    entries: BTreeMap<DomainPair, Entry>,
    /// When each route has something to do.
    due: BTreeSet<(Instant, DomainPair)>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Bytes that wait in routes.
    queued_bytes: u64,
    /// Bytes that wait in lanes.
    lane_bytes: Arc<AtomicU64>,
    told: mpsc::Sender<News>,
}

struct Entry {
    route: Route<Ticket>,
    /// The connection that carries the pair, or on which it is being authorised.
    carrier: Option<(u64, Arc<Lane>)>,
    due: Option<Instant>,
}

struct Connection {
    remote: Domain,
    additions: mpsc::Sender<(DomainPair, Arc<Lane>)>,
    ready: Arc<Notify>,
    /// Whether some pair was authorised on it.
    used: bool,
}

impl Routes {
    fn new(edge: Arc<Edge>, told: mpsc::Sender<News>) -> Self {
        Self {
            edge,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            queued_bytes: 0,
            lane_bytes: Arc::default(),
            told,
        }
    }

    /// Takes stanzas from the inside, or refuses them at once.
    fn take(&mut self, envelope: Envelope) {
        let Envelope { pair, batch, deadline, receipts } = envelope;
        self.edge.counters.outbound.accept(batch.len());
        let now = clock::now();
        let stanzas = receipts.enumerate().map(|(index, receipt)| Parcel {
            stanza: batch.single(index),
            ticket: Ticket::for_inside(receipt, now, deadline),
        });
        self.submit(&pair, stanzas);
    }

    fn hear_inbound(&mut self, told: ToRoute) {
        match told {
            ToRoute::Answer(pair, stanza) => {
                let now = clock::now();
                let deadline = now.instant + self.edge.snapshot().settings().queue_age;
                self.submit(&pair, [Parcel { stanza, ticket: Ticket::for_answer(now, deadline) }]);
            }
            ToRoute::Alive(pair) => {
                if self.entries.contains_key(&pair) {
                    self.drive(&pair, Input::Retry);
                }
            }
        }
    }

    fn submit(&mut self, pair: &DomainPair, parcels: impl IntoIterator<Item = Parcel>) {
        if let Err(refusal) = self.edge.rules(pair, None, clock::now()) {
            for parcel in parcels {
                parcel.ticket.refused(&self.edge.counters, failure::refusal(refusal, pair));
            }
            return;
        }
        let total_max = self.edge.snapshot().settings().queue_bytes_total;
        for Parcel { stanza, ticket } in parcels {
            let total = self.queued_bytes + self.lane_bytes.load(Ordering::Relaxed) + stanza.bytes() as u64;
            if total > total_max {
                ticket.refused(&self.edge.counters, full(pair));
                continue;
            }
            let deadline = ticket.deadline;
            self.drive(pair, Input::Send { stanza, ticket, deadline });
        }
    }

    /// Feeds a route, does what it wants, and notes when it is due.
    fn drive(&mut self, pair: &DomainPair, input: Input<Ticket>) {
        let edge = Arc::clone(&self.edge);
        let entry = self.entries.entry(pair.clone()).or_insert_with(|| {
            let limits = limits_of(edge.snapshot().settings());
            Entry { route: Route::new(pair.clone(), limits, entropy::seed()), carrier: None, due: None }
        });
        let before = entry.route.bytes_queued() as u64;
        entry.route.handle(clock::now(), input);
        let mut failed = None;
        while let Some(output) = self.entries.get_mut(pair).and_then(|entry| entry.route.poll()) {
            if let Some(failure) = self.obey(pair, output) {
                failed = Some(failure);
            }
        }
        if let Some(entry) = self.entries.get_mut(pair) {
            self.queued_bytes = self.queued_bytes + entry.route.bytes_queued() as u64 - before;
        }
        match failed {
            Some(failure) => self.drive(pair, Input::Down(Some(failure))),
            None => self.schedule(pair),
        }
    }

    /// Does what a route wants. The answer is the failure of a connection that could not even be tried.
    fn obey(&mut self, pair: &DomainPair, output: Output<Ticket>) -> Option<RouteFailure> {
        match output {
            Output::Connect { without_sasl } => return self.connect(pair, !without_sasl),
            Output::Write { stanza, ticket, .. } => self.write(pair, Parcel { stanza, ticket }),
            Output::Bounce { ticket, error, reason, failure, .. } => {
                let error = match (&failure, reason) {
                    (Some(failure), reason) if reason != xmpp::route::BounceReason::Full => {
                        failure::answer(failure, pair)
                    }
                    _ => error,
                };
                ticket.refused(&self.edge.counters, error);
            }
            Output::Superseded { ticket, .. } => ticket.superseded(&self.edge.counters),
        }
        None
    }

    fn write(&self, pair: &DomainPair, parcel: Parcel) {
        let snapshot = self.edge.snapshot();
        let limits = limits_of(snapshot.settings());
        let lane = self.entries.get(pair).and_then(|entry| entry.carrier.as_ref());
        let refused = match lane {
            Some((_, lane)) => lane.put(parcel, limits.queue_stanzas, limits.queue_bytes),
            None => Err(parcel),
        };
        if let Err(parcel) = refused {
            parcel.ticket.refused(&self.edge.counters, full(pair));
        }
    }

    fn connect(&mut self, pair: &DomainPair, sasl: bool) -> Option<RouteFailure> {
        let Some(place) = self.edge.place(&pair.remote, Direction::Outbound) else { return self.multiplex(pair) };
        self.next_connection += 1;
        let number = self.next_connection;
        let (additions, added) = mpsc::channel(ADDITIONS_MAX);
        let ready = Arc::<Notify>::default();
        let lane = Arc::new(Lane::new(Arc::clone(&ready), Arc::clone(&self.lane_bytes)));
        let connection = Connection { remote: pair.remote.clone(), additions, ready: Arc::clone(&ready), used: false };
        self.connections.insert(number, connection);
        if let Some(entry) = self.entries.get_mut(pair) {
            entry.carrier = Some((number, Arc::clone(&lane)));
        }
        let attempt = Attempt {
            connection: number,
            pair: pair.clone(),
            lane,
            sasl,
            place,
            additions: added,
            ready,
            news: self.told.clone(),
        };
        tokio::spawn(outbound::run(Arc::clone(&self.edge), attempt));
        None
    }

    /// At the connection limit: on an open connection to the same domain, else not now.
    fn multiplex(&mut self, pair: &DomainPair) -> Option<RouteFailure> {
        let limit = Some(RouteFailure::Stream(StreamFailure::Refused(Refusal::ConnectionLimit)));
        let open = self.connections.iter().find(|(_, open)| open.used && open.remote == pair.remote);
        let Some((number, open)) = open else { return limit };
        let lane = Arc::new(Lane::new(Arc::clone(&open.ready), Arc::clone(&self.lane_bytes)));
        if open.additions.try_send((pair.clone(), Arc::clone(&lane))).is_err() {
            return limit;
        }
        if let Some(entry) = self.entries.get_mut(pair) {
            entry.carrier = Some((*number, lane));
        }
        None
    }

    fn hear(&mut self, news: News) {
        let News { connection, event } = news;
        match event {
            Event::Authorised(pair) => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.used = true;
                }
                if self.is_carrier(&pair, connection) {
                    self.drive(&pair, Input::Up);
                }
            }
            Event::Lost(pair, failure) => self.lose(&pair, connection, failure),
            Event::Closed(failure) => {
                self.connections.remove(&connection);
                let carried = self.entries.iter().filter(|(_, entry)| entry.is_carried_by(connection));
                for pair in carried.map(|(pair, _)| pair.clone()).collect::<Vec<_>>() {
                    self.lose(&pair, connection, failure.clone());
                }
            }
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
            let remedy = policy::diagnosis::remedy(code, Direction::Outbound, pair);
            let (local, remote, code) = (&pair.local, &pair.remote, code.as_str());
            tracing::info!(%local, %remote, code, remedy, "no stream to the partner");
            tracing::debug!(%pair, %failure, "no stream to the partner");
        }
        let lane = self.entries.get_mut(pair).and_then(|entry| entry.carrier.take());
        self.drive(pair, Input::Down(failure));
        let Some((_, lane)) = lane else { return };
        self.submit(pair, std::iter::from_fn(|| lane.take()));
    }

    /// Policy changed: what a pair may no longer send is answered, and what failed may be tried again.
    fn judge_again(&mut self) {
        let limits = limits_of(self.edge.snapshot().settings());
        for pair in self.entries.keys().cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.entries.get_mut(&pair) {
                entry.route.set_limits(limits);
            }
            match self.edge.rules(&pair, None, clock::now()) {
                Ok(_) => self.drive(&pair, Input::Retry),
                Err(refusal) => self.drive(&pair, Input::Close(StreamFailure::Refused(refusal).into())),
            }
        }
        self.entries.retain(|_, entry| {
            let kept = entry.carrier.is_some() || entry.route.state() != RouteState::Idle;
            if let (false, Some(due)) = (kept, entry.due) {
                self.due.remove(&(due, entry.route.pair().clone()));
            }
            kept
        });
    }

    fn schedule(&mut self, pair: &DomainPair) {
        let Some(entry) = self.entries.get_mut(pair) else { return };
        let deadline = entry.route.deadline();
        if entry.due == deadline {
            return;
        }
        if let Some(due) = entry.due.take() {
            self.due.remove(&(due, pair.clone()));
        }
        if let Some(deadline) = deadline {
            self.due.insert((deadline, pair.clone()));
        }
        entry.due = deadline;
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        while let Some((due, pair)) = self.due.first().filter(|(due, _)| *due <= now).cloned() {
            self.due.remove(&(due, pair.clone()));
            if let Some(entry) = self.entries.get_mut(&pair) {
                entry.due = None;
            }
            self.drive(&pair, Input::Deadline);
        }
    }

    /// Refuses what waits and what still comes, until every connection has told its end.
    async fn stop(mut self, mut inbox: Inbox, mut to_routes: mpsc::Receiver<ToRoute>, mut news: mpsc::Receiver<News>) {
        for pair in self.entries.keys().cloned().collect::<Vec<_>>() {
            self.drive(&pair, Input::Close(StreamFailure::Refused(Refusal::Shutdown).into()));
        }
        let drain = async {
            let (mut inside, mut inbound) = (true, true);
            while inbound || !self.connections.is_empty() {
                tokio::select! {
                    Some(heard) = news.recv() => self.hear(heard),
                    envelope = inbox.receive(), if inside => match envelope {
                        Some(envelope) => self.take(envelope),
                        None => inside = false,
                    },
                    told = to_routes.recv(), if inbound => match told {
                        Some(told) => self.hear_inbound(told),
                        None => inbound = false,
                    },
                }
            }
        };
        // What the other role still sends is refused when the inbox is dropped.
        let _ = timeout(CLOSE_TIMEOUT, drain).await;
    }
}

impl Entry {
    fn is_carried_by(&self, connection: u64) -> bool {
        self.carrier.as_ref().is_some_and(|(number, _)| *number == connection)
    }
}

fn limits_of(settings: &Settings) -> RouteLimits {
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    RouteLimits {
        queue_stanzas: size(settings.queue_stanzas),
        queue_bytes: size(settings.queue_bytes),
        queue_age: settings.queue_age,
        backoff_min: BACKOFF_MIN,
        backoff_max: BACKOFF_MAX,
    }
}

fn full(pair: &DomainPair) -> StanzaError {
    let text = format!("Too many stanzas are waiting for {}.", pair.remote);
    StanzaError::new(Condition::ResourceConstraint).with_text(text)
}
