//! The domains that components and inner XMPP servers serve, as the shard knows them: who may connect, who has, and what is
//! on its way.
//!
//! `inward` judges what partners send to such domains, `outward` what comes from them; `inner` is the way to inner servers
//! over the link, where a component has a connection of ours. Whoever serves a domain answers for it: for its addresses,
//! which may all exist, for service discovery, and for presence.

mod inner;
mod inward;
mod outward;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
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
    serving::Wire,
};

/// Stanzas of components on the link that were not settled yet; their own credit is smaller for each.
pub(crate) const LINK_WINDOW: usize = 8192;

/// The same of inner servers, and for them. Each of their connections has a window of its own, and so has the way of each
/// domain pair; this only bounds how many there are.
pub(crate) const INNER_WINDOW: usize = 65_536;

/// Stanzas of inner servers that wait for the link before no more are taken.
const HELD_MAX: usize = 1024;

/// A stanza of a component or inner server with its addresses.
#[derive(Debug)]
struct Addressed {
    outgoing: Outgoing,
    from: BareJid,
    to: Jid,
    kind: Kind,
    /// After this it must not be delivered, however long stanzas may wait for a partner.
    deadline: Option<Instant>,
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

/// A way to partners with credit of its own.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) port: Port,
    /// On the link.
    sent: HashMap<EnvelopeId, Outgoing>,
    /// Not taken by the link yet, in order.
    held: VecDeque<Addressed>,
}

impl Outlet {
    fn new(port: Port) -> Self {
        Self { port, sent: HashMap::new(), held: VecDeque::new() }
    }
}

/// The ports of the link that stanzas of components and inner servers, and those for the latter, take.
#[derive(Debug)]
pub(crate) struct Ports {
    /// From components to partners.
    pub(crate) components: Port,
    /// From inner servers to partners.
    pub(crate) inner_servers: Port,
    /// To inner servers.
    pub(crate) inner_leg: Port,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Components {
    served: HashMap<Domain, Served>,
    /// Towards partners, so that components take no credit from SIP users.
    pub(super) outlet: Outlet,
    /// The same of inner servers, so that they take none from components.
    pub(super) inner_outlet: Outlet,
    /// Towards inner servers.
    pub(super) inner: inner::InnerLeg,
    /// Behind a change of their contact that is being stored.
    behind: HashMap<Pair, VecDeque<Addressed>>,
    /// MESSAGE requests that components were handed, by number.
    letters: HashMap<u64, Incoming>,
    numbered: u64,
}

impl Components {
    pub(super) fn new(ports: Ports, components: Vec<store::Component>) -> Self {
        let mut made = Self {
            served: HashMap::new(),
            outlet: Outlet::new(ports.components),
            inner_outlet: Outlet::new(ports.inner_servers),
            inner: inner::InnerLeg::new(ports.inner_leg),
            behind: HashMap::new(),
            letters: HashMap::new(),
            numbered: 0,
        };
        made.take(components);
        made
    }

    /// Whether the contact of this pair is being changed by what was sent here: the partner's user is told by that.
    pub(super) fn is_changing(&self, pair: &Pair) -> bool {
        self.behind.contains_key(pair)
    }

    /// Whether stanzas wait for room on the link.
    pub(super) fn is_holding(&self) -> bool {
        !self.outlet.held.is_empty() || !self.inner_outlet.held.is_empty() || self.inner.is_holding()
    }

    /// Whether more may be taken from inner servers.
    pub(super) fn has_room(&self) -> bool {
        self.inner_outlet.held.len() < HELD_MAX
    }

    fn outlet(&mut self, wire: Wire) -> &mut Outlet {
        match wire {
            Wire::Component => &mut self.outlet,
            Wire::Inner => &mut self.inner_outlet,
        }
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
