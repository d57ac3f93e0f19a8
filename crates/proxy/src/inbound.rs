//! A connection that a partner opened: its stanzas go to the inside, their refusals come back as errors.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{Direction, DomainPair};
use link::{EnvelopeId, Link, Port, SendError, Settled, Settlement};
use net::{
    clock,
    dns::Kind,
    entropy,
    tls::{Secured, Tls},
};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep_until, timeout, timeout_at},
};
use xmpp::{
    stanza::{Condition, StanzaError, StanzaRef, bounce},
    stream::{self, DialbackVerdict, Inbound, InboundConfig, Input, KeyStatus, Output, Refusal, StreamFailure},
    xml::Batch,
};

use crate::{
    admission::{HalfOpen, StreamPlace},
    edge::{Edge, WRITE_BYTES_MAX},
    ledger::Dropped,
    progress::Progress,
    pump::{Connected, Pump},
    reports::{End, Seen, Story},
    verify,
};

/// Stanzas of one connection that the inside has not settled.
const UNSETTLED_MAX: usize = 256;

/// How long the inside may take over a stanza: a SIP transaction ends after 32 s (RFC 3261, timer F).
const STANZA_AGE_MAX: Duration = Duration::from_secs(60);

/// Verdicts on their way to one connection.
const VERDICTS_MAX: usize = 64;

/// What inbound streams tell the outbound routes.
#[derive(Debug)]
pub(crate) enum ToRoute {
    /// An error of ours for a partner's stanza, a batch of one, to be sent on the route of the pair.
    Answer(DomainPair, Batch),
    /// The partner is there: an attempt that waits may begin.
    Alive(DomainPair),
}

struct InFlight {
    number: u64,
    pair: DomainPair,
    batch: Batch,
    left: usize,
}

struct InboundStream {
    edge: Arc<Edge>,
    number: u64,
    pump: Pump<Inbound>,
    /// Given back when the first pair is authorised.
    half_open: Option<HalfOpen>,
    place: Option<StreamPlace>,
    inside: Inside,
    /// Given to those who verify keys for this stream.
    tell_verdict: mpsc::Sender<(DomainPair, DialbackVerdict)>,
    verdicts: mpsc::Receiver<(DomainPair, DialbackVerdict)>,
    /// Nothing is read before: the partner is above its rate.
    resume_at: Option<Instant>,
    closed: Option<Option<StreamFailure>>,
    story: Story,
}

/// Serves a connection to its end, and its stanzas to theirs.
pub(crate) async fn run(
    edge: Arc<Edge>,
    (socket, peer): (TcpStream, SocketAddr),
    kind: Kind,
    half_open: HalfOpen,
    link: Link,
    routes: mpsc::Sender<ToRoute>,
) {
    let now = clock::now();
    let mut story = Story::inbound(peer, now);
    let tls = edge.tls.load_full();
    let connected = match kind {
        Kind::Starttls => Connected::Plain(socket),
        Kind::DirectTls => match accept_tls(&edge, &tls, (socket, peer), &mut story).await {
            Some(secured) => Connected::Secured(Box::new(secured)),
            None => return,
        },
    };
    let config = InboundConfig {
        tls_available: !tls.identities().is_empty(),
        secret: edge.secret(),
        limits: edge.limits(),
        extensions: edge.extensions(),
    };
    let machine = Inbound::new(config, entropy::seed(), now);
    let number = edge.streams.open(Direction::Inbound, peer, now.wall);
    let (tell_verdict, verdicts) = mpsc::channel(VERDICTS_MAX);
    let mut stream = InboundStream {
        pump: Pump::new(machine, connected, Direction::Inbound, tls),
        inside: Inside::new(Arc::clone(&edge), &link, routes),
        edge,
        number,
        half_open: Some(half_open),
        place: None,
        tell_verdict,
        verdicts,
        resume_at: None,
        closed: None,
        story,
    };
    stream.serve().await;
    let InboundStream { edge, pump, inside, .. } = stream;
    pump.finish().await;
    inside.settle_out().await;
    drop(edge);
}

/// The handshake of a connection to a listener for direct TLS.
async fn accept_tls(
    edge: &Edge,
    tls: &Tls,
    (socket, peer): (TcpStream, SocketAddr),
    story: &mut Story,
) -> Option<Secured<TcpStream>> {
    let mut stopping = edge.stopping.clone();
    let handshake = timeout(edge.limits().establishment_timeout, tls.accept_direct(socket));
    let failure = tokio::select! {
        done = handshake => match done {
            Ok(Ok(secured)) => return Some(secured),
            Ok(Err(error)) => StreamFailure::TlsHandshake(error.to_string().into()),
            Err(_) => StreamFailure::Timeout(stream::Stage::Tls),
        },
        _ = stopping.wait_for(|stop| *stop) => StreamFailure::Refused(Refusal::Shutdown),
    };
    tracing::debug!(%peer, %failure, "no direct TLS");
    story.broke(&failure);
    edge.events.report(story.without_stream(edge));
    None
}

impl InboundStream {
    async fn serve(&mut self) {
        let mut snapshots = self.edge.snapshots.clone();
        let mut stopping = self.edge.stopping.clone();
        snapshots.mark_unchanged();
        let mut closing = self.edge.streams.closing(self.number);
        loop {
            let settled = self.inside.progress.take();
            if settled > 0 {
                self.take_outputs();
                self.pump.feed(Input::Settled(settled));
            }
            self.take_outputs();
            if self.closed.is_some() {
                break;
            }
            self.inside.send_waiting();
            let resume_at = self.resume_at.filter(|resume_at| *resume_at > Instant::now());
            self.resume_at = resume_at;
            let backlog = self.pump.backlog();
            let may_read = self.inside.is_ready() && resume_at.is_none() && backlog < WRITE_BYTES_MAX;
            tokio::select! {
                () = self.pump.step(may_read) => {}
                () = self.inside.step() => {}
                () = pause_until(resume_at), if resume_at.is_some() => {}
                Some((pair, verdict)) = self.verdicts.recv() => {
                    self.report_key(&pair, &verdict);
                    self.pump.feed(Input::DialbackVerdict(&pair, verdict));
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
        self.edge.streams.close(self.number);
        self.half_open = None;
        self.place = None;
        self.report_end();
        self.log_end();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.pump.machine.poll() {
            match output {
                Output::AskPair { pair, method, .. } => {
                    let rules = self.rules(&pair, method.is_some());
                    self.pump.feed(Input::PairRules(&pair, rules));
                }
                Output::StartTls { local, remote } => self.pump.start_tls(local, remote),
                Output::VerifyDialback(request) => {
                    tokio::spawn(verify::run(Arc::clone(&self.edge), request, self.tell_verdict.clone()));
                }
                Output::AskKey(request) => {
                    let status = if !self.edge.snapshot().is_internal(&request.pair.local) {
                        KeyStatus::HostUnknown
                    } else if self.edge.streams.has_key(&request.pair, &request.id) {
                        KeyStatus::InFlight
                    } else {
                        KeyStatus::NotIssued
                    };
                    self.pump.feed(Input::KeyStatus(&request, status));
                }
                Output::Authorised(pair, method) => {
                    self.half_open = None;
                    self.edge.streams.secure(self.number, self.pump.machine.facts().tls.as_ref());
                    self.edge.authorised(self.number, &pair, method, Direction::Inbound);
                    self.report(Some(&pair), End::Authorised(method));
                    // A hint: the route does without it when it has much to do.
                    let _ = self.inside.routes.try_send(ToRoute::Alive(pair));
                }
                Output::Deauthorised(pair, failure) => {
                    self.edge.streams.deauthorise(self.number, &pair);
                    tracing::debug!(stream = self.number, %pair, %failure, "no longer authorised");
                }
                Output::Stanzas(pair, batch) => {
                    let pause = self.edge.pace(&pair.remote, batch.len());
                    if !pause.is_zero() {
                        self.resume_at = Some(Instant::now() + pause);
                    }
                    self.inside.take(pair, batch);
                }
                Output::ProofOfLife(pair) => self.edge.streams.prove_life(&pair),
                Output::Anomaly(anomaly) => {
                    tracing::debug!(stream = self.number, anomaly = anomaly.as_str(), "ignored");
                }
                Output::Closed(failure) => self.closed = Some(failure),
                Output::Acked(_)
                | Output::DeliveryUnknown(_)
                | Output::Inverse(..)
                | Output::KeySent(..)
                | Output::PairFailed(..)
                | Output::Unsent(..)
                | Output::Verdict(..) => {}
            }
        }
    }

    /// The rules for a pair; when it is about to be authorised, with a place for the connection.
    fn rules(&mut self, pair: &DomainPair, about_to_authorise: bool) -> Result<stream::PairRules, Refusal> {
        let (chain, now) = (self.pump.chain(), clock::now());
        let rules = match self.edge.rules(pair, chain, now) {
            Err(refusal) if !about_to_authorise => return self.edge.rules_to_ask(pair, chain, now).ok_or(refusal),
            judged => judged?,
        };
        if about_to_authorise && self.place.is_none() {
            self.place = self.edge.place(&pair.remote, Direction::Inbound);
            if self.place.is_none() {
                return Err(Refusal::ConnectionLimit);
            }
        }
        Ok(rules)
    }

    /// Policy changed: every pair of this stream is judged again.
    fn judge_again(&mut self) {
        let pairs: Vec<_> = self.pump.machine.facts().authorised.iter().map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            let rules = self.rules(&pair, true);
            self.pump.feed(Input::PairRules(&pair, rules));
            self.take_outputs();
        }
    }

    fn report(&self, pair: Option<&DomainPair>, end: End<'_>) {
        let seen = Seen { facts: self.pump.machine.facts(), chain: self.pump.chain() };
        self.edge.events.report(self.story.ended(&self.edge, pair, seen, end));
    }

    /// A key that proves nothing is an attempt of its own when other pairs keep the stream alive.
    fn report_key(&self, pair: &DomainPair, verdict: &DialbackVerdict) {
        if self.pump.machine.facts().authorised.is_empty() {
            return;
        }
        let failure = match verdict {
            DialbackVerdict::Valid => return,
            DialbackVerdict::Invalid => StreamFailure::DialbackInvalid,
            DialbackVerdict::Error(error) => StreamFailure::DialbackFailed(error.clone()),
        };
        self.report(Some(pair), End::Failed(Some(&failure)));
    }

    /// A connection that never carried a pair was an attempt that failed, or a question about a key.
    fn report_end(&self) {
        let facts = self.pump.machine.facts();
        if facts.attempts.iter().any(|attempt| attempt.failure.is_none()) {
            return;
        }
        let failure = self.closed.as_ref().and_then(Option::as_ref);
        let end = if facts.keys_asked > 0 && facts.attempts.is_empty() { End::Done } else { End::Failed(failure) };
        self.report(None, end);
    }

    fn log_end(&self) {
        let facts = self.pump.machine.facts();
        let remote = facts.remote.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.closed.as_ref().and_then(Option::as_ref) {
            Some(failure) => tracing::debug!(stream = self.number, remote, %failure, "inbound stream ended"),
            None => tracing::debug!(stream = self.number, remote, "inbound stream closed"),
        }
    }
}

async fn pause_until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment.into()).await;
    }
}

/// The way of one connection's stanzas to the inside, and of their errors back.
struct Inside {
    edge: Arc<Edge>,
    port: Port,
    /// Accepted from the partner, not yet taken by the link: at most what one read brought.
    waiting: VecDeque<(u64, DomainPair, Batch)>,
    progress: Progress,
    in_flight: BTreeMap<EnvelopeId, InFlight>,
    routes: mpsc::Sender<ToRoute>,
    /// Errors that the routes have not taken: at most one a stanza in flight.
    unanswered: VecDeque<(DomainPair, Batch)>,
}

impl Inside {
    fn new(edge: Arc<Edge>, link: &Link, routes: mpsc::Sender<ToRoute>) -> Self {
        Self {
            edge,
            port: link.port(UNSETTLED_MAX),
            waiting: VecDeque::new(),
            progress: Progress::default(),
            in_flight: BTreeMap::new(),
            routes,
            unanswered: VecDeque::new(),
        }
    }

    fn take(&mut self, pair: DomainPair, batch: Batch) {
        self.edge.counters.inbound.accept(batch.len());
        let number = self.progress.begin(batch.len());
        self.waiting.push_back((number, pair, batch));
    }

    /// Whether more stanzas may be read.
    fn is_ready(&self) -> bool {
        self.waiting.is_empty() && self.unanswered.len() < UNSETTLED_MAX
    }

    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty() && self.unanswered.is_empty()
    }

    fn send_waiting(&mut self) {
        while let Some((number, pair, batch)) = self.waiting.pop_front() {
            match self.port.try_send(pair.clone(), batch.clone(), Instant::now() + STANZA_AGE_MAX) {
                Ok(id) => {
                    let left = batch.len();
                    self.in_flight.insert(id, InFlight { number, pair, batch, left });
                }
                Err(SendError::Full(batch)) => {
                    self.waiting.push_front((number, pair, batch));
                    return;
                }
                Err(SendError::Closed(batch)) => {
                    let error = StanzaError::new(Condition::ServiceUnavailable);
                    for index in 0..batch.len() {
                        self.progress.settle(number);
                        self.refuse(&pair, &batch, index, &error);
                    }
                }
            }
        }
    }

    /// Waits for one thing: a settlement, room in the link, or a route that takes an error. Cancel safe.
    async fn step(&mut self) {
        let wants_room = !self.waiting.is_empty() && self.port.has_credit();
        let has_answer = !self.unanswered.is_empty();
        let (port, routes, unanswered) = (&mut self.port, &self.routes, &mut self.unanswered);
        let inside = async {
            if wants_room {
                port.room().await;
                return None;
            }
            Some(port.settlement().await)
        };
        let route = async {
            let permit = routes.reserve().await;
            let answer = unanswered.pop_front();
            let (Ok(permit), Some((pair, batch))) = (permit, answer) else { return false };
            permit.send(ToRoute::Answer(pair, batch));
            true
        };
        let settlement = tokio::select! {
            settlement = inside => settlement,
            taken = route, if has_answer => {
                if !taken {
                    self.edge.counters.errors.drop_silently(1, Dropped::ErrorUndeliverable);
                }
                None
            }
        };
        let mut settled = settlement;
        while let Some(settlement) = settled {
            self.settle(settlement);
            settled = self.port.try_settlement();
        }
    }

    fn settle(&mut self, settlement: Settlement) {
        let Settlement { envelope, index, outcome } = settlement;
        let Some(flight) = self.in_flight.get_mut(&envelope) else { return };
        flight.left -= 1;
        self.progress.settle(flight.number);
        let (pair, batch) = (flight.pair.clone(), flight.batch.clone());
        if flight.left == 0 {
            self.in_flight.remove(&envelope);
        }
        match outcome {
            Settled::Done => self.edge.counters.inbound.deliver(1),
            Settled::Refused(error) => self.refuse(&pair, &batch, index, &error),
        }
    }

    fn refuse(&mut self, pair: &DomainPair, batch: &Batch, index: usize, error: &StanzaError) {
        let answer = StanzaRef::of(batch.element(index)).and_then(|stanza| bounce(&stanza, error));
        let counters = &self.edge.counters;
        match answer {
            Some(batch) => {
                counters.inbound.answer(1);
                counters.errors.accept(1);
                self.unanswered.push_back((pair.clone(), batch));
            }
            None => counters.inbound.drop_silently(1, Dropped::NotAnswerable),
        }
    }

    /// After the connection: waits until the inside has settled every stanza.
    async fn settle_out(mut self) {
        let deadline = tokio::time::Instant::now() + STANZA_AGE_MAX + Duration::from_secs(5);
        let finish = async {
            while !self.is_settled() {
                self.send_waiting();
                if !self.is_settled() {
                    self.step().await;
                }
            }
        };
        if timeout_at(deadline, finish).await.is_err() {
            let lost: usize = self.in_flight.values().map(|flight| flight.left).sum();
            let unsent: usize = self.waiting.iter().map(|(_, _, batch)| batch.len()).sum();
            self.edge.counters.inbound.lose(lost + unsent);
            self.edge.counters.errors.drop_silently(self.unanswered.len(), Dropped::ErrorUndeliverable);
        }
    }
}
