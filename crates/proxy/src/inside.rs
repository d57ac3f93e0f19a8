//! The receiving half of a connection: the stanzas of its partner on their way to the inside, and their refusals on their
//! way back as the one error to each sender.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::DomainPair;
use link::{EnvelopeId, Link, Port, SendError, Settled, Settlement};
use tokio::{sync::mpsc, time::timeout_at};
use xmpp::{
    stanza::{Condition, StanzaError, StanzaRef, bounce},
    xml::Batch,
};

use crate::{edge::Edge, ledger::Dropped, progress::Progress};

/// Stanzas of one connection that the inside has not settled.
const UNSETTLED_MAX: usize = 256;

/// How long the inside may take over a stanza: a SIP transaction ends after 32 s (RFC 3261, timer F).
const STANZA_AGE_MAX: Duration = Duration::from_secs(60);

/// What connections tell the outbound routes of what came in.
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

/// The way of one connection's stanzas to the inside, and of their errors back.
pub(crate) struct Inside {
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
    pub(crate) fn new(edge: Arc<Edge>, link: &Link, routes: mpsc::Sender<ToRoute>) -> Self {
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

    pub(crate) fn take(&mut self, pair: DomainPair, batch: Batch) {
        self.edge.counters.inbound.accept(batch.len());
        self.edge.counters.messages.take(net::clock::now().instant, &batch);
        let number = self.progress.begin(batch.len());
        self.waiting.push_back((number, pair, batch));
    }

    /// Whether more stanzas may be read.
    pub(crate) fn is_ready(&self) -> bool {
        self.waiting.is_empty() && self.unanswered.len() < UNSETTLED_MAX
    }

    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty() && self.unanswered.is_empty()
    }

    pub(crate) fn send_waiting(&mut self) {
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
                    self.progress.settle(number, batch.len());
                    for index in 0..batch.len() {
                        self.refuse(&pair, &batch, index, &error);
                    }
                }
            }
        }
    }

    /// Waits for one thing: a settlement, room in the link, or a route that takes an error. Cancel safe.
    pub(crate) async fn step(&mut self) {
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
        let Settlement { envelope, stanzas, outcome } = settlement;
        if !outcome.is_end() {
            return;
        }
        let Some(flight) = self.in_flight.get_mut(&envelope) else { return };
        flight.left -= stanzas.len();
        self.progress.settle(flight.number, stanzas.len());
        let over = flight.left == 0;
        match outcome {
            Settled::Written | Settled::Done => self.edge.counters.inbound.deliver(stanzas.len()),
            Settled::Refused(error) | Settled::Unknown(error) => {
                let (pair, batch) = (flight.pair.clone(), flight.batch.clone());
                for index in stanzas {
                    self.refuse(&pair, &batch, index, &error);
                }
            }
        }
        if over {
            self.in_flight.remove(&envelope);
        }
    }

    /// So many more of the partner's stanzas are settled, in the order in which they came.
    pub(crate) fn take_settled(&mut self) -> usize {
        self.progress.take()
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
    pub(crate) async fn settle_out(mut self) {
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
