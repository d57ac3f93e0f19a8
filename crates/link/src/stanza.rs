//! What carries stanzas: the envelope, its receipts, and how each stanza is settled.
//!
//! The sender owns every stanza until it is [`Settled`] or its deadline has passed; `Done` means delivered or answered,
//! not merely queued. Each stanza of an envelope has one [`Receipt`], and a receipt settles exactly once: one that is
//! dropped settles as refused, so that no path through the receiver can lose a stanza silently.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use lexicon::DomainPair;
use tokio::sync::Notify;
use xmpp::{
    stanza::{Condition, StanzaError},
    xml::Batch,
};

/// Names an envelope among those of one [`Port`](crate::Port).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EnvelopeId(pub(crate) u64);

/// Stanzas of one authorised domain pair on their way from one role to the other.
#[derive(Debug)]
pub struct Envelope {
    /// The pair that every stanza of the batch belongs to.
    pub pair: DomainPair,
    /// The stanzas, in order.
    pub batch: Batch,
    /// After this the receiver must not deliver: it refuses with `remote-server-timeout`.
    pub deadline: Instant,
    /// One receipt a stanza, in the order of the batch.
    pub receipts: Receipts,
}

/// How a stanza ended for its sender.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Delivered, answered, or dropped and counted where a standard demands silence.
    Done,
    /// Not delivered; the sender answers with this error where the stanza may be answered.
    Refused(Box<StanzaError>),
}

/// The end of one stanza, as its sender learns it.
#[derive(Debug)]
pub struct Settlement {
    /// The envelope that carried it.
    pub envelope: EnvelopeId,
    /// Its place in the envelope's batch.
    pub index: usize,
    /// How it ended.
    pub outcome: Settled,
}

/// Why an envelope was not taken.
#[derive(Debug)]
pub enum SendError {
    /// The other role has stopped. The batch comes back.
    Closed(Batch),
    /// No credit, or no room in the link now: wait for [`Port::room`](crate::Port::room). The batch comes back.
    Full(Batch),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "the other role has stopped",
            Self::Full(_) => "the link has no credit left",
        })
    }
}

impl std::error::Error for SendError {}

/// The settlements of one port that wait for its owner. Their number is bounded by the credit that was given.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    settled: Mutex<VecDeque<Settlement>>,
    arrived: Notify,
}

impl Tally {
    fn push(&self, settlement: Settlement) {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).push_back(settlement);
        self.arrived.notify_one();
    }

    pub(crate) fn take(&self) -> Option<Settlement> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for a settlement; cancel safe.
    pub(crate) async fn next(&self) -> Settlement {
        loop {
            let arrived = self.arrived.notified();
            if let Some(settlement) = self.take() {
                return settlement;
            }
            arrived.await;
        }
    }
}

/// The receipts of one envelope, handed out in the order of its stanzas.
#[derive(Debug)]
pub struct Receipts {
    tally: Arc<Tally>,
    envelope: EnvelopeId,
    next: usize,
    end: usize,
}

impl Receipts {
    pub(crate) fn new(tally: &Arc<Tally>, envelope: EnvelopeId, count: usize) -> Self {
        Self { tally: Arc::clone(tally), envelope, next: 0, end: count }
    }

    /// Settles all that are left alike.
    pub fn settle_all(self, outcome: &Settled) {
        for receipt in self {
            receipt.settle(outcome.clone());
        }
    }
}

impl Iterator for Receipts {
    type Item = Receipt;

    fn next(&mut self) -> Option<Receipt> {
        if self.next == self.end {
            return None;
        }
        let index = self.next;
        self.next += 1;
        Some(Receipt { tally: Some(Arc::clone(&self.tally)), envelope: self.envelope, index })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Receipts {}

impl Drop for Receipts {
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}

/// The duty to settle one stanza. Dropped unsettled, it settles as refused with `internal-server-error`.
#[derive(Debug)]
pub struct Receipt {
    tally: Option<Arc<Tally>>,
    envelope: EnvelopeId,
    index: usize,
}

impl Receipt {
    /// Ends the stanza for its sender.
    pub fn settle(mut self, outcome: Settled) {
        self.push(outcome);
    }

    /// Ends the stanza as delivered or answered.
    pub fn done(self) {
        self.settle(Settled::Done);
    }

    /// Ends the stanza as not delivered.
    pub fn refuse(self, error: StanzaError) {
        self.settle(Settled::Refused(Box::new(error)));
    }

    fn push(&mut self, outcome: Settled) {
        if let Some(tally) = self.tally.take() {
            tally.push(Settlement { envelope: self.envelope, index: self.index, outcome });
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.tally.is_some() {
            let lost = StanzaError::new(Condition::InternalServerError).with_text("The gateway lost this stanza");
            self.push(Settled::Refused(Box::new(lost)));
        }
    }
}
