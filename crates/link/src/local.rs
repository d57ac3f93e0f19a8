//! The link inside one process: bounded queues, one in each direction.

use std::{sync::Arc, time::Instant};

use lexicon::DomainPair;
use tokio::sync::mpsc;
use xmpp::xml::Batch;

use crate::stanza::{Envelope, EnvelopeId, Receipts, SendError, Settlement, Tally};

/// Makes the two ends of a link. Each direction holds at most `envelopes_max` envelopes that were not yet received.
pub fn local(envelopes_max: usize) -> (LinkEnd, LinkEnd) {
    let (to_right, right_inbox) = mpsc::channel(envelopes_max);
    let (to_left, left_inbox) = mpsc::channel(envelopes_max);
    (
        LinkEnd { link: Link { outbox: to_right }, inbox: Inbox { envelopes: left_inbox } },
        LinkEnd { link: Link { outbox: to_left }, inbox: Inbox { envelopes: right_inbox } },
    )
}

/// One role's end of a link.
#[derive(Debug)]
pub struct LinkEnd {
    /// Opens ports towards the other role.
    pub link: Link,
    /// What the other role sends.
    pub inbox: Inbox,
}

/// Opens ports towards the other role. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Link {
    outbox: mpsc::Sender<Envelope>,
}

impl Link {
    /// Opens a port that may have about `window` unsettled stanzas: a batch is taken whole while any credit is left.
    pub fn port(&self, window: usize) -> Port {
        Port { outbox: self.outbox.clone(), tally: Arc::default(), window, unsettled: 0, next: 0 }
    }
}

/// Where one connection or one shard hands its stanzas to the other role and learns how they ended.
#[derive(Debug)]
pub struct Port {
    outbox: mpsc::Sender<Envelope>,
    tally: Arc<Tally>,
    window: usize,
    unsettled: usize,
    next: u64,
}

impl Port {
    /// How many stanzas were sent whose end was not yet reported by [`Self::settlement`].
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Hands over `batch`, whose stanzas all belong to `pair`.
    pub fn try_send(&mut self, pair: DomainPair, batch: Batch, deadline: Instant) -> Result<EnvelopeId, SendError> {
        if self.unsettled >= self.window {
            return Err(SendError::Full(batch));
        }
        let slot = match self.outbox.try_reserve() {
            Ok(slot) => slot,
            Err(mpsc::error::TrySendError::Closed(())) => return Err(SendError::Closed(batch)),
            Err(mpsc::error::TrySendError::Full(())) => return Err(SendError::Full(batch)),
        };
        let id = EnvelopeId(self.next);
        self.next += 1;
        self.unsettled += batch.len();
        let receipts = Receipts::new(&self.tally, id, batch.len());
        slot.send(Envelope { pair, batch, deadline, receipts });
        Ok(id)
    }

    /// Whether there is credit left; it returns with settlements.
    pub fn has_credit(&self) -> bool {
        self.unsettled < self.window
    }

    /// Waits until the link has room for one more envelope, or the other role has stopped. Credit is apart. Cancel safe.
    pub async fn room(&self) {
        drop(self.outbox.reserve().await);
    }

    /// The next news of stanzas that were sent. Waits for ever when nothing is unsettled. Cancel safe.
    pub async fn settlement(&mut self) -> Settlement {
        let settlement = self.tally.next().await;
        self.count(settlement)
    }

    /// The next news of stanzas that were sent, if there is any.
    pub fn try_settlement(&mut self) -> Option<Settlement> {
        let settlement = self.tally.take()?;
        Some(self.count(settlement))
    }

    fn count(&mut self, settlement: Settlement) -> Settlement {
        if settlement.outcome.is_end() {
            self.unsettled -= settlement.stanzas.len();
        }
        settlement
    }
}

/// What the other role sends, in order for each port.
#[derive(Debug)]
pub struct Inbox {
    envelopes: mpsc::Receiver<Envelope>,
}

impl Inbox {
    /// The next envelope; `None` once the other role has stopped and everything was received. Cancel safe.
    pub async fn receive(&mut self) -> Option<Envelope> {
        self.envelopes.recv().await
    }
}
