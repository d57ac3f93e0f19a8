//! Texts for internal users on their way in sessions, and what becomes of them.

use std::{collections::HashMap, time::Instant};

use ::sip::{Method, invite};
use interwork::{
    message::{self, BODY_BYTES_MAX, PARTS_MAX, Text},
    session::{Leg, Outcome},
};
use lexicon::{BareJid, Jid};
use policy::trunk::SessionMode;
use xmpp::stanza::{Condition, StanzaError};

use super::{
    super::{Shard, delivery::Sender, memory::Pair},
    Input, Turn,
};

/// Longest part of a text where some hop may lack congestion control: what the 1300 bytes of a MESSAGE (RFC 3428 §8) leave
/// beside the head of a request in a dialog.
const PART_BYTES_MAX: usize = 700;
/// How long a text without a deadline of its own may wait.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// The user's name for a request in a dialog: a text, or word of typing. There is one of each in flight at most.
pub(super) const TEXT: u64 = 0;
pub(super) const TYPING: u64 = 1;

/// All texts that have not ended.
#[derive(Debug, Default)]
pub(super) struct Texts {
    made: u64,
    parcels: HashMap<u64, Parcel>,
    /// Which parcel a part belongs to, and its text if it is not the whole one.
    parts: HashMap<u64, (u64, Option<String>)>,
}

/// A text in one or more parts.
#[derive(Debug)]
struct Parcel {
    /// None once its end was told.
    sender: Option<Sender>,
    from: BareJid,
    to: Jid,
    text: Text,
    deadline: Option<Instant>,
    open: usize,
}

impl Texts {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty() && self.parts.is_empty()
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// The text of a part, unless its parcel has ended.
    pub(super) fn part(&self, token: u64) -> Option<(&str, &Text)> {
        let (number, part) = self.parts.get(&token)?;
        let parcel = self.parcels.get(number).filter(|parcel| parcel.sender.is_some())?;
        Some((part.as_deref().unwrap_or(&parcel.text.body), &parcel.text))
    }
}

impl Shard {
    /// Takes a text for `to` if it goes in a session: in the one that stands, or in a new one where its trunk wants that.
    /// Gives the sender back if it does not. `has_state`: a chat state stood beside it.
    pub(in crate::shard) fn converse(
        &mut self,
        sender: Sender,
        from: &BareJid,
        to: &Jid,
        text: &Text,
        deadline: Option<Instant>,
        has_state: bool,
    ) -> Option<Sender> {
        let now = self.now.instant;
        let pair = Pair { internal: to.bare().clone(), partner: from.clone() };
        let stands = self.sessions.by_pair.contains_key(&pair);
        if !stands && !self.opens_sessions(&pair.internal) {
            return Some(sender);
        }
        let room = self.room_of(&pair);
        let parts =
            if room == BODY_BYTES_MAX && text.body.len() > room { None } else { message::split(&text.body, room) };
        let Some(parts) = parts else {
            self.end_text(sender, Err(too_long(room)));
            return None;
        };
        let glare_wait = self.glare_wait();
        let talk = self.sessions.talk(now, &pair, glare_wait);
        let texts = &mut self.sessions.texts;
        let (number, is_whole) = (texts.next(), parts.len() == 1);
        let mut tokens = Vec::with_capacity(parts.len());
        for part in parts {
            let token = texts.next();
            texts.parts.insert(token, (number, (!is_whole).then(|| part.into_owned())));
            tokens.push(token);
        }
        let parcel = Parcel {
            sender: Some(sender),
            from: from.clone(),
            to: to.clone(),
            text: text.clone(),
            deadline,
            open: tokens.len(),
        };
        texts.parcels.insert(number, parcel);
        let deadline = deadline.unwrap_or(now + WAIT_MAX);
        for token in tokens {
            self.sessions.give(talk, Input::Text { token, deadline, has_state }, Turn::Plain);
        }
        None
    }

    /// Whether a text for `user` opens a session.
    pub(super) fn opens_sessions(&self, user: &BareJid) -> bool {
        let trunk = self.serving.trunk_of(user);
        let wants = trunk.is_some_and(|trunk| trunk.enabled && trunk.session_mode == SessionMode::Session);
        wants && !self.sessions.is_refusing(user, self.now.instant)
    }

    /// Most bytes of a part.
    fn room_of(&self, pair: &Pair) -> usize {
        let is_safe = match self.serving.trunk_of(&pair.internal) {
            Some(trunk) => trunk.congestion_safe,
            None => {
                let talk = self.sessions.by_pair.get(pair).and_then(|talk| self.sessions.talks.get(talk));
                let last = talk.and_then(|talk| talk.legs.last()).and_then(|(_, id)| self.sessions.legs.get(id));
                last.and_then(|dialog| dialog.flow.as_ref()).is_some_and(|flow| flow.transport.is_reliable())
            }
        };
        if is_safe { BODY_BYTES_MAX } else { PART_BYTES_MAX }
    }

    /// Sends a part in the dialog.
    pub(super) fn send_text(&mut self, talk: u64, leg: Leg, token: u64) {
        let Some((part, text)) = self.sessions.texts.part(token) else {
            // Another part of it has failed: what is left of it is of no use.
            let outcome = Outcome::Refused(StanzaError::new(Condition::UndefinedCondition));
            return self.sessions.give(talk, Input::Answered { leg, outcome }, Turn::Plain);
        };
        let mut fields = Vec::new();
        for (name, value) in [("Subject", text.subject.as_deref()), ("Content-Language", text.language.as_deref())] {
            fields.extend(value.map(|value| (name.to_owned(), interwork::error::one_line(value))));
        }
        let body = Some(("text/plain;charset=UTF-8".to_owned(), part.to_owned().into()));
        let payload = invite::Payload { fields, body };
        if !self.request_in(talk, leg, TEXT, Method::Message, payload) {
            let error = StanzaError::new(Condition::RecipientUnavailable).with_text("The conversation was ended");
            self.sessions.give(talk, Input::Answered { leg, outcome: Outcome::NoDialog(error) }, Turn::Plain);
        }
    }

    /// Sends a request in a dialog; whether there is one.
    pub(super) fn request_in(
        &mut self,
        talk: u64,
        leg: Leg,
        name: u64,
        method: Method,
        payload: invite::Payload,
    ) -> bool {
        let Some(id) = self.sessions.dialog_of(talk, leg) else { return false };
        let Some(dialog) = self.sessions.legs.get_mut(&id).filter(|dialog| !dialog.is_over) else { return false };
        dialog.in_flight += 1;
        self.sessions.command(id, invite::Command::Request { name, method, payload });
        true
    }

    /// A part has ended. With `pages`, a refused text goes outside of sessions.
    pub(super) fn settle_text(&mut self, token: u64, result: Result<(), StanzaError>, pages: bool) {
        let texts = &mut self.sessions.texts;
        let Some((number, _)) = texts.parts.remove(&token) else { return };
        let Some(parcel) = texts.parcels.get_mut(&number) else { return };
        parcel.open -= 1;
        let is_end = result.is_err() || parcel.open == 0;
        let sender = parcel.sender.take_if(|_| is_end);
        let (from, to, deadline) = (parcel.from.clone(), parcel.to.clone(), parcel.deadline);
        let text = if pages { Some(parcel.text.clone()) } else { None };
        if parcel.open == 0 {
            texts.parcels.remove(&number);
        }
        match (sender, text, result) {
            (Some(sender), Some(text), Err(_)) => self.page(sender, &from, &to, &text, deadline, None),
            (Some(sender), _, result) => self.end_text(sender, result),
            (None, ..) => {}
        }
    }

    /// Refuses all texts that have not ended.
    pub(super) fn refuse_texts(&mut self, error: &StanzaError) {
        self.sessions.texts.parts.clear();
        let parcels = std::mem::take(&mut self.sessions.texts.parcels);
        for sender in parcels.into_values().filter_map(|parcel| parcel.sender) {
            self.end_text(sender, Err(error.clone()));
        }
    }
}

fn too_long(room: usize) -> StanzaError {
    let limit = match room {
        BODY_BYTES_MAX => format!("{BODY_BYTES_MAX} bytes"),
        room => format!("{PARTS_MAX} messages of {room} bytes"),
    };
    let text = format!("The message is too long for the recipient's device, which takes {limit}");
    StanzaError::new(Condition::PolicyViolation).with_text(text)
}
