//! The way to inner XMPP servers, and from them: the link to their leg.
//!
//! What passes for an address that an inner server serves goes over the link as it is, and its end comes back from there;
//! what such a server sends is judged as a component's stanzas are. A partner's user learns that the server could not be
//! reached, and not why: that is for our own side alone.

use std::collections::{HashMap, VecDeque};

use lexicon::DomainPair;
use link::{Envelope, EnvelopeId, Port, SendError, Settled, Settlement};
use xmpp::stanza::{Condition, StanzaError};

use crate::{
    component::{Outgoing, Parcel, Refused, Waits, unavailable},
    shard::Shard,
};

/// Parcels that wait for room on the link at most.
const HELD_MAX: usize = 1024;

/// What is on its way to inner servers.
#[derive(Debug)]
pub(in crate::shard) struct InnerLeg {
    pub(in crate::shard) port: Port,
    /// On the link: who waits for each stanza that has not ended.
    sent: HashMap<EnvelopeId, Vec<Option<Waits>>>,
    /// Not taken by the link yet, in order, with the domains as the leg sees them.
    held: VecDeque<(DomainPair, Parcel)>,
}

impl InnerLeg {
    pub(super) fn new(port: Port) -> Self {
        Self { port, sent: HashMap::new(), held: VecDeque::new() }
    }

    /// Whether something waits for room on the link.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Shard {
    /// Takes stanzas of an inner server's addresses. On its leg we stand for `local`.
    pub(in crate::shard) fn inner_envelope(&mut self, envelope: Envelope) {
        let Envelope { batch, deadline, receipts, .. } = envelope;
        for (index, receipt) in receipts.enumerate() {
            let outgoing = Outgoing::of_inner(batch.single(index), receipt, &self.counters);
            if deadline <= self.now.instant {
                outgoing.refused(&Condition::RemoteServerTimeout.into(), &self.counters);
            } else {
                self.outgoing_from(outgoing, Some(deadline));
            }
        }
    }

    /// Puts stanzas for the inner server of the pair's local domain on the link, behind those that wait for it.
    pub(super) fn hand_to_inner(&mut self, pair: &DomainPair, parcel: Parcel) {
        if self.components.inner.held.len() >= HELD_MAX {
            return self.give_back(Refused::Slow, parcel);
        }
        let pair = DomainPair { local: pair.remote.clone(), remote: pair.local.clone() };
        self.components.inner.held.push_back((pair, parcel));
        if self.components.inner.held.len() == 1 {
            self.release_inner();
        }
    }

    /// Puts on the link what waits for it, as far as it takes it.
    pub(in crate::shard) fn release_inner(&mut self) {
        while let Some((pair, parcel)) = self.components.inner.held.pop_front() {
            if parcel.expires_at() <= self.now.instant {
                self.give_back(Refused::Slow, parcel);
                continue;
            }
            let inner = &mut self.components.inner;
            match inner.port.try_send(pair.clone(), parcel.batch.clone(), parcel.deadline) {
                Ok(envelope) => {
                    inner.sent.insert(envelope, parcel.waits.into_iter().map(Some).collect());
                }
                Err(SendError::Full(_)) => return inner.held.push_front((pair, parcel)),
                Err(SendError::Closed(_)) => self.give_back(Refused::Absent, parcel),
            }
        }
    }

    /// News of stanzas for inner servers. A SIP user is answered once theirs has left (RFC 3428 §7).
    pub(in crate::shard) fn inner_settlement(&mut self, settlement: Settlement) {
        let Settlement { envelope, stanzas, outcome } = settlement;
        let Some(sent) = self.components.inner.sent.get_mut(&envelope) else { return };
        let is_end = outcome.is_end();
        let of_these = sent.iter_mut().skip(stanzas.start).take(stanzas.len());
        let ended: Vec<_> =
            of_these.filter_map(|waits| waits.take_if(|waits| is_end || matches!(waits, Waits::User(_)))).collect();
        if sent.iter().all(Option::is_none) {
            self.components.inner.sent.remove(&envelope);
        }
        for waits in ended {
            self.end_inner(waits, &outcome);
        }
        self.release_inner();
    }

    /// Tells who waits for a stanza to an inner server how it ended.
    pub(super) fn end_inner(&mut self, waits: Waits, outcome: &Settled) {
        match (waits, outcome) {
            (Waits::Partner { receipt, .. }, Settled::Written | Settled::Done) => {
                self.counters.from_partners.delivered();
                receipt.done();
            }
            (Waits::Partner { receipt, answered: true }, Settled::Refused(error)) => {
                self.refuse(receipt, for_partners(error));
            }
            (Waits::Partner { receipt, answered: false }, Settled::Refused(_)) => {
                self.silence(receipt, "inner_server_absent");
            }
            (Waits::Partner { receipt, .. }, Settled::Unknown(_)) => {
                self.counters.from_partners.lost();
                let text = "The connection to this domain's server broke. It is not known whether this arrived.";
                receipt.unknown(StanzaError::new(Condition::RemoteServerTimeout).with_text(text));
            }
            (Waits::User(number), Settled::Written | Settled::Done) => self.letter_ended(number, Ok(())),
            (Waits::User(number), Settled::Refused(error) | Settled::Unknown(error)) => {
                self.letter_ended(number, Err((**error).clone()));
            }
            (Waits::Component(outgoing), Settled::Written | Settled::Done) => outgoing.delivered(&self.counters),
            (Waits::Component(outgoing), Settled::Refused(error)) => outgoing.refused(error, &self.counters),
            (Waits::Component(outgoing), Settled::Unknown(error)) => outgoing.lost(error, &self.counters),
            (Waits::Nobody(permit), _) => drop(permit),
        }
    }
}

/// What a partner's user may know of it.
fn for_partners(error: &StanzaError) -> StanzaError {
    match error.condition {
        Condition::ResourceConstraint => unavailable(Refused::Slow),
        Condition::PolicyViolation => {
            let text = "The server of this domain does not take this now";
            StanzaError::new(Condition::PolicyViolation).with_text(text)
        }
        _ => {
            let text = "The server of this domain cannot be reached now";
            StanzaError::new(Condition::RemoteServerTimeout).with_text(text)
        }
    }
}
