//! MESSAGE of an internal user: to a partner's user over the link, or to another internal user directly.
//!
//! The answer is 202 once the stanza was written to an authorised stream (RFC 3428 §7), or the error that became of it. An
//! error that comes after 202, because the partner never acknowledged the stanza, becomes a notice to the sender.
//! What the edge has not sent after [`EDGE_MAX`] comes back by the deadline of its envelope with the reason; what is undecided
//! after [`DECISION_MAX`] all the same is answered 480. A first message opens the contact, which is durable before the stanza
//! leaves; further messages of the pair wait behind it.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use ::sip::Status;
use interwork::{
    error::{self, Addressed, Answer, Origin},
    message::{self, Addresses, Asked, Marks, Opened, Text},
    typing::{self, ChatState},
    uri::{self, UriError},
};
use lexicon::{BareJid, DomainPair, Jid};
use link::{EnvelopeId, SendError, Settled, Settlement};
use policy::contact::{MessageKind, Outbound, StanzaKind, judge_outbound};

use super::{
    Shard, Stored, WRITES_MAX,
    delivery::Sender,
    memory::Pair,
    request::{self, Incoming},
};

/// How long a message may stay undecided.
const DECISION_MAX: Duration = Duration::from_secs(20);
/// How long the edge may try. It gives up first, so that the sender is told why and not only that time is over.
const EDGE_MAX: Duration = Duration::from_secs(19);
/// Messages that wait for one pair of users while their contact is stored.
const WAITING_PER_PAIR_MAX: usize = 64;

/// A message that was permitted and is on its way.
#[derive(Debug)]
pub(super) struct Letter {
    incoming: Incoming,
    from: BareJid,
    to: Jid,
    text: Text,
    /// Whether it came in a dialog: its Call-ID is the thread, and chat states are known.
    in_session: bool,
    /// What the sender asks to be told.
    asked: Option<Asked>,
}

impl Letter {
    /// One that came in a session.
    pub(super) fn in_session(incoming: Incoming, from: BareJid, to: Jid, text: Text) -> Self {
        Self { incoming, from, to, text, in_session: true, asked: None }
    }

    fn pair(&self) -> Pair {
        Pair { internal: self.from.clone(), partner: self.to.bare().clone() }
    }
}

/// Messages that have not been answered.
#[derive(Debug, Default)]
pub(super) struct Outward {
    /// Behind the storing of their contact.
    writing: HashMap<Pair, VecDeque<Letter>>,
    /// On the link; as many as the link gives credit for.
    sent: HashMap<EnvelopeId, Sent>,
    /// Stanzas on the link that nobody waits for: those that the gateway sends in a user's name.
    own: HashSet<EnvelopeId>,
    /// When each of them must be decided.
    decisions: BTreeSet<(Instant, EnvelopeId)>,
}

/// A message on the link.
#[derive(Debug)]
struct Sent {
    letter: Letter,
    /// Of its stanza.
    id: String,
    deadline: Instant,
    /// It was answered 202.
    accepted: bool,
}

impl Outward {
    /// A stanza that nobody waits for is on the link.
    pub(super) fn note_own(&mut self, envelope: EnvelopeId) {
        self.own.insert(envelope);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.decisions.first().map(|(at, _)| *at)
    }
}

impl Shard {
    /// Takes a MESSAGE.
    pub(super) fn message(&mut self, mut incoming: Incoming) {
        let Some(from) = self.sender(&mut incoming) else { return };
        let to = match uri::to_jid(&incoming.request.uri) {
            Ok(to) => to,
            Err(error) => {
                self.counters.from_users.received();
                return self.refuse_message(&incoming, address_answer(error), &[]);
            }
        };
        let Some(incoming) = self.typing_message(incoming, &from, &to) else { return };
        self.counters.from_users.received();
        let (text, asked) = match message::open(&incoming.request) {
            Ok(Opened::Text(text, asked)) => (text, asked),
            Ok(Opened::Notification(told)) => {
                self.counters.from_users.answered();
                return self.notification(&incoming, &from, &to, &told);
            }
            Err(error) => return self.refuse_message(&incoming, error.answer(), error.fields()),
        };
        if asked.is_some() {
            self.memory.takes_envelopes(&from);
        }
        self.take_letter(Letter { incoming, from, to, text, in_session: false, asked });
    }

    /// Judges a text of an internal user and sends it on its way.
    pub(super) fn take_letter(&mut self, letter: Letter) {
        let Letter { incoming, from, to, text, .. } = &letter;
        let Some(edge) = self.snapshot() else {
            return self.refuse_message(incoming, unavailable("The gateway is starting"), &[]);
        };
        tracing::debug!(%from, %to, bytes = text.body.len(), "a message of an internal user");
        if edge.is_internal(to.domain()) {
            return self.message_inside(letter);
        }
        let partner = edge.partner_of(to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(from, to.bare());
        let has_access = partner.is_some_and(|partner| self.access.judge(from, partner).is_allowed());
        let case = Outbound { partner, contact, has_access };
        match judge_outbound(StanzaKind::Message(MessageKind::Chat), case) {
            Err(refusal) => {
                self.count_refused_to(to.domain(), refusal.as_str());
                let text = refusal.text(to.domain()).to_string();
                self.refuse_message(incoming, Answer::new(Status::FORBIDDEN).with_text(&text), &[]);
            }
            Ok(effect) => self.open_then_send(effect.widens(contact), letter),
        }
    }

    /// A text came in a dialog that is over.
    pub(super) fn reject_letter(&mut self, letter: &Letter) {
        self.refuse_message(&letter.incoming, Answer::new(Status::NO_SUCH_TRANSACTION), &[]);
    }

    pub(super) fn refuse_message(&mut self, incoming: &Incoming, answer: Answer, fields: &[(&str, &str)]) {
        self.counters.from_users.answered();
        self.answer(incoming, answer, fields);
    }

    /// Between two internal users; the recipient's endpoints or component answer.
    fn message_inside(&mut self, letter: Letter) {
        let Letter { incoming, from, to, text, .. } = letter;
        if let Err(answer) = self.may_write_inside(&incoming, &to) {
            return self.refuse_message(&incoming, answer, &[]);
        }
        if self.serving.speaks_xmpp(to.bare()) {
            return self.letter_to_component(incoming, &from, &to, &text);
        }
        self.deliver(Sender::User(Box::new(incoming)), &from, &to, &text, None);
    }

    /// Whether there may be an internal user at `to`, other than behind the system that asks.
    pub(super) fn may_write_inside(&self, incoming: &Incoming, to: &Jid) -> Result<(), Answer> {
        if self.serving.speaks_xmpp(to.bare()) {
            return Ok(());
        }
        if !self.may_exist(to.bare()) {
            return Err(Answer::new(Status::NOT_FOUND));
        }
        let back = self.serving.trunk_of(to.bare()).map(|trunk| request::Origin::Trunk(trunk.name.clone()));
        if back.is_some() && back == incoming.origin {
            return Err(Answer::new(Status::LOOP_DETECTED).with_text("The system that sent this serves the recipient"));
        }
        Ok(())
    }

    /// Stores the contact if this message opens it; a message behind one that does so waits for it.
    fn open_then_send(&mut self, opens: bool, letter: Letter) {
        let pair = letter.pair();
        if let Some(waiting) = self.outward.writing.get_mut(&pair) {
            if waiting.len() < WAITING_PER_PAIR_MAX {
                return waiting.push_back(letter);
            }
            return self.refuse_message(&letter.incoming, unavailable("Too many messages are waiting"), &[]);
        }
        if !opens {
            return self.send(letter);
        }
        if self.writes >= WRITES_MAX {
            return self.refuse_message(&letter.incoming, unavailable("Too many messages are waiting"), &[]);
        }
        self.writes += 1;
        self.outward.writing.insert(pair.clone(), VecDeque::from([letter]));
        let (store, stored) = (self.store.clone(), self.stored.clone());
        tokio::spawn(async move {
            let contact = match store.contact_written(&pair.internal, &pair.partner).await {
                Ok(contact) => Some(Box::new(contact)),
                Err(error) => {
                    tracing::error!(%error, "a contact could not be stored; its message is refused");
                    None
                }
            };
            let _ = stored.send(Stored::Written { pair, contact }).await;
        });
    }

    /// The contact is durable, or could not be stored.
    pub(super) fn written(&mut self, pair: Pair, contact: Option<Box<store::Contact>>) {
        let letters = self.outward.writing.remove(&pair).unwrap_or_default();
        let stored = contact.is_some();
        if let Some(contact) = contact
            && let Some(watching) = self.book.take_contact(&contact)
        {
            self.tell(&watching);
        }
        for letter in letters {
            if stored {
                self.send(letter);
            } else {
                let answer = Answer::new(Status::SERVER_INTERNAL_ERROR).with_text("The contact could not be stored");
                self.refuse_message(&letter.incoming, answer, &[]);
            }
        }
    }

    /// Puts the stanza on the link.
    fn send(&mut self, letter: Letter) {
        let pair = letter.pair();
        let call_id = letter.incoming.request.headers.call_id().unwrap_or_default().to_owned();
        let id = self.tokens.make();
        let message_type = match self.snapshot() {
            Some(edge) => edge.settings().pager_message_type.as_str(),
            None => "chat",
        };
        let from = Jid::from(letter.from.clone());
        let addresses = Addresses { from: &from, to: &letter.to, id: &id };
        let batch = if letter.in_session {
            typing::stanza(addresses, Some(&letter.text), ChatState::Active, Some(&call_id))
        } else {
            self.typing_ends_with_text(&pair);
            let thread = self.memory.repeats(&pair, &call_id).then_some(call_id.as_str());
            let wanted = letter.asked.as_ref().map(|asked| asked.wanted).unwrap_or_default();
            let knows_states = message_type == "chat" && self.pages_typing(&letter.from);
            let marks = Marks {
                state: knows_states.then_some(ChatState::Active),
                receipt: wanted.delivery,
                display: wanted.display,
            };
            if let Some(asked) = &letter.asked {
                self.user_asked(&id, &pair, asked);
            }
            message::marked(addresses, Some(&letter.text), message_type, thread, marks)
        };
        let domains = DomainPair { local: letter.from.domain().clone(), remote: letter.to.domain().clone() };
        let deadline = self.now.instant + DECISION_MAX;
        match self.port.try_send(domains, batch, self.now.instant + EDGE_MAX) {
            Ok(envelope) => {
                self.outward.decisions.insert((deadline, envelope));
                self.outward.sent.insert(envelope, Sent { letter, id, deadline, accepted: false });
            }
            Err(SendError::Full(_)) => {
                let answer = unavailable("Too many messages are waiting");
                self.refuse_message(&letter.incoming, answer, &[]);
            }
            Err(SendError::Closed(_)) => {
                let answer = Answer::new(Status::TEMPORARILY_UNAVAILABLE).with_text("Federation is not available now");
                self.refuse_message(&letter.incoming, answer, &[]);
            }
        }
    }

    /// News of a stanza of ours on the link.
    pub(super) fn settlement(&mut self, settlement: Settlement) {
        let Settlement { envelope, outcome, .. } = settlement;
        self.test_settled(envelope, &outcome);
        let sent = if outcome.is_end() {
            self.outward.sent.remove(&envelope)
        } else {
            return self.letter_written(envelope);
        };
        let Some(Sent { letter, id, deadline, accepted }) = sent else {
            // What was answered 480 before has been counted then.
            if self.outward.own.remove(&envelope) {
                self.own_ended(&outcome);
            }
            return;
        };
        self.outward.decisions.remove(&(deadline, envelope));
        match &outcome {
            Settled::Written | Settled::Done => self.counters.from_users.delivered(),
            Settled::Refused(_) => self.counters.from_users.answered(),
            Settled::Unknown(_) => self.counters.from_users.lost(),
        }
        match outcome {
            Settled::Written | Settled::Done if accepted => {}
            Settled::Written | Settled::Done => self.accept_letter(id, &letter),
            Settled::Refused(error) if accepted => self.letter_failed(&id, &letter, &message::failure_notice(&error)),
            Settled::Unknown(error) if accepted => self.letter_failed(&id, &letter, &message::doubt_notice(&error)),
            Settled::Refused(error) | Settled::Unknown(error) => {
                let addressed = if letter.to.resource().is_some() { Addressed::Full } else { Addressed::Bare };
                self.answer(&letter.incoming, error::to_sip(&error, addressed, Origin::Ours), &[]);
            }
        }
    }

    /// A stanza that nobody waits for has ended.
    fn own_ended(&self, outcome: &Settled) {
        match outcome {
            Settled::Written | Settled::Done => self.counters.from_users.delivered(),
            Settled::Refused(_) => self.counters.from_users.answered(),
            Settled::Unknown(_) => self.counters.from_users.lost(),
        }
        if let Settled::Refused(error) | Settled::Unknown(error) = outcome {
            tracing::debug!(%error, "a stanza of our own was not delivered");
        }
    }

    /// The stanza has left on an authorised stream: 202 is due (RFC 3428 §7), while the partner's acknowledgement is still
    /// awaited.
    fn letter_written(&mut self, envelope: EnvelopeId) {
        let Some(mut sent) = self.outward.sent.remove(&envelope) else { return };
        self.outward.decisions.remove(&(sent.deadline, envelope));
        self.accept_letter(sent.id.clone(), &sent.letter);
        sent.accepted = true;
        self.outward.sent.insert(envelope, sent);
    }

    fn accept_letter(&mut self, id: String, letter: &Letter) {
        self.memory.accepted(id, letter.pair());
        self.answer(&letter.incoming, Answer::new(Status::ACCEPTED), &[]);
    }

    /// A message that was answered 202 did not end well: its sender is told, unless the partner has told it before.
    fn letter_failed(&mut self, id: &str, letter: &Letter, notice: &Text) {
        if self.memory.take_failed(id, &letter.pair()) && !self.failure_notified(id, &letter.pair()) {
            self.notify(letter.to.bare(), &letter.from, notice);
        }
    }

    /// Answers what is undecided for too long.
    pub(super) fn expire_letters(&mut self) {
        while let Some((at, envelope)) = self.outward.decisions.first().copied() {
            if at > self.now.instant {
                return;
            }
            self.outward.decisions.pop_first();
            if let Some(Sent { letter, .. }) = self.outward.sent.remove(&envelope) {
                let answer = Answer::new(Status::TEMPORARILY_UNAVAILABLE);
                let answer = answer.with_text("The recipient's server could not be reached in time");
                self.refuse_message(&letter.incoming, answer, &[]);
            }
        }
    }

    /// The shard stops: nobody will decide any more.
    pub(super) fn give_up(&mut self) {
        self.outward.decisions.clear();
        let sent = std::mem::take(&mut self.outward.sent).into_values();
        let (accepted, sent): (Vec<_>, Vec<_>) = sent.partition(|sent| sent.accepted);
        // They were written and answered; what their partner makes of them nobody here will learn.
        accepted.iter().for_each(|_| self.counters.from_users.lost());
        self.outward.own.drain().for_each(|_| self.counters.from_users.lost());
        let sent = sent.into_iter().map(|sent| sent.letter);
        let writing = std::mem::take(&mut self.outward.writing).into_values().flatten();
        for letter in sent.chain(writing).collect::<Vec<_>>() {
            self.refuse_message(&letter.incoming, unavailable("The gateway is stopping"), &[]);
        }
        self.give_up_letters();
        self.give_up_sessions();
    }
}

pub(super) fn unavailable(text: &str) -> Answer {
    let answer = Answer::new(Status::TEMPORARILY_UNAVAILABLE).with_text(text);
    Answer { retry_after: Some(error::RETRY_AFTER_SECONDS), ..answer }
}

/// The answer for a Request-URI that is no XMPP address.
pub(super) fn address_answer(error: UriError) -> Answer {
    let status = match error {
        UriError::Scheme | UriError::Secure => Status::UNSUPPORTED_URI_SCHEME,
        UriError::NoUser => Status::NOT_FOUND,
        _ => Status::BAD_REQUEST,
    };
    Answer::new(status).with_text(&error.to_string())
}
