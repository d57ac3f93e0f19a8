//! Server transactions (RFC 3261 §17.2, RFC 4320): timer J, and for a refused INVITE timers G, H and I.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Flow, T1, T2, T4, TRANSACTION_LIFE};
use crate::message::{FieldError, MAGIC_COOKIE, Method, Name, Request, Response, Status};

/// When timer E of a client on UDP reaches T2: 0.5 + 1 + 2 s. Then 100 must be sent (RFC 4320 §4.1).
const TRYING_AFTER: Duration = Duration::from_millis(3500);

#[derive(Debug)]
pub(super) struct Server {
    pub(super) key: Key,
    pub(super) flow: Flow,
    method: Method,
    state: State,
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
}

/// What a deadline means.
#[derive(Debug)]
pub(super) enum Due {
    Send(Bytes),
    Terminated,
}

impl Server {
    pub(super) fn new(now: Instant, key: Key, flow: Flow, request: &Request) -> Self {
        let answered = request.method != Method::Benotify;
        Self {
            key,
            flow,
            method: request.method.clone(),
            state: State::Trying,
            trying: answered.then(|| Box::new(Response::to(request, Status::TRYING, ""))),
            last: Bytes::new(),
            interval: T1,
            repeat_at: answered.then_some(now + TRYING_AFTER),
            end_at: now + TRANSACTION_LIFE,
        }
    }

    /// Whether the final answer was given.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, State::Completed | State::Confirmed)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.repeat_at.map_or(self.end_at, |at| at.min(self.end_at))
    }

    pub(super) fn on_deadline(&mut self, now: Instant) -> Due {
        if self.end_at <= now {
            return Due::Terminated;
        }
        if self.state == State::Completed {
            // Timer G.
            self.interval = (self.interval * 2).min(T2);
            self.repeat_at = Some(now + self.interval);
            return Due::Send(self.last.clone());
        }
        self.repeat_at = None;
        self.state = State::Proceeding;
        self.last = self.trying.take().map(|trying| trying.to_bytes()).unwrap_or_default();
        Due::Send(self.last.clone())
    }

    /// The answer for a repeated request; empty while there is none, or after the ACK.
    pub(super) fn on_retransmission(&self) -> Bytes {
        match self.state {
            State::Proceeding | State::Completed => self.last.clone(),
            State::Trying | State::Confirmed => Bytes::new(),
        }
    }

    /// Takes an answer of the user of this layer; `None` if it may not be sent: a second final one, one to BENOTIFY, 408,
    /// or a provisional one (100 is sent by the layer when it is due).
    pub(super) fn on_response(&mut self, now: Instant, response: &Response) -> Option<Bytes> {
        let invite = self.method == Method::Invite;
        let refused = response.status.is_provisional() || response.status == Status::REQUEST_TIMEOUT && !invite;
        if self.is_answered() || self.method == Method::Benotify || refused {
            return None;
        }
        self.state = State::Completed;
        self.trying = None;
        self.last = response.to_bytes();
        self.repeat_at = None;
        let reliable = self.flow.transport.is_reliable();
        if invite {
            self.end_at = now + TRANSACTION_LIFE;
            self.repeat_at = (!reliable).then_some(now + T1);
        } else {
            self.end_at = if reliable { now } else { now + TRANSACTION_LIFE };
        }
        Some(self.last.clone())
    }

    /// The ACK to a refused INVITE.
    pub(super) fn on_ack(&mut self, now: Instant) {
        if self.method == Method::Invite && self.state == State::Completed {
            self.state = State::Confirmed;
            self.last = Bytes::new();
            self.repeat_at = None;
            self.end_at = if self.flow.transport.is_reliable() { now } else { now + T4 };
        }
    }
}

/// What a request has in common with its repetitions, as 128 bits.
pub(super) type Key = [u8; 16];

/// Makes keys. They are hashed with a secret: no peer can make two requests fall together, and a key is small and compared
/// in place.
#[derive(Clone, Debug)]
pub(super) struct Keys(Sha256);

impl Keys {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(Sha256::new_with_prefix(secret))
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method; for a branch of RFC 2543 the fields that it named. `method` stands in
    /// for that of ACK and CANCEL when their INVITE is sought.
    pub(super) fn of(&self, request: &Request, method: &Method) -> Result<Key, FieldError> {
        let headers = &request.headers;
        let via = headers.via()?;
        let mut hash = self.0.clone();
        let mut part = |text: &str| {
            hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(text);
        };
        part(method.as_str());
        if via.branch().starts_with(MAGIC_COOKIE) && via.branch().len() > MAGIC_COOKIE.len() {
            part(via.branch());
            part(&via.host.to_ascii_lowercase());
            part(&via.port.unwrap_or_default().to_string());
        } else {
            part(&request.uri.to_string());
            part(headers.from()?.tag().unwrap_or(""));
            part(headers.call_id()?);
            part(&headers.cseq()?.number.to_string());
            part(headers.first(Name::Via).unwrap_or(""));
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Ok(key)
    }
}
