//! Server transactions: non-INVITE (RFC 3261 §17.2.2, RFC 4320: timer J) and INVITE (§17.2.1 with RFC 6026: timers G, H, I
//! and L).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Flow, T1, T2, T4, TRANSACTION_LIFE, keys::Key};
use crate::message::{Method, Request, Response, Status};

/// When timer E of a client on UDP reaches T2: 0.5 + 1 + 2 s. Then 100 must be sent (RFC 4320 §4.1).
const TRYING_AFTER: Duration = Duration::from_millis(3500);
/// §17.2.1: 100 unless the user answers within this time.
const INVITE_TRYING_AFTER: Duration = Duration::from_millis(200);
/// How long an INVITE may ring. A proxy gives up soon after (timer C, §16.6).
const INVITE_ANSWER_MAX: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub(super) struct Server {
    pub(super) key: Key,
    /// What it shares with the same request on another path and with its ACK to a 2xx; `None` once that is over.
    pub(super) origin: Option<Key>,
    pub(super) flow: Flow,
    method: Method,
    state: State,
    /// 100, of which also the refusal of an INVITE is made that nobody answers.
    trying: Option<Box<Response>>,
    last: Bytes,
    interval: Duration,
    repeat_at: Option<Instant>,
    end_at: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
}

/// What a deadline means.
#[derive(Debug)]
pub(super) enum Due {
    Send(Bytes),
    /// Nobody has answered the INVITE: what the layer answers needs a tag.
    Refuse(Box<Response>),
    Terminated,
}

/// What an ACK means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Acked {
    /// It ends the repetitions of a refusal, or has done so before.
    Refusal,
    /// It is for the user who has accepted the INVITE.
    Acceptance,
    /// There is nothing to acknowledge.
    Stray,
}

impl Server {
    pub(super) fn new(now: Instant, key: Key, origin: Option<Key>, flow: Flow, request: &Request) -> Self {
        let answered = request.method != Method::Benotify;
        let (trying_after, life) = match request.method {
            Method::Invite => (INVITE_TRYING_AFTER, INVITE_ANSWER_MAX),
            _ => (TRYING_AFTER, TRANSACTION_LIFE),
        };
        Self {
            key,
            origin,
            flow,
            method: request.method.clone(),
            state: State::Trying,
            trying: answered.then(|| Box::new(Response::to(request, Status::TRYING, ""))),
            last: Bytes::new(),
            interval: T1,
            repeat_at: answered.then_some(now + trying_after),
            end_at: now + life,
        }
    }

    pub(super) fn is_invite(&self) -> bool {
        self.method == Method::Invite
    }

    /// Whether the final answer was given.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, State::Completed | State::Confirmed | State::Accepted)
    }

    /// Whether an INVITE was answered by 2xx.
    pub(super) fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// Whether the refusal of an INVITE still waits for its ACK.
    pub(super) fn awaits_ack(&self) -> bool {
        self.is_invite() && self.state == State::Completed
    }

    pub(super) fn deadline(&self) -> Instant {
        self.repeat_at.map_or(self.end_at, |at| at.min(self.end_at))
    }

    pub(super) fn on_deadline(&mut self, now: Instant) -> Due {
        if self.end_at <= now {
            return match self.trying.take() {
                Some(trying) if self.is_invite() && !self.is_answered() => Due::Refuse(trying),
                _ => Due::Terminated,
            };
        }
        if self.state == State::Completed {
            // Timer G.
            self.interval = (self.interval * 2).min(T2);
            self.repeat_at = Some(now + self.interval);
            return Due::Send(self.last.clone());
        }
        self.repeat_at = None;
        self.state = State::Proceeding;
        self.last = self.trying.as_ref().map(|trying| trying.to_bytes()).unwrap_or_default();
        if !self.is_invite() {
            self.trying = None;
        }
        Due::Send(self.last.clone())
    }

    /// The answer for a repeated request; empty while there is none, after the ACK, and after 2xx to an INVITE, which its
    /// user repeats.
    pub(super) fn on_retransmission(&self) -> Bytes {
        match self.state {
            State::Proceeding | State::Completed => self.last.clone(),
            State::Trying | State::Confirmed | State::Accepted => Bytes::new(),
        }
    }

    /// Takes an answer of the user of this layer; `None` if it may not be sent: a second final one, one to BENOTIFY, 408
    /// or a provisional one to another request than INVITE (100 is sent by the layer when it is due). 2xx to an INVITE may
    /// be repeated.
    pub(super) fn on_response(&mut self, now: Instant, response: &Response) -> Option<Bytes> {
        match self.method {
            Method::Benotify => None,
            Method::Invite => self.on_invite_response(now, response),
            _ => self.on_other_response(now, response),
        }
    }

    fn on_other_response(&mut self, now: Instant, response: &Response) -> Option<Bytes> {
        if self.is_answered() || response.status.is_provisional() || response.status == Status::REQUEST_TIMEOUT {
            return None;
        }
        self.state = State::Completed;
        self.trying = None;
        self.last = response.to_bytes();
        self.repeat_at = None;
        self.end_at = if self.flow.transport.is_reliable() { now } else { now + TRANSACTION_LIFE };
        Some(self.last.clone())
    }

    fn on_invite_response(&mut self, now: Instant, response: &Response) -> Option<Bytes> {
        let status = response.status;
        if self.is_answered() {
            return (self.state == State::Accepted && status.is_success()).then(|| response.to_bytes());
        }
        let bytes = response.to_bytes();
        self.repeat_at = None;
        if status.is_provisional() {
            self.state = State::Proceeding;
            self.last = bytes.clone();
            return Some(bytes);
        }
        self.trying = None;
        // Timers L and H.
        self.end_at = now + TRANSACTION_LIFE;
        if status.is_success() {
            self.state = State::Accepted;
            self.last = Bytes::new();
        } else {
            self.state = State::Completed;
            self.last = bytes.clone();
            self.repeat_at = (!self.flow.transport.is_reliable()).then_some(now + T1);
        }
        Some(bytes)
    }

    /// Takes the ACK.
    pub(super) fn on_ack(&mut self, now: Instant) -> Acked {
        match self.state {
            State::Completed if self.is_invite() => {
                self.state = State::Confirmed;
                self.last = Bytes::new();
                self.repeat_at = None;
                // Timer I.
                self.end_at = if self.flow.transport.is_reliable() { now } else { now + T4 };
                Acked::Refusal
            }
            State::Confirmed => Acked::Refusal,
            State::Accepted => Acked::Acceptance,
            State::Trying | State::Proceeding | State::Completed => Acked::Stray,
        }
    }
}
