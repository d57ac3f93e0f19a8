//! Typing between partners' users and internal users in a session.

use ::sip::{Method, invite::Payload};
use interwork::{
    discovery::{self, Abilities},
    message::Addresses,
    session::{Dropped, Leg, Outcome},
    typing::{self, Activity, ChatState, Form},
};
use lexicon::Jid;
use link::Receipt;
use xmpp::stanza::{StanzaRef, build::Head};

use super::{
    super::{Shard, memory::Pair},
    Input, Turn,
    texts::TYPING,
};

impl Shard {
    /// Takes a stanza that is a chat state alone, if there is a session for it or an endpoint that takes typing without one;
    /// gives the receipt back if not.
    pub(in crate::shard) fn chat_state(
        &mut self,
        stanza: &StanzaRef<'_>,
        from: &Jid,
        to: &Jid,
        receipt: Receipt,
    ) -> Option<Receipt> {
        let pair = Pair { internal: to.bare().clone(), partner: from.bare().clone() };
        let talk = self.sessions.by_pair.get(&pair).copied();
        let Some(state) = ChatState::of(stanza) else { return Some(receipt) };
        let Some(talk) = talk else { return self.pager_state(&pair, to, state, receipt) };
        self.sessions.give(talk, Input::State(state), Turn::State(receipt));
        None
    }

    /// Tells the internal user of typing.
    pub(super) fn send_typing(&mut self, talk: u64, leg: Leg, activity: Activity) {
        let id = self.sessions.dialog_of(talk, leg);
        let dialog = id.and_then(|id| self.sessions.legs.get(&id)).map(|dialog| (dialog.is_lync, dialog.takes_typing));
        let outcome = match dialog {
            Some((is_lync, true)) => {
                let (form, method) = match is_lync {
                    true => (Form::KeyboardActivity, Method::Info),
                    false => (Form::IsComposing, Method::Message),
                };
                let body = Some((form.content_type().to_owned(), form.body(activity).into()));
                if self.request_in(talk, leg, TYPING, method, Payload { fields: Vec::new(), body }) {
                    return;
                }
                Outcome::Taken
            }
            _ => Outcome::Taken,
        };
        self.counters.sip("typing_not_taken");
        self.sessions.give(talk, Input::TypingAnswered { leg, outcome }, Turn::Plain);
    }

    /// Tells the partner's user of the internal user's state.
    pub(super) fn tell_state(&mut self, talk: u64, state: ChatState) {
        let Some(known) = self.sessions.talks.get(&talk) else { return };
        let (pair, thread) = (known.pair.clone(), known.thread.clone());
        if self.snapshot().is_none_or(|edge| edge.partner_of(pair.partner.domain()).is_none()) {
            return self.counters.sip("typing_inside");
        }
        let (from, to, id) = (Jid::from(pair.internal.clone()), Jid::from(pair.partner.clone()), self.tokens.make());
        let addresses = Addresses { from: &from, to: &to, id: &id };
        let batch = typing::stanza(addresses, None, state, thread.as_deref());
        self.send_own(&pair.internal, &pair.partner, batch);
    }

    /// Answers disco#info for an internal user or an endpoint of theirs. Gives the receipt back if it is no such question.
    pub(in crate::shard) fn user_info(
        &mut self,
        stanza: &StanzaRef<'_>,
        from: &Jid,
        to: &Jid,
        receipt: Receipt,
    ) -> Option<Receipt> {
        let pair = Pair { internal: to.bare().clone(), partner: from.bare().clone() };
        let mut node = String::new();
        let payload = stanza.element().children().next();
        let Some(question) = payload.and_then(|payload| discovery::read(payload, &mut node)) else {
            return Some(receipt);
        };
        let (sender, user) = (from.to_string(), to.to_string());
        let head = Head { from: &user, to: &sender, id: stanza.id() };
        let batch = self.abilities_of(&pair).answer(head, question, to.resource().is_some());
        self.counters.from_partners.answered();
        self.send_own(to.bare(), from.bare(), batch);
        receipt.done();
        None
    }

    /// What endpoints of the internal user take from the partner's user beside text.
    pub(in crate::shard) fn abilities_of(&self, pair: &Pair) -> Abilities {
        Abilities { typing: self.takes_typing(pair), receipts: self.memory.has_taken_envelopes(&pair.internal) }
    }

    /// Whether word of a partner's user's typing reaches an internal user, in the session that stands or in one that a
    /// text would open.
    fn takes_typing(&self, pair: &Pair) -> bool {
        let talk = self.sessions.by_pair.get(pair).and_then(|talk| self.sessions.talks.get(talk));
        let last = talk.and_then(|talk| talk.legs.last()).and_then(|(_, id)| self.sessions.legs.get(id));
        match last {
            Some(dialog) => dialog.takes_typing,
            None => self.opens_sessions(&pair.internal) || self.pages_typing(&pair.internal),
        }
    }
}

/// The word for typing of either side that went nowhere, outside of the ledger of stanzas.
pub(super) fn counted(reason: Dropped) -> &'static str {
    match reason {
        Dropped::NoSession => "typing_no_session",
        Dropped::NotNegotiated => "typing_not_negotiated",
        Dropped::Overtaken => "typing_overtaken",
        Dropped::Refused => "typing_refused",
        Dropped::Unchanged => "typing_unchanged",
    }
}
