//! The non-INVITE client transaction (RFC 3261 §17.1.2): timers E, F and K.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{Flow, FlowId, T1, T2, T4, TRANSACTION_LIFE, Ticket};
use crate::message::{MAGIC_COOKIE, Method, Status};

#[derive(Debug)]
pub(super) struct Client {
    /// `None` after it was answered or withdrawn.
    pub(super) ticket: Option<Ticket>,
    pub(super) flow: FlowId,
    pub(super) method: Method,
    pub(super) branch: Arc<str>,
    /// The destination URI while it holds the turn of a queue.
    pub(super) turn: Option<Arc<str>>,
    pub(super) bytes: Bytes,
    reliable: bool,
    state: State,
    interval: std::time::Duration,
    resend_at: Option<Instant>,
    end_at: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Trying,
    Proceeding,
    Completed,
}

/// What a deadline means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Resend,
    TimedOut,
    Terminated,
}

impl Client {
    pub(super) fn new(
        now: Instant,
        ticket: Ticket,
        flow: &Flow,
        method: Method,
        branch: Arc<str>,
        bytes: Bytes,
    ) -> Self {
        let reliable = flow.transport.is_reliable();
        Self {
            ticket: Some(ticket),
            flow: flow.id,
            method,
            branch,
            turn: None,
            bytes,
            reliable,
            state: State::Trying,
            interval: T1,
            resend_at: (!reliable).then_some(now + T1),
            end_at: now + TRANSACTION_LIFE,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.resend_at.map_or(self.end_at, |at| at.min(self.end_at))
    }

    pub(super) fn on_deadline(&mut self, now: Instant) -> Due {
        if self.end_at <= now {
            return if self.state == State::Completed { Due::Terminated } else { Due::TimedOut };
        }
        self.interval = if self.state == State::Proceeding { T2 } else { (self.interval * 2).min(T2) };
        self.resend_at = Some(now + self.interval);
        Due::Resend
    }

    /// Whether this response ends the wait. `false` for provisional ones and repeated final ones.
    pub(super) fn on_response(&mut self, now: Instant, status: Status) -> bool {
        if self.state == State::Completed {
            return false;
        }
        if status.is_provisional() {
            self.state = State::Proceeding;
            return false;
        }
        self.state = State::Completed;
        self.resend_at = None;
        self.bytes = Bytes::new();
        // Timer K: repeated responses are absorbed; a reliable flow repeats none.
        self.end_at = if self.reliable { now } else { now + T4 };
        true
    }
}

/// A branch that finds its transaction by the number in it, and proves by the rest that the peer has seen our request.
pub(super) fn branch(number: u64, token: &str) -> String {
    format!("{MAGIC_COOKIE}{number:x}.{token}")
}

/// The number in a branch.
pub(super) fn number_of(branch: &str) -> Option<u64> {
    let (number, _) = branch.strip_prefix(MAGIC_COOKIE)?.split_once('.')?;
    u64::from_str_radix(number, 16).ok()
}
