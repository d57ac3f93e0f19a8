//! A connection that we open: it carries the stanzas of one of our domains, or of several, to one partner domain.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{Direction, DomainPair, report};
use net::clock;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use xmpp::{
    route::RouteFailure,
    stream::{self, Input, Outbound, OutboundConfig, Output, Purpose, Refusal, Stanzas, StreamFailure, UnsentReason},
};

use crate::{
    admission::StreamPlace,
    dial,
    edge::{Edge, WRITE_BYTES_MAX},
    failure,
    pump::Pump,
    reports::{End, Seen, Story},
    routes::{
        lane::Lane,
        parcel::{Parcel, Ticket},
    },
};

/// Stanzas are written together up to about this many bytes.
const WRITE_TOGETHER_BYTES: usize = 16 << 10;

/// Bytes that may be on their way to the socket before no more stanzas are taken.
const AHEAD_BYTES_MAX: usize = WRITE_BYTES_MAX / 4;

/// How often waiting stanzas are looked through for those whose time has passed.
const EXPIRY_TICK: Duration = Duration::from_millis(500);

/// A connection to be made.
pub(crate) struct Attempt {
    /// The routes' number for it.
    pub(crate) connection: u64,
    pub(crate) pair: DomainPair,
    pub(crate) lane: Arc<Lane>,
    /// Whether SASL may be tried.
    pub(crate) sasl: bool,
    pub(crate) place: StreamPlace,
    /// Pairs to be added later.
    pub(crate) additions: mpsc::Receiver<(DomainPair, Arc<Lane>)>,
    /// Wakes the stream when a lane has something.
    pub(crate) ready: Arc<Notify>,
    pub(crate) news: mpsc::Sender<News>,
}

/// What the routes learn of a connection, by its number.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) connection: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The pair's stanzas flow.
    Authorised(DomainPair),
    /// The pair will not flow here, or no longer; the connection lives on.
    Lost(DomainPair, Option<RouteFailure>),
    /// The connection is over, with every pair on it. None: closed cleanly.
    Closed(Option<RouteFailure>),
}

/// Makes the connection and serves it to its end.
pub(crate) async fn run(edge: Arc<Edge>, attempt: Attempt) {
    let Attempt { connection, pair, lane, sasl, place, additions, ready, news } = attempt;
    let over = |failure| News { connection, event: Event::Closed(failure) };
    let mut stopping = edge.stopping.clone();
    let mut story = Story::outbound(pair.clone(), report::Purpose::Stanzas);
    let connected = tokio::select! {
        connected = dial::connect(&edge, &pair, &mut story) => connected,
        _ = stopping.wait_for(|stop| *stop) => Err(StreamFailure::Refused(Refusal::Shutdown).into()),
    };
    let (socket, peer) = match connected {
        Ok(connected) => connected,
        Err(failure) => {
            tracing::debug!(%pair, %failure, "no connection");
            edge.events.report(story.without_stream(&edge));
            let _ = news.send(over(Some(failure))).await;
            return;
        }
    };
    let now = clock::now();
    let purpose = Purpose::Stanzas(pair.clone());
    let config =
        OutboundConfig { purpose, sasl, secret: edge.secret(), limits: edge.limits(), extensions: edge.extensions() };
    let pump = Pump::new(Outbound::new(config, now), socket, Direction::Outbound, edge.tls.load_full());
    let number = edge.streams.open(Direction::Outbound, peer, now.wall);
    let mut stream = OutboundStream {
        edge,
        number,
        connection,
        pair: pair.clone(),
        pump,
        lanes: BTreeMap::from([(pair, lane)]),
        open: Vec::new(),
        turn: 0,
        ready,
        sent: VecDeque::new(),
        unsent: None,
        additions,
        news,
        untold: VecDeque::new(),
        closed: None,
        story,
    };
    stream.serve().await;
    drop(place);
    stream.end().await;
}

struct OutboundStream {
    edge: Arc<Edge>,
    number: u64,
    connection: u64,
    /// The first pair.
    pair: DomainPair,
    pump: Pump<Outbound>,
    /// The lane of every pair that is, or may come to be, authorised here.
    lanes: BTreeMap<DomainPair, Arc<Lane>>,
    /// Pairs that are authorised.
    open: Vec<DomainPair>,
    /// Whose turn it is among them.
    turn: usize,
    ready: Arc<Notify>,
    /// Handed to the machine, with the count of bytes at which each has left; bounded by the machine's room. Where the
    /// partner acknowledges, none ends before that.
    sent: VecDeque<(u64, Ticket)>,
    /// Why the machine gave the stanzas of the last input back, if it did.
    unsent: Option<UnsentReason>,
    additions: mpsc::Receiver<(DomainPair, Arc<Lane>)>,
    news: mpsc::Sender<News>,
    /// Bounded: at most a few for each pair of the stream.
    untold: VecDeque<Event>,
    closed: Option<Option<StreamFailure>>,
    story: Story,
}

impl OutboundStream {
    async fn serve(&mut self) {
        let mut snapshots = self.edge.snapshots.clone();
        let mut stopping = self.edge.stopping.clone();
        snapshots.mark_unchanged();
        let mut closing = self.edge.streams.closing(self.number);
        let ready = Arc::clone(&self.ready);
        let proof = self.edge.streams.proof_of_life(self.number);
        loop {
            self.take_outputs();
            self.settle();
            if self.closed.is_some() {
                return;
            }
            while let Some(event) = self.untold.pop_front() {
                // The routes end only with the proxy, and then nobody listens.
                let _ = self.news.send(News { connection: self.connection, event }).await;
            }
            self.send_waiting();
            if self.closed.is_some() {
                return;
            }
            tokio::select! {
                () = self.pump.step(true) => {}
                () = ready.notified() => {}
                () = proof.notified() => {
                    for pair in &self.open {
                        self.pump.feed(Input::ProofOfLife(pair));
                    }
                }
                () = sleep(EXPIRY_TICK), if self.has_waiting() => self.expire(),
                Some((pair, lane)) = self.additions.recv() => {
                    self.lanes.insert(pair.clone(), lane);
                    self.pump.feed(Input::AddPair(pair));
                }
                Ok(()) = snapshots.changed() => self.judge_again(),
                Ok(()) = closing.changed() => {
                    let reason = closing.borrow_and_update().clone();
                    // A condition only where there is something to say: without one all that was sent is still taken.
                    let condition = (!reason.is_empty()).then_some(stream::Condition::UndefinedCondition);
                    self.pump.feed(Input::Close(condition, &reason));
                }
                _ = stopping.wait_for(|stop| *stop) => {
                    self.pump.feed(Input::Close(Some(stream::Condition::SystemShutdown), "the server is shutting down"));
                }
            }
        }
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.pump.machine.poll() {
            match output {
                Output::AskPair { pair, .. } => {
                    let rules = self.edge.rules(&pair, self.pump.chain(), clock::now());
                    self.pump.feed(Input::PairRules(&pair, rules));
                }
                Output::StartTls { local, remote } => self.pump.start_tls(local, remote),
                Output::KeySent(pair, id) => self.edge.streams.key_sent(self.number, pair, id),
                Output::Authorised(pair, method) => {
                    self.edge.streams.secure(self.number, self.pump.machine.facts().tls.as_ref());
                    self.edge.authorised(self.number, &pair, method, Direction::Outbound);
                    self.report(&pair, End::Authorised(method));
                    self.open.push(pair.clone());
                    self.untold.push_back(Event::Authorised(pair));
                }
                Output::Deauthorised(pair, failure) => self.lose(pair, failure),
                Output::PairFailed(pair, failure) => {
                    self.report(&pair, End::Failed(Some(&failure)));
                    self.lose(pair, failure);
                }
                Output::Unsent(_, _, reason) => self.unsent = Some(reason),
                Output::Anomaly(anomaly) => {
                    tracing::debug!(stream = self.number, anomaly = anomaly.as_str(), "ignored");
                }
                Output::Acked(stanzas) => self.deliver(stanzas),
                Output::Closed(failure) => self.closed = Some(failure),
                Output::VerifyDialback(_)
                | Output::AskKey(_)
                | Output::DeliveryUnknown(_)
                | Output::Inverse(..)
                | Output::ProofOfLife(_)
                | Output::Stanzas(..)
                | Output::Verdict(..) => {}
            }
        }
    }

    fn report(&self, pair: &DomainPair, end: End<'_>) {
        let seen = Seen { facts: self.pump.machine.facts(), chain: self.pump.chain() };
        self.edge.events.report(self.story.ended(&self.edge, Some(pair), seen, end));
    }

    fn lose(&mut self, pair: DomainPair, failure: StreamFailure) {
        self.edge.streams.deauthorise(self.number, &pair);
        self.open.retain(|open| *open != pair);
        self.lanes.remove(&pair);
        self.untold.push_back(Event::Lost(pair, Some(RouteFailure::Stream(failure))));
    }

    fn has_waiting(&self) -> bool {
        self.lanes.values().any(|lane| !lane.is_empty())
    }

    /// Refuses what has waited too long for a partner that reads slowly.
    fn expire(&self) {
        let late = StreamFailure::Timeout(stream::Stage::Open).into();
        for (pair, lane) in &self.lanes {
            for parcel in lane.take_expired(Instant::now()) {
                parcel.ticket.refused(&self.edge.counters, failure::answer(&late, pair));
            }
        }
    }

    /// Hands waiting stanzas to the machine, pair by pair, as long as there is room.
    fn send_waiting(&mut self) {
        let mut idle = 0;
        while idle < self.open.len() && self.has_room() {
            self.turn = (self.turn + 1) % self.open.len();
            let pair = self.open[self.turn].clone();
            let parcels = self.take_some(&pair);
            if parcels.is_empty() {
                idle += 1;
            } else {
                idle = 0;
                self.send(&pair, parcels);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.closed.is_none() && self.pump.machine.room() > 0 && self.pump.backlog() < AHEAD_BYTES_MAX
    }

    /// Stanzas of a pair that are written together; those whose time has passed, or that are
    /// too long for the partner, are refused.
    fn take_some(&self, pair: &DomainPair) -> Vec<Parcel> {
        let now = Instant::now();
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        let features = self.pump.machine.facts().features.as_ref();
        let bytes_max = features.and_then(|features| features.stanza_bytes_max).unwrap_or(u64::MAX);
        let Some(lane) = self.lanes.get(pair) else { return parcels };
        while bytes < WRITE_TOGETHER_BYTES {
            let Some(parcel) = lane.take() else { break };
            if parcel.ticket.deadline <= now {
                let late = StreamFailure::Timeout(stream::Stage::Open).into();
                parcel.ticket.refused(&self.edge.counters, failure::answer(&late, pair));
                continue;
            }
            // XEP-0478 §3: a stanza above what the peer accepts would end the stream for all others.
            if parcel.stanza.bytes() as u64 > bytes_max {
                parcel.ticket.refused(&self.edge.counters, failure::too_long(pair, bytes_max));
                continue;
            }
            bytes += parcel.stanza.bytes();
            parcels.push(parcel);
        }
        parcels
    }

    fn send(&mut self, pair: &DomainPair, parcels: Vec<Parcel>) {
        let now = clock::now();
        let stanzas = Stanzas::written(&parcels, |writer, parcel| parcel.write(writer, pair.local.as_unicode(), now));
        self.unsent = None;
        self.pump.feed(Input::Send(pair, stanzas));
        self.take_outputs();
        match self.unsent {
            None => {}
            Some(UnsentReason::NotOpen) => return self.give_back(pair, parcels),
            Some(UnsentReason::TooLong { bytes_max }) => return self.send_singly(pair, parcels, bytes_max),
        }
        let mark = self.pump.collect();
        self.sent.extend(parcels.into_iter().map(|parcel| (mark, parcel.ticket)));
    }

    /// One of the stanzas is too long for the partner as written: that one is refused.
    fn send_singly(&mut self, pair: &DomainPair, parcels: Vec<Parcel>, bytes_max: u64) {
        let single = parcels.len() == 1;
        for parcel in parcels {
            if single {
                parcel.ticket.refused(&self.edge.counters, failure::too_long(pair, bytes_max));
            } else {
                self.send(pair, vec![parcel]);
            }
        }
    }

    /// Stanzas that were not taken wait for the next stream, or end with the reason of this one.
    fn give_back(&mut self, pair: &DomainPair, parcels: Vec<Parcel>) {
        self.open.retain(|open| open != pair);
        if let Some(lane) = self.lanes.remove(pair) {
            lane.put_back(parcels);
            self.untold.push_back(Event::Lost(pair.clone(), None));
            return;
        }
        for parcel in parcels {
            let error = failure::refusal(Refusal::RulesChanged, pair);
            parcel.ticket.refused(&self.edge.counters, error);
        }
    }

    /// Ends the stanzas that the partner has acknowledged, the oldest.
    fn deliver(&mut self, stanzas: usize) {
        for (_, ticket) in self.sent.drain(..stanzas.min(self.sent.len())) {
            ticket.delivered(&self.edge.counters);
        }
    }

    /// Ends the stanzas whose bytes have left, where nothing is acknowledged.
    fn settle(&mut self) {
        if self.pump.machine.unacked().is_some() {
            return;
        }
        while self.sent.front().is_some_and(|(mark, _)| *mark <= self.pump.flushed()) {
            if let Some((_, ticket)) = self.sent.pop_front() {
                ticket.delivered(&self.edge.counters);
            }
        }
    }

    /// Policy changed: every pair is judged again.
    fn judge_again(&mut self) {
        for pair in self.open.clone() {
            let rules = self.edge.rules(&pair, self.pump.chain(), clock::now());
            self.pump.feed(Input::PairRules(&pair, rules));
            self.take_outputs();
        }
    }

    /// What was only partly sent, or not acknowledged, cannot be sent again: it ends with an error. Then the routes learn
    /// of the end.
    async fn end(mut self) {
        self.edge.streams.close(self.number);
        let attempts = &self.pump.machine.facts().attempts;
        if attempts.iter().all(|attempt| attempt.failure.is_some()) {
            self.report(&self.pair, End::Failed(self.closed.as_ref().and_then(Option::as_ref)));
        }
        let acknowledges = self.pump.machine.unacked().is_some();
        let failure = self.closed.take().flatten().map(RouteFailure::Stream);
        // After an orderly end all that the machine took is still written; after any other nobody can tell what a peer
        // made of the rest, so nothing of it is sent again.
        let written = match &failure {
            None => self.pump.finish().await,
            Some(_) => {
                tokio::spawn(self.pump.finish());
                false
            }
        };
        let broke = || StreamFailure::PeerClosed(stream::Stage::Open).into();
        let error = failure::unknown(&failure.clone().unwrap_or_else(broke), &self.pair);
        for (_, ticket) in self.sent {
            if written && !acknowledges {
                ticket.delivered(&self.edge.counters);
            } else {
                ticket.lost(&self.edge.counters, error.clone());
            }
        }
        if let Some(failure) = &failure {
            tracing::debug!(stream = self.number, %failure, "outbound stream ended");
        }
        self.untold.push_back(Event::Closed(failure));
        for event in self.untold {
            let _ = self.news.send(News { connection: self.connection, event }).await;
        }
    }
}
