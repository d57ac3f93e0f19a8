//! What is kept for a domain pair towards its partner: the queue, the attempts to get a stream, the back-off.
//!
//! A stanza handed in leaves exactly once, with its ticket: written to an authorised stream, bounced with an error that
//! says why, or superseded by a later presence. Stanzas of a pair leave in the order they came (RFC 6120 §10.1). While
//! no stream is up they wait, limited in number, bytes and age; what can never succeed is bounced at once, and during
//! the back-off after it. Delays grow and are random (RFC 6120 §3.3), from a seed.
//!
//! The route knows no streams: the shell opens them when told to [`Connect`](Output::Connect) and says what became of
//! it. The limit over all routes of the process is the shell's, by [`Route::bytes_queued`].

mod backoff;
mod failure;
mod queue;

pub use failure::RouteFailure;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{DomainPair, Now};

use crate::{
    stanza::{Condition, StanzaError},
    stream::{Refusal, Retry, Stage, StreamFailure},
    xml::Batch,
};
use backoff::Backoff;
use queue::{Entry, Queue};

/// The numbers of a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteLimits {
    /// Stanzas that wait at most; 0: none waits. The setting `queue_stanzas`.
    pub queue_stanzas: usize,
    /// Bytes of waiting stanzas at most. The setting `queue_bytes`.
    pub queue_bytes: usize,
    /// How long a stanza waits at most. The setting `queue_age`.
    pub queue_age: Duration,
    /// The first delay after a failure; it doubles with each.
    pub backoff_min: Duration,
    /// The longest delay, and the one after a failure that only a person can remedy.
    pub backoff_max: Duration,
}

/// What the shell tells a route. `T` is the shell's ticket for settling one stanza.
#[derive(Debug)]
pub enum Input<T> {
    /// Deliver the one stanza of this batch before the deadline.
    Send {
        /// A batch of one stanza, with its addresses as they are to be written.
        stanza: Batch,
        /// Comes back with what became of it.
        ticket: T,
        /// Not to be delivered after this.
        deadline: Instant,
    },
    /// A stream that may carry stanzas of the pair is up.
    Up,
    /// The attempt failed, or the stream that was up has ended; none: in an orderly way.
    Down(Option<RouteFailure>),
    /// Something changed (settings, a probe, an inbound stream): end the back-off.
    Retry,
    /// Bounce everything and start afresh: the partner was disabled or removed, or we are shutting down.
    Close(RouteFailure),
    /// The moment of [`deadline`](Route::deadline) has come.
    Deadline,
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Output<T> {
    /// Open a stream for the pair and answer with [`Input::Up`] or [`Input::Down`].
    Connect {
        /// Do not offer SASL EXTERNAL this time: the peer has just refused it and the rules permit dialback.
        without_sasl: bool,
    },
    /// Write the stanza to the stream that is up.
    Write {
        /// The stanza.
        stanza: Batch,
        /// Its ticket.
        ticket: T,
        /// How long it waited.
        waited: Duration,
    },
    /// The stanza was not delivered: refuse it with this error, or answer its sender, where it may be answered.
    Bounce {
        /// The stanza.
        stanza: Batch,
        /// Its ticket.
        ticket: T,
        /// What the sender is told.
        error: StanzaError,
        /// What to count it under.
        reason: BounceReason,
        /// What the operator is told, if a failure is behind it.
        failure: Option<Arc<RouteFailure>>,
    },
    /// A later presence from the same to the same address took its place. Counted; its sender is told nothing.
    Superseded {
        /// The stanza.
        stanza: Batch,
        /// Its ticket.
        ticket: T,
    },
}

/// Why a stanza was bounced.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BounceReason {
    /// It waited longer than the queue's age or its own deadline.
    Age,
    /// The route was closed.
    Closed,
    /// The last attempt failed in a way that waiting does not remedy.
    Failed,
    /// The queue is full.
    Full,
}

impl BounceReason {
    /// The word used in the API, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Age => "queue_age",
            Self::Closed => "route_closed",
            Self::Failed => "route_failed",
            Self::Full => "queue_full",
        }
    }
}

/// Where a route stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RouteState {
    /// No stream, and no reason for one.
    Idle,
    /// The shell was told to connect.
    Connecting,
    /// Stanzas are written as they come.
    Up,
    /// No attempt before this moment.
    BackOff(Instant),
}

/// The route of one domain pair.
#[derive(Debug)]
pub struct Route<T> {
    pair: DomainPair,
    limits: RouteLimits,
    state: RouteState,
    up_since: Option<Instant>,
    /// Whether the attempt under way is the second one, without SASL.
    without_sasl: bool,
    backoff: Backoff,
    queue: Queue<T>,
    /// Why there is no stream, until there is one.
    failure: Option<Arc<RouteFailure>>,
    outputs: VecDeque<Output<T>>,
}

impl<T> Route<T> {
    /// An idle route; the seed is for the jitter of its delays.
    pub fn new(pair: DomainPair, limits: RouteLimits, seed: [u8; 32]) -> Self {
        Self {
            pair,
            limits,
            state: RouteState::Idle,
            up_since: None,
            without_sasl: false,
            backoff: Backoff::new(seed),
            queue: Queue::new(),
            failure: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. An input that has no meaning in the state changes nothing.
    pub fn handle(&mut self, now: Now, input: Input<T>) {
        match input {
            Input::Send { stanza, ticket, deadline } => {
                let deadline = deadline.min(now.instant + self.limits.queue_age);
                self.send(now.instant, Entry { stanza, ticket, deadline, queued_at: now.instant });
            }
            Input::Up => self.up(now.instant),
            Input::Down(None) => self.ended(now.instant),
            Input::Down(Some(failure)) => self.failed(now.instant, failure),
            Input::Retry => {
                self.backoff.reset();
                if let RouteState::BackOff(_) = self.state {
                    self.start_afresh();
                }
            }
            Input::Close(failure) => self.close(failure),
            Input::Deadline => self.tick(now.instant),
        }
    }

    /// The next thing to do. To be drained before the next input.
    pub fn poll(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let retry = match self.state {
            RouteState::BackOff(until) if !self.queue.is_empty() => Some(until),
            _ => None,
        };
        [retry, self.queue.deadline()].into_iter().flatten().min()
    }

    /// How many bytes of stanzas the queue still takes.
    pub fn room(&self) -> usize {
        self.limits.queue_bytes.saturating_sub(self.queue.bytes())
    }

    /// The pair.
    pub fn pair(&self) -> &DomainPair {
        &self.pair
    }

    /// Where the route stands.
    pub fn state(&self) -> RouteState {
        self.state
    }

    /// Why there is no stream, if the last attempt or stream failed.
    pub fn failure(&self) -> Option<&RouteFailure> {
        self.failure.as_deref()
    }

    /// Stanzas that wait.
    pub fn stanzas_queued(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of stanzas that wait.
    pub fn bytes_queued(&self) -> usize {
        self.queue.bytes()
    }

    /// Replaces the numbers; stanzas that wait keep their deadlines.
    pub fn set_limits(&mut self, limits: RouteLimits) {
        self.limits = limits;
    }

    fn send(&mut self, now: Instant, entry: Entry<T>) {
        debug_assert_eq!(entry.stanza.len(), 1, "each stanza has its own ticket");
        if entry.deadline <= now {
            return self.bounce(entry, BounceReason::Age);
        }
        match self.state {
            RouteState::Up => {
                let Entry { stanza, ticket, .. } = entry;
                self.outputs.push_back(Output::Write { stanza, ticket, waited: Duration::ZERO });
            }
            RouteState::BackOff(until) if until > now && self.is_hopeless() => {
                self.bounce(entry, BounceReason::Failed);
            }
            RouteState::BackOff(until) if until > now => self.enqueue(entry),
            RouteState::Connecting => self.enqueue(entry),
            RouteState::Idle | RouteState::BackOff(_) => {
                self.enqueue(entry);
                self.connect(false);
            }
        }
    }

    fn enqueue(&mut self, entry: Entry<T>) {
        match self.queue.push(entry, self.limits.queue_stanzas, self.limits.queue_bytes) {
            Ok(None) => {}
            Ok(Some(Entry { stanza, ticket, .. })) => self.outputs.push_back(Output::Superseded { stanza, ticket }),
            Err(entry) => self.bounce(*entry, BounceReason::Full),
        }
    }

    fn connect(&mut self, without_sasl: bool) {
        self.state = RouteState::Connecting;
        self.without_sasl = without_sasl;
        self.outputs.push_back(Output::Connect { without_sasl });
    }

    fn up(&mut self, now: Instant) {
        self.state = RouteState::Up;
        self.up_since = Some(now);
        self.failure = None;
        self.expire(now);
        while let Some(entry) = self.queue.pop() {
            let waited = now.saturating_duration_since(entry.queued_at);
            self.outputs.push_back(Output::Write { stanza: entry.stanza, ticket: entry.ticket, waited });
        }
    }

    /// The stream ended in an orderly way.
    fn ended(&mut self, now: Instant) {
        if let Some(since) = self.up_since.take() {
            self.forgive(now, since);
        }
        match self.state {
            RouteState::Up => self.start_afresh(),
            // Nothing was achieved, however politely: without a delay this would be a loop.
            RouteState::Connecting => self.failed(now, StreamFailure::PeerClosed(Stage::Features).into()),
            RouteState::Idle | RouteState::BackOff(_) => {}
        }
    }

    fn failed(&mut self, now: Instant, failure: RouteFailure) {
        if let RouteState::Idle | RouteState::BackOff(_) = self.state {
            return;
        }
        if let Some(since) = self.up_since.take() {
            self.forgive(now, since);
        }
        if failure == StreamFailure::Refused(Refusal::RulesChanged).into() {
            // Says nothing about the rules that are in force now: what waits is tried under those.
            return self.start_afresh();
        }
        let retry = failure.retry();
        self.failure = Some(Arc::new(failure));
        if retry == Retry::WithoutSasl && !self.without_sasl {
            return self.connect(true);
        }
        let RouteLimits { backoff_min, backoff_max, .. } = self.limits;
        let delay = self.backoff.delay(backoff_min, backoff_max, retry == Retry::Never);
        self.state = RouteState::BackOff(now + delay);
        if self.is_hopeless() {
            self.bounce_all(BounceReason::Failed);
        }
    }

    /// A stream that lived for the longest delay has made up for the failures before it; one that falls at once has not.
    fn forgive(&mut self, now: Instant, since: Instant) {
        if now.saturating_duration_since(since) >= self.limits.backoff_max {
            self.backoff.reset();
        }
    }

    fn close(&mut self, failure: RouteFailure) {
        self.failure = Some(Arc::new(failure));
        self.bounce_all(BounceReason::Closed);
        self.backoff.reset();
        self.up_since = None;
        self.state = RouteState::Idle;
        self.failure = None;
    }

    fn tick(&mut self, now: Instant) {
        self.expire(now);
        if matches!(self.state, RouteState::BackOff(until) if until <= now) {
            self.start_afresh();
        }
    }

    /// Connects if something waits.
    fn start_afresh(&mut self) {
        if self.queue.is_empty() {
            self.state = RouteState::Idle;
        } else {
            self.connect(false);
        }
    }

    /// Whether waiting does not remedy why there is no stream.
    fn is_hopeless(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.is_permanent())
    }

    fn expire(&mut self, now: Instant) {
        while let Some(entry) = self.queue.pop_expired(now) {
            self.bounce(entry, BounceReason::Age);
        }
    }

    fn bounce_all(&mut self, reason: BounceReason) {
        while let Some(entry) = self.queue.pop() {
            self.bounce(entry, reason);
        }
    }

    fn bounce(&mut self, entry: Entry<T>, reason: BounceReason) {
        let remote = &self.pair.remote;
        let error = match (reason, &self.failure) {
            (BounceReason::Full, _) => StanzaError::new(Condition::ResourceConstraint)
                .with_text(format!("Too many stanzas are waiting for {remote}.")),
            (_, Some(failure)) => failure.stanza_error(remote),
            (_, None) => StanzaError::new(Condition::RemoteServerTimeout)
                .with_text(format!("{remote} could not be reached in time.")),
        };
        self.outputs.push_back(Output::Bounce {
            stanza: entry.stanza,
            ticket: entry.ticket,
            error,
            reason,
            failure: self.failure.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
