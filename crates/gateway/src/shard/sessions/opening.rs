//! Sessions that we open, for a text of a partner's user.

use ::sip::{
    NameAddr, Response, Status, Transport,
    invite::{self, Invitation, InviteError, Payload, SessionId},
    transaction::{self, SendError, Ticket},
};
use interwork::{first_text, sdp, session::Leg, uri};
use policy::trunk::Dialect;
use xmpp::stanza::{Condition, StanzaError};

use super::{
    super::{Shard, request::Origin},
    Dialog, Input, Turn,
};

impl Shard {
    /// Invites the internal user of a conversation.
    pub(super) fn open_session(&mut self, talk: u64, leg: Leg, first: u64) {
        let Some(pair) = self.sessions.talks.get(&talk).map(|talk| talk.pair.clone()) else { return };
        if !self.opens_sessions(&pair.internal) {
            let error = StanzaError::new(Condition::RecipientUnavailable).with_text("The conversation was ended");
            return self.sessions.give(talk, Input::Failed { leg, error }, Turn::Pages);
        }
        let Some(trunk) = self.serving.trunk_of(&pair.internal) else { return };
        let (name, is_lync) = (trunk.name.clone(), trunk.dialect == Dialect::Lync);
        let mut fields = Vec::new();
        let Some((transport, host)) = self.own_host(&name) else {
            return self.fail_session(talk, leg, Condition::InternalServerError, "No address of this server is known");
        };
        if is_lync
            && transport != Transport::Udp
            && let Some((text, _)) = self.sessions.texts.part(first)
        {
            let value = first_text::write(text);
            fields.extend(value.map(|value| (first_text::MS_TEXT_FORMAT.to_owned(), value)));
        }
        let has_first = !fields.is_empty();
        let (Ok(to), Ok(from)) = (uri::to_sip(&pair.internal), uri::to_sip(&pair.partner)) else {
            return self.fail_session(talk, leg, Condition::JidMalformed, "The address cannot be written for SIP");
        };
        let (address, port) = self.described(&host);
        let invitation = Invitation {
            uri: to.clone(),
            from: NameAddr::new(from),
            to: NameAddr::new(to),
            call_id: None,
            contact: self.contact(transport, &host),
            routes: Vec::new(),
            payload: Payload { fields, body: Some((sdp::SDP.to_owned(), sdp::offer(address, port).into())) },
        };
        match self.sessions.dialogs.invite(self.now, invitation) {
            Ok(id) => {
                let dialog = Dialog { has_first, is_lync, ..Dialog::new(talk, leg, Origin::Trunk(name)) };
                self.sessions.enter(id, dialog);
                self.take_dialog_outputs();
            }
            Err(InviteError::TooMany) => {
                self.fail_session(talk, leg, Condition::ResourceConstraint, "Too many conversations are open");
            }
            Err(InviteError::Unwritable(error)) => {
                self.fail_session(talk, leg, Condition::InternalServerError, &error.to_string());
            }
        }
    }

    fn fail_session(&mut self, talk: u64, leg: Leg, condition: Condition, text: &str) {
        let error = StanzaError::new(condition).with_text(text);
        self.sessions.give(talk, Input::Failed { leg, error }, Turn::Plain);
    }

    /// Cancels our INVITE; its end comes as that of any.
    pub(super) fn cancel_session(&mut self, talk: u64, leg: Leg) {
        let Some(id) = self.sessions.dialog_of(talk, leg) else { return };
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        dialog.is_cancelled = true;
        if let Some(ticket) = dialog.invite {
            self.inputs.push_back(transaction::Input::Cancel(ticket));
        }
    }

    /// A request of a session is being answered: notes by which target of the trunk. An INVITE that was cancelled before
    /// it was sent is cancelled now.
    pub(in crate::shard) fn note_progress(&mut self, ticket: Ticket) {
        let Some(id) = SessionId::of(ticket) else { return };
        let at = self.target_of(ticket);
        let Some(dialog) = self.sessions.legs.get_mut(&id).filter(|dialog| dialog.invite == Some(ticket)) else {
            return;
        };
        dialog.target = at.or(dialog.target);
        if dialog.is_cancelled {
            self.inputs.push_back(transaction::Input::Cancel(ticket));
        }
    }

    /// A request of a session has ended.
    pub(in crate::shard) fn session_answered(&mut self, ticket: Ticket, answer: Result<Response, SendError>) {
        if let Some(request) = self.sessions.sent.remove(&ticket)
            && matches!(answer, Err(SendError::FlowLost))
            && let Some(Origin::Trunk(name)) = self.origin_of(ticket)
        {
            return self.send_by_trunk(ticket, name, request);
        }
        self.sessions.tell(invite::Input::Answer { ticket, answer });
    }

    /// A request of a session could not be sent to its trunk.
    pub(in crate::shard) fn session_unsent(&mut self, ticket: Ticket, error: StanzaError) {
        if let Some(dialog) = SessionId::of(ticket).and_then(|id| self.sessions.legs.get_mut(&id)) {
            dialog.failure = Some(error);
        }
        self.sessions.tell(invite::Input::Answer { ticket, answer: Err(SendError::FlowLost) });
    }

    fn origin_of(&self, ticket: Ticket) -> Option<Origin> {
        Some(self.sessions.legs.get(&SessionId::of(ticket)?)?.origin.clone())
    }
}

/// Whether a refusal of an INVITE says that sessions with texts are not known there.
pub(super) fn knows_no_sessions(status: Status) -> bool {
    matches!(status.code(), 405 | 415 | 488 | 501 | 606)
}
