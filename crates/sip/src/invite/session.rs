//! One session and what all its parts use.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Counters, End, Event, Output, Payload, SessionId, Settings, interval::Asked, interval::Interval};
use crate::{
    dialog::{Dialog, DialogError},
    message::{HeaderError, Headers, Method, Name, Request, Response, Status, Uri},
    token::Tokens,
    transaction::{ServerId, T1, T2, TRANSACTION_LIFE, Ticket},
};

/// What a session works with while it takes an input.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) settings: &'a Settings,
    pub(super) tokens: &'a mut Tokens,
    pub(super) counters: &'a mut Counters,
    pub(super) outputs: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    pub(super) fn event(&mut self, session: SessionId, event: Event) {
        self.outputs.push_back(Output::Event(session, event));
    }

    pub(super) fn respond(&mut self, id: ServerId, response: Response) {
        self.outputs.push_back(Output::Respond { id, response });
    }

    /// Answers a request that no user sees.
    pub(super) fn refuse(&mut self, id: ServerId, request: &Request, status: Status, retry_seconds: Option<u32>) {
        if request.method == Method::Benotify {
            return;
        }
        let mut response = Response::to(request, status, &self.tokens.make());
        if let Some(seconds) = retry_seconds {
            let _a_number = response.headers.push(Name::RetryAfter, seconds);
        }
        self.respond(id, response);
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn random(&mut self, limit: u32) -> u32 {
        let [a, b, c, d, ..] = self.tokens.seed();
        u32::from_be_bytes([a, b, c, d]) % limit
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Our INVITE waits for its final answer.
    Inviting,
    /// The peer's INVITE waits for ours.
    Offered,
    Open,
    /// The user was told of the end.
    Over,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) call_id: Box<str>,
    pub(super) local_tag: Box<str>,
    pub(super) contact: Arc<str>,
    pub(super) stage: Stage,
    /// Whether we are the owner of the Call-ID (§14.1).
    pub(super) is_caller: bool,
    pub(super) dialog: Option<Box<Dialog>>,
    /// Our first INVITE, for as long as 2xx to it may come.
    pub(super) first: Option<Box<First>>,
    pub(super) ours: Option<Box<Ours>>,
    pub(super) theirs: Option<Box<Theirs>>,
    pub(super) unacked: Option<Box<Unacked>>,
    /// Our last re-INVITE that was accepted, and its number.
    pub(super) acked: Option<(Ticket, u32)>,
    /// Requests of the user in flight, and their names.
    pub(super) requests: Vec<(Ticket, u64)>,
    pub(super) bye: Option<Ticket>,
    /// The BYE that waits until our 2xx is acknowledged (§15).
    pub(super) bye_wanted: Option<Box<Payload>>,
    pub(super) interval: Interval,
    /// The session description that we gave last: a refreshing INVITE repeats it.
    pub(super) description: Option<(Box<str>, Bytes)>,
    pub(super) peer_updates: bool,
    pub(super) made: u32,
}

/// The INVITE that opens a session of ours.
#[derive(Debug)]
pub(super) struct First {
    pub(super) request: Request,
    /// The user's Supported, besides ours.
    pub(super) supported: Vec<(String, String)>,
    pub(super) next_hop: Uri,
    pub(super) ticket: Ticket,
    pub(super) number: u32,
    /// When no more 2xx can come.
    pub(super) until: Option<Instant>,
    /// Tags of other branches that were ended.
    pub(super) ended: Vec<Box<str>>,
}

/// An INVITE or UPDATE of ours.
#[derive(Debug)]
pub(super) struct Ours {
    /// `None` while it waits to be tried again.
    pub(super) ticket: Option<Ticket>,
    pub(super) retry_at: Option<Instant>,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) payload: Payload,
    pub(super) tries: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    First,
    /// By the user's wish.
    Reinvite,
    /// To refresh the session, by INVITE or UPDATE.
    Refresh(Refresh),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refresh {
    Invite,
    Update,
}

/// An INVITE or UPDATE of the peer that the user has to answer.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) id: ServerId,
    pub(super) is_invite: bool,
    /// Its answer so far.
    pub(super) answer: Response,
    pub(super) asked: Asked,
    pub(super) target: Option<Box<str>>,
}

/// Our 2xx until its ACK (§13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) id: ServerId,
    pub(super) response: Response,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
}

impl Unacked {
    pub(super) fn new(now: Instant, id: ServerId, response: Response) -> Self {
        Self { id, response, interval: T1, resend_at: now + T1, give_up_at: now + TRANSACTION_LIFE }
    }
}

impl Session {
    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.made = self.made.wrapping_add(1);
        self.id.ticket(self.made)
    }

    pub(super) fn is_inviting(&self) -> bool {
        self.stage == Stage::Inviting
    }

    /// Whether nothing more can come that belongs to it.
    pub(super) fn is_finished(&self) -> bool {
        let idle = self.first.is_none() && self.ours.is_none() && self.unacked.is_none() && self.bye.is_none();
        self.stage == Stage::Over && idle && self.requests.is_empty()
    }

    /// The INVITE of the peer that waits for an answer.
    pub(super) fn pending_invite(&self) -> Option<ServerId> {
        self.theirs.as_ref().filter(|theirs| theirs.is_invite).map(|theirs| theirs.id)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.resend_at.min(unacked.give_up_at));
        let retry = self.ours.as_ref().and_then(|ours| ours.retry_at);
        let interval = (self.stage == Stage::Open).then(|| self.interval.deadline()).flatten();
        let linger = self.first.as_ref().and_then(|first| first.until);
        [unacked, retry, interval, linger].into_iter().flatten().min()
    }

    /// What time alone does.
    pub(super) fn due(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        if self.first.as_ref().and_then(|first| first.until).is_some_and(|until| until <= now) {
            self.first = None;
        }
        self.repeat_acceptance(context);
        if self.ours.as_ref().and_then(|ours| ours.retry_at).is_some_and(|at| at <= now) {
            self.retry(context);
        }
        if self.stage != Stage::Open {
            return;
        }
        if self.interval.is_expired(now) {
            self.end(context, End::Expired);
            self.hang_up(context, Payload::default());
        } else if self.interval.is_refresh_due(now) {
            self.refresh(context);
        }
    }

    fn repeat_acceptance(&mut self, context: &mut Context<'_>) {
        let Some(unacked) = &mut self.unacked else { return };
        if unacked.give_up_at <= context.now {
            self.unacked = None;
            self.end(context, End::Unacknowledged);
            let payload = self.bye_wanted.take().map(|payload| *payload).unwrap_or_default();
            self.send_bye(context, payload);
        } else if unacked.resend_at <= context.now {
            unacked.interval = (unacked.interval * 2).min(T2);
            unacked.resend_at = context.now + unacked.interval;
            context.respond(unacked.id, unacked.response.clone());
        }
    }

    /// Tells the user of the end, once. What the peer still waits for is answered (§15.1.2).
    pub(super) fn end(&mut self, context: &mut Context<'_>, end: End) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        if let Some(theirs) = self.theirs.take() {
            let mut answer = theirs.answer;
            answer.status = Status::REQUEST_TERMINATED;
            context.respond(theirs.id, answer);
        }
        if self.ours.as_ref().is_some_and(|ours| ours.ticket.is_none()) {
            self.ours = None;
        }
        context.event(self.id, Event::Ended(end));
    }

    /// Ends a dialog that stands, at once or when our 2xx is acknowledged.
    pub(super) fn hang_up(&mut self, context: &mut Context<'_>, payload: Payload) {
        if self.unacked.is_some() {
            self.bye_wanted = Some(Box::new(payload));
        } else {
            self.send_bye(context, payload);
        }
    }

    pub(super) fn send_bye(&mut self, context: &mut Context<'_>, payload: Payload) {
        self.bye = self.send(context, Method::Bye, payload, |_, _| Ok(())).map(|(ticket, _)| ticket);
    }

    /// Sends a request in the dialog; its ticket and number. `None`, counted, if it cannot be written.
    pub(super) fn send(
        &mut self,
        context: &mut Context<'_>,
        method: Method,
        payload: Payload,
        add: impl FnOnce(&Self, &mut Headers) -> Result<(), HeaderError>,
    ) -> Option<(Ticket, u32)> {
        match self.written(method, payload, add) {
            Ok((request, next_hop)) => {
                let ticket = self.next_ticket();
                let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
                context.outputs.push_back(Output::Send { session: self.id, ticket, next_hop, request });
                Some((ticket, number))
            }
            Err(_) => {
                context.counters.unwritable += 1;
                None
            }
        }
    }

    fn written(
        &mut self,
        method: Method,
        payload: Payload,
        add: impl FnOnce(&Self, &mut Headers) -> Result<(), HeaderError>,
    ) -> Result<(Request, Uri), DialogError> {
        let dialog = self.dialog.as_mut().ok_or(DialogError::Exhausted)?;
        let next_hop = dialog.next_hop()?;
        let mut request = dialog.request(method)?;
        add(self, &mut request.headers)?;
        put(&mut request.headers, &payload.fields);
        if let Some((content_type, body)) = payload.body {
            request.set_body(content_type, body)?;
        }
        Ok((request, next_hop))
    }

    /// Acknowledges the 2xx to our INVITE of this number.
    pub(super) fn send_ack(&self, context: &mut Context<'_>, number: u32) {
        if let Some(dialog) = &self.dialog {
            send_ack(context, self.id, dialog, number);
        }
    }
}

pub(super) fn send_ack(context: &mut Context<'_>, session: SessionId, dialog: &Dialog, number: u32) {
    match dialog.next_hop().and_then(|next_hop| Ok((next_hop, dialog.ack(number)?))) {
        Ok((next_hop, request)) => context.outputs.push_back(Output::SendOnce { session, next_hop, request }),
        Err(_) => context.counters.unwritable += 1,
    }
}

/// Adds the user's fields. One with a control character is left out: the message is complete without it.
pub(super) fn put(headers: &mut Headers, fields: &[(String, String)]) {
    for (name, value) in fields {
        let _left_out = headers.push_named(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many sessions are open and few are busy: what only busy ones need is behind a pointer.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 400, "{}", size_of::<Session>());
        assert!(size_of::<Dialog>() <= 160, "{}", size_of::<Dialog>());
    }
}
