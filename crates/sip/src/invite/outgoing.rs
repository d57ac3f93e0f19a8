//! INVITE and UPDATE of ours: the first one, re-INVITE, refreshing; and how all our requests end.

use std::time::Duration;

use super::{
    Context, End, Event, Invitation, Output, Payload, SessionId, Settings,
    interval::Interval,
    session::{First, Kind, Ours, Refresh, Session, Stage, put, send_ack},
};
use crate::{
    dialog::{Dialog, DialogError, routed},
    message::{CSeq, HeaderError, Headers, Method, Name, Request, Response, Status},
    transaction::{SendError, TRANSACTION_LIFE, Ticket},
};

/// How often a request is sent again because the interval was too small or the peer had one of its own.
const TRIES_MAX: u8 = 5;
/// Branches of a fork that are ended; what more come end themselves when no ACK comes.
const FORKS_MAX: usize = 8;

impl Session {
    /// A session that begins with our INVITE.
    pub(super) fn inviting(
        context: &mut Context<'_>,
        id: SessionId,
        mut invitation: Invitation,
    ) -> Result<Self, DialogError> {
        let (local_tag, call_id) = (context.tokens.make(), context.tokens.make());
        let call_id = invitation.call_id.clone().unwrap_or(call_id);
        let contact = invitation.contact.clone();
        let description = invitation.payload.body.clone().map(|(kind, body)| (kind.into(), body));
        let is_supported = |(name, _): &(String, String)| Name::of(name) == Name::Supported;
        let (supported, fields) = invitation.payload.fields.into_iter().partition(is_supported);
        invitation.payload.fields = fields;
        let next_hop = invitation.routes.first().map_or(&invitation.uri, |route| &route.uri).clone();
        let request = first_invite(context.settings, invitation, &call_id, &local_tag)?;
        let ticket = id.ticket(0);
        let first = First { request, supported, next_hop, ticket, number: 1, until: None, ended: Vec::new() };
        let mut session = Self {
            id,
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            contact,
            stage: Stage::Inviting,
            is_caller: true,
            dialog: None,
            first: Some(Box::new(first)),
            ours: None,
            theirs: None,
            unacked: None,
            acked: None,
            requests: Vec::new(),
            bye: None,
            bye_wanted: None,
            interval: Interval::default(),
            description,
            peer_updates: false,
            made: 0,
        };
        session.send_first(context, 1, 1)?;
        Ok(session)
    }

    /// Sends the first INVITE with this number.
    fn send_first(&mut self, context: &mut Context<'_>, number: u32, tries: u8) -> Result<(), HeaderError> {
        let ticket = self.next_ticket();
        let Some(first) = &mut self.first else { return Ok(()) };
        let headers = &mut first.request.headers;
        headers.set(Name::CSeq, CSeq { number, method: Method::Invite })?;
        for name in [Name::Supported, Name::SessionExpires, Name::MinSe] {
            headers.remove(name);
        }
        self.interval.ask(headers, context.settings.interval_seconds)?;
        put(headers, &first.supported);
        (first.ticket, first.number) = (ticket, number);
        let (next_hop, request) = (first.next_hop.clone(), first.request.clone());
        context.outputs.push_back(Output::Send { session: self.id, ticket, next_hop, request });
        let payload = Payload::default();
        let ours = Ours { ticket: Some(ticket), retry_at: None, number, kind: Kind::First, payload, tries };
        self.ours = Some(Box::new(ours));
        Ok(())
    }

    /// A request of ours has ended.
    pub(super) fn answered(&mut self, context: &mut Context<'_>, ticket: Ticket, answer: Result<Response, SendError>) {
        if self.bye == Some(ticket) {
            self.bye = None;
        } else if let Some(at) = self.requests.iter().position(|(known, _)| *known == ticket) {
            let (_, name) = self.requests.swap_remove(at);
            let gone = is_gone(&answer);
            context.event(self.id, Event::Answered { name, answer });
            self.end_if_gone(context, gone);
        } else if let Some(ours) = self.ours.take_if(|ours| ours.ticket == Some(ticket)) {
            match ours.kind {
                Kind::First => self.first_answered(context, &ours, answer),
                Kind::Reinvite | Kind::Refresh(_) => self.later_answered(context, *ours, ticket, answer),
            }
        }
    }

    fn first_answered(&mut self, context: &mut Context<'_>, ours: &Ours, answer: Result<Response, SendError>) {
        match answer {
            Ok(response) if response.status.is_success() => self.accepted(context, response),
            Ok(response) if self.is_too_small(&response, ours) => {
                self.interval.note_min(&response.headers);
                if self.send_first(context, ours.number + 1, ours.tries + 1).is_err() {
                    context.counters.unwritable += 1;
                    self.first = None;
                    self.end(context, End::Failed(SendError::Unsendable));
                }
            }
            Ok(response) => {
                self.first = None;
                self.end(context, End::Refused(Box::new(response)));
            }
            Err(error) => {
                self.first = None;
                self.end(context, End::Failed(error));
            }
        }
    }

    fn is_too_small(&self, response: &Response, ours: &Ours) -> bool {
        let longer = response.headers.min_se().is_some();
        response.status == Status::SESSION_INTERVAL_TOO_SMALL
            && longer
            && ours.tries < TRIES_MAX
            && self.stage != Stage::Over
    }

    /// The first 2xx decides which branch of a fork is the session.
    fn accepted(&mut self, context: &mut Context<'_>, response: Response) {
        let Some(first) = &mut self.first else { return };
        first.until = Some(context.now + TRANSACTION_LIFE);
        let number = first.number;
        let Ok(dialog) = Dialog::as_uac(&first.request, &response) else {
            context.counters.unwritable += 1;
            self.first = None;
            return self.end(context, End::Failed(SendError::Unsendable));
        };
        self.dialog = Some(Box::new(dialog));
        self.send_ack(context, number);
        if self.stage == Stage::Over {
            // It crossed our CANCEL.
            return self.send_bye(context, Payload::default());
        }
        self.stage = Stage::Open;
        self.interval.take_answer(context.now, &response);
        self.note_allow(&response.headers);
        context.event(self.id, Event::Accepted(response));
    }

    pub(super) fn note_allow(&mut self, headers: &Headers) {
        if headers.first(Name::Allow).is_some() {
            self.peer_updates = headers.lists(Name::Allow, "UPDATE");
        }
    }

    fn later_answered(
        &mut self,
        context: &mut Context<'_>,
        mut ours: Ours,
        ticket: Ticket,
        answer: Result<Response, SendError>,
    ) {
        let is_update = ours.kind == Kind::Refresh(Refresh::Update);
        match &answer {
            Ok(response) if response.status.is_success() => {
                // The ACK already goes where the 2xx says.
                if let Some(dialog) = &mut self.dialog {
                    dialog.refresh_target(&response.headers);
                }
                if !is_update {
                    self.send_ack(context, ours.number);
                    self.acked = Some((ticket, ours.number));
                }
                if self.stage == Stage::Open {
                    self.interval.take_answer(context.now, response);
                    self.note_allow(&response.headers);
                }
            }
            _ if self.stage == Stage::Over => return,
            Ok(response) if response.status == Status::REQUEST_PENDING && ours.tries < TRIES_MAX => {
                ours.ticket = None;
                ours.retry_at = Some(context.now + self.glare_wait(context));
                self.ours = Some(Box::new(ours));
                return;
            }
            Ok(response) if self.is_too_small(response, &ours) => {
                self.interval.note_min(&response.headers);
                return self.send_ours(context, ours);
            }
            Ok(response) if is_update && is_unknown_method(response.status) => {
                self.peer_updates = false;
                ours.kind = Kind::Refresh(Refresh::Invite);
                return self.send_ours(context, ours);
            }
            _ => self.interval.tried(context.now),
        }
        let gone = is_gone(&answer);
        if ours.kind == Kind::Reinvite && self.stage == Stage::Open {
            let accepted = answer.as_ref().is_ok_and(|response| response.status.is_success());
            if accepted && let Some((kind, body)) = ours.payload.body {
                self.description = Some((kind.into(), body));
            }
            context.event(self.id, Event::Reinvited(answer));
        }
        self.end_if_gone(context, gone);
    }

    /// §12.2.1.2: 481 ends the dialog; after 408 or silence it is ended by BYE.
    fn end_if_gone(&mut self, context: &mut Context<'_>, gone: Option<Gone>) {
        let Some(gone) = gone.filter(|_| self.stage == Stage::Open) else { return };
        self.end(context, End::Gone);
        if gone == Gone::Silent {
            self.hang_up(context, Payload::default());
        } else {
            self.unacked = None;
        }
    }

    /// §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms.
    fn glare_wait(&self, context: &mut Context<'_>) -> Duration {
        let steps = if self.is_caller { 210 + context.random(191) } else { context.random(201) };
        Duration::from_millis(u64::from(steps) * 10)
    }

    /// What was put off is tried again, unless the peer's is still under way.
    pub(super) fn retry(&mut self, context: &mut Context<'_>) {
        let Some(mut ours) = self.ours.take() else { return };
        if self.theirs.is_some() || self.unacked.is_some() {
            ours.retry_at = Some(context.now + Duration::from_secs(1));
            self.ours = Some(ours);
        } else {
            self.send_ours(context, *ours);
        }
    }

    /// Refreshes the session (RFC 4028 §7.4): by UPDATE without a body if the peer knows it.
    pub(super) fn refresh(&mut self, context: &mut Context<'_>) {
        self.interval.tried(context.now);
        if self.ours.is_some() || self.theirs.is_some() || self.unacked.is_some() {
            return;
        }
        let refresh = if self.peer_updates { Refresh::Update } else { Refresh::Invite };
        let kind = Kind::Refresh(refresh);
        let ours = Ours { ticket: None, retry_at: None, number: 0, kind, payload: Payload::default(), tries: 0 };
        self.send_ours(context, ours);
    }

    pub(super) fn send_ours(&mut self, context: &mut Context<'_>, mut ours: Ours) {
        let (method, payload) = match ours.kind {
            Kind::Refresh(Refresh::Update) => (Method::Update, Payload::default()),
            Kind::Refresh(Refresh::Invite) => {
                let body = self.description.clone().map(|(kind, body)| (kind.into(), body));
                (Method::Invite, Payload { fields: Vec::new(), body })
            }
            Kind::First | Kind::Reinvite => (Method::Invite, ours.payload.clone()),
        };
        let allow = context.settings.allow.clone();
        let sent = self.send(context, method, payload, |session, headers| {
            headers.push(Name::Contact, &session.contact)?;
            headers.push(Name::Allow, allow)?;
            session.interval.ask(headers, None)
        });
        match sent {
            Some((ticket, number)) => {
                (ours.ticket, ours.retry_at, ours.number) = (Some(ticket), None, number);
                ours.tries += 1;
                self.ours = Some(Box::new(ours));
            }
            None if ours.kind == Kind::Reinvite => {
                context.event(self.id, Event::Reinvited(Err(SendError::Unsendable)));
            }
            None => {}
        }
    }

    /// A 2xx to our INVITE once more, or that of another branch.
    pub(super) fn again(&mut self, context: &mut Context<'_>, ticket: Ticket, response: &Response) {
        if let Some((_, number)) = self.acked.filter(|(acked, _)| *acked == ticket) {
            return self.send_ack(context, number);
        }
        let Some(first) = self.first.as_ref().filter(|first| first.ticket == ticket) else {
            context.counters.strays += 1;
            return;
        };
        let to = response.headers.to();
        let tag = to.as_ref().ok().and_then(|to| to.tag()).unwrap_or("");
        match &self.dialog {
            Some(dialog) if dialog.remote_tag() == tag => self.send_ack(context, first.number),
            _ => self.end_fork(context, tag, response),
        }
    }

    /// §13.2.2.4: a branch that is not wanted is acknowledged and ended.
    fn end_fork(&mut self, context: &mut Context<'_>, tag: &str, response: &Response) {
        let (id, ticket) = (self.id, self.next_ticket());
        let Some(first) = &mut self.first else { return };
        let is_known = first.ended.iter().any(|ended| **ended == *tag);
        if !is_known && first.ended.len() >= FORKS_MAX {
            context.counters.strays += 1;
            return;
        }
        let dialog = Dialog::as_uac(&first.request, response);
        let Ok(mut dialog) = dialog else {
            context.counters.unwritable += 1;
            return;
        };
        send_ack(context, id, &dialog, first.number);
        if is_known {
            return;
        }
        first.ended.push(tag.into());
        context.counters.forks_ended += 1;
        match dialog.next_hop().and_then(|next_hop| Ok((next_hop, dialog.request(Method::Bye)?))) {
            Ok((next_hop, request)) => {
                context.outputs.push_back(Output::Send { session: id, ticket, next_hop, request });
            }
            Err(_) => context.counters.unwritable += 1,
        }
    }
}

/// That the peer has no such dialog (any more).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gone {
    Unknown,
    Silent,
}

fn is_gone(answer: &Result<Response, SendError>) -> Option<Gone> {
    match answer {
        Ok(response) if response.status == Status::NO_SUCH_TRANSACTION => Some(Gone::Unknown),
        Ok(response) if response.status == Status::REQUEST_TIMEOUT => Some(Gone::Silent),
        Err(SendError::TimedOut) => Some(Gone::Silent),
        Ok(_) | Err(_) => None,
    }
}

fn is_unknown_method(status: Status) -> bool {
    matches!(status, Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED)
}

fn first_invite(settings: &Settings, invitation: Invitation, call_id: &str, tag: &str) -> Result<Request, DialogError> {
    let Invitation { uri, from, to, contact, routes, payload, .. } = invitation;
    let routes: Vec<Box<str>> = routes.iter().map(|route| route.to_string().into()).collect();
    let (uri, routes) = routed(uri, &routes)?;
    let mut request = Request::out_of_dialog(Method::Invite, uri, &from.with_tag(tag), &to, call_id, 1)?;
    for route in routes {
        request.headers.push(Name::Route, route)?;
    }
    request.headers.push(Name::Contact, contact)?;
    request.headers.push(Name::Allow, &settings.allow)?;
    put(&mut request.headers, &payload.fields);
    if let Some((content_type, body)) = payload.body {
        request.set_body(content_type, body)?;
    }
    Ok(request)
}
