//! What a component or inner server sends: to partners' users over the link, or inside.
//!
//! Judged like what SIP users send. A stanza that changes a contact (a message opens *written*, `subscribe` *added*;
//! `unsubscribe` ends the latter) waits until the change is durable, and what the same two users exchange waits behind
//! it, so that order is kept. A stanza ends when the link has settled it; its error goes back to the component.

use std::{sync::Arc, time::Instant};

use interwork::message::{self, Reading};
use link::{SendError, Settled, Settlement};
use policy::contact::{Effect, Outbound, PresenceKind, Refusal, StanzaKind as Kind, judge_outbound};
use store::Step;
use xmpp::{
    stanza::{Condition, StanzaError, StanzaRef},
    xml::Batch,
};

use super::Addressed;
use crate::{
    component::{Outgoing, Permit, Seat, Waits},
    serving::Wire,
    shard::{
        Shard, Stored, WRITES_MAX,
        delivery::Sender,
        inward::{address, kind_of},
        memory::Pair,
    },
};

/// XEP-0191 §3.5.
const BLOCKED: &str = "urn:xmpp:blocking:errors";

impl Shard {
    /// Takes stanzas of a component, with the credit of each.
    pub(super) fn component_stanzas(&mut self, seat: &Arc<Seat>, batch: &Batch, permits: Vec<Permit>) {
        let still_sits = self.components.seat(&seat.domain).is_some_and(|sitting| Arc::ptr_eq(sitting, seat));
        for (index, permit) in permits.into_iter().enumerate() {
            let outgoing = Outgoing::new(seat, batch.single(index), permit, &self.counters);
            if !still_sits {
                outgoing.dropped("component_let_go", &self.counters);
                continue;
            }
            self.outgoing_from(outgoing, None);
        }
    }

    /// Takes a stanza whose domains are those of its connection.
    pub(super) fn outgoing_from(&mut self, outgoing: Outgoing, deadline: Option<Instant>) {
        let wire = outgoing.wire();
        match addressed(outgoing, deadline) {
            Ok(stanza) if self.serving.may_speak(&stanza.from, wire) => {
                self.memory.saw(&stanza.from);
                self.outgoing(stanza);
            }
            Ok(Addressed { outgoing, from, .. }) => {
                let error = StanzaError::new(Condition::NotAllowed);
                outgoing.refused(&error.with_text(format!("{from} is served by another server")), &self.counters);
            }
            Err((outgoing, condition)) => outgoing.refused(&condition.into(), &self.counters),
        }
    }

    fn outgoing(&mut self, stanza: Addressed) {
        let pair = stanza.pair();
        if let Some(waiting) = self.components.behind.get_mut(&pair) {
            return waiting.push_back(stanza);
        }
        let Some(edge) = self.snapshot() else {
            return stanza.outgoing.refused(&Condition::RemoteServerTimeout.into(), &self.counters);
        };
        tracing::debug!(from = %stanza.from, to = %stanza.to, kind = ?stanza.kind, "a stanza from inside");
        if edge.is_internal(stanza.to.domain()) {
            return self.component_inside(stanza);
        }
        if self.declines_a_probe(&pair, stanza.kind) {
            return stanza.outgoing.dropped("probe_not_answered", &self.counters);
        }
        let partner = edge.partner_of(stanza.to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(&pair.internal, &pair.partner);
        let has_access = partner.is_some_and(|partner| self.access.judge(&stanza.from, partner).is_allowed());
        let judged = judge_outbound(stanza.kind, Outbound { partner, contact, has_access });
        if let Err(refusal) = judged {
            self.count_refused_to(stanza.to.domain(), refusal.as_str());
        }
        match judged {
            Err(Refusal::NotWatching) => stanza.outgoing.dropped(Refusal::NotWatching.as_str(), &self.counters),
            Err(refusal) => {
                let error = error_of(refusal).with_text(refusal.text(stanza.to.domain()).to_string());
                stanza.outgoing.refused(&error, &self.counters);
            }
            Ok(effect) => match step(effect).filter(|_| effect.apply(contact) != contact) {
                Some(_) if self.writes >= WRITES_MAX => {
                    stanza.outgoing.refused(&Condition::ResourceConstraint.into(), &self.counters);
                }
                Some(step) => self.change_contact(pair, step, Some(stanza)),
                None => self.put(stanza),
            },
        }
    }

    /// Whether the component declines what was a probe: that is never answered `unsubscribed` (partner-policy §3).
    fn declines_a_probe(&mut self, pair: &Pair, kind: Kind) -> bool {
        let is_answer = matches!(kind, Kind::Presence(PresenceKind::Subscribed | PresenceKind::Unsubscribed));
        is_answer && self.memory.take_probe(pair) && kind == Kind::Presence(PresenceKind::Unsubscribed)
    }

    /// Stores what a stanza, or the partner's user, does to a contact; the stanza and what follows it wait.
    pub(super) fn change_contact(&mut self, pair: Pair, step: Step, first: Option<Addressed>) {
        self.writes += 1;
        self.components.behind.insert(pair.clone(), first.into_iter().collect());
        let (store, stored) = (self.store.clone(), self.stored.clone());
        tokio::spawn(async move {
            let contact = match store.contact_step(&pair.internal, &pair.partner, step).await {
                Ok(contact) => Some(Box::new(contact)),
                Err(error) => {
                    tracing::error!(%error, "a contact could not be stored; its stanza is refused");
                    None
                }
            };
            let _ = stored.send(Stored::Stepped { pair, contact, opens: step != Step::Withdrawn }).await;
        });
    }

    /// The change is durable, or could not be stored. The partner's user is told by the stanza itself.
    pub(in crate::shard) fn stepped(&mut self, pair: &Pair, contact: Option<Box<store::Contact>>, opens: bool) {
        let mut waiting = self.components.behind.remove(pair).unwrap_or_default();
        let is_stored = contact.is_some();
        if let Some(contact) = contact {
            self.book.take_contact(&contact);
        }
        if opens && let Some(first) = waiting.pop_front() {
            if is_stored {
                self.put(first);
            } else {
                let error = StanzaError::new(Condition::InternalServerError);
                let error = error.with_text("The contact could not be stored");
                first.outgoing.refused(&error, &self.counters);
            }
        }
        for stanza in waiting {
            self.outgoing(stanza);
        }
    }

    /// Puts the stanza on the link, behind those that wait for it.
    fn put(&mut self, stanza: Addressed) {
        let wire = stanza.outgoing.wire();
        let outlet = self.components.outlet(wire);
        outlet.held.push_back(stanza);
        if outlet.held.len() == 1 {
            self.release_held(wire);
        }
    }

    /// Puts on the link what waits for it, as far as it takes it.
    pub(in crate::shard) fn release_held(&mut self, wire: Wire) {
        if self.components.outlet(wire).held.is_empty() {
            return;
        }
        let age = self.snapshot().map(|edge| edge.settings().queue_age).unwrap_or_default();
        let latest = self.now.instant + age;
        let outlet = self.components.outlet(wire);
        while let Some(stanza) = outlet.held.pop_front() {
            let deadline = stanza.deadline.map_or(latest, |deadline| deadline.min(latest));
            match outlet.port.try_send(stanza.domains(), stanza.outgoing.batch.clone(), deadline) {
                Ok(envelope) => {
                    outlet.sent.insert(envelope, stanza.outgoing);
                }
                Err(SendError::Full(_)) => return outlet.held.push_front(stanza),
                Err(SendError::Closed(_)) => {
                    let error = StanzaError::new(Condition::RemoteServerTimeout);
                    let error = error.with_text("Federation is not available now");
                    stanza.outgoing.refused(&error, &self.counters);
                }
            }
        }
    }

    /// News of a stanza on the link. That it has left is no end: a component or inner server is told of ends alone.
    pub(in crate::shard) fn outlet_settlement(&mut self, wire: Wire, settlement: Settlement) {
        if !settlement.outcome.is_end() {
            return;
        }
        let Some(outgoing) = self.components.outlet(wire).sent.remove(&settlement.envelope) else { return };
        match settlement.outcome {
            Settled::Written | Settled::Done => outgoing.delivered(&self.counters),
            Settled::Refused(error) => outgoing.refused(&error, &self.counters),
            Settled::Unknown(error) => outgoing.lost(&error, &self.counters),
        }
        self.release_held(wire);
    }

    /// To another component or inner server, or a message to a SIP user, whose endpoints answer it. Nothing else passes
    /// between them.
    fn component_inside(&mut self, stanza: Addressed) {
        let Addressed { outgoing, from, to, .. } = stanza;
        let batch = outgoing.batch.clone();
        if self.serving.speaks_xmpp(to.bare()) {
            return self.hand_over_inside(&from, &to, batch, Waits::Component(Box::new(outgoing)));
        }
        let Some(stanza) = StanzaRef::of(batch.element(0)) else {
            return outgoing.refused(&Condition::BadRequest.into(), &self.counters);
        };
        if stanza.kind() == xmpp::stanza::StanzaKind::Presence {
            return outgoing.dropped("presence_not_carried", &self.counters);
        }
        if stanza.kind() == xmpp::stanza::StanzaKind::Iq || !self.may_exist(to.bare()) {
            return outgoing.refused(&Condition::ServiceUnavailable.into(), &self.counters);
        }
        match message::read(&stanza) {
            Reading::Text(text) => self.deliver(Sender::Component(Box::new(outgoing)), &from, &to, &text, None),
            Reading::Nothing(silence) => outgoing.dropped(silence.as_str(), &self.counters),
            Reading::Failure(_) => outgoing.dropped("error_unmatched", &self.counters),
            Reading::Refused(error) => outgoing.refused(&error, &self.counters),
        }
    }
}

/// The stanza with its addresses, or the error for it.
fn addressed(outgoing: Outgoing, deadline: Option<Instant>) -> Result<Addressed, (Outgoing, Condition)> {
    let batch = outgoing.batch.clone();
    let Some(stanza) = StanzaRef::of(batch.element(0)) else { return Err((outgoing, Condition::BadRequest)) };
    let (Some(from), Some(to)) = (address(stanza.from()), address(stanza.to())) else {
        return Err((outgoing, Condition::JidMalformed));
    };
    match kind_of(&stanza) {
        Some(kind) => Ok(Addressed { outgoing, from: from.into_bare(), to, kind, deadline }),
        None => Err((outgoing, Condition::BadRequest)),
    }
}

fn step(effect: Effect) -> Option<Step> {
    match effect {
        Effect::None => None,
        Effect::Writes => Some(Step::Written),
        Effect::Adds => Some(Step::Added),
        Effect::EndsAdded => Some(Step::Removed),
        Effect::Accepts => Some(Step::Accepted),
        Effect::Declines => Some(Step::Declined),
    }
}

/// RFC 6120 §8.3.3.10 names the domain that nobody may send to; §8.3.3.4 what this user may not.
fn error_of(refusal: Refusal) -> StanzaError {
    match refusal {
        Refusal::NotAPartner | Refusal::Disabled => StanzaError::new(Condition::NotAllowed),
        Refusal::Blocked => StanzaError::new(Condition::NotAcceptable).with_application("blocked", BLOCKED),
        Refusal::NoAccess | Refusal::NotWatching => StanzaError::new(Condition::Forbidden),
    }
}
