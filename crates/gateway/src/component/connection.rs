//! One connection of a component: drives its machine, and settles what was written to it.
//!
//! A stanza counts as delivered once the operating system has taken its bytes. What was not written when the connection
//! ends goes back to its sender with one error. Only few stanzas are between outbox and socket at a time, since those can
//! no longer be taken back.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use link::Snapshots;
use net::{clock, entropy};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::sleep_until,
};
use xmpp::{
    component::{Component, ComponentFailure, ComponentSecret, Input, Output},
    stream::{Condition, StreamLimits},
    xml::Batch,
};

use super::{Credit, Parcel, Refused, Seat, Told, Waits, pump::Pump, unavailable};
use crate::counters::Counters;

/// From accept to a proved secret.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// Stanzas between outbox and socket at most, about: a parcel is taken whole while there are fewer.
const FLIGHT_STANZAS_MAX: usize = 64;
/// Bytes of them, about.
const FLIGHT_BYTES_MAX: usize = 64 << 10;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Wiring {
    pub(super) told: mpsc::Sender<Told>,
    pub(super) counters: Arc<Counters>,
    pub(super) snapshots: Snapshots,
    pub(super) stop: watch::Receiver<bool>,
}

/// Serves one connection until either side ends it. `place` is that of a connection without a proved secret.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, wiring: Wiring, place: OwnedSemaphorePermit) {
    let mut limits = StreamLimits { establishment_timeout: HANDSHAKE_MAX, ..StreamLimits::default() };
    if let Some(edge) = wiring.snapshots.borrow().as_ref() {
        let settings = edge.settings();
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        limits.stanza_bytes_max = size(settings.stanza_bytes_max);
        limits.unauthenticated_bytes_max = size(settings.unauthenticated_bytes_max);
    }
    let machine = Component::new(limits, entropy::seed(), clock::now());
    let mut connection = Connection {
        pump: Pump::new(machine, socket),
        peer,
        wiring,
        place: Some(place),
        secret: None,
        seat: None,
        flight: VecDeque::new(),
        ended: VecDeque::new(),
        end: None,
    };
    connection.run().await;
    connection.finish().await;
}

struct Connection {
    pump: Pump,
    peer: SocketAddr,
    wiring: Wiring,
    place: Option<OwnedSemaphorePermit>,
    /// What the shard said that it must know.
    secret: Option<policy::settings::Passphrase>,
    /// Since the shard has agreed.
    seat: Option<Arc<Seat>>,
    /// Stanzas that the machine has taken, with the count of bytes that must have left.
    flight: VecDeque<(u64, Parcel)>,
    /// What internal SIP users are to be told, by the shard.
    ended: VecDeque<Told>,
    end: Option<Option<ComponentFailure>>,
}

impl Connection {
    async fn run(&mut self) {
        loop {
            self.outputs().await;
            self.deliver();
            self.settle_written();
            self.expire();
            while let Some(told) = self.ended.pop_front() {
                self.tell(told).await;
            }
            if self.end.is_some() {
                return;
            }
            self.wait().await;
        }
    }

    /// Waits for the socket, the outbox, credit, the clock, or the end of the gateway.
    async fn wait(&mut self) {
        let may_write = self.may_write();
        let Some(seat) = self.seat.clone() else {
            let is_over = tokio::select! {
                () = self.pump.step(true) => false,
                () = stopped(&mut self.wiring.stop) => true,
            };
            return self.close_if(is_over);
        };
        if may_write && seat.outbox.has_some() {
            return;
        }
        let has_credit = seat.credit.is_left();
        let due = seat.outbox.deadline();
        let timer = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let is_over = tokio::select! {
            () = self.pump.step(has_credit) => false,
            () = seat.outbox.changed() => false,
            () = seat.credit.returned(), if !has_credit => false,
            () = timer => false,
            () = stopped(&mut self.wiring.stop) => true,
        };
        self.close_if(is_over);
        if let Some((condition, text)) = seat.outbox.closing() {
            self.close(condition, text);
        }
    }

    fn close_if(&mut self, is_over: bool) {
        if is_over {
            self.close(Condition::SystemShutdown, "the server is shutting down");
        }
    }

    fn close(&mut self, condition: Condition, text: &'static str) {
        self.pump.feed(Input::Close(Some(condition), text));
    }

    /// Takes what the machine gives.
    async fn outputs(&mut self) {
        let mut outputs: VecDeque<_> = std::iter::from_fn(|| self.pump.machine.poll()).collect();
        let mut is_refused = false;
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::AskDomain(domain) => {
                    let (reply, answer) = oneshot::channel();
                    self.tell(Told::Asks { domain, reply }).await;
                    let Ok(answer) = answer.await else { continue };
                    self.secret = answer.as_ref().ok().cloned();
                    let secret = answer.map(|secret| ComponentSecret::new(secret.reveal()));
                    self.pump.feed(Input::Domain(secret));
                    outputs.extend(std::iter::from_fn(|| self.pump.machine.poll()));
                }
                Output::Ready(domain) => {
                    self.seat = self.claim(domain).await;
                    is_refused = self.seat.is_none();
                }
                Output::Stanzas(batch) => self.say(batch).await,
                // It was only sent what it has room for, and that it has when it is open.
                Output::Unsent(_) => {}
                Output::Closed(failure) => self.end = Some(failure),
            }
        }
        if is_refused && self.end.is_none() {
            self.close(Condition::Conflict, "another connection serves the domain");
            self.end = std::iter::from_fn(|| self.pump.machine.poll()).find_map(|output| match output {
                Output::Closed(failure) => Some(failure),
                _ => None,
            });
        }
    }

    /// Asks the shard for the domain.
    async fn claim(&mut self, domain: lexicon::Domain) -> Option<Arc<Seat>> {
        let secret = self.secret.take()?;
        let seat = Arc::new(Seat {
            domain,
            peer: self.peer,
            since: clock::now().wall,
            outbox: super::Outbox::default(),
            credit: Arc::default(),
        });
        let (reply, answer) = oneshot::channel();
        self.tell(Told::Ready { seat: Arc::clone(&seat), secret, reply }).await;
        let has_it = answer.await.unwrap_or(false);
        if has_it {
            self.place = None;
        }
        has_it.then_some(seat)
    }

    async fn say(&mut self, batch: Batch) {
        let Some(seat) = self.seat.clone() else { return };
        let permits = batch.elements().map(|stanza| Credit::take(&seat.credit, stanza.raw().len())).collect();
        self.tell(Told::Stanzas { seat, batch, permits }).await;
    }

    /// A shard that is gone needs to be told nothing.
    async fn tell(&self, told: Told) {
        let _ = self.wiring.told.send(told).await;
    }

    fn may_write(&self) -> bool {
        let stanzas: usize = self.flight.iter().map(|(_, parcel)| parcel.waits.len()).sum();
        stanzas < FLIGHT_STANZAS_MAX
            && self.pump.backlog() < FLIGHT_BYTES_MAX
            && self.pump.machine.send_room() > 0
            && self.end.is_none()
    }

    /// Gives the machine what waits in the outbox.
    fn deliver(&mut self) {
        let Some(seat) = self.seat.clone() else { return };
        while self.may_write()
            && let Some(parcel) = seat.outbox.take()
        {
            if parcel.deadline <= Instant::now() && !matches!(parcel.waits[..], [Waits::Nobody(_)]) {
                self.refuse(parcel, Refused::Late);
                continue;
            }
            self.pump.feed(Input::Send(parcel.batch.clone()));
            self.flight.push_back((self.pump.collect(), parcel));
        }
    }

    fn settle_written(&mut self) {
        let written = self.pump.written();
        let mut has_moved = false;
        while self.flight.front().is_some_and(|(end, _)| *end <= written) {
            let Some((_, parcel)) = self.flight.pop_front() else { break };
            has_moved = true;
            for waits in parcel.waits {
                self.finish_one(waits, Ok(()));
            }
        }
        if has_moved && let Some(seat) = &self.seat {
            seat.outbox.moved();
        }
    }

    fn expire(&mut self) {
        let Some(seat) = self.seat.clone() else { return };
        for (refused, parcel) in seat.outbox.expire(Instant::now()) {
            self.refuse(parcel, refused);
        }
    }

    fn refuse(&mut self, parcel: Parcel, refused: Refused) {
        for waits in parcel.waits {
            self.finish_one(waits, Err(refused));
        }
    }

    fn finish_one(&mut self, waits: Waits, outcome: Result<(), Refused>) {
        let counters = &self.wiring.counters;
        match (waits, outcome) {
            (Waits::Partner { receipt, .. }, Ok(())) => {
                counters.from_partners.delivered();
                receipt.done();
            }
            (Waits::Partner { receipt, answered: true }, Err(refused)) => {
                counters.from_partners.answered();
                receipt.refuse(unavailable(refused));
            }
            (Waits::Partner { receipt, answered: false }, Err(refused)) => {
                counters.from_partners.dropped(refused.as_str());
                receipt.done();
            }
            (Waits::User(number), outcome) => {
                self.ended.push_back(Told::Ended { number, outcome: outcome.map_err(unavailable) });
            }
            (Waits::Component(outgoing), Ok(())) => outgoing.delivered(counters),
            (Waits::Component(outgoing), Err(refused)) => outgoing.refused(&unavailable(refused), counters),
            (Waits::Nobody(permit), _) => drop(permit),
        }
    }

    /// Gives back what was not written, leaves the seat, and closes.
    async fn finish(mut self) {
        self.log_end();
        if let Some(seat) = self.seat.take() {
            let left = seat.outbox.shut();
            let flight = std::mem::take(&mut self.flight).into_iter().map(|(_, parcel)| parcel);
            for parcel in flight.chain(left).collect::<Vec<_>>() {
                self.refuse(parcel, Refused::Lost);
            }
            self.tell(Told::Gone(seat)).await;
        }
        while let Some(told) = self.ended.pop_front() {
            self.tell(told).await;
        }
        self.pump.finish().await;
    }

    fn log_end(&self) {
        let reason = match &self.end {
            Some(Some(failure)) => failure.to_string(),
            _ => "it said goodbye".to_owned(),
        };
        if let Some(seat) = &self.seat {
            tracing::info!(domain = %seat.domain, reason = %reason.escape_debug(), "a component has gone");
            return;
        }
        self.wiring.counters.component("refused");
        if let Some(Some(ComponentFailure::HandshakeFailed(domain))) = &self.end {
            tracing::warn!(%domain, peer = %self.peer, "a component with a wrong secret was refused");
        } else {
            tracing::debug!(peer = %self.peer, reason = %reason.escape_debug(), "a component was refused");
        }
    }
}

/// Waits for the end of the gateway.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
