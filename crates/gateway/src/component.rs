//! Components: programs that serve an internal domain over a connection that they open (XEP-0114).
//!
//! The tasks of this module own the sockets and the machines, and judge nothing: what a component says goes to the shard,
//! what it is to hear waits in its [`Outbox`]. Both ways are bounded. A component that does not read loses what waits too
//! long, with an error to its sender, and holds back nobody else; one that sends more than the link takes is read no
//! further ([`Credit`]). One connection serves one domain, and a domain has one connection.

mod connection;
mod credit;
pub(crate) mod listener;
mod outbox;
mod pump;

use std::{net::SocketAddr, sync::Arc};

use lexicon::{Domain, Timestamp};
use link::Receipt;
use policy::settings::Passphrase;
use tokio::sync::oneshot;
use xmpp::{
    component::ComponentRefusal,
    stanza::{Condition, StanzaError, StanzaRef, bounce},
    xml::Batch,
};

pub(crate) use credit::{Credit, Permit};
pub(crate) use outbox::{Closing, Outbox, Parcel, Refused, Waits};

use crate::{counters::Counters, serving::Wire};

/// What connections tell that waits for the shard at most.
pub(crate) const TOLD_MAX: usize = 64;

/// What the connections tell the shard.
#[derive(Debug)]
pub(crate) enum Told {
    /// A component wants to serve a domain: what it must prove to know, or why it may not.
    Asks { domain: Domain, reply: oneshot::Sender<Result<Passphrase, ComponentRefusal>> },
    /// It has proved to know it; whether it serves the domain now.
    Ready { seat: Arc<Seat>, secret: Passphrase, reply: oneshot::Sender<bool> },
    /// Stanzas of its addresses, in order.
    Stanzas { seat: Arc<Seat>, batch: Batch, permits: Vec<Permit> },
    /// The stanza with this number of an internal SIP user has ended.
    Ended { number: u64, outcome: Result<(), StanzaError> },
    /// It serves the domain no more.
    Gone(Arc<Seat>),
}

/// The connection that serves a domain, as the shard and the connection's task share it.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The domain.
    pub(crate) domain: Domain,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Since when.
    pub(crate) since: Timestamp,
    /// What it is to hear.
    pub(crate) outbox: Outbox,
    /// What it may still say.
    pub(crate) credit: Arc<Credit>,
}

/// A stanza of a component, or of an inner server, that has not ended.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The one stanza.
    pub(crate) batch: Batch,
    sender: Sender,
}

/// Who is told what became of it.
#[derive(Debug)]
enum Sender {
    /// A component, with the credit that the stanza holds.
    Component(Arc<Seat>, Permit),
    /// An inner server, by the link.
    Inner(Receipt),
}

impl Outgoing {
    /// The stanza of a component, counted as taken up.
    pub(crate) fn new(seat: &Arc<Seat>, batch: Batch, permit: Permit, counters: &Counters) -> Self {
        counters.from_users.received();
        Self { batch, sender: Sender::Component(Arc::clone(seat), permit) }
    }

    /// The stanza of an inner server, counted as taken up.
    pub(crate) fn of_inner(batch: Batch, receipt: Receipt, counters: &Counters) -> Self {
        counters.from_users.received();
        Self { batch, sender: Sender::Inner(receipt) }
    }

    /// Which kind of server it came from.
    pub(crate) fn wire(&self) -> Wire {
        match self.sender {
            Sender::Component(..) => Wire::Component,
            Sender::Inner(_) => Wire::Inner,
        }
    }

    /// It was handed over.
    pub(crate) fn delivered(self, counters: &Counters) {
        counters.from_users.delivered();
        self.done();
    }

    /// It ends in silence.
    pub(crate) fn dropped(self, reason: &'static str, counters: &Counters) {
        counters.from_users.dropped(reason);
        self.done();
    }

    fn done(self) {
        if let Sender::Inner(receipt) = self.sender {
            receipt.done();
        }
    }

    /// Its sender gets this error, unless an error must not answer it.
    pub(crate) fn refused(self, error: &StanzaError, counters: &Counters) {
        if self.answer(error) {
            counters.from_users.answered();
        } else {
            counters.from_users.dropped("unanswerable");
        }
    }

    /// It may have been delivered, and its sender is told by this error.
    pub(crate) fn lost(self, error: &StanzaError, counters: &Counters) {
        counters.from_users.lost();
        match self.sender {
            Sender::Inner(receipt) => receipt.unknown(error.clone()),
            Sender::Component(..) => {
                self.answer(error);
            }
        }
    }

    /// Whether there is an answer. On the link it is made where the stanza came from.
    fn answer(self, error: &StanzaError) -> bool {
        let answer = StanzaRef::of(self.batch.element(0)).and_then(|stanza| bounce(&stanza, error));
        let is_answerable = answer.is_some();
        match (self.sender, answer) {
            (Sender::Component(seat, permit), Some(answer)) => seat.outbox.answer(answer, permit),
            (Sender::Component(..), None) => {}
            (Sender::Inner(receipt), _) => receipt.refuse(error.clone()),
        }
        is_answerable
    }
}

/// Why a component cannot be handed a stanza, for the stanza's sender.
pub(crate) fn unavailable(refused: Refused) -> StanzaError {
    match refused {
        Refused::Absent => {
            StanzaError::new(Condition::RemoteServerTimeout).with_text("This service is not connected now")
        }
        Refused::Lost => {
            let text = "This service went away before it took the stanza";
            StanzaError::new(Condition::RemoteServerTimeout).with_text(text)
        }
        Refused::Late => {
            StanzaError::new(Condition::RemoteServerTimeout).with_text("This service did not take the stanza in time")
        }
        Refused::Slow => StanzaError::new(Condition::ResourceConstraint).with_text("This service is too busy now"),
    }
}
