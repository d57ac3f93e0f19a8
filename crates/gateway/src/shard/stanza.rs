//! Stanzas that the gateway sends by itself: nobody waits for them, and one that is not taken is counted.

use lexicon::{BareJid, DomainPair, Jid};
use xmpp::{
    stanza::build::{self, Head, Message},
    xml::Batch,
};

use super::{Shard, memory::Pair};
use crate::book::Watching;

/// How long such a stanza is of use.
const USE: std::time::Duration = std::time::Duration::from_secs(60);

impl Shard {
    /// Sends a stanza from an internal address to a partner's address.
    pub(super) fn send_own(&mut self, from: &BareJid, to: &BareJid, batch: Batch) {
        if !self.try_send_own(from, to, batch) {
            self.counters.sip("own_stanza_lost");
        }
    }

    /// The same; whether the link has taken it.
    pub(super) fn try_send_own(&mut self, from: &BareJid, to: &BareJid, batch: Batch) -> bool {
        let pair = DomainPair { local: from.domain().clone(), remote: to.domain().clone() };
        let Ok(envelope) = self.port.try_send(pair, batch, self.now.instant + USE) else { return false };
        self.counters.from_users.received();
        self.outward.note_own(envelope);
        true
    }

    /// Tells a partner's user whether the internal user's presence may be seen: an invitation was accepted, or a contact
    /// has ended. Who may see presence sees it from then on, and who may not is told first that it has ended.
    pub(super) fn tell(&mut self, watching: &Watching) {
        if !watching.permitted {
            self.show_anew(&watching.internal, &watching.partner);
        }
        let id = self.tokens.make();
        let (from, to) = (watching.internal.to_string(), watching.partner.to_string());
        let head = Head { from: &from, to: &to, id: Some(&id) };
        let kind = if watching.permitted { "subscribed" } else { "unsubscribed" };
        let batch = build::presence(head, Some(kind));
        self.send_own(&watching.internal, &watching.partner, batch);
        if watching.permitted {
            self.show_anew(&watching.internal, &watching.partner);
        }
        self.trunk_permission_told(watching);
    }

    /// Tells a partner's user once that encrypted messages cannot be read here.
    pub(super) fn hint_at_encryption(&mut self, internal: &BareJid, sender: &Jid) {
        let pair = Pair { internal: internal.clone(), partner: sender.bare().clone() };
        if !self.memory.hint(&pair) {
            return;
        }
        let id = self.tokens.make();
        let (from, to) = (internal.to_string(), sender.to_string());
        let head = Head { from: &from, to: &to, id: Some(&id) };
        let hint = Message {
            message_type: Some("chat"),
            body: Some(interwork::message::ENCRYPTED_HINT),
            ..Message::default()
        };
        let batch = build::message(head, hint);
        self.send_own(internal, sender.bare(), batch);
    }
}
