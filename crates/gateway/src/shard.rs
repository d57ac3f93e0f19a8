//! One shard: all SIP transactions, bindings and deliveries of the users it serves, and all stanzas of components, in one
//! task.
//!
//! The shard owns its state and never waits: sockets are written without waiting, the store is written by tasks that
//! report back, and the link gives credit. Everything that can grow is bounded, and what is beyond a bound is answered.
//! Order between one sender and one recipient is that of arrival, since one task does it all; users are named by their
//! bare address, so that several shards can share them out by it.
//!
//! Inputs of the transaction layer are queued and taken one at a time, each with all its outputs, as the layer asks.

mod access;
mod changes;
mod components;
mod delivery;
mod domain;
mod inward;
mod memory;
mod outward;
mod pager_typing;
mod presence;
mod receipts;
mod refusing;
mod registration;
mod request;
mod sessions;
mod stanza;
mod test_message;
#[cfg(test)]
mod tests;
mod trunk_presence;
mod trunks;
mod watching;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::sip::{
    FlowId, Layer, Message, Response, Tokens,
    digest::Nonces,
    message::{Defect, Frame},
    registrar::Registrar,
    transaction::{self, Input, Output, ServerId},
};
use lexicon::{Now, Timestamp};
use link::{Inbox, Port, Snapshots};
use policy::{AccessPolicies, EdgeSnapshot, Trunk, TrunkName};
use store::{InvitationOutcome, Revisions, Store};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};

pub(crate) use test_message::{ANSWER_MAX, HOP_MAX, TestEvent, TestMessage};

pub(crate) use components::{INNER_WINDOW, LINK_WINDOW as COMPONENTS_WINDOW, Ports};

use crate::{
    ConnectedComponent, Registration, SessionsStatus, TrunkStatus,
    book::{Book, Change},
    component::Told,
    counters::Counters,
    serving::{Serving, Wire},
    sip::{
        Arrival, PONG,
        flows::{Flows, Written},
        penalty::Penalties,
        stream::Ending,
    },
    trunk::{Dialler, Way},
};

/// How long a nonce may be used.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);
/// Nonces whose counts are remembered.
const NONCES_MAX: usize = 65_536;
/// Results of store writes that wait for the shard; also the number of writes under way at most.
pub(crate) const WRITES_MAX: usize = 1024;
/// Arrivals taken between two looks at everything else.
const ARRIVALS_AT_ONCE: usize = 64;
/// Between two tries to give the link what it had no room for.
const HELD_PAUSE: Duration = Duration::from_millis(10);
/// Longest sleep, so that the clock of the shard is never far behind.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What the shard listens to.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) inbox: Inbox,
    /// What inner servers send.
    pub(crate) inner: Inbox,
    pub(crate) stored: mpsc::Receiver<Stored>,
    pub(crate) changes: mpsc::Receiver<Change>,
    pub(crate) components: mpsc::Receiver<Told>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What the shard is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// Who is registered now.
    Registrations(oneshot::Sender<Vec<Registration>>),
    /// Which components are connected now.
    Components(oneshot::Sender<Vec<ConnectedComponent>>),
    /// How trunks stand now.
    Trunks(oneshot::Sender<Vec<TrunkStatus>>),
    /// How a trunk is configured.
    Trunk(TrunkName, oneshot::Sender<Option<(Box<Trunk>, Dialler, Way)>>),
    /// How many message sessions stand now.
    Sessions(oneshot::Sender<SessionsStatus>),
    /// A message that shows whether an address is reached.
    Message(Box<TestMessage>),
}

/// A store write that has ended.
#[derive(Debug)]
pub(crate) enum Stored {
    /// The contact that lets messages out, or nothing if it could not be stored.
    Written { pair: memory::Pair, contact: Option<Box<store::Contact>> },
    /// An invitation.
    Invited { pair: memory::Pair, receipt: link::Receipt, outcome: Option<InvitationOutcome> },
    /// The contact that an internal user has added by SUBSCRIBE, or nothing if it could not be stored.
    Added { pair: memory::Pair, contact: Option<Box<store::Contact>> },
    /// Who watches an internal user, as a partner's user has changed it, or nothing if it could not be stored.
    Watched { receipt: Option<link::Receipt>, contact: Option<Box<store::Contact>> },
    /// A contact as a component, or a partner's user, has changed it, or nothing if it could not be stored. `opens` if the
    /// first stanza that waits is the one that did.
    Stepped { pair: memory::Pair, contact: Option<Box<store::Contact>>, opens: bool },
}

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) flows: Flows,
    pub(crate) book: Book,
    pub(crate) snapshots: Snapshots,
    /// Opens connections to trunks.
    pub(crate) dialler: Dialler,
    pub(crate) store: Store,
    pub(crate) stored: mpsc::Sender<Stored>,
    pub(crate) port: Port,
    /// Those of components and inner servers.
    pub(crate) components: Ports,
    /// Who serves internal addresses.
    pub(crate) serving: store::Serving,
    pub(crate) counters: Arc<Counters>,
    pub(crate) contacts: Arc<[String]>,
    /// Up to where the store's changes have been taken.
    pub(crate) applied: watch::Sender<Revisions>,
}

/// The state of a shard.
pub(crate) struct Shard {
    now: Now,
    inputs: VecDeque<Input>,
    layer: Layer,
    flows: Flows,
    penalties: Penalties,
    registrar: Registrar,
    nonces: Nonces,
    tokens: Tokens,
    book: Book,
    snapshots: Snapshots,
    access: AccessPolicies,
    store: Store,
    stored: mpsc::Sender<Stored>,
    writes: usize,
    port: Port,
    outward: outward::Outward,
    tests: test_message::Tests,
    components: components::Components,
    serving: Serving,
    trunks: trunks::Trunks,
    sessions: sessions::Sessions,
    presence: presence::Presence,
    watching: watching::Watching,
    trunk_presence: trunk_presence::TrunkPresence,
    deliveries: delivery::Deliveries,
    pager_typing: pager_typing::PagerTyping,
    memory: memory::Memory,
    counters: Arc<Counters>,
    contacts: Arc<[String]>,
    applied: watch::Sender<Revisions>,
}

/// What happened.
enum Event {
    Arrivals,
    Envelope(Option<link::Envelope>),
    Settlement(link::Settlement),
    OutletSettlement(Wire, link::Settlement),
    InnerEnvelope(Option<link::Envelope>),
    InnerSettlement(link::Settlement),
    Edge,
    Told(Told),
    Stored(Stored),
    Changed(Change),
    Asked(Question),
    Tick,
    Stop,
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = clock();
        let mut shard = Self {
            now,
            inputs: VecDeque::new(),
            layer: Layer::new(transaction::Limits::default(), net::entropy::seed()),
            flows: parts.flows,
            penalties: Penalties::default(),
            registrar: Registrar::new(::sip::registrar::Limits::default()),
            nonces: Nonces::new(net::entropy::seed(), NONCE_LIFETIME, NONCES_MAX),
            tokens: Tokens::new(net::entropy::seed()),
            book: parts.book,
            snapshots: parts.snapshots,
            access: parts.serving.access.clone(),
            store: parts.store,
            stored: parts.stored,
            writes: 0,
            port: parts.port,
            outward: outward::Outward::default(),
            tests: test_message::Tests::default(),
            components: components::Components::new(parts.components, parts.serving.components.clone()),
            serving: Serving::new(parts.serving),
            trunks: trunks::Trunks::new(parts.dialler),
            sessions: sessions::Sessions::new(net::entropy::seed()),
            presence: presence::Presence::new(now.instant, net::entropy::seed()),
            watching: watching::Watching::default(),
            trunk_presence: trunk_presence::TrunkPresence::new(net::entropy::seed()),
            deliveries: delivery::Deliveries::default(),
            pager_typing: pager_typing::PagerTyping::default(),
            memory: memory::Memory::default(),
            counters: parts.counters,
            contacts: parts.contacts,
            applied: parts.applied,
        };
        shard.take_trunks();
        shard.edge_changed();
        shard.watch_trunks();
        shard
    }

    /// Runs until it is told to stop, or nobody can reach it any more.
    pub(crate) async fn run(mut self, mut ears: Ears) {
        let (mut link_open, mut inner_open) = (true, true);
        let mut arrivals = Vec::with_capacity(ARRIVALS_AT_ONCE);
        loop {
            let (deadline, has_room) = (self.deadline(), self.components.has_room());
            let event = tokio::select! {
                1.. = ears.arrivals.recv_many(&mut arrivals, ARRIVALS_AT_ONCE) => Event::Arrivals,
                envelope = ears.inbox.receive(), if link_open && self.deliveries.has_room() => Event::Envelope(envelope),
                settlement = self.port.settlement() => Event::Settlement(settlement),
                settlement = self.components.outlet.port.settlement() => {
                    Event::OutletSettlement(Wire::Component, settlement)
                }
                settlement = self.components.inner_outlet.port.settlement() => {
                    Event::OutletSettlement(Wire::Inner, settlement)
                }
                settlement = self.components.inner.port.settlement() => Event::InnerSettlement(settlement),
                envelope = ears.inner.receive(), if inner_open && has_room => Event::InnerEnvelope(envelope),
                Ok(()) = self.snapshots.changed() => Event::Edge,
                Some(told) = ears.components.recv() => Event::Told(told),
                Some(stored) = ears.stored.recv() => Event::Stored(stored),
                Some(change) = ears.changes.recv() => Event::Changed(change),
                Some(question) = ears.questions.recv() => Event::Asked(question),
                () = sleep_until(deadline.into()) => Event::Tick,
                _ = ears.stop.wait_for(|stop| *stop) => Event::Stop,
            };
            self.now = clock();
            match event {
                Event::Arrivals => {
                    for arrival in arrivals.drain(..) {
                        self.arrival(arrival);
                        self.drain();
                    }
                }
                Event::Envelope(Some(envelope)) => self.envelope(envelope),
                Event::Envelope(None) => link_open = false,
                Event::Settlement(settlement) => self.settlement(settlement),
                Event::OutletSettlement(wire, settlement) => self.outlet_settlement(wire, settlement),
                Event::InnerEnvelope(Some(envelope)) => self.inner_envelope(envelope),
                Event::InnerEnvelope(None) => inner_open = false,
                Event::InnerSettlement(settlement) => self.inner_settlement(settlement),
                Event::Edge => self.edge_changed(),
                Event::Told(told) => self.told(told),
                Event::Stored(stored) => self.stored(stored),
                Event::Changed(change) => self.changed(change),
                Event::Asked(question) => self.asked(question),
                Event::Tick => {}
                Event::Stop => break,
            }
            self.tick();
            self.drain();
        }
        self.give_up();
        self.drain();
    }

    /// What time alone does.
    fn tick(&mut self) {
        let now = self.now.instant;
        if self.layer.deadline().is_some_and(|at| at <= now) {
            self.inputs.push_back(Input::Tick);
        }
        self.registrar.expire(now);
        self.expire_letters();
        self.expire_deliveries();
        self.expire_typing();
        self.tick_trunks();
        self.tick_sessions();
        self.tick_presence();
        self.tick_watching();
        self.tick_trunk_presence();
        self.release_held(Wire::Component);
        self.release_held(Wire::Inner);
        self.release_inner();
    }

    fn deadline(&self) -> Instant {
        let deadlines = [
            self.layer.deadline(),
            self.registrar.deadline(),
            self.outward.deadline(),
            self.deliveries.deadline(),
            self.pager_typing.deadline(),
            self.trunks.deadline(),
            self.sessions.deadline(),
            self.presence.deadline(),
            self.watching.deadline(),
            self.trunk_presence.deadline(),
            (self.components.is_holding() || self.presence.is_holding()).then(|| self.now.instant + HELD_PAUSE),
            Some(self.now.instant + SLEEP_MAX),
        ];
        deadlines.into_iter().flatten().min().unwrap_or(self.now.instant + SLEEP_MAX)
    }

    /// Gives the layer its inputs, one at a time with all outputs.
    fn drain(&mut self) {
        let before = self.layer.counters();
        let mut outputs = Vec::new();
        self.settle_trunks();
        self.settle_sessions();
        self.settle_watching();
        self.settle_trunk_presence();
        while let Some(input) = self.inputs.pop_front() {
            self.layer.handle(self.now, input);
            outputs.extend(std::iter::from_fn(|| self.layer.poll()));
            for output in outputs.drain(..) {
                match output {
                    Output::Transmit { flow, bytes } => self.write(flow, bytes),
                    Output::Request { id, flow, request } => self.request(id, flow, request),
                    Output::Answer { ticket, answer } => self.answered(ticket, answer),
                    of_invite => self.session_output(of_invite),
                }
            }
            self.settle_trunks();
            self.settle_sessions();
            self.settle_watching();
            self.settle_trunk_presence();
        }
        let after = self.layer.counters();
        if before != after {
            self.counters.transactions(after);
        }
    }

    fn write(&mut self, flow: FlowId, bytes: bytes::Bytes) {
        match self.flows.write(flow, bytes, self.now.instant) {
            Written::Yes => {}
            Written::Lost => self.counters.sip("not_sent"),
            Written::Broken => {
                self.counters.sip(Ending::Stalled.as_str());
                self.lose(flow, Some(&Ending::Stalled));
            }
        }
    }

    fn respond(&mut self, id: ServerId, response: Response) {
        self.inputs.push_back(Input::Respond { id, response });
    }

    fn arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { socket, source, message } => self.datagram(socket, source, message),
            Arrival::Opened { flow, connection } => self.flows.open(flow, connection),
            Arrival::Frame { flow, frame } => self.frame(flow, frame),
            Arrival::Closed { flow, defect, reason } => {
                if let Some(defect) = defect {
                    self.defect(flow, *defect);
                }
                if let Some(reason) = &reason {
                    self.counters.sip(reason.as_str());
                }
                self.lose(flow, reason.as_ref());
            }
            Arrival::Dialled { place, outcome } => self.dialled(&place, outcome),
            Arrival::Resolved { trunk, made, found } => self.resolved(&trunk, made, found),
        }
    }

    fn datagram(&mut self, socket: usize, source: std::net::SocketAddr, message: Result<Message, Box<Defect>>) {
        if self.penalties.is_exhausted(source.ip(), self.now.instant) {
            return self.counters.sip("source_limit");
        }
        let now = self.now.instant;
        match message {
            Ok(Message::Request(mut request)) => {
                let target = request.note_source(source).ok();
                let flow = target.and_then(|target| self.flows.datagrams(socket, target, now));
                let Some(flow) = flow else { return self.counters.sip("flow_limit") };
                self.inputs.push_back(Input::Received { flow, message: Message::Request(request) });
            }
            Ok(response) => match self.flows.datagrams(socket, source, now) {
                Some(flow) => self.inputs.push_back(Input::Received { flow, message: response }),
                None => self.counters.sip("flow_limit"),
            },
            Err(mut defect) => {
                self.penalties.charge(source.ip(), now);
                self.counters.sip("malformed");
                let target = defect.note_source(source);
                let flow = target.and_then(|target| self.flows.datagrams(socket, target, now));
                if let (Some(flow), Some(answer)) = (flow, defect.answer) {
                    self.write(flow.id, answer.to_bytes());
                }
            }
        }
    }

    fn frame(&mut self, id: FlowId, frame: Frame) {
        let (Some(flow), Some(source)) = (self.flows.flow(id), self.flows.remote(id)) else { return };
        if self.penalties.is_exhausted(source.ip(), self.now.instant) {
            self.counters.sip("source_limit");
            return self.lose(id, None);
        }
        match frame {
            Frame::Message(Message::Request(mut request)) => match request.note_source(source) {
                Ok(_) => self.inputs.push_back(Input::Received { flow, message: Message::Request(request) }),
                Err(_) => self.counters.sip("malformed"),
            },
            Frame::Message(response) => self.inputs.push_back(Input::Received { flow, message: response }),
            Frame::Ping => self.write(id, PONG),
            Frame::Pong => {}
            Frame::Refused(defect) => self.defect(id, defect),
        }
    }

    fn defect(&mut self, id: FlowId, mut defect: Defect) {
        self.counters.sip("malformed");
        let Some(source) = self.flows.remote(id) else { return };
        self.penalties.charge(source.ip(), self.now.instant);
        defect.note_source(source);
        if let Some(answer) = defect.answer {
            self.write(id, answer.to_bytes());
        }
    }

    /// A connection is gone: what is in flight on it fails, and its endpoints register anew.
    fn lose(&mut self, flow: FlowId, reason: Option<&Ending>) {
        if self.flows.close(flow) {
            self.registrar.flow_lost(flow);
            self.connection_ended(flow, reason);
            self.inputs.push_back(Input::FlowLost(flow));
        }
    }

    fn asked(&mut self, question: Question) {
        match question {
            Question::Registrations(reply) => {
                let _ = reply.send(self.registrations());
            }
            Question::Components(reply) => {
                let _ = reply.send(self.components.connected());
            }
            Question::Trunks(reply) => {
                let _ = reply.send(self.trunk_statuses());
            }
            Question::Sessions(reply) => {
                let _ = reply.send(self.sessions_status());
            }
            Question::Message(order) => self.send_test(*order),
            Question::Trunk(name, reply) => {
                let _ = reply.send(self.trunk_for_test(&name));
            }
        }
    }

    /// The newest policy; none before the first was published.
    fn snapshot(&self) -> Option<Arc<EdgeSnapshot>> {
        self.snapshots.borrow().clone()
    }
}

fn clock() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), wall: Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)) }
}
