//! What became of a message, told across: notifications of endpoints (RFC 5438) and receipts of partners' clients (XEP-0184,
//! `displayed` of XEP-0333), outside of sessions.
//!
//! An endpoint is asked for notifications only if its user has sent `message/cpim`, or an answer of theirs lists it in Accept.
//! What was asked is remembered for so many messages and only for the pair of users that it concerns: a notification about
//! anything else is nobody's. A failure after 202 becomes a notification where one was asked for.

use ::sip::{Name, Response, Status};
use interwork::{
    cpim::{self, CPIM, Wanted, Writing},
    error::Answer,
    imdn::{self, Fate, NOTIFICATION, Notification},
    message::{Addresses, Asked},
    uri,
};
use lexicon::{BareJid, Jid};
use link::Receipt;
use xmpp::stanza::StanzaRef;

use super::{
    Shard,
    memory::{Pair, Recent},
    request::Incoming,
};

/// Messages of either side whose fate may still be asked for.
const ASKED_MAX: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub(super) struct Receipts {
    /// By the id of the stanza that an internal user's message became.
    by_users: Recent<String, (Pair, Asked)>,
    /// By the Message-ID that a partner's message was given.
    by_partners: Recent<String, PartnerAsked>,
}

/// A partner's user who asked for a receipt.
#[derive(Debug)]
struct PartnerAsked {
    /// With the resource that asked.
    from: Jid,
    internal: BareJid,
    /// Of the stanza.
    id: String,
}

impl Default for Receipts {
    fn default() -> Self {
        Self { by_users: Recent::new(ASKED_MAX), by_partners: Recent::new(ASKED_MAX) }
    }
}

impl Shard {
    /// A message of an internal user goes to the partner's user as the stanza `id`.
    pub(super) fn user_asked(&mut self, id: &str, pair: &Pair, asked: &Asked) {
        self.memory.receipts.by_users.put(id.to_owned(), (pair.clone(), asked.clone()));
    }

    /// The Message-ID for a message of a partner's user who asks for a receipt; none if the endpoints are not asked.
    pub(super) fn partner_asked(&mut self, stanza: &StanzaRef<'_>, from: &Jid, internal: &BareJid) -> Option<String> {
        let id = stanza.id().filter(|_| imdn::asks(stanza) && self.memory.has_taken_envelopes(internal))?;
        let message_id = self.tokens.make();
        let asked = PartnerAsked { from: from.clone(), internal: internal.clone(), id: id.to_owned() };
        self.memory.receipts.by_partners.put(message_id.clone(), asked);
        Some(message_id)
    }

    /// Takes a notification of an internal user's endpoint.
    pub(super) fn notification(&mut self, incoming: &Incoming, from: &BareJid, to: &Jid, told: &Notification) {
        self.memory.takes_envelopes(from);
        let asked = self.memory.receipts.by_partners.get(&told.message_id);
        let asked = asked.filter(|asked| asked.internal == *from && asked.from.bare() == to.bare());
        let (partner, about) = match asked {
            Some(asked) => (asked.from.clone(), asked.id.clone()),
            None => {
                self.counters.sip("notification_unmatched");
                return self.answer(incoming, Answer::new(Status::OK), &[]);
            }
        };
        self.answer(incoming, Answer::new(Status::OK), &[]);
        // Blocked or without access meanwhile: what became of the message is no longer the partner's to know.
        if !self.may_write(from, to.bare()) {
            return self.counters.sip("notification_unmatched");
        }
        let (user, id) = (Jid::from(from.clone()), self.tokens.make());
        match imdn::stanza(Addresses { from: &user, to: &partner, id: &id }, &about, told.fate) {
            Some(batch) => self.send_own(from, partner.bare(), batch),
            None => self.counters.sip("notification_without_stanza"),
        }
        if told.fate != Fate::Delivered {
            self.memory.receipts.by_partners.remove(&told.message_id);
        }
    }

    /// Takes a receipt or marker of a partner's user; gives it back if nobody has asked for it.
    pub(super) fn receipt(&mut self, stanza: &StanzaRef<'_>, pair: &Pair, receipt: Receipt) -> Option<Receipt> {
        let Some((fate, id)) = imdn::told(stanza) else { return Some(receipt) };
        let Some(asked) = self.asked_by_user(&id, pair) else { return Some(receipt) };
        let Wanted { delivery, display, .. } = asked.wanted;
        let is_wanted = match fate {
            Fate::Delivered => delivery,
            Fate::Displayed => display,
            Fate::Failed | Fate::Other => false,
        };
        self.counters.from_partners.delivered();
        receipt.done();
        if is_wanted {
            self.tell_fate(pair, asked.message_id, fate);
        }
        None
    }

    /// A message that was answered 202 was not delivered: whether its sender is told so by a notification.
    pub(super) fn failure_notified(&mut self, id: &str, pair: &Pair) -> bool {
        let Some(asked) = self.asked_by_user(id, pair).filter(|asked| asked.wanted.failure) else { return false };
        self.memory.receipts.by_users.remove(id);
        self.tell_fate(pair, asked.message_id, Fate::Failed);
        true
    }

    fn asked_by_user(&self, id: &str, pair: &Pair) -> Option<Asked> {
        let (known, asked) = self.memory.receipts.by_users.get(id)?;
        (known == pair).then(|| asked.clone())
    }

    /// Sends the notification to the endpoints of the internal user, in the name of the partner's user.
    fn tell_fate(&mut self, pair: &Pair, message_id: String, fate: Fate) {
        let (Ok(from), Ok(to)) = (uri::to_sip(&pair.partner), uri::to_sip(&pair.internal)) else { return };
        let (sender, now) = (from.to_string(), self.now.wall);
        let Some(document) = Notification { message_id, fate }.to_xml(&sender, now) else { return };
        let (recipient, own_id) = (to.to_string(), self.tokens.make());
        let writing = Writing {
            from: &sender,
            to: &recipient,
            message_id: &own_id,
            at: now,
            wanted: Wanted::default(),
            content_type: NOTIFICATION,
        };
        // Nobody waits for the answers: a notification is never repeated (RFC 5438 §7.2.1).
        let recipient = Jid::from(pair.internal.clone());
        for (ticket, way, request) in self.documents(pair, &recipient, CPIM, &cpim::write(writing, &document)) {
            self.send_to(ticket, &way, request);
        }
    }

    /// An endpoint that has taken a text says what else it takes; one that has not is asked for no notification any more.
    pub(super) fn note_accept(&mut self, user: &BareJid, response: &Response) {
        if response.status == Status::UNSUPPORTED_MEDIA_TYPE {
            self.memory.takes_no_envelopes(user);
        }
        if !response.status.is_success() {
            return;
        }
        let ranges = response.headers.values(Name::Accept).flat_map(|value| value.split(','));
        let essences = ranges.filter_map(|range| range.split(';').next()).map(str::trim);
        for essence in essences {
            if essence.eq_ignore_ascii_case(interwork::typing::COMPOSING) {
                self.memory.takes_typing(user);
            }
            if essence.eq_ignore_ascii_case(CPIM) {
                self.memory.takes_envelopes(user);
            }
        }
    }
}
