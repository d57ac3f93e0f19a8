//! Client transactions: non-INVITE (RFC 3261 §17.1.2: timers E, F and K) and INVITE (§17.1.1 with RFC 6026: timers A, B, D
//! and M).
//!
//! An INVITE that was answered provisionally may stay so for as long as new provisional answers come within 200 s; then it
//! is cancelled, as a proxy does by timer C (§16.6).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Flow, FlowId, T1, T2, T4, TRANSACTION_LIFE, Ticket};
use crate::message::{CSeq, MAGIC_COOKIE, Method, Name, Request, Response, Status};

/// Timer C: "MUST be larger than 3 minutes".
const RINGING_MAX: Duration = Duration::from_secs(200);

#[derive(Debug)]
pub(super) struct Client {
    /// `None` after it was answered or withdrawn, and for a CANCEL; an accepted INVITE keeps it.
    pub(super) ticket: Option<Ticket>,
    pub(super) flow: FlowId,
    pub(super) method: Method,
    pub(super) branch: Arc<str>,
    /// The destination URI while it holds the turn of a queue.
    pub(super) turn: Option<Arc<str>>,
    /// What is repeated: the request, or after the refusal of an INVITE its ACK.
    pub(super) bytes: Bytes,
    /// For INVITE.
    pub(super) invite: Option<Box<Invite>>,
    pub(super) reliable: bool,
    state: State,
    interval: Duration,
    resend_at: Option<Instant>,
    end_at: Instant,
}

/// What an INVITE has more.
#[derive(Debug)]
pub(super) struct Invite {
    /// The CANCEL (§9.1); the ACK (§17.1.1.3) differs in method and To.
    cancel: Request,
    /// Whether it is to be cancelled, or was.
    cancelled: bool,
    /// The transaction of the CANCEL.
    pub(super) cancelling: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// "Calling" for INVITE.
    Trying,
    Proceeding,
    Completed,
    Accepted,
}

/// What a deadline means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Resend,
    /// Nobody answers the call for good.
    Cancel,
    TimedOut,
    Terminated,
}

/// What a response means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// Nothing new.
    Absorbed,
    /// A provisional response to an INVITE.
    Provisional,
    /// The first final response.
    Final,
    /// A further 2xx to an INVITE.
    Again,
    /// The refusal of an INVITE once more: its ACK got lost.
    Refused,
}

impl Client {
    pub(super) fn new(now: Instant, ticket: Option<Ticket>, flow: &Flow, request: &Request, branch: Arc<str>) -> Self {
        let reliable = flow.transport.is_reliable();
        let invite = || Box::new(Invite { cancel: cancel_of(request), cancelled: false, cancelling: None });
        Self {
            ticket,
            flow: flow.id,
            method: request.method.clone(),
            branch,
            turn: None,
            bytes: request.to_bytes(),
            invite: (request.method == Method::Invite).then(invite),
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
            return match (&self.invite, self.state) {
                (_, State::Completed | State::Accepted) => Due::Terminated,
                (Some(invite), State::Proceeding) if !invite.cancelled => Due::Cancel,
                _ => Due::TimedOut,
            };
        }
        // Timer A doubles without a bound below its end; timer E to T2, at which it stays after a provisional response.
        self.interval = match self.state {
            _ if self.invite.is_some() => self.interval * 2,
            State::Proceeding => T2,
            _ => (self.interval * 2).min(T2),
        };
        self.resend_at = Some(now + self.interval);
        Due::Resend
    }

    pub(super) fn on_response(&mut self, now: Instant, response: &Response) -> Heard {
        match &self.invite {
            Some(_) => self.on_invite_response(now, response),
            None => self.on_other_response(now, response.status),
        }
    }

    fn on_other_response(&mut self, now: Instant, status: Status) -> Heard {
        if self.state == State::Completed {
            return Heard::Absorbed;
        }
        if status.is_provisional() {
            self.state = State::Proceeding;
            return Heard::Absorbed;
        }
        self.state = State::Completed;
        self.resend_at = None;
        self.bytes = Bytes::new();
        // Timer K: repeated responses are absorbed; a reliable flow repeats none.
        self.end_at = if self.reliable { now } else { now + T4 };
        Heard::Final
    }

    fn on_invite_response(&mut self, now: Instant, response: &Response) -> Heard {
        let status = response.status;
        match self.state {
            State::Trying | State::Proceeding if status.is_provisional() => {
                let cancelled = self.invite.as_ref().is_some_and(|invite| invite.cancelling.is_some());
                if !cancelled && (self.state == State::Trying || status != Status::TRYING) {
                    self.end_at = now + RINGING_MAX;
                }
                self.state = State::Proceeding;
                self.resend_at = None;
                self.bytes = Bytes::new();
                Heard::Provisional
            }
            State::Trying | State::Proceeding => {
                self.resend_at = None;
                let accepted = status.is_success();
                self.state = if accepted { State::Accepted } else { State::Completed };
                self.bytes = if accepted { Bytes::new() } else { self.ack(response) };
                // Timers M and D.
                self.end_at = if accepted || !self.reliable { now + TRANSACTION_LIFE } else { now };
                Heard::Final
            }
            State::Accepted if status.is_success() => Heard::Again,
            State::Completed if status.class() > 2 => Heard::Refused,
            State::Accepted | State::Completed => Heard::Absorbed,
        }
    }

    /// Notes that the INVITE is not wanted any more. The CANCEL to send now; `None` while nothing was heard of it (§9.1),
    /// and when it has ended or was cancelled.
    pub(super) fn cancel(&mut self, now: Instant) -> Option<Request> {
        let invite = self.invite.as_mut()?;
        if matches!(self.state, State::Completed | State::Accepted) {
            return None;
        }
        invite.cancelled = true;
        if self.state == State::Trying || invite.cancelling.is_some() {
            return None;
        }
        self.end_at = now + TRANSACTION_LIFE;
        Some(invite.cancel.clone())
    }

    /// The transaction of the CANCEL of this INVITE.
    pub(super) fn cancelling(&self, now: Instant, request: &Request) -> Self {
        Self {
            ticket: None,
            flow: self.flow,
            method: Method::Cancel,
            branch: Arc::clone(&self.branch),
            turn: None,
            bytes: request.to_bytes(),
            invite: None,
            reliable: self.reliable,
            state: State::Trying,
            interval: T1,
            resend_at: (!self.reliable).then_some(now + T1),
            end_at: now + TRANSACTION_LIFE,
        }
    }

    /// The CANCEL that waited for the first provisional response.
    pub(super) fn due_cancel(&mut self, now: Instant) -> Option<Request> {
        self.invite.as_ref().filter(|invite| invite.cancelled)?;
        self.cancel(now)
    }

    fn ack(&self, response: &Response) -> Bytes {
        let Some(invite) = &self.invite else { return Bytes::new() };
        let mut ack = invite.cancel.clone();
        let number = ack.headers.cseq().map_or(0, |cseq| cseq.number);
        ack.method = Method::Ack;
        ack.headers.remove(Name::To);
        ack.headers.copy(&response.headers, Name::To);
        let _numbered = ack.headers.set(Name::CSeq, CSeq { number, method: Method::Ack });
        ack.to_bytes()
    }
}

/// The CANCEL of an INVITE that has its Via.
fn cancel_of(invite: &Request) -> Request {
    let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
    for name in [Name::Via, Name::Route, Name::From, Name::To, Name::CallId] {
        cancel.headers.copy(&invite.headers, name);
    }
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    let _written = cancel.headers.push(Name::CSeq, CSeq { number, method: Method::Cancel });
    let _written = cancel.headers.push(Name::MaxForwards, 70);
    cancel
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
