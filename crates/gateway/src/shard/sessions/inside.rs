//! Requests in dialogs: who may send them, and what they say.

use ::sip::{
    Flow, Method, Request, Status,
    invite::{self, SessionId},
    transaction::ServerId,
};
use interwork::{
    error::Answer,
    message,
    typing::{self, Activity, Malformed},
};

use super::{
    super::{
        Shard,
        outward::Letter,
        request::{Incoming, Origin},
    },
    Input, Turn,
};

impl Shard {
    /// Takes a request that claims to be in a dialog.
    pub(in crate::shard) fn in_dialog(&mut self, incoming: Incoming) {
        if let Some(id) = self.sessions.dialogs.of_request(&incoming.request) {
            if !self.is_party(id, &incoming) {
                self.counters.sip("session_stranger");
                return self.answer(&incoming, Answer::new(Status::NO_SUCH_TRANSACTION), &[]);
            }
            let source = self.flows.remote(incoming.flow.id);
            if let Some(dialog) = self.sessions.legs.get_mut(&id) {
                dialog.flow = Some(incoming.flow.clone());
                dialog.source = source;
            }
        }
        let Incoming { id, flow, request, .. } = incoming;
        self.sessions.tell(invite::Input::Request { id, flow, request });
    }

    /// Whether a request comes from the other end of its dialog.
    fn is_party(&mut self, id: SessionId, incoming: &Incoming) -> bool {
        let Some(dialog) = self.sessions.legs.get(&id) else { return false };
        let (origin, source) = (dialog.origin.clone(), dialog.source);
        self.comes_from(incoming, &origin, source)
    }

    /// Whether a request in a dialog came from where the dialog is: its trunk, or the address of its user.
    pub(in crate::shard) fn comes_from(
        &mut self,
        incoming: &Incoming,
        origin: &Origin,
        source: Option<std::net::SocketAddr>,
    ) -> bool {
        match origin {
            Origin::Trunk(name) => self.comes_from_trunk(incoming, name),
            Origin::RegistrarUser => {
                let source = source.map(|source| source.ip());
                source.is_some() && source == self.flows.source(incoming.flow.id)
            }
        }
    }

    /// A request in a dialog, in its order.
    pub(super) fn session_request(&mut self, id: SessionId, server: ServerId, flow: Flow, request: Request) {
        let Some(dialog) = self.sessions.legs.get(&id) else { return };
        let incoming = Incoming { id: server, flow, request, origin: Some(dialog.origin.clone()) };
        match incoming.request.method {
            Method::Message => self.message_in(id, incoming),
            Method::Info => self.info_in(id, &incoming),
            Method::Options => self.options(&incoming),
            Method::Other(_) => self.refuse_method(&incoming, Status::NOT_IMPLEMENTED),
            _ => self.refuse_method(&incoming, Status::METHOD_NOT_ALLOWED),
        }
    }

    fn message_in(&mut self, id: SessionId, incoming: Incoming) {
        if let Some(told) = told(&incoming.request) {
            return self.typing_in(id, &incoming, told);
        }
        let Some(dialog) = self.sessions.legs.get(&id) else { return };
        let (talk, leg) = (dialog.talk, dialog.leg);
        let Some(pair) = self.sessions.talks.get(&talk).map(|talk| talk.pair.clone()) else {
            return self.answer(&incoming, Answer::new(Status::NO_SUCH_TRANSACTION), &[]);
        };
        self.counters.from_users.received();
        let text = match message::text_of(&incoming.request) {
            Ok(text) => text,
            Err(error) => return self.refuse_message(&incoming, error.answer(), error.fields()),
        };
        let message = Box::new(Letter::in_session(incoming, pair.internal, pair.partner.into(), text));
        self.sessions.give(talk, Input::Received { leg, message }, Turn::Plain);
    }

    /// RFC 6086 §4.2.1: an INFO without a body is answered 200.
    fn info_in(&mut self, id: SessionId, incoming: &Incoming) {
        match told(&incoming.request) {
            Some(told) => self.typing_in(id, incoming, told),
            None if incoming.request.body().is_empty() => self.answer(incoming, Answer::new(Status::OK), &[]),
            None => {
                let accept = [typing::KEYBOARD, typing::COMPOSING].join(", ");
                self.answer(incoming, Answer::new(Status::UNSUPPORTED_MEDIA_TYPE), &[("Accept", &accept)]);
            }
        }
    }

    fn typing_in(&mut self, id: SessionId, incoming: &Incoming, told: Result<Activity, Malformed>) {
        let activity = match told {
            Ok(activity) => activity,
            Err(error) => {
                self.counters.sip("typing_malformed");
                let answer = Answer::new(Status::BAD_REQUEST).with_text(&error.to_string());
                return self.answer(incoming, answer, &[]);
            }
        };
        self.answer(incoming, Answer::new(Status::OK), &[]);
        if let Some(dialog) = self.sessions.legs.get_mut(&id) {
            dialog.takes_typing = true;
            let (talk, leg) = (dialog.talk, dialog.leg);
            self.sessions.give(talk, Input::Typing { leg, activity }, Turn::Plain);
        }
    }
}

/// What a request tells of typing, if that is what it is for.
fn told(request: &Request) -> Option<Result<Activity, Malformed>> {
    typing::read(request.headers.first(::sip::Name::ContentType)?, request.body())
}
