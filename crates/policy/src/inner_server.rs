//! An inner XMPP server: the server of our own side that serves an internal domain over a server-to-server leg.
//!
//! On that leg, and on no other, the gateway stands for partners' domains. The server proves itself as a partner does, by
//! certificate or by dialback, but dialback asks at the configured addresses alone and never at what DNS says.

use std::{net::IpAddr, sync::Arc};

use lexicon::Domain;

use crate::{
    Negotiation, Partner, Requirement, TrustRoots,
    partner::Pin,
    peer::{HostPort, Network},
};

mod changes;

pub use changes::InnerServerChanges;

/// Most targets of one inner server.
pub const TARGETS_MAX: usize = 8;
/// Most networks that it may connect from.
pub const SOURCES_MAX: usize = 64;

/// The XMPP server behind an internal domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InnerServer {
    /// Where it is reached, first choice first; 5269 where no port is given.
    pub targets: Vec<HostPort>,
    /// Where it may connect from; empty: from the addresses of its targets alone.
    pub sources: Vec<Network>,
    /// TLS, SASL and dialback on this leg: a valid row.
    pub negotiation: Negotiation,
    /// Which authorities may vouch for its certificate.
    pub trust_roots: TrustRoots,
    /// If any, its key must be one of them.
    pub pins: Vec<Pin>,
}

impl InnerServer {
    /// A server with every default: TLS required, SASL optional, dialback supported.
    pub fn new(targets: Vec<HostPort>) -> Self {
        let negotiation = Negotiation { tls: Requirement::Required, sasl: Requirement::Optional, dialback: true };
        Self { targets, sources: Vec::new(), negotiation, trust_roots: TrustRoots::System, pins: Vec::new() }
    }

    /// Whether it may connect from `address`, as far as configured networks and target addresses say.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self.sources.is_empty() {
            true => self.targets.iter().any(|target| target.address(0).is_some_and(|known| known.ip() == address)),
            false => self.sources.iter().any(|network| network.contains(address)),
        }
    }

    /// The server as streams are judged: like a partner with one domain, which is the internal `domain`.
    pub fn as_partner(&self, domain: Domain) -> Partner {
        Partner {
            description: Arc::from("inner XMPP server"),
            negotiation: self.negotiation,
            trust_roots: self.trust_roots.clone(),
            pins: self.pins.clone(),
            ..Partner::new(domain)
        }
    }
}
