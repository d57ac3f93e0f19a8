//! What the peer sends in a session.

use std::sync::Arc;

use super::{
    Context, End, Event, Payload, SessionId,
    interval::{Asked, Interval, too_small},
    session::{Session, Stage, Theirs},
};
use crate::{
    dialog::{Dialog, DialogError, target_in},
    message::{Method, Name, Request, Response, Status},
    transaction::{Flow, SendError, ServerId},
};

/// Retry-After of a request that came too early or too late.
const RETRY_SECONDS: u32 = 1;
/// §14.2: "a randomly chosen value of between 0 and 10 seconds".
const RETRY_SECONDS_RANDOM: u32 = 11;

impl Session {
    /// A session that begins with an INVITE of the peer.
    pub(super) fn offered(
        context: &mut Context<'_>,
        id: SessionId,
        invite: ServerId,
        request: &Request,
        asked: Asked,
        contact: Arc<str>,
    ) -> Result<Self, DialogError> {
        let tag = context.tokens.make();
        let dialog = Dialog::as_uas(request, &tag)?;
        let mut interval = Interval::default();
        interval.note_min(&request.headers);
        let mut session = Self {
            id,
            call_id: dialog.call_id().into(),
            local_tag: tag.into(),
            contact,
            stage: Stage::Offered,
            is_caller: false,
            dialog: Some(Box::new(dialog)),
            first: None,
            ours: None,
            theirs: None,
            unacked: None,
            acked: None,
            requests: Vec::new(),
            bye: None,
            bye_wanted: None,
            interval,
            description: None,
            peer_updates: false,
            made: 0,
        };
        session.note_allow(&request.headers);
        session.wait_for_user(invite, request, asked);
        Ok(session)
    }

    /// Keeps what the answer to an INVITE or UPDATE is made of. Record-Route goes back as it came (§12.1.1).
    fn wait_for_user(&mut self, id: ServerId, request: &Request, asked: Asked) {
        let mut answer = Response::to(request, Status::OK, &self.local_tag);
        answer.headers.copy(&request.headers, Name::RecordRoute);
        let is_invite = request.method == Method::Invite;
        let target = target_in(&request.headers);
        self.theirs = Some(Box::new(Theirs { id, is_invite, answer, asked, target }));
    }

    /// A request in the dialog (§12.2.2).
    pub(super) fn request(&mut self, context: &mut Context<'_>, id: ServerId, flow: Flow, request: Request) {
        let Some(dialog) = &mut self.dialog else {
            // It has overtaken the 2xx that makes the dialog.
            return context.refuse(id, &request, Status::SERVER_INTERNAL_ERROR, Some(RETRY_SECONDS));
        };
        let is_over = self.stage == Stage::Over && request.method != Method::Bye;
        if !dialog.is_of(&request) || is_over {
            context.counters.requests_unknown += 1;
            return context.refuse(id, &request, Status::NO_SUCH_TRANSACTION, None);
        }
        if dialog.receive(&request).is_err() {
            context.counters.requests_out_of_order += 1;
            return context.refuse(id, &request, Status::SERVER_INTERNAL_ERROR, Some(RETRY_SECONDS));
        }
        match request.method {
            Method::Bye => {
                context.refuse(id, &request, Status::OK, None);
                self.unacked = None;
                self.bye_wanted = None;
                self.end(context, End::Bye(Box::new(request)));
            }
            Method::Invite | Method::Update => self.reoffered(context, id, request),
            _ => context.event(self.id, Event::Request { id, flow, request }),
        }
    }

    /// §14.2, RFC 3311 §5.2.
    fn reoffered(&mut self, context: &mut Context<'_>, id: ServerId, request: Request) {
        if self.theirs.is_some() || self.unacked.is_some() && request.method == Method::Invite {
            let seconds = context.random(RETRY_SECONDS_RANDOM);
            return context.refuse(id, &request, Status::SERVER_INTERNAL_ERROR, Some(seconds));
        }
        if self.ours.as_ref().is_some_and(|ours| ours.ticket.is_some()) {
            return context.refuse(id, &request, Status::REQUEST_PENDING, None);
        }
        let asked = match Asked::of(&request, context.settings.interval_seconds_min) {
            Ok(asked) => asked,
            Err(seconds) => return context.respond(id, too_small(&request, &self.local_tag, seconds)),
        };
        self.interval.note_min(&request.headers);
        self.note_allow(&request.headers);
        self.wait_for_user(id, &request, asked);
        if request.method == Method::Update && request.body().is_empty() {
            self.accept(context, Payload::default());
        } else {
            context.event(self.id, Event::Reoffered(request));
        }
    }

    /// The ACK to our 2xx.
    pub(super) fn acknowledged(&mut self, context: &mut Context<'_>, id: ServerId, request: Request) {
        let is_of = self.dialog.as_ref().is_some_and(|dialog| dialog.is_of(&request));
        if !is_of || self.unacked.take_if(|unacked| unacked.id == id).is_none() {
            context.counters.strays += u64::from(!is_of);
            return;
        }
        if let Some(payload) = self.bye_wanted.take() {
            self.send_bye(context, *payload);
        } else if self.stage == Stage::Open {
            context.event(self.id, Event::Acknowledged(request));
        }
    }

    /// The peer's INVITE was cancelled, or `abandoned` because nobody can answer it any more.
    pub(super) fn withdrawn(&mut self, context: &mut Context<'_>, id: ServerId, abandoned: Option<SendError>) {
        let Some(theirs) = self.theirs.take_if(|theirs| theirs.id == id) else { return };
        if abandoned.is_none() {
            let mut answer = theirs.answer;
            answer.status = Status::REQUEST_TERMINATED;
            context.respond(id, answer);
        }
        match (self.stage, abandoned) {
            (Stage::Offered, None) => self.end(context, End::Cancelled),
            (Stage::Offered, Some(error)) => self.end(context, End::Failed(error)),
            _ => context.event(self.id, Event::Withdrawn),
        }
    }
}
