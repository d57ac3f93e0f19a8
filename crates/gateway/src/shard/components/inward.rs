//! What partners' users and internal users send to a domain that a component or an inner server serves.
//!
//! Judged like stanzas for SIP users, in the same order; but every address may exist, and what passes goes on as it is.
//! Only a probe that counts as a request to see presence becomes that request.

use std::time::Duration;

use ::sip::Status;
use interwork::{
    error::{self, Addressed, Answer, Origin},
    message::{self, Addresses, Text},
};
use lexicon::{BareJid, Domain, DomainPair, Jid};
use link::{Envelope, Settled};
use policy::contact::{DropReason, Judged, PresenceKind, StanzaKind as Kind};
use store::Step;
use xmpp::{
    stanza::{
        Condition, StanzaError, StanzaRef,
        build::{self, Head},
    },
    xml::Batch,
};

use crate::{
    component::{Parcel, Refused, Waits, unavailable},
    serving::Wire,
    shard::{
        Shard, WRITES_MAX,
        inward::{Arrived, error_of},
        memory::Pair,
        request::Incoming,
    },
};

/// Stanzas handed over together at most: those in one parcel cannot be taken back singly.
const RUN_MAX: usize = 32;

/// How long a MESSAGE may stay undecided.
const DECISION_MAX: Duration = Duration::from_secs(20);

/// Stanzas of an envelope that pass one after the other.
struct Run {
    end: usize,
    wire: Wire,
    waits: Vec<Waits>,
}

/// What becomes of one of them.
enum Passage {
    AsItIs(Waits),
    /// As a request to see presence.
    Subscribes(Batch, Waits),
    /// It has ended.
    No,
}

impl Shard {
    /// Takes the stanzas of an envelope for a domain of which something that speaks stanzas serves some addresses.
    pub(in crate::shard) fn envelope_for_component(&mut self, envelope: Envelope) {
        let Envelope { pair, batch, deadline, receipts } = envelope;
        let mut run = Run { end: 0, wire: Wire::Component, waits: Vec::new() };
        let hand_over = |shard: &mut Self, run: &mut Run, next: usize| {
            let waits = std::mem::take(&mut run.waits);
            if !waits.is_empty() {
                let batch = batch.slice(run.end - waits.len()..run.end);
                shard.hand_over(&pair, run.wire, Parcel::new(batch, waits, shard.now.instant, deadline));
            }
            run.end = next;
        };
        for (index, (element, receipt)) in batch.elements().zip(receipts).enumerate() {
            self.counters.from_partners.received();
            if run.waits.len() == RUN_MAX {
                hand_over(self, &mut run, index);
            }
            let Some((kind, arrived)) = self.arrived(&pair, element, receipt, deadline) else {
                hand_over(self, &mut run, index + 1);
                continue;
            };
            let Some(wire) = self.serving.wire_of(arrived.to.bare()) else {
                self.stanza(kind, arrived);
                hand_over(self, &mut run, index + 1);
                continue;
            };
            if run.wire != wire {
                hand_over(self, &mut run, index);
                run.wire = wire;
            }
            match self.pass_to_component(kind, arrived) {
                Passage::AsItIs(waits) => {
                    run.waits.push(waits);
                    run.end = index + 1;
                }
                Passage::Subscribes(batch, waits) => {
                    hand_over(self, &mut run, index + 1);
                    self.hand_over(&pair, wire, Parcel::new(batch, vec![waits], self.now.instant, deadline));
                }
                Passage::No => hand_over(self, &mut run, index + 1),
            }
        }
        hand_over(self, &mut run, 0);
    }

    fn pass_to_component(&mut self, kind: Kind, arrived: Arrived<'_>) -> Passage {
        let judged = self.judge(kind, &arrived);
        tracing::debug!(from = %arrived.from, to = %arrived.to, ?kind, ?judged, "a stanza of a partner for a component");
        let answered = kind.is_answered();
        match judged {
            Judged::Deliver => {
                if kind == Kind::Presence(PresenceKind::Subscribe) {
                    self.memory.take_probe(&pair_of(&arrived));
                }
                return Passage::AsItIs(Waits::Partner { receipt: arrived.receipt, answered });
            }
            Judged::TreatAsSubscribe => {
                self.memory.probe(pair_of(&arrived));
                let batch = subscribe(&arrived.stanza, arrived.from.bare(), arrived.to.bare());
                return Passage::Subscribes(batch, Waits::Partner { receipt: arrived.receipt, answered });
            }
            Judged::Answer(answer) => self.refuse(arrived.receipt, error_of(answer)),
            Judged::Drop(reason) => self.silence(arrived.receipt, reason.as_str()),
            Judged::KeepPending if self.has_been_seen(arrived.to.bare()) => self.keep_invitation(arrived),
            Judged::KeepPending => self.silence(arrived.receipt, DropReason::NoSuchUser.as_str()),
            Judged::WithdrawPending => self.withdraw_invitation(arrived),
        }
        Passage::No
    }

    /// A stranger's wish is kept for an address that has been used; otherwise anybody could fill the list.
    pub(in crate::shard) fn has_been_seen(&self, user: &BareJid) -> bool {
        self.memory.has_seen(user) || self.book.has_contacts(user)
    }

    /// The partner's user no longer wants what was not answered yet.
    pub(in crate::shard) fn withdraw_invitation(&mut self, arrived: Arrived<'_>) {
        let pair = pair_of(&arrived);
        if !self.components.is_changing(&pair) && self.writes < WRITES_MAX {
            self.change_contact(pair, Step::Withdrawn, None);
        }
        self.silence(arrived.receipt, "invitation_withdrawn");
    }

    /// Gives stanzas to the component or the inner server of the pair's domain, or ends them.
    fn hand_over(&mut self, pair: &DomainPair, wire: Wire, parcel: Parcel) {
        let given = match (wire, self.components.seat(&pair.local)) {
            (Wire::Inner, _) => return self.hand_to_inner(pair, parcel),
            (Wire::Component, Some(seat)) => seat.outbox.push(parcel),
            (Wire::Component, None) => Err((Refused::Absent, parcel)),
        };
        if let Err((refused, parcel)) = given {
            self.give_back(refused, parcel);
        }
    }

    /// Ends stanzas that could not be handed over.
    pub(super) fn give_back(&mut self, refused: Refused, parcel: Parcel) {
        for waits in parcel.waits {
            match waits {
                Waits::Partner { receipt, answered: true } => self.refuse(receipt, unavailable(refused)),
                Waits::Partner { receipt, answered: false } => self.silence(receipt, refused.as_str()),
                Waits::User(number) => self.letter_ended(number, Err(unavailable(refused))),
                Waits::Component(outgoing) => outgoing.refused(&unavailable(refused), &self.counters),
                Waits::Nobody(permit) => drop(permit),
            }
        }
    }

    /// A stanza of an internal user, component or inner server for a component or inner server.
    pub(super) fn hand_over_inside(&mut self, from: &BareJid, to: &Jid, batch: Batch, waits: Waits) {
        let pair = DomainPair { local: to.domain().clone(), remote: from.domain().clone() };
        let now = self.now.instant;
        let wire = self.serving.wire_of(to.bare()).unwrap_or(Wire::Component);
        if wire == Wire::Inner && self.serving.is_behind_inner_leg(from.domain()) {
            return self.end_inner(waits, &Settled::Refused(Box::new(same_side(from.domain(), to.domain()))));
        }
        self.hand_over(&pair, wire, Parcel::new(batch, vec![waits], now, now + DECISION_MAX));
    }

    /// A MESSAGE of an internal SIP user.
    pub(in crate::shard) fn letter_to_component(&mut self, incoming: Incoming, from: &BareJid, to: &Jid, text: &Text) {
        let id = self.tokens.make();
        let sender = Jid::from(from.clone());
        let addresses = Addresses { from: &sender, to, id: &id };
        let message_type = self.snapshot().map_or("chat", |edge| edge.settings().pager_message_type.as_str());
        let batch = message::stanza(addresses, text, message_type, None);
        self.components.numbered += 1;
        let number = self.components.numbered;
        self.components.letters.insert(number, incoming);
        self.hand_over_inside(from, to, batch, Waits::User(number));
    }

    /// What became of it.
    pub(super) fn letter_ended(&mut self, number: u64, outcome: Result<(), StanzaError>) {
        let Some(incoming) = self.components.letters.remove(&number) else { return };
        match outcome {
            Ok(()) => {
                self.counters.from_users.delivered();
                self.answer(&incoming, Answer::new(Status::ACCEPTED), &[]);
            }
            Err(error) => {
                let answer = error::to_sip(&error, Addressed::Bare, Origin::Ours);
                self.refuse_message(&incoming, answer, &[]);
            }
        }
    }

    /// The shard stops: nobody will tell any more what became of them.
    pub(in crate::shard) fn give_up_letters(&mut self) {
        for number in self.components.letters.keys().copied().collect::<Vec<_>>() {
            self.letter_ended(number, Err(unavailable(Refused::Lost)));
        }
    }
}

/// Two domains that inner servers serve are no business of ours.
fn same_side(from: &Domain, to: &Domain) -> StanzaError {
    let text = format!("{from} and {to} are both served by inner XMPP servers and are not connected here");
    StanzaError::new(Condition::NotAllowed).with_text(text)
}

fn pair_of(arrived: &Arrived<'_>) -> Pair {
    Pair { internal: arrived.to.bare().clone(), partner: arrived.from.bare().clone() }
}

/// A probe of somebody without permission counts as a request for it (partner-policy §3). Requests come from bare
/// addresses (RFC 6121 §3.1.1).
fn subscribe(probe: &StanzaRef<'_>, from: &BareJid, to: &BareJid) -> Batch {
    let (from, to) = (from.to_string(), to.to_string());
    build::presence(Head { from: &from, to: &to, id: probe.id() }, Some("subscribe"))
}
