//! What carries stanzas: the envelope, its receipts, and how each stanza is settled.
//!
//! The sender owns every stanza until it has ended; `Done` means delivered or answered, not merely queued. Between the two
//! there may be one step, `Written`: beyond recall, while the partner's acknowledgement is awaited. Each stanza of an
//! envelope ends exactly once: a [`Receipt`] that is dropped settles as refused, so that no path through the receiver can
//! lose a stanza silently. Stanzas that fare alike are settled together.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
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

/// How far stanzas have come for their sender: at most once `Written`, then exactly one of the ends.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Beyond recall: written to an authorised stream whose peer acknowledges what it takes over. The end follows; who
    /// need not know more than that a stanza has left may answer now.
    Written,
    /// The end: delivered, answered, or dropped and counted where a standard demands silence.
    Done,
    /// The end: not delivered; the sender answers with this error where the stanza may be answered.
    Refused(Box<StanzaError>),
    /// The end: on its way when the stream broke, never acknowledged. It may have been delivered, so nobody sends it
    /// again; the sender is told by this error where the stanza may be answered, and counts it as `delivery_unknown`.
    Unknown(Box<StanzaError>),
}

impl Settled {
    /// Whether nothing follows.
    pub fn is_end(&self) -> bool {
        !matches!(self, Self::Written)
    }
}

/// News of some stanzas of an envelope, for their sender.
#[derive(Debug)]
pub struct Settlement {
    /// The envelope that carried them.
    pub envelope: EnvelopeId,
    /// Their places in the envelope's batch.
    pub stanzas: Range<usize>,
    /// What became of all of them.
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

/// The settlements of one port that wait for its owner: at most two for each stanza that it was given credit for.
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
pub struct Receipts(Receipt);

impl Receipts {
    pub(crate) fn new(tally: &Arc<Tally>, envelope: EnvelopeId, count: usize) -> Self {
        Self(Receipt { tally: Arc::clone(tally), envelope, stanzas: 0..count })
    }

    /// Settles all that are left alike.
    pub fn settle_all(self, outcome: &Settled) {
        self.0.settle(outcome.clone());
    }

    /// One receipt for all that are left.
    pub fn whole(self) -> Receipt {
        self.0
    }
}

impl Iterator for Receipts {
    type Item = Receipt;

    fn next(&mut self) -> Option<Receipt> {
        (self.0.count() > 0).then(|| self.0.split_off_first(1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.count(), Some(self.0.count()))
    }
}

impl ExactSizeIterator for Receipts {}

/// The duty to settle one stanza, or several in a row alike. Dropped unsettled, it settles as refused with
/// `internal-server-error`.
#[derive(Debug)]
pub struct Receipt {
    tally: Arc<Tally>,
    envelope: EnvelopeId,
    /// Empty once settled.
    stanzas: Range<usize>,
}

impl Receipt {
    /// For how many stanzas it stands.
    pub fn count(&self) -> usize {
        self.stanzas.len()
    }

    /// Parts the receipt of the first `count` stanzas from the rest.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn split_off_first(&mut self, count: usize) -> Self {
        assert!(count <= self.count(), "{count} of {} stanzas", self.count());
        let at = self.stanzas.start + count;
        let first = self.stanzas.start..at;
        self.stanzas.start = at;
        Self { tally: Arc::clone(&self.tally), envelope: self.envelope, stanzas: first }
    }

    /// Tells that the stanzas are beyond recall; to be called once at most.
    pub fn written(&self) {
        self.push(self.stanzas.clone(), Settled::Written);
    }

    /// Ends the stanzas for their sender.
    ///
    /// # Panics
    /// When the outcome is no end.
    pub fn settle(mut self, outcome: Settled) {
        assert!(outcome.is_end(), "a receipt ends with an end");
        let stanzas = std::mem::take(&mut self.stanzas);
        self.push(stanzas, outcome);
    }

    /// Ends the stanzas as delivered or answered.
    pub fn done(self) {
        self.settle(Settled::Done);
    }

    /// Ends the stanzas as not delivered.
    pub fn refuse(self, error: StanzaError) {
        self.settle(Settled::Refused(Box::new(error)));
    }

    /// Ends the stanzas as perhaps delivered.
    pub fn unknown(self, error: StanzaError) {
        self.settle(Settled::Unknown(Box::new(error)));
    }

    fn push(&self, stanzas: Range<usize>, outcome: Settled) {
        if !stanzas.is_empty() {
            self.tally.push(Settlement { envelope: self.envelope, stanzas, outcome });
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.stanzas.is_empty() {
            let lost = StanzaError::new(Condition::InternalServerError).with_text("The gateway lost this stanza");
            let stanzas = std::mem::take(&mut self.stanzas);
            self.push(stanzas, Settled::Refused(Box::new(lost)));
        }
    }
}
