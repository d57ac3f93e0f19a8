//! Typing between partners' users and internal users outside of sessions (RFC 3994 by MESSAGE, XEP-0085).
//!
//! An endpoint is told of typing only if its user has sent such a notification, or an answer of theirs lists the type in
//! Accept; a 415 ends that. Before a message has opened the contact nothing is told of the internal user (XEP-0085 §5.1).
//! Nothing waits for an endpoint that is not there.
//!
//! Left out: typing between two internal users, and of one to a component or an inner server: 415, as before.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use ::sip::{Name, Response, Status, transaction::Ticket};
use interwork::{
    error::Answer,
    message::Addresses,
    typing::{self, Activity, ChatState, Form, Pager},
};
use lexicon::{BareJid, Jid};
use link::Receipt;
use policy::contact::{MessageKind, Outbound, StanzaKind, judge_outbound};

use super::{Shard, memory::Pair, request::Incoming};

/// Pairs of users of whom somebody is typing.
const PAIRS_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PagerTyping {
    pairs: HashMap<Pair, Pager>,
    deadlines: BTreeSet<(Instant, Pair)>,
    tickets: HashMap<Ticket, Pair>,
}

impl PagerTyping {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Lets `act` act on what is known of a pair, and follows what it leaves; none: too much is known.
    fn on<T>(&mut self, pair: &Pair, act: impl FnOnce(&mut Pager) -> T) -> Option<T> {
        if !self.pairs.contains_key(pair) && self.pairs.len() >= PAIRS_MAX {
            return None;
        }
        let pager = self.pairs.entry(pair.clone()).or_default();
        let before = pager.deadline();
        let result = act(pager);
        let after = pager.deadline();
        if pager.is_over() {
            self.pairs.remove(pair);
        }
        if before != after {
            before.map(|at| self.deadlines.remove(&(at, pair.clone())));
            after.map(|at| self.deadlines.insert((at, pair.clone())));
        }
        Some(result)
    }
}

impl Shard {
    /// Takes a MESSAGE that tells of typing; gives it back if it does not, or if the recipient cannot be told.
    pub(super) fn typing_message(&mut self, incoming: Incoming, from: &BareJid, to: &Jid) -> Option<Incoming> {
        let content_type = incoming.request.headers.first(Name::ContentType).unwrap_or_default();
        let Some(activity) = typing::read(content_type, incoming.request.body()) else { return Some(incoming) };
        let Some(edge) = self.snapshot().filter(|edge| !edge.is_internal(to.domain())) else { return Some(incoming) };
        let Ok(activity) = activity else {
            self.answer(&incoming, Answer::new(Status::BAD_REQUEST).with_text("Malformed typing notification"), &[]);
            return None;
        };
        self.memory.takes_typing(from);
        let partner = edge.partner_of(to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(from, to.bare());
        let has_access = partner.is_some_and(|partner| self.access.judge(from, partner).is_allowed());
        match judge_outbound(StanzaKind::Message(MessageKind::Chat), Outbound { partner, contact, has_access }) {
            Err(refusal) => {
                let text = refusal.text(to.domain()).to_string();
                self.answer(&incoming, Answer::new(Status::FORBIDDEN).with_text(&text), &[]);
            }
            Ok(effect) => {
                // It would be the first sign of this user that the partner's user gets.
                let is_first = effect.widens(contact);
                self.answer(&incoming, Answer::new(Status::OK), &[]);
                if is_first {
                    self.counters.sip("typing_before_text");
                } else {
                    self.heard_typing(Pair { internal: from.clone(), partner: to.bare().clone() }, activity);
                }
            }
        }
        None
    }

    /// Whether an internal user may write to a partner's user as things stand, without that opening anything.
    pub(super) fn may_write(&self, from: &BareJid, to: &BareJid) -> bool {
        let Some(edge) = self.snapshot() else { return false };
        let partner = edge.partner_of(to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(from, to);
        let has_access = partner.is_some_and(|partner| self.access.judge(from, partner).is_allowed());
        judge_outbound(StanzaKind::Message(MessageKind::Chat), Outbound { partner, contact, has_access }).is_ok()
    }

    fn heard_typing(&mut self, pair: Pair, activity: Activity) {
        let now = self.now.instant;
        match self.pager_typing.on(&pair, |pager| pager.heard(now, activity)) {
            Some(Some(state)) => self.tell_pager_state(&pair, state),
            Some(None) => {}
            None => self.counters.sip("typing_overtaken"),
        }
    }

    fn tell_pager_state(&mut self, pair: &Pair, state: ChatState) {
        let (from, to, id) = (Jid::from(pair.internal.clone()), Jid::from(pair.partner.clone()), self.tokens.make());
        let batch = typing::stanza(Addresses { from: &from, to: &to, id: &id }, None, state, None);
        self.send_own(&pair.internal, &pair.partner, batch);
    }

    /// An internal user has sent a text to the partner's user.
    pub(super) fn typing_ends_with_text(&mut self, pair: &Pair) {
        self.pager_typing.on(pair, Pager::text_heard);
    }

    /// A text of the partner's user goes to the internal user's endpoints.
    pub(super) fn typing_shown_as_text(&mut self, pair: &Pair) {
        self.pager_typing.on(pair, Pager::text_shown);
    }

    /// Takes a chat state for endpoints that take typing outside of sessions; gives the receipt back if there are none.
    pub(super) fn pager_state(&mut self, pair: &Pair, to: &Jid, state: ChatState, receipt: Receipt) -> Option<Receipt> {
        if !self.pages_typing(&pair.internal) {
            return Some(receipt);
        }
        match self.pager_typing.on(pair, |pager| pager.state(state)) {
            Some(activity) => {
                self.counters.from_partners.delivered();
                receipt.done();
                if let Some(activity) = activity {
                    self.show_typing(pair, to, activity);
                }
                None
            }
            None => Some(receipt),
        }
    }

    /// Whether endpoints of an internal user are told of typing outside of sessions.
    pub(super) fn pages_typing(&self, user: &BareJid) -> bool {
        self.memory.has_taken_typing(user) && !self.serving.speaks_xmpp(user)
    }

    fn show_typing(&mut self, pair: &Pair, to: &Jid, activity: Activity) {
        let form = Form::IsComposing;
        let documents = self.documents(pair, to, form.content_type(), &form.body(activity));
        self.pager_typing.on(pair, |pager| match documents.len() {
            0 => pager.text_shown(),
            endpoints => pager.sent(endpoints),
        });
        self.pager_typing.tickets.extend(documents.iter().map(|(ticket, ..)| (*ticket, pair.clone())));
        for (ticket, way, request) in documents {
            self.send_to(ticket, &way, request);
        }
    }

    /// A notification was answered or never will be; whether it was one.
    pub(super) fn typing_answered(&mut self, ticket: Ticket, response: Option<&Response>) -> bool {
        let Some(pair) = self.pager_typing.tickets.remove(&ticket) else { return false };
        if response.is_some_and(|response| response.status == Status::UNSUPPORTED_MEDIA_TYPE) {
            self.memory.takes_no_typing(&pair.internal);
        }
        let next = self.pager_typing.on(&pair, Pager::answered).flatten();
        if let Some(activity) = next.filter(|_| self.pages_typing(&pair.internal)) {
            self.show_typing(&pair, &Jid::from(pair.internal.clone()), activity);
        }
        true
    }

    /// Tells of users whose endpoints have been silent for too long that they type no more.
    pub(super) fn expire_typing(&mut self) {
        let now = self.now.instant;
        while let Some((_, pair)) = self.pager_typing.deadlines.first().filter(|(at, _)| *at <= now).cloned() {
            if let Some(state) = self.pager_typing.on(&pair, |pager| pager.expire(now)).flatten() {
                self.tell_pager_state(&pair, state);
            }
        }
    }
}
