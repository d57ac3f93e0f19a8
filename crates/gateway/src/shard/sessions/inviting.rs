//! Sessions that internal users open: an INVITE is judged like a first MESSAGE, its description by RFC 3264, and it is
//! accepted in the name of the partner's user.
//!
//! A text that rides in it is delivered before. What becomes of that text is the answer to the INVITE, so a refused text
//! is known to its sender as such, and an accepted one need not be sent again.

use ::sip::{
    Name, Request, Response, Status,
    invite::{self, Command, Payload, SessionId},
    transaction::ServerId,
};
use interwork::{
    error::Answer,
    first_text,
    message::Text,
    sdp::{self, Description},
    typing, uri,
};
use lexicon::{BareJid, Jid};
use policy::contact::{MessageKind, Outbound, StanzaKind, judge_outbound};

use super::{
    super::{
        Shard,
        memory::Pair,
        outward::{Letter, address_answer, unavailable},
        request::{Incoming, Origin},
    },
    Dialog, Input, Turn,
};

/// An INVITE that may open a session.
#[derive(Debug)]
pub(super) struct Offer {
    incoming: Incoming,
    from: BareJid,
    to: Jid,
    text: Option<String>,
    description: String,
    has_description: bool,
    takes_typing: bool,
}

/// What the acceptance of an INVITE says.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) invite: ServerId,
    description: String,
    has_text: bool,
}

impl Shard {
    /// Takes an INVITE outside of a dialog.
    pub(in crate::shard) fn invite(&mut self, mut incoming: Incoming) {
        let Some(from) = self.sender(&mut incoming) else { return };
        let to = match uri::to_jid(&incoming.request.uri) {
            Ok(to) => to,
            Err(error) => return self.answer(&incoming, address_answer(error), &[]),
        };
        if let Err(answer) = self.may_converse(&incoming, &from, &to) {
            return self.answer(&incoming, answer, &[]);
        }
        let flow = &incoming.flow;
        let (host, transport) = (flow.sent_by.clone(), flow.transport);
        let (address, port) = self.described(&host);
        let offered = match Description::of_request(&incoming.request) {
            Ok(offered) => offered,
            Err(refusal) => {
                self.counters.sip("session_description");
                let fields = refusal.fields(incoming.request.uri.host());
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                return self.answer(&incoming, refusal.answer(), &fields);
            }
        };
        let text = first_text::read(&incoming.request.headers);
        let description =
            offered.as_ref().map_or_else(|| sdp::offer(address, port), |offered| offered.answer(address, port));
        let (id, flow, request) = (incoming.id, incoming.flow.clone(), incoming.request.clone());
        let contact = self.contact(transport, &host);
        self.sessions.offering = Some(Offer {
            incoming,
            from,
            to,
            text,
            description,
            has_description: offered.is_some(),
            takes_typing: offered.is_some_and(|offered| offered.accepts(typing::COMPOSING)),
        });
        self.sessions.dialogs.handle(self.now, invite::Input::Invited { id, flow, request, contact });
        self.take_dialog_outputs();
        self.sessions.offering = None;
    }

    /// Whether an internal user may open a session with `to`.
    fn may_converse(&self, incoming: &Incoming, from: &BareJid, to: &Jid) -> Result<(), Answer> {
        let Some(edge) = self.snapshot() else { return Err(unavailable("The gateway is starting")) };
        if edge.is_internal(to.domain()) {
            return self.may_write_inside(incoming, to);
        }
        let partner = edge.partner_of(to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(from, to.bare());
        let has_access = partner.is_some_and(|partner| self.access.judge(from, partner).is_allowed());
        let case = Outbound { partner, contact, has_access };
        judge_outbound(StanzaKind::Message(MessageKind::Chat), case).map(drop).map_err(|refusal| {
            self.count_refused_to(to.domain(), refusal.as_str());
            Answer::new(Status::FORBIDDEN).with_text(&refusal.text(to.domain()).to_string())
        })
    }

    /// The dialogs have taken the INVITE.
    pub(super) fn session_offered(&mut self, id: SessionId) {
        let Some(offer) = self.sessions.offering.take() else { return };
        let Offer { incoming, from, to, text, description, has_description, takes_typing } = offer;
        let now = self.now.instant;
        self.sessions.refusing.remove(&from);
        let pair = Pair { internal: from.clone(), partner: to.bare().clone() };
        let glare_wait = self.glare_wait();
        let talk = self.sessions.talk(now, &pair, glare_wait);
        let Some(known) = self.sessions.talks.get_mut(&talk) else { return };
        let leg = known.machine.leg();
        known.thread = incoming.request.headers.call_id().ok().map(Box::from);
        let origin = incoming.origin.clone().unwrap_or(Origin::RegistrarUser);
        let is_lync = self.is_lync(&origin);
        let acceptance = Acceptance { invite: incoming.id, description, has_text: text.is_some() };
        let dialog = Dialog {
            is_lync,
            flow: Some(incoming.flow.clone()),
            source: self.flows.remote(incoming.flow.id),
            takes_typing: takes_typing || is_lync,
            wants_answer: !has_description,
            offer: Some(Box::new(acceptance)),
            ..Dialog::new(talk, leg, origin)
        };
        self.sessions.enter(id, dialog);
        let Some(body) = text else {
            return self.sessions.give(talk, Input::Invited { leg, has_text: false }, Turn::Plain);
        };
        self.sessions.judged.insert(incoming.id, id);
        self.counters.from_users.received();
        let text = Text { body, ..Text::default() };
        self.take_letter(Letter::in_session(incoming, from, to, text));
    }

    /// What became of the first text in an INVITE, as its answer; whether that was taken here. It is not where the INVITE
    /// was refused at once, and there is nobody to be told of success once the INVITE was cancelled or its way is gone.
    pub(in crate::shard) fn invite_judged(&mut self, invite: ServerId, response: &Response) -> bool {
        let Some(id) = self.sessions.judged.remove(&invite) else { return response.status.is_success() };
        let Some(dialog) = self.sessions.legs.get(&id) else { return true };
        if response.status.is_success() {
            let (talk, leg) = (dialog.talk, dialog.leg);
            self.sessions.give(talk, Input::Invited { leg, has_text: true }, Turn::Plain);
        } else {
            let payload = Payload { fields: said_besides(response), body: None };
            self.sessions.command(id, Command::Refuse(response.status, payload));
        }
        true
    }

    /// Accepts an INVITE.
    pub(super) fn accept_session(&mut self, talk: u64, leg: interwork::session::Leg) {
        let Some(id) = self.sessions.dialog_of(talk, leg) else { return };
        let Some(offer) = self.sessions.legs.get_mut(&id).and_then(|dialog| dialog.offer.take()) else { return };
        let mut fields = Vec::new();
        if offer.has_text {
            fields.push(("Supported".to_owned(), first_text::MS_TEXT_FORMAT.to_owned()));
        }
        let body = Some((sdp::SDP.to_owned(), offer.description.into()));
        self.sessions.command(id, Command::Accept(Payload { fields, body }));
    }

    /// Answers another offer in a session: ours never changes.
    pub(super) fn session_reoffered(&mut self, id: SessionId, request: &Request) {
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        let host = dialog.flow.as_ref().map_or_else(|| "".into(), |flow| flow.sent_by.clone());
        let (address, port) = self.described(&host);
        let command = match Description::of_request(request) {
            Ok(offered) => {
                let text = offered.as_ref().map_or_else(|| sdp::offer(address, port), |o| o.answer(address, port));
                Command::Accept(Payload { fields: Vec::new(), body: Some((sdp::SDP.to_owned(), text.into())) })
            }
            Err(refusal) => {
                let fields = refusal.fields(request.uri.host()).into_iter();
                let fields = fields.map(|(name, value)| (name.to_owned(), value)).collect();
                Command::Refuse(refusal.answer().status, Payload { fields, body: None })
            }
        };
        self.sessions.command(id, command);
    }
}

/// The fields of a refusal that say why.
fn said_besides(response: &Response) -> Vec<(String, String)> {
    let of_dialog = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::ContentLength, Name::RecordRoute];
    let said = response.headers.iter().filter(|(name, _)| !of_dialog.contains(&Name::of(name)));
    said.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
