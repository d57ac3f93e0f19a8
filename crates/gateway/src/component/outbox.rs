//! What a component is to hear: put in by the shard without waiting, taken out by the connection's task.
//!
//! Stanzas wait in order, within limits of number, bytes and age. Once one has become too old, the component counts as
//! stalled and nothing waits for it until it reads again: the senders' side of the link has a window for all domains of a
//! partner, which one component must not fill. Answers to what the component itself sent are apart: each holds credit of
//! it, which bounds them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use link::Receipt;
use tokio::sync::Notify;
use xmpp::{stream::Condition, xml::Batch};

use super::{Outgoing, Permit};

/// Stanzas that wait at most.
const STANZAS_MAX: usize = 1000;
/// Bytes that wait at most, about: one parcel is taken while there are fewer.
const BYTES_MAX: usize = 1 << 20;
/// How long a stanza waits at most.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Who waits for the end of a stanza.
#[derive(Debug)]
pub(crate) enum Waits {
    /// The link, for a partner's user; `answered` if an error may answer the stanza.
    Partner { receipt: Receipt, answered: bool },
    /// An internal SIP user, known to the shard by this number.
    User(u64),
    /// A component, or an inner server.
    Component(Box<Outgoing>),
    /// Nobody: it is an answer to the component, with the credit of what it answers.
    Nobody(Permit),
}

/// Stanzas that belong together, with those who wait for each.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) batch: Batch,
    pub(crate) waits: Vec<Waits>,
    /// After this it must not be delivered.
    pub(crate) deadline: Instant,
    since: Instant,
}

/// Why a stanza is not delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// No component is connected.
    Absent,
    /// The connection ended before the stanza was written.
    Lost,
    /// Its deadline has passed.
    Late,
    /// The component does not read fast enough.
    Slow,
}

impl Refused {
    /// By what it is counted where nobody is answered.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Absent | Self::Lost => "component_absent",
            Self::Late | Self::Slow => "component_slow",
        }
    }
}

/// Why the shard ends a connection: the stream error and its text.
pub(crate) type Closing = (Condition, &'static str);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    parcels: VecDeque<Parcel>,
    answers: VecDeque<Parcel>,
    stanzas: usize,
    bytes: usize,
    is_stalled: bool,
    is_gone: bool,
    closing: Option<Closing>,
}

impl Parcel {
    pub(crate) fn new(batch: Batch, waits: Vec<Waits>, since: Instant, deadline: Instant) -> Self {
        Self { batch, waits, deadline, since }
    }

    /// After this it has waited too long, or must not be delivered.
    pub(crate) fn expires_at(&self) -> Instant {
        self.deadline.min(self.since + WAIT_MAX)
    }
}

impl Outbox {
    /// Puts stanzas in, or gives them back.
    pub(crate) fn push(&self, parcel: Parcel) -> Result<(), (Refused, Parcel)> {
        let mut state = self.state();
        if state.is_gone {
            return Err((Refused::Absent, parcel));
        }
        let is_full = state.stanzas + parcel.waits.len() > STANZAS_MAX || state.bytes >= BYTES_MAX;
        if state.is_stalled || is_full {
            return Err((Refused::Slow, parcel));
        }
        state.stanzas += parcel.waits.len();
        state.bytes += parcel.batch.bytes_retained();
        state.parcels.push_back(parcel);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Puts an answer to the component in, with the credit of what it answers.
    pub(super) fn answer(&self, batch: Batch, permit: Permit) {
        let mut state = self.state();
        if !state.is_gone {
            let now = Instant::now();
            state.answers.push_back(Parcel::new(batch, vec![Waits::Nobody(permit)], now, now + WAIT_MAX));
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Tells the connection to end.
    pub(crate) fn close(&self, closing: Closing) {
        self.state().closing = Some(closing);
        self.changed.notify_one();
    }

    /// Stanzas that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().stanzas
    }

    /// The next to be written.
    pub(super) fn take(&self) -> Option<Parcel> {
        let mut state = self.state();
        if let Some(answer) = state.answers.pop_front() {
            return Some(answer);
        }
        state.pop()
    }

    /// Whether there is something to write.
    pub(super) fn has_some(&self) -> bool {
        let state = self.state();
        !state.answers.is_empty() || !state.parcels.is_empty()
    }

    /// Takes out what must not wait any longer. The component is stalled if that was not for its sender's deadline alone.
    pub(super) fn expire(&self, now: Instant) -> Vec<(Refused, Parcel)> {
        let mut state = self.state();
        let mut expired = Vec::new();
        while state.parcels.front().is_some_and(|parcel| parcel.expires_at() <= now) {
            let Some(parcel) = state.pop() else { break };
            let refused = if parcel.deadline <= now { Refused::Late } else { Refused::Slow };
            state.is_stalled |= refused == Refused::Slow;
            expired.push((refused, parcel));
        }
        expired
    }

    /// When something must be taken out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state().parcels.front().map(Parcel::expires_at)
    }

    /// The component has read.
    pub(super) fn moved(&self) {
        self.state().is_stalled = false;
    }

    /// Why the connection is to end, if it is.
    pub(super) fn closing(&self) -> Option<Closing> {
        self.state().closing.take()
    }

    /// Nothing is put in any more; what waits is given back.
    pub(super) fn shut(&self) -> Vec<Parcel> {
        let mut state = self.state();
        state.is_gone = true;
        state.answers.clear();
        (state.stanzas, state.bytes) = (0, 0);
        std::mem::take(&mut state.parcels).into()
    }

    /// Waits until something was put in, or the connection is to end. Cancel safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.stanzas -= parcel.waits.len();
        self.bytes -= parcel.batch.bytes_retained();
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(now: Instant, life: Duration, stanzas: u64) -> Parcel {
        let batch = Batch::from_xml("<message/>").unwrap();
        Parcel::new(batch, (0..stanzas).map(Waits::User).collect(), now, now + life)
    }

    #[test]
    fn waiting_stanzas_are_bounded_in_number() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        for _ in 0..STANZAS_MAX / 50 {
            outbox.push(parcel(now, WAIT_MAX, 50)).unwrap();
        }
        assert_eq!(outbox.push(parcel(now, WAIT_MAX, 1)).unwrap_err().0, Refused::Slow);
        assert_eq!(outbox.waiting(), STANZAS_MAX);
        outbox.take().unwrap();
        outbox.push(parcel(now, WAIT_MAX, 1)).unwrap();
    }

    #[test]
    fn a_component_that_let_stanzas_grow_old_gets_none_until_it_reads() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        outbox.push(parcel(now, WAIT_MAX * 2, 1)).unwrap();
        assert_eq!(outbox.deadline(), Some(now + WAIT_MAX));
        assert!(outbox.expire(now + WAIT_MAX / 2).is_empty());
        let expired = outbox.expire(now + WAIT_MAX);
        assert_eq!(expired[0].0, Refused::Slow);
        assert_eq!(outbox.push(parcel(now, WAIT_MAX, 1)).unwrap_err().0, Refused::Slow);
        outbox.moved();
        outbox.push(parcel(now, WAIT_MAX, 1)).unwrap();
    }

    #[test]
    fn a_deadline_of_the_sender_is_not_the_components_fault() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        outbox.push(parcel(now, WAIT_MAX / 2, 1)).unwrap();
        assert_eq!(outbox.expire(now + WAIT_MAX / 2)[0].0, Refused::Late);
        outbox.push(parcel(now, WAIT_MAX, 1)).unwrap();
    }

    #[test]
    fn what_waits_at_the_end_comes_back_and_nothing_more_goes_in() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        outbox.push(parcel(now, WAIT_MAX, 2)).unwrap();
        assert_eq!(outbox.shut().len(), 1);
        assert_eq!(outbox.push(parcel(now, WAIT_MAX, 1)).unwrap_err().0, Refused::Absent);
        assert_eq!(outbox.waiting(), 0);
    }
}
