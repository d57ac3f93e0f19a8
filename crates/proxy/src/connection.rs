//! A connection at work, whoever opened it: the pump with its stream machine, the receiving half, the sending half.
//!
//! Both halves exist on both sides, since a connection may carry stanzas both ways (XEP-0288). What is different about a
//! connection that a partner opened, and one that we opened, is its [`Side`].

use std::{future::Future, sync::Arc, time::Instant};

use lexicon::{Direction, DomainPair, Method};
use link::Link;
use net::clock;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, sleep_until},
};
use xmpp::{
    route::RouteFailure,
    stream::{self, Input, Output, PairRules, Refusal, Stanzas, StreamFailure, UnsentReason},
};

use crate::{
    carrier::{Carrier, EXPIRY_TICK, News},
    edge::{Edge, WRITE_BYTES_MAX},
    inside::{Inside, ToRoute},
    pump::{Machine, Pump},
    reports::{End, Seen, Story},
    routes::{lane::Lane, parcel::Parcel},
    status::Carried,
};

/// Bytes that may be on their way to the socket before no more stanzas are taken.
const AHEAD_BYTES_MAX: usize = WRITE_BYTES_MAX / 4;

/// What only one of the two directions has.
pub(crate) trait Side: Sized + Send {
    type Machine: Machine + Send + 'static;
    /// What can happen to it alone.
    type Event: Send;

    const DIRECTION: Direction;

    /// The rules for a pair; when it is about to be authorised, with a place for the connection.
    fn rules(
        connection: &mut Connection<Self>,
        pair: &DomainPair,
        about_to_authorise: bool,
    ) -> Result<PairRules, Refusal>;

    /// Whether stanzas of an authorised pair may pass.
    fn may_carry(_: &Connection<Self>, _: &DomainPair) -> bool {
        true
    }

    /// A pair was authorised.
    fn authorised(connection: &mut Connection<Self>, pair: DomainPair);

    /// Stanzas of an authorised pair may go against the direction of the connection.
    fn both_ways(connection: &mut Connection<Self>, pair: DomainPair);

    /// Does what only this machine wants.
    fn obey(connection: &mut Connection<Self>, output: Output);

    /// Waits for one event of its own. Cancel safe.
    fn wait(&mut self) -> impl Future<Output = Self::Event> + Send;

    /// Acts on it.
    fn act(connection: &mut Connection<Self>, event: Self::Event);

    /// All that the machine wanted is done for now.
    fn done_for_now(_: &mut Connection<Self>) {}
}

/// The ways from a connection to the rest of the proxy.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) link: Link,
    pub(crate) to_routes: mpsc::Sender<ToRoute>,
    pub(crate) news: mpsc::Sender<News>,
}

pub(crate) struct Connection<S: Side> {
    pub(crate) edge: Arc<Edge>,
    pub(crate) number: u64,
    pub(crate) pump: Pump<S::Machine>,
    pub(crate) inside: Inside,
    pub(crate) carrier: Carrier,
    pub(crate) story: Story,
    pub(crate) side: S,
    pub(crate) closed: Option<Option<StreamFailure>>,
    carried: Arc<Carried>,
    /// Nothing is read before: the partner is above its rate.
    resume_at: Option<Instant>,
}

impl<S: Side> Connection<S> {
    pub(crate) fn new(
        edge: &Arc<Edge>,
        (number, pump, story): (u64, Pump<S::Machine>, Story),
        side: S,
        ways: &Ways,
        ready: Arc<Notify>,
    ) -> Self {
        Self {
            inside: Inside::new(Arc::clone(edge), &ways.link, ways.to_routes.clone()),
            carrier: Carrier::new(Arc::clone(edge), number, ways.news.clone(), ready),
            edge: Arc::clone(edge),
            number,
            pump,
            story,
            side,
            closed: None,
            carried: edge.streams.carried(number),
            resume_at: None,
        }
    }

    /// Serves the connection until its machine says that it is over.
    pub(crate) async fn serve(&mut self) {
        let mut snapshots = self.edge.snapshots.clone();
        let mut stopping = self.edge.stopping.clone();
        snapshots.mark_unchanged();
        let mut closing = self.edge.streams.closing(self.number);
        let proof = self.edge.streams.proof_of_life(self.number);
        let ready = Arc::clone(&self.carrier.ready);
        while self.turn().await {
            let resume_at = self.resume_at.filter(|resume_at| *resume_at > Instant::now());
            self.resume_at = resume_at;
            let may_read = self.inside.is_ready() && resume_at.is_none() && self.pump.backlog() < WRITE_BYTES_MAX;
            tokio::select! {
                () = self.pump.step(may_read) => {}
                () = self.inside.step() => {}
                event = self.side.wait() => S::act(self, event),
                () = ready.notified() => {}
                () = proof.notified() => self.prove_life(),
                () = pause_until(resume_at), if resume_at.is_some() => {}
                () = sleep(EXPIRY_TICK), if self.carrier.has_waiting() => self.carrier.expire(),
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
    }

    /// Does all that can be done without waiting. False at the end.
    async fn turn(&mut self) -> bool {
        let settled = self.inside.take_settled();
        if settled > 0 {
            self.take_outputs();
            self.pump.feed(Input::Settled(settled));
        }
        self.take_outputs();
        S::done_for_now(self);
        if self.closed.is_none() {
            self.carrier.tell().await;
            self.inside.send_waiting();
            self.send_waiting();
            // Mostly the socket takes everything, and then there is nothing to wait for.
            self.pump.write_now().await;
        }
        let acknowledges = self.pump.machine.unacked().is_some();
        self.carrier.flushed(self.pump.flushed(), acknowledges);
        self.closed.is_none()
    }

    pub(crate) fn take_outputs(&mut self) {
        while let Some(output) = self.pump.machine.poll() {
            match output {
                Output::AskPair { pair, method, .. } => {
                    let rules = S::rules(self, &pair, method.is_some());
                    self.pump.feed(Input::PairRules(&pair, rules));
                }
                Output::StartTls { local, remote } => self.pump.start_tls(local, remote),
                Output::Authorised(pair, method) => self.authorised(pair, method),
                Output::Inverse(pair, _) => S::both_ways(self, pair),
                Output::Deauthorised(pair, failure) => self.lose(pair, failure),
                Output::PairFailed(pair, failure) => {
                    self.report(Some(&pair), End::Failed(Some(&failure)));
                    self.lose(pair, failure);
                }
                Output::Stanzas(pair, _) if !S::may_carry(self, &pair) => {
                    self.pump.feed(Input::PairRules(&pair, Err(Refusal::PartnerUnknown)));
                }
                Output::Stanzas(pair, batch) => {
                    let pause = self.edge.pace(&pair.remote, batch.len());
                    if !pause.is_zero() {
                        self.resume_at = Some(Instant::now() + pause);
                    }
                    self.carried.receive(batch.len());
                    self.inside.take(pair, batch);
                }
                Output::Acked(stanzas) => self.carrier.acknowledged(stanzas),
                Output::Unsent(_, _, reason) => self.carrier.unsent = Some(reason),
                Output::ProofOfLife(pair) => self.edge.streams.prove_life(&pair),
                Output::Anomaly(anomaly) => {
                    tracing::debug!(stream = self.number, anomaly = anomaly.as_str(), "ignored");
                }
                Output::Closed(failure) => self.closed = Some(failure),
                // What nobody acknowledged is ended by the carrier.
                Output::DeliveryUnknown(_) => {}
                other => S::obey(self, other),
            }
        }
    }

    fn authorised(&mut self, pair: DomainPair, method: Method) {
        self.edge.streams.secure(self.number, self.pump.machine.facts().tls.as_ref());
        self.edge.authorised(self.number, &pair, method, S::DIRECTION);
        self.report(Some(&pair), End::Authorised(method));
        S::authorised(self, pair);
    }

    fn lose(&mut self, pair: DomainPair, failure: StreamFailure) {
        self.edge.streams.deauthorise(self.number, &pair);
        tracing::debug!(stream = self.number, %pair, %failure, "not authorised, or no longer");
        self.carrier.lose(pair, Some(RouteFailure::Stream(failure)));
    }

    /// The partner has answered a ping of ours on another connection.
    fn prove_life(&mut self) {
        for pair in self.carrier.pairs() {
            self.pump.machine.handle(clock::now(), Input::ProofOfLife(pair));
        }
    }

    /// Policy changed: every pair is judged again.
    fn judge_again(&mut self) {
        let pairs: Vec<_> = self.pump.machine.facts().authorised.iter().map(|(pair, _)| pair.clone()).collect();
        for pair in pairs {
            let rules = S::rules(self, &pair, true);
            self.pump.feed(Input::PairRules(&pair, rules));
            self.take_outputs();
        }
    }

    /// Hands waiting stanzas to the machine, pair by pair, as long as there is room.
    fn send_waiting(&mut self) {
        while self.closed.is_none() && self.pump.machine.send_room() > 0 && self.pump.backlog() < AHEAD_BYTES_MAX {
            let features = self.pump.machine.facts().features.as_ref();
            let bytes_max = features.and_then(|features| features.stanza_bytes_max).unwrap_or(u64::MAX);
            let Some((lane, parcels)) = self.carrier.take_some(bytes_max) else { return };
            self.send(&lane, parcels);
        }
    }

    fn send(&mut self, lane: &Arc<Lane>, parcels: Vec<Parcel>) {
        let (pair, now) = (&lane.pair, clock::now());
        let stanzas = Stanzas::written(&parcels, |writer, parcel| parcel.write(writer, pair.local.as_unicode(), now));
        let begins = self.pump.collect();
        self.carrier.unsent = None;
        self.pump.feed(Input::Send(pair, stanzas));
        self.take_outputs();
        match self.carrier.unsent {
            None => {
                let ends = self.pump.collect();
                self.carried.send(parcels.len());
                self.carrier.sent(lane, parcels, (begins, ends));
            }
            Some(UnsentReason::NotOpen) => self.carrier.give_back(lane, parcels),
            Some(UnsentReason::TooLong { bytes_max }) => self.send_singly(lane, parcels, bytes_max),
        }
    }

    /// One of the stanzas is too long for the partner as written: that one is refused.
    fn send_singly(&mut self, lane: &Arc<Lane>, parcels: Vec<Parcel>, bytes_max: u64) {
        let single = parcels.iter().map(Parcel::count).sum::<usize>() == 1;
        for parcel in parcels.into_iter().flat_map(Parcel::singles) {
            if single {
                self.carrier.refuse_long(parcel, &lane.pair, bytes_max);
            } else {
                self.send(lane, vec![parcel]);
            }
        }
    }

    pub(crate) fn report(&self, pair: Option<&DomainPair>, end: End<'_>) {
        let seen = Seen { facts: self.pump.machine.facts(), chain: self.pump.chain() };
        self.edge.events.report(self.story.ended(&self.edge, pair, seen, end));
    }

    /// After the end: writes what is left, ends every stanza that was sent, and waits until the inside has settled every
    /// stanza that came in.
    pub(crate) async fn end(self, was_known: bool) {
        let Self { pump, inside, carrier, closed, number, .. } = self;
        let failure = closed.flatten();
        if let Some(failure) = &failure {
            tracing::debug!(stream = number, %failure, "a stream ended");
        }
        let acknowledges = pump.machine.unacked().is_some();
        let handed = match &failure {
            // After an orderly end all that the machine took is still written.
            None => pump.finish().await,
            Some(_) => {
                let handed = pump.handed();
                tokio::spawn(pump.finish());
                handed
            }
        };
        if was_known {
            carrier.end(failure.map(RouteFailure::Stream), handed, acknowledges).await;
        }
        inside.settle_out().await;
    }
}

/// Waits until then; for ever without a moment.
async fn pause_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
