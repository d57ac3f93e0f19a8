//! Who serves an internal address: the first backend of its domain, or the one that the address was assigned to.

use std::collections::HashMap;

use lexicon::{BareJid, Domain};
use policy::{InnerServer, Trunk, TrunkName};
use store::Backend;

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

    /// Whether `address` is served by something that speaks stanzas: a component, or an inner XMPP server.
    pub(crate) fn speaks_xmpp(&self, address: &BareJid) -> bool {
        matches!(self.backend_of(address), Some(Backend::Component | Backend::Xmpp))
    }

    /// Whether some addresses of `domain` may be served by something that speaks stanzas.
    pub(crate) fn has_xmpp(&self, domain: &Domain) -> bool {
        let speaks = |backend: &Backend| matches!(backend, Backend::Component | Backend::Xmpp);
        self.domains.get(domain).is_some_and(|backends| backends.iter().any(speaks))
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

    /// The XMPP server behind `domain`, if it has one.
    pub(crate) fn inner_server(&self, domain: &Domain) -> Option<&InnerServer> {
        self.inner_servers.get(domain)
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
    }
}
