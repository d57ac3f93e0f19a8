//! The routes: for each domain pair an `xmpp::route` machine and at most one stream that carries it.
//!
//! One task owns them. It never waits for a connection: a route that is up puts its stanzas into a lane, from which the
//! stream takes, whole envelopes at a time. How a pair comes to a stream is in `carriers`.

mod carriers;
pub(crate) mod lane;
pub(crate) mod parcel;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lexicon::DomainPair;
use link::{Envelope, Inbox};
use net::{clock, entropy};
use policy::{EdgeSnapshot, Settings};
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};
use xmpp::{
    route::{BounceReason, Input, Output, Route, RouteLimits, RouteState},
    stanza::{Condition, StanzaError},
    stream::{Refusal, StreamFailure},
};

use crate::{
    carrier::News,
    connection::Ways,
    edge::{CLOSE_TIMEOUT, Edge},
    failure,
    inside::ToRoute,
    routes::{
        carriers::{Carried, Carriers},
        lane::Lane,
        parcel::{Parcel, Ticket},
    },
};

/// The first delay after a failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest delay, also after a failure that only a person can remedy.
const BACKOFF_MAX: Duration = Duration::from_secs(120);

/// How long the task sleeps when nothing is due.
const NOTHING_DUE: Duration = Duration::from_secs(3600);

/// What the routes hear.
pub(crate) struct Ears {
    /// From the inside.
    pub(crate) inbox: Inbox,
    /// From connections, of what came in.
    pub(crate) to_routes: mpsc::Receiver<ToRoute>,
    /// From connections, of themselves.
    pub(crate) news: mpsc::Receiver<News>,
}

/// Serves all routes until the proxy stops; then everything that waits is refused.
pub(crate) async fn run(edge: Arc<Edge>, mut ears: Ears, ways: Ways) {
    let mut snapshots = edge.snapshots.clone();
    let mut stopping = edge.stopping.clone();
    snapshots.mark_unchanged();
    let mut routes = Routes::new(edge, ways);
    loop {
        let due = routes.next_due().unwrap_or_else(|| Instant::now() + NOTHING_DUE);
        tokio::select! {
            // Policy first: what was published before a stanza was sent counts for it.
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Ok(()) = snapshots.changed() => routes.judge_again(),
            Some(heard) = ears.news.recv() => routes.hear(heard),
            () = sleep_until(due.into()) => routes.tick(),
            Some(told) = ears.to_routes.recv() => routes.hear_inbound(told),
            envelope = ears.inbox.receive() => match envelope {
                Some(envelope) => routes.take(envelope),
                None => break,
            },
        }
    }
    routes.stop(ears).await;
}

struct Routes {
    edge: Arc<Edge>,
    entries: BTreeMap<DomainPair, Entry>,
    /// When each route has something to do.
    due: BTreeSet<(Instant, DomainPair)>,
    carriers: Carriers,
    /// The policy in force.
    snapshot: Arc<EdgeSnapshot>,
    /// Bytes that wait in routes.
    queued_bytes: u64,
}

struct Entry {
    route: Route<Ticket>,
    /// The lane of the connection that carries the pair, or on which it is being authorised.
    carrier: Option<Carried>,
    due: Option<Instant>,
}

impl Routes {
    fn new(edge: Arc<Edge>, ways: Ways) -> Self {
        Self {
            snapshot: edge.snapshot(),
            edge,
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            carriers: Carriers::new(ways),
            queued_bytes: 0,
        }
    }

    /// Takes stanzas from the inside, or refuses them at once.
    fn take(&mut self, envelope: Envelope) {
        let Envelope { pair, batch, deadline, receipts } = envelope;
        let now = clock::now();
        self.edge.counters.outbound.accept(batch.len());
        self.edge.counters.messages.take(now.instant, &batch);
        let ticket = Ticket::for_inside(receipts.whole(), now, deadline);
        self.submit(&pair, [Parcel::new(batch, ticket)]);
    }

    fn hear_inbound(&mut self, told: ToRoute) {
        match told {
            ToRoute::Answer(pair, stanza) => {
                let now = clock::now();
                let deadline = now.instant + self.snapshot.settings().queue_age;
                let ticket = Ticket::for_answers(stanza.len(), now, deadline);
                self.submit(&pair, [Parcel::new(stanza, ticket)]);
            }
            ToRoute::Alive(pair) => {
                if self.entries.contains_key(&pair) {
                    self.drive(&pair, Input::Retry);
                }
            }
        }
    }

    fn submit(&mut self, pair: &DomainPair, parcels: impl IntoIterator<Item = Parcel>) {
        let snapshot = Arc::clone(&self.snapshot);
        if let Err(refusal) = self.edge.partner(&snapshot, pair) {
            for parcel in parcels {
                parcel.ticket.refused(&self.edge.counters, failure::refusal(refusal, pair));
            }
            return;
        }
        let total_max = snapshot.settings().queue_bytes_total;
        for parcel in parcels {
            let total = self.queued_bytes + self.edge.lane_bytes.load(Ordering::Relaxed) + parcel.bytes() as u64;
            if total > total_max {
                parcel.ticket.refused(&self.edge.counters, full(pair));
                continue;
            }
            match self.lane_of(pair) {
                Some(lane) => self.put(&lane, parcel),
                None => parcel.singles().for_each(|single| self.queue(pair, single)),
            }
        }
    }

    /// The lane of a route that is up: what comes now has nothing to wait for but its turn.
    fn lane_of(&self, pair: &DomainPair) -> Option<Arc<Lane>> {
        let entry = self.entries.get(pair).filter(|entry| entry.route.state() == RouteState::Up)?;
        entry.carrier.as_ref().map(|(_, lane)| Arc::clone(lane))
    }

    fn put(&self, lane: &Lane, parcel: Parcel) {
        let limits = limits_of(self.snapshot.settings());
        let put = |parcel| lane.put(parcel, limits.queue_stanzas, limits.queue_bytes);
        let Err(parcel) = put(parcel) else { return };
        // Together they are too many; of the first there may be room.
        for single in parcel.singles() {
            if let Err(refused) = put(single) {
                refused.ticket.refused(&self.edge.counters, full(&lane.pair));
            }
        }
    }

    fn queue(&mut self, pair: &DomainPair, single: Parcel) {
        let deadline = single.ticket.deadline;
        let (stanza, ticket) = single.into_parts();
        self.drive(pair, Input::Send { stanza, ticket, deadline });
    }

    /// Feeds a route, does what it wants, and notes when it is due.
    fn drive(&mut self, pair: &DomainPair, input: Input<Ticket>) {
        let limits = limits_of(self.snapshot.settings());
        let entry = self.entries.entry(pair.clone()).or_insert_with(|| Entry {
            route: Route::new(pair.clone(), limits, entropy::seed()),
            carrier: None,
            due: None,
        });
        let before = entry.route.bytes_queued() as u64;
        entry.route.handle(clock::now(), input);
        let mut next = None;
        while let Some(output) = self.entries.get_mut(pair).and_then(|entry| entry.route.poll()) {
            if let Some(input) = self.obey(pair, output) {
                next = Some(input);
            }
        }
        if let Some(entry) = self.entries.get_mut(pair) {
            self.queued_bytes = self.queued_bytes + entry.route.bytes_queued() as u64 - before;
        }
        match next {
            Some(input) => self.drive(pair, input),
            None => self.schedule(pair),
        }
    }

    /// Does what a route wants. The answer is what the route has to hear of it at once.
    fn obey(&mut self, pair: &DomainPair, output: Output<Ticket>) -> Option<Input<Ticket>> {
        match output {
            Output::Connect { without_sasl } => {
                let (carried, next) = self.carriers.connect(&self.edge, pair, !without_sasl);
                if let Some(entry) = self.entries.get_mut(pair) {
                    entry.carrier = carried;
                }
                return next;
            }
            Output::Write { stanza, ticket, .. } => {
                match self.entries.get(pair).and_then(|entry| entry.carrier.as_ref()) {
                    Some((_, lane)) => self.put(&Arc::clone(lane), Parcel::new(stanza, ticket)),
                    None => ticket.refused(&self.edge.counters, full(pair)),
                }
            }
            Output::Bounce { ticket, error, reason, failure, .. } => {
                let error = match &failure {
                    Some(failure) if reason != BounceReason::Full => failure::answer(failure, pair),
                    _ => error,
                };
                ticket.refused(&self.edge.counters, error);
            }
            Output::Superseded { ticket, .. } => ticket.superseded(&self.edge.counters),
        }
        None
    }

    /// Policy changed: what a pair may no longer send is answered, and what failed may be tried again.
    fn judge_again(&mut self) {
        self.snapshot = self.edge.snapshot();
        let limits = limits_of(self.snapshot.settings());
        for pair in self.entries.keys().cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.entries.get_mut(&pair) {
                entry.route.set_limits(limits);
            }
            match self.edge.partner(&Arc::clone(&self.snapshot), &pair) {
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
    async fn stop(mut self, ears: Ears) {
        let Ears { mut inbox, mut to_routes, mut news } = ears;
        self.carriers.dial_no_more();
        for pair in self.entries.keys().cloned().collect::<Vec<_>>() {
            self.drive(&pair, Input::Close(StreamFailure::Refused(Refusal::Shutdown).into()));
        }
        let drain = async {
            let (mut inside, mut inbound) = (true, true);
            while inbound || self.carriers.are_alive() {
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
