//! Who serves an internal address: the first backend of its domain, or the one that the address was assigned to.

use std::collections::HashMap;

use lexicon::{BareJid, Domain};
use policy::{InnerServer, Trunk, TrunkName};
use store::Backend;

/// How stanzas reach what serves an address, and come from there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wire {
    /// By the connection of a component.
    Component,
    /// By the link to the leg of inner servers.
    Inner,
}

fn wire(backend: &Backend) -> Option<Wire> {
    match backend {
        Backend::Component => Some(Wire::Component),
        Backend::Xmpp => Some(Wire::Inner),
        Backend::Registrar | Backend::Trunk(_) => None,
    }
}

/// One revision of it, indexed.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    domains: HashMap<Domain, Vec<Backend>>,
    assigned: HashMap<BareJid, Backend>,
    trunks: HashMap<TrunkName, Trunk>,
    inner_servers: HashMap<Domain, InnerServer>,
}

impl Serving {
    pub(crate) fn new(stored: store::Serving) -> Self {
        Self {
            domains: stored.domains.into_iter().map(|domain| (domain.name, domain.backends)).collect(),
            assigned: stored.assigned.into_iter().collect(),
            trunks: stored.trunks.into_iter().map(|trunk| (trunk.name.clone(), trunk)).collect(),
            inner_servers: stored.inner_servers.into_iter().collect(),
        }
    }

    /// What serves `address`; none if its domain is not internal. An assignment to a backend that its domain no longer has
    /// counts for nothing. The domain itself is served by its first backend.
    pub(crate) fn backend_of(&self, address: &BareJid) -> Option<&Backend> {
        let backends = self.domains.get(address.domain())?;
        let assigned = self.assigned.get(address).filter(|backend| backends.contains(backend));
        assigned.or_else(|| backends.first())
    }

    /// How what serves `address` speaks stanzas, if it does: a component, or an inner XMPP server.
    pub(crate) fn wire_of(&self, address: &BareJid) -> Option<Wire> {
        self.backend_of(address).and_then(wire)
    }

    /// Whether `address` is served by something that speaks stanzas.
    pub(crate) fn speaks_xmpp(&self, address: &BareJid) -> bool {
        self.wire_of(address).is_some()
    }

    /// Whether some addresses of `domain` may be served by something that speaks stanzas.
    pub(crate) fn has_xmpp(&self, domain: &Domain) -> bool {
        self.backends(domain).iter().any(|backend| wire(backend).is_some())
    }

    /// Whether stanzas from `address` may come by `through`. The domain itself may speak by each of its backends.
    pub(crate) fn may_speak(&self, address: &BareJid, through: Wire) -> bool {
        match address.local() {
            Some(_) => self.wire_of(address) == Some(through),
            None => self.backends(address.domain()).iter().any(|backend| wire(backend) == Some(through)),
        }
    }

    /// Whether an inner server is behind `domain`, so that it is reached over their leg and by no other way.
    pub(crate) fn is_behind_inner_leg(&self, domain: &Domain) -> bool {
        self.inner_servers.contains_key(domain) && self.backends(domain).contains(&Backend::Xmpp)
    }

    /// The backends of `domain`, first choice first.
    pub(crate) fn backends(&self, domain: &Domain) -> &[Backend] {
        self.domains.get(domain).map_or(&[], Vec::as_slice)
    }

    /// The trunk that serves `address`, if one does.
    pub(crate) fn trunk_of(&self, address: &BareJid) -> Option<&Trunk> {
        self.trunks.get(self.backend_of(address)?.trunk()?)
    }

    /// The first of the domains that a trunk serves, by name.
    pub(crate) fn domain_of(&self, trunk: &TrunkName) -> Option<&Domain> {
        let serves = |backends: &[Backend]| backends.iter().any(|backend| backend.trunk() == Some(trunk));
        self.domains.iter().filter(|(_, backends)| serves(backends)).map(|(name, _)| name).min()
    }

    /// The trunk of this name.
    pub(crate) fn trunk(&self, name: &TrunkName) -> Option<&Trunk> {
        self.trunks.get(name)
    }

    /// All trunks.
    pub(crate) fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.trunks.values()
    }
}

#[cfg(test)]
mod tests {
    use lexicon::{RowId, Timestamp};
    use store::InternalDomain;

    use super::*;

    fn domain(name: &str, backends: &[&str]) -> InternalDomain {
        InternalDomain {
            id: RowId::new(Timestamp::from_millis(0), [0; 10]),
            name: Domain::parse(name).unwrap(),
            backends: backends.iter().map(|text| text.parse().unwrap()).collect(),
            revision: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_first_backend_serves_who_is_not_assigned() {
        let address = |text: &str| BareJid::parse(text).unwrap();
        let assigned = [("b@c.example", "trunk:lync"), ("d@c.example", "component"), ("e@d.example", "xmpp")];
        let serving = Serving::new(store::Serving {
            domains: vec![
                domain("c.example", &["registrar", "trunk:lync"]),
                domain("d.example", &["component", "xmpp"]),
            ],
            assigned: assigned.map(|(user, backend)| (address(user), backend.parse().unwrap())).to_vec(),
            ..store::Serving::default()
        });
        for (user, backend) in [
            ("a@c.example", Some("registrar")),
            ("b@c.example", Some("trunk:lync")),
            ("d@c.example", Some("registrar")),
            ("e@d.example", Some("xmpp")),
            ("d.example", Some("component")),
            ("a@other.example", None),
        ] {
            let found = serving.backend_of(&address(user)).map(ToString::to_string);
            assert_eq!(found.as_deref(), backend, "{user}");
        }
        assert!(serving.speaks_xmpp(&address("e@d.example")) && !serving.speaks_xmpp(&address("a@c.example")));
        assert!(!serving.has_xmpp(&Domain::parse("c.example").unwrap()));
        for (user, component, inner) in [
            ("d@d.example", true, false),
            ("e@d.example", false, true),
            ("d.example", true, true),
            ("a@c.example", false, false),
        ] {
            let may = [Wire::Component, Wire::Inner].map(|wire| serving.may_speak(&address(user), wire));
            assert_eq!(may, [component, inner], "{user}");
        }
    }
}
