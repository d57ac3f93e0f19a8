//! Stanzas of partners: judged in the order partner, partner type, blocked, access, existence, then delivered, answered
//! with one error, or met with the silence that the standards demand.
//!
//! Requests to see presence go to `presence`, what partners' users show of themselves to `watching`. An iq for a user is answered `service-unavailable`, as by a server whose user has no resource online (RFC 6121 §8.5.2.2.3).

use std::time::Instant;

use interwork::{
    message::{self, Reading},
    typing::ChatState,
};
use lexicon::{BareJid, DomainPair, Jid, JidRef};
use link::{Envelope, Receipt, Settled};
use policy::contact::{
    Answer, DropReason, Inbound, IqKind, Judged, MessageKind, PresenceKind, StanzaKind as Kind, judge_inbound,
};
use store::{Backend, InvitationOutcome};
use xmpp::{
    stanza::{Condition, StanzaError, StanzaKind, StanzaRef},
    xml::ElementRef,
};

use super::{Shard, Stored, WRITES_MAX, delivery::Sender, memory::Pair};

/// A stanza with its addresses.
pub(super) struct Arrived<'a> {
    pub(super) stanza: StanzaRef<'a>,
    pub(super) from: Jid,
    pub(super) to: Jid,
    pub(super) receipt: Receipt,
    deadline: Instant,
}

impl Shard {
    /// Takes the stanzas of an envelope.
    pub(super) fn envelope(&mut self, envelope: Envelope) {
        let Envelope { pair, batch, deadline, receipts } = envelope;
        if deadline <= self.now.instant {
            for _ in 0..batch.len() {
                self.counters.from_partners.received();
                self.counters.from_partners.answered();
            }
            return receipts.settle_all(&Settled::Refused(Box::new(Condition::RemoteServerTimeout.into())));
        }
        if self.serving.has_xmpp(&pair.local) {
            return self.envelope_for_component(Envelope { pair, batch, deadline, receipts });
        }
        for (element, receipt) in batch.elements().zip(receipts) {
            self.counters.from_partners.received();
            if let Some((kind, arrived)) = self.arrived(&pair, element, receipt, deadline) {
                self.stanza(kind, arrived);
            }
        }
    }

    /// The stanza with its addresses; none if it was refused.
    pub(super) fn arrived<'a>(
        &mut self,
        pair: &DomainPair,
        element: ElementRef<'a>,
        receipt: Receipt,
        deadline: Instant,
    ) -> Option<(Kind, Arrived<'a>)> {
        let mut refuse = |receipt, condition: Condition| {
            self.refuse(receipt, condition.into());
            None
        };
        let Some(stanza) = StanzaRef::of(element) else { return refuse(receipt, Condition::BadRequest) };
        let from = address(stanza.from()).filter(|from| *from.domain() == pair.remote);
        let to = address(stanza.to()).filter(|to| *to.domain() == pair.local);
        let (Some(from), Some(to)) = (from, to) else { return refuse(receipt, Condition::JidMalformed) };
        let Some(kind) = kind_of(&stanza) else { return refuse(receipt, Condition::BadRequest) };
        Some((kind, Arrived { stanza, from, to, receipt, deadline }))
    }

    /// Whether stanzas for an internal address may find somebody: only the registrar knows all its users.
    pub(super) fn may_exist(&self, user: &BareJid) -> bool {
        match self.serving.backend_of(user) {
            Some(Backend::Component | Backend::Trunk(_) | Backend::Xmpp) => true,
            Some(Backend::Registrar) | None => self.book.exists(user),
        }
    }

    /// Whether an address behind a trunk has never been used: whether it exists only the trunk's deployment knows.
    fn is_unseen(&self, user: &BareJid) -> bool {
        matches!(self.serving.backend_of(user), Some(Backend::Trunk(_))) && !self.has_been_seen(user)
    }

    pub(super) fn stanza(&mut self, kind: Kind, arrived: Arrived<'_>) {
        // Who has sent a test need not exist as a user.
        if kind == Kind::Message(MessageKind::Error) && self.test_failed(&arrived) {
            self.counters.from_partners.delivered();
            return arrived.receipt.done();
        }
        let judged = self.judge(kind, &arrived);
        tracing::debug!(from = %arrived.from, to = %arrived.to, ?kind, ?judged, "a stanza of a partner");
        match judged {
            Judged::Deliver => self.pass(kind, arrived),
            Judged::Answer(answer) => self.refuse(arrived.receipt, error_of(answer)),
            Judged::Drop(reason) => self.silence(arrived.receipt, reason.as_str()),
            Judged::KeepPending if self.is_unseen(arrived.to.bare()) => {
                self.silence(arrived.receipt, DropReason::NoSuchUser.as_str());
            }
            Judged::KeepPending => self.keep_invitation(arrived),
            Judged::TreatAsSubscribe => self.probe_subscribes(arrived),
            Judged::WithdrawPending => self.withdraw_invitation(arrived),
        }
    }

    /// As the rules say; what they refuse is counted for the partner.
    pub(super) fn judge(&self, kind: Kind, arrived: &Arrived<'_>) -> Judged {
        let judged = self.judge_by_rules(kind, arrived);
        let refused = match judged {
            Judged::Answer(answer) => Some(answer.as_str()),
            Judged::Drop(reason) => Some(reason.as_str()),
            _ => None,
        };
        if let Some(reason) = refused {
            self.count_refused_from(arrived.from.domain(), reason);
        }
        judged
    }

    fn judge_by_rules(&self, kind: Kind, arrived: &Arrived<'_>) -> Judged {
        let Some(edge) = self.snapshot() else { return Judged::Drop(DropReason::NotAPartner) };
        let partner = edge.partner_of(arrived.from.domain()).map(AsRef::as_ref);
        let user = arrived.to.bare();
        let of_component = self.serving.speaks_xmpp(user);
        if user.local().is_none() && (!of_component || matches!(kind, Kind::Iq(_))) {
            // The contact rules are for users; of a sender to the domain itself only the partner is judged. A component
            // may use its domain like the address of a user, but is asked what it is like any domain.
            let case = Inbound { partner, contact: policy::Contact::default().add(), has_access: true, exists: true };
            return judge_inbound(kind, case);
        }
        let case = Inbound {
            partner,
            contact: self.book.contact(user, arrived.from.bare()),
            has_access: partner.is_some_and(|partner| self.access.judge(user, partner).is_allowed()),
            exists: self.may_exist(user),
        };
        judge_inbound(kind, case)
    }

    /// What the rules let pass.
    fn pass(&mut self, kind: Kind, arrived: Arrived<'_>) {
        let to_domain = arrived.to.local().is_none();
        match kind {
            Kind::Message(_) if to_domain => self.refuse(arrived.receipt, Condition::ServiceUnavailable.into()),
            Kind::Message(_) => self.pass_message(arrived),
            Kind::Presence(kind) => self.pass_presence(kind, arrived),
            Kind::Iq(IqKind::Get) if to_domain => {
                self.domain_iq(&arrived.stanza, &arrived.from, &arrived.to, arrived.receipt)
            }
            Kind::Iq(kind @ (IqKind::Get | IqKind::Set)) => {
                let Arrived { stanza, from, to, receipt, .. } = arrived;
                let asked =
                    if kind == IqKind::Get { self.user_info(&stanza, &from, &to, receipt) } else { Some(receipt) };
                if let Some(receipt) = asked {
                    self.refuse(receipt, iq_refusal(&stanza));
                }
            }
            Kind::Iq(IqKind::Result | IqKind::Error) => self.silence(arrived.receipt, "iq_answer"),
        }
    }

    fn pass_message(&mut self, arrived: Arrived<'_>) {
        let Arrived { stanza, from, to, receipt, deadline } = arrived;
        match message::read(&stanza) {
            Reading::Text(text) => {
                let (sender, deadline) = (Sender::Partner(receipt), Some(deadline));
                let has_state = ChatState::of(&stanza).is_some();
                if let Some(sender) = self.converse(sender, from.bare(), &to, &text, deadline, has_state) {
                    self.typing_shown_as_text(&Pair { internal: to.bare().clone(), partner: from.bare().clone() });
                    let message_id = self.partner_asked(&stanza, &from, to.bare());
                    self.page(sender, from.bare(), &to, &text, deadline, message_id.as_deref());
                }
                if text.encrypted {
                    self.hint_at_encryption(to.bare(), &from);
                }
            }
            Reading::Failure(error) => self.failure(&stanza, &from, &to, receipt, &error),
            Reading::Nothing(message::Silence::ChatState) => {
                if let Some(receipt) = self.chat_state(&stanza, &from, &to, receipt) {
                    self.silence(receipt, message::Silence::ChatState.as_str());
                }
            }
            Reading::Nothing(message::Silence::Receipt) => {
                let pair = Pair { internal: to.bare().clone(), partner: from.bare().clone() };
                if let Some(receipt) = self.receipt(&stanza, &pair, receipt) {
                    self.silence(receipt, message::Silence::Receipt.as_str());
                }
            }
            Reading::Nothing(silence) => {
                self.silence(receipt, silence.as_str());
                if silence == message::Silence::Encrypted {
                    self.hint_at_encryption(to.bare(), &from);
                }
            }
            Reading::Refused(error) => self.refuse(receipt, error),
        }
    }

    /// A message that was answered 202 was not delivered after all: its sender is told once. An error for anything else
    /// is nobody's, so that a partner cannot send text this way.
    fn failure(&mut self, stanza: &StanzaRef<'_>, from: &Jid, to: &Jid, receipt: Receipt, error: &StanzaError) {
        let pair = Pair { internal: to.bare().clone(), partner: from.bare().clone() };
        if !stanza.id().is_some_and(|id| self.memory.take_failed(id, &pair)) {
            return self.silence(receipt, "error_unmatched");
        }
        self.counters.from_partners.delivered();
        receipt.done();
        if stanza.id().is_some_and(|id| self.failure_notified(id, &pair)) {
            return;
        }
        self.notify(from.bare(), to.bare(), &message::failure_notice(error));
    }

    /// Tells `user` what became of a message to the partner's user.
    pub(super) fn notify(&mut self, partner: &BareJid, user: &BareJid, notice: &message::Text) {
        self.deliver(Sender::Nobody, partner, &Jid::from(user.clone()), notice, None);
    }

    /// Keeps the request of a stranger to see presence, until the user is asked; nothing is answered.
    pub(super) fn keep_invitation(&mut self, arrived: Arrived<'_>) {
        if self.writes >= WRITES_MAX {
            return self.silence(arrived.receipt, "overloaded");
        }
        self.writes += 1;
        let (store, stored, receipt) = (self.store.clone(), self.stored.clone(), arrived.receipt);
        let pair = Pair { internal: arrived.to.into_bare(), partner: arrived.from.into_bare() };
        tokio::spawn(async move {
            let outcome = store.invitation_received(&pair.internal, &pair.partner).await;
            if let Err(error) = &outcome {
                tracing::error!(%error, "an invitation could not be stored");
            }
            let _ = stored.send(Stored::Invited { pair, receipt, outcome: outcome.ok() }).await;
        });
    }

    /// An invitation is durable, or was not kept; its sender learns neither.
    pub(super) fn invited(&mut self, pair: Pair, receipt: Receipt, outcome: Option<InvitationOutcome>) {
        if outcome == Some(InvitationOutcome::Recorded) {
            self.book.invite(pair.internal, pair.partner);
        }
        self.silence(receipt, outcome.map_or("invitation_not_stored", reason_of));
    }

    pub(super) fn refuse(&mut self, receipt: Receipt, error: StanzaError) {
        self.counters.from_partners.answered();
        receipt.refuse(error);
    }

    pub(super) fn silence(&mut self, receipt: Receipt, reason: &'static str) {
        self.counters.from_partners.dropped(reason);
        receipt.done();
    }
}

pub(super) fn address(text: Option<&str>) -> Option<Jid> {
    JidRef::split(text?).ok()?.to_jid().ok()
}

pub(super) fn kind_of(stanza: &StanzaRef<'_>) -> Option<Kind> {
    let stanza_type = stanza.stanza_type();
    Some(match stanza.kind() {
        StanzaKind::Message => Kind::Message(MessageKind::from_type(stanza_type)),
        StanzaKind::Presence => Kind::Presence(PresenceKind::from_type(stanza_type)?),
        StanzaKind::Iq => Kind::Iq(IqKind::from_type(stanza_type)?),
    })
}

/// The condition and type of the contact rules are words of RFC 6120; an unknown one would be a slip in their table.
pub(super) fn error_of(answer: Answer) -> StanzaError {
    let condition = answer.condition().parse().unwrap_or(Condition::UndefinedCondition);
    let error = StanzaError::new(condition);
    let error = match answer.error_type().parse() {
        Ok(error_type) => error.with_type(error_type),
        Err(_) => error,
    };
    match answer.text() {
        Some(text) => error.with_text(text),
        None => error,
    }
}

/// An iq for a user: file transfer and calls are refused with a text, everything else without.
fn iq_refusal(stanza: &StanzaRef<'_>) -> StanzaError {
    let error = StanzaError::new(Condition::ServiceUnavailable);
    let payload = stanza.element().children().next().map(|child| child.namespace());
    match payload {
        Some("http://jabber.org/protocol/si" | "http://jabber.org/protocol/ibb" | "jabber:iq:oob") => {
            error.with_text("File transfer is not available through this gateway")
        }
        Some("urn:xmpp:jingle:1") => error.with_text("Calls and file transfer are not available through this gateway"),
        _ => error,
    }
}

fn reason_of(outcome: InvitationOutcome) -> &'static str {
    match outcome {
        InvitationOutcome::Recorded => "invitation_kept",
        InvitationOutcome::Pending => "invitation_pending",
        InvitationOutcome::Limit(limit) => limit.as_str(),
        InvitationOutcome::NoPartner => "not_a_partner",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_contact_rules_are_those_of_the_standard() {
        for answer in [Answer::NotAPartner, Answer::RecipientMustAdd, Answer::ServiceUnavailable] {
            let error = error_of(answer);
            assert_eq!(error.condition.as_str(), answer.condition());
            assert_eq!(error.error_type.as_str(), answer.error_type());
        }
    }
}
