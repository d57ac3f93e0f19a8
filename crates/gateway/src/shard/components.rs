//! The domains that components serve, as the shard knows them: who may connect, who has, and what is on its way.
//!
//! `inward` judges what partners send to such domains, `outward` what components send. The component answers for its
//! domain itself: for its addresses, which may all exist, for service discovery, and for presence.

mod inward;
mod outward;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use lexicon::{BareJid, Domain, DomainPair, Jid};
use link::{EnvelopeId, Port};
use policy::{contact::StanzaKind as Kind, settings::Passphrase};
use tokio::sync::oneshot;
use xmpp::{component::ComponentRefusal, stream::Condition};

use super::{Shard, memory::Pair, request::Incoming};
use crate::{
    ConnectedComponent,
    component::{Outgoing, Seat, Told},
};

/// Stanzas of components on the link that were not settled yet; their own credit is smaller for each.
pub(crate) const LINK_WINDOW: usize = 8192;

/// A stanza of a component with its addresses.
#[derive(Debug)]
struct Addressed {
    outgoing: Outgoing,
    from: BareJid,
    to: Jid,
    kind: Kind,
}

impl Addressed {
    fn pair(&self) -> Pair {
        Pair { internal: self.from.clone(), partner: self.to.bare().clone() }
    }

    fn domains(&self) -> DomainPair {
        DomainPair { local: self.from.domain().clone(), remote: self.to.domain().clone() }
    }
}

/// A domain that a component serves.
#[derive(Debug, Default)]
struct Served {
    secret: Option<Passphrase>,
    seat: Option<Arc<Seat>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Components {
    served: HashMap<Domain, Served>,
    /// Towards partners, with credit of its own, so that components take none from SIP users.
    pub(super) port: Port,
    /// On the link.
    sent: HashMap<EnvelopeId, Outgoing>,
    /// Not taken by the link yet, in order.
    held: VecDeque<Addressed>,
    /// Behind a change of their contact that is being stored.
    behind: HashMap<Pair, VecDeque<Addressed>>,
    /// MESSAGE requests that components were handed, by number.
    letters: HashMap<u64, Incoming>,
    numbered: u64,
}

impl Components {
    pub(super) fn new(port: Port, components: Vec<store::Component>) -> Self {
        let (served, sent, held, behind) = (HashMap::new(), HashMap::new(), VecDeque::new(), HashMap::new());
        let mut made = Self { served, port, sent, held, behind, letters: HashMap::new(), numbered: 0 };
        made.take(components);
        made
    }

    /// Whether the contact of this pair is being changed by what was sent here: the partner's user is told by that.
    pub(super) fn is_changing(&self, pair: &Pair) -> bool {
        self.behind.contains_key(pair)
    }

    /// Whether stanzas wait for room on the link.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    fn seat(&self, domain: &Domain) -> Option<&Arc<Seat>> {
        self.served.get(domain)?.seat.as_ref()
    }

    /// Takes the domains as they are now. A component whose domain or secret was changed is let go.
    pub(super) fn take(&mut self, components: Vec<store::Component>) {
        let mut before = std::mem::take(&mut self.served);
        for component in components {
            let mut served = before.remove(&component.domain).unwrap_or_default();
            if served.secret != component.secret {
                let_go(&served, (Condition::Reset, "the secret was changed"));
                served = Served { secret: component.secret, seat: None };
            }
            self.served.insert(component.domain, served);
        }
        for served in before.values() {
            let_go(served, (Condition::HostGone, "no component serves that domain here any more"));
        }
    }

    fn ask(&self, domain: &Domain) -> Result<Passphrase, ComponentRefusal> {
        let served = self.served.get(domain).ok_or(ComponentRefusal::HostUnknown)?;
        let secret = served.secret.clone().ok_or(ComponentRefusal::HostUnknown)?;
        if served.seat.is_some() { Err(ComponentRefusal::Conflict) } else { Ok(secret) }
    }

    /// Whether `seat` serves its domain from now on.
    fn sit(&mut self, seat: Arc<Seat>, secret: &Passphrase) -> bool {
        let Some(served) = self.served.get_mut(&seat.domain) else { return false };
        if served.seat.is_some() || served.secret.as_ref() != Some(secret) {
            return false;
        }
        tracing::info!(domain = %seat.domain, peer = %seat.peer, "a component has connected");
        served.seat = Some(seat);
        true
    }

    fn leave(&mut self, seat: &Arc<Seat>) {
        if let Some(served) = self.served.get_mut(&seat.domain) {
            served.seat.take_if(|sitting| Arc::ptr_eq(sitting, seat));
        }
    }

    /// Who is connected, by domain.
    pub(super) fn connected(&self) -> Vec<ConnectedComponent> {
        let seats = self.served.values().filter_map(|served| served.seat.as_ref());
        let mut connected: Vec<_> = seats
            .map(|seat| ConnectedComponent {
                domain: seat.domain.clone(),
                peer: seat.peer,
                since: seat.since,
                waiting: seat.outbox.waiting(),
            })
            .collect();
        connected.sort_by(|a, b| a.domain.cmp(&b.domain));
        connected
    }
}

fn let_go(served: &Served, closing: crate::component::Closing) {
    if let Some(seat) = &served.seat {
        seat.outbox.close(closing);
    }
}

impl Shard {
    /// Takes what a connection of a component tells.
    pub(super) fn told(&mut self, told: Told) {
        // A connection that is gone does not hear the answer.
        fn answer<T>(reply: oneshot::Sender<T>, answer: T) {
            let _ = reply.send(answer);
        }
        match told {
            Told::Asks { domain, reply } => answer(reply, self.components.ask(&domain)),
            Told::Ready { seat, secret, reply } => {
                let has_it = self.components.sit(Arc::clone(&seat), &secret);
                if reply.send(has_it).is_err() {
                    self.components.leave(&seat);
                }
            }
            Told::Stanzas { seat, batch, permits } => self.component_stanzas(&seat, &batch, permits),
            Told::Ended { number, outcome } => self.letter_ended(number, outcome),
            Told::Gone(seat) => self.components.leave(&seat),
        }
    }
}
