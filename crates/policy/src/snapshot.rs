//! What the edge needs to judge streams without a database.
//!
//! A snapshot is one revision of the store's partners, internal domains and settings. The proxy does not listen before
//! its first one and exchanges it whole, so a stream is never judged by parts of two revisions. Contacts never enter
//! it.
//!
//! On the leg of inner XMPP servers the same revision is seen [from the other side](EdgeSnapshot::of_inner_leg): there we
//! answer for partners' domains, and the other servers are our own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lexicon::{Domain, DomainPair};

use crate::{
    InnerServer, Partner, Settings,
    partner::{Directory, Owner},
    settings::{Passphrase, PrivateTargets},
};

/// Stanzas a second of one inner server: all its users together, so what a partner may send is no measure.
const INNER_STANZAS_PER_SECOND: u64 = 1_000_000;

/// One revision of partners, internal domains and settings. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct EdgeSnapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    settings: Settings,
    partners: Vec<Arc<Partner>>,
    by_domain: BTreeMap<Domain, usize>,
    directory: Directory,
    /// Only on the leg of inner servers.
    inner: Option<InnerLeg>,
}

/// What is known of inner servers, and of the domains that nobody is to reach over them.
#[derive(Debug)]
struct InnerLeg {
    servers: BTreeMap<Domain, InnerServer>,
    /// Partners' domains that are switched off.
    disabled: BTreeSet<Domain>,
}

/// Why a domain pair cannot carry stanzas, whatever the stream offers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PairRefusal {
    /// The local side is none of our internal domains.
    #[error("{0} is not a domain of this server")]
    NotInternal(Domain),
    /// The remote side is on no partner.
    #[error("{0} is not a federation partner")]
    NotAPartner(Domain),
    /// The remote side's partner is switched off; on the leg of inner servers the local side's.
    #[error("{0} is disabled")]
    Disabled(Domain),
    /// Both sides are served by inner servers.
    #[error("{0} is served by an inner XMPP server, and nothing passes between two of them here")]
    SameSide(Domain),
    /// No inner server is behind the remote side.
    #[error("no inner XMPP server is known for {0}")]
    NoInnerServer(Domain),
}

impl EdgeSnapshot {
    /// Of what the store held at `revision`.
    pub fn new(
        revision: u64,
        partners: impl IntoIterator<Item = Partner>,
        internal: impl IntoIterator<Item = Domain>,
        settings: Settings,
    ) -> Self {
        Self::make(revision, partners, internal, settings, None)
    }

    fn make(
        revision: u64,
        partners: impl IntoIterator<Item = Partner>,
        internal: impl IntoIterator<Item = Domain>,
        settings: Settings,
        inner: Option<InnerLeg>,
    ) -> Self {
        let partners: Vec<_> = partners.into_iter().map(Arc::new).collect();
        let internal: Vec<_> = internal.into_iter().collect();
        let directory = Directory::new(&internal, partners.iter().map(AsRef::as_ref));
        let mut by_domain = BTreeMap::new();
        for (index, partner) in partners.iter().enumerate() {
            for domain in partner.domains() {
                by_domain.entry(domain.clone()).or_insert(index);
            }
        }
        Self { inner: Arc::new(Inner { revision, settings, partners, by_domain, directory, inner }) }
    }

    /// The same revision as the leg of inner servers sees it. *Internal* are there the domains of enabled partners, for
    /// which we stand, and those internal domains that none of `servers` is behind; the *partners* are `servers`, each by
    /// the internal domain that it serves. Which addresses may be dialled is their targets' matter, and how much they may
    /// send and connect that of the gateway-wide limits alone.
    pub fn of_inner_leg(&self, servers: impl IntoIterator<Item = (Domain, InnerServer)>) -> Self {
        let servers: BTreeMap<_, _> = servers.into_iter().collect();
        let domains = |enabled| {
            let partners = self.partners().iter().filter(move |partner| partner.enabled == enabled);
            partners.flat_map(|partner| partner.domains().cloned())
        };
        let beside = self.internal_domains().filter(|domain| !servers.contains_key(*domain)).cloned();
        let internal: Vec<_> = domains(true).chain(beside).collect();
        let mut settings = self.settings().clone();
        settings.allow_private_targets = PrivateTargets::All;
        settings.partner_stanzas_per_second = INNER_STANZAS_PER_SECOND;
        settings.partner_connection_limit = settings.connection_limit;
        let partners: Vec<_> = servers.iter().map(|(domain, server)| server.as_partner(domain.clone())).collect();
        let inner = InnerLeg { disabled: domains(false).collect(), servers };
        Self::make(self.revision(), partners, internal, settings, Some(inner))
    }

    /// The inner server behind `domain`; none but on their leg.
    pub fn inner_server(&self, domain: &Domain) -> Option<&InnerServer> {
        self.inner.inner.as_ref()?.servers.get(domain)
    }

    /// The store's revision.
    pub fn revision(&self) -> u64 {
        self.inner.revision
    }

    /// The gateway-wide settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The secret that dialback keys are made from (XEP-0185).
    pub fn dialback_secret(&self) -> &Passphrase {
        &self.inner.settings.dialback_passphrase
    }

    /// All partners, enabled or not.
    pub fn partners(&self) -> &[Arc<Partner>] {
        &self.inner.partners
    }

    /// The partner that lists `domain`, enabled or not.
    pub fn partner_of(&self, domain: &Domain) -> Option<&Arc<Partner>> {
        self.inner.by_domain.get(domain).map(|index| &self.inner.partners[*index])
    }

    /// The internal domains.
    pub fn internal_domains(&self) -> impl Iterator<Item = &Domain> {
        self.inner.directory.internal()
    }

    /// Whether `domain` is one of ours.
    pub fn is_internal(&self, domain: &Domain) -> bool {
        self.inner.directory.owner(domain) == Some(&Owner::Internal)
    }

    /// Whose domain is whose, for checking a change.
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// The enabled partner of a pair whose local side is ours.
    pub fn judge(&self, pair: &DomainPair) -> Result<&Arc<Partner>, PairRefusal> {
        if !self.is_internal(&pair.local) {
            return Err(self.not_internal(&pair.local));
        }
        match self.partner_of(&pair.remote) {
            None if self.inner.inner.is_some() => Err(PairRefusal::NoInnerServer(pair.remote.clone())),
            None => Err(PairRefusal::NotAPartner(pair.remote.clone())),
            Some(partner) if !partner.enabled => Err(PairRefusal::Disabled(pair.remote.clone())),
            Some(partner) => Ok(partner),
        }
    }

    fn not_internal(&self, local: &Domain) -> PairRefusal {
        let refusal = match &self.inner.inner {
            None => PairRefusal::NotInternal,
            Some(inner) if inner.servers.contains_key(local) => PairRefusal::SameSide,
            Some(inner) if inner.disabled.contains(local) => PairRefusal::Disabled,
            Some(_) => PairRefusal::NotAPartner,
        };
        refusal(local.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn snapshot() -> EdgeSnapshot {
        let mut fabrikam = Partner::new(domain("fabrikam.example"));
        fabrikam.additional_domains = vec![domain("it.fabrikam.example")];
        let mut litware = Partner::new(domain("litware.example"));
        litware.enabled = false;
        let settings = Settings::new("0123456789abcdef".parse().unwrap());
        EdgeSnapshot::new(7, [fabrikam, litware], [domain("contoso.example")], settings)
    }

    #[test]
    fn a_partner_is_found_by_each_listed_domain_and_by_no_other() {
        let snapshot = snapshot();
        for (name, primary) in [
            ("fabrikam.example", Some("fabrikam.example")),
            ("it.fabrikam.example", Some("fabrikam.example")),
            ("litware.example", Some("litware.example")),
            ("hr.fabrikam.example", None),
            ("example", None),
            ("contoso.example", None),
        ] {
            let found = snapshot.partner_of(&domain(name)).map(|partner| partner.primary_domain.as_ascii());
            assert_eq!(found, primary, "{name}");
        }
    }

    #[test]
    fn a_pair_needs_an_internal_domain_and_an_enabled_partner() {
        let snapshot = snapshot();
        for (local, remote, refusal) in [
            ("contoso.example", "it.fabrikam.example", None),
            ("contoso.example", "litware.example", Some("litware.example is disabled")),
            ("contoso.example", "northwind.example", Some("northwind.example is not a federation partner")),
            ("contoso.example", "contoso.example", Some("contoso.example is not a federation partner")),
            ("it.contoso.example", "fabrikam.example", Some("it.contoso.example is not a domain of this server")),
        ] {
            let pair = DomainPair { local: domain(local), remote: domain(remote) };
            let found = snapshot.judge(&pair).err().map(|refusal| refusal.to_string());
            assert_eq!(found.as_deref(), refusal, "{pair}");
        }
    }

    #[test]
    fn the_inner_leg_answers_for_enabled_partners_towards_inner_servers() {
        let mut litware = Partner::new(domain("litware.example"));
        litware.enabled = false;
        let partners = [Partner::new(domain("fabrikam.example")), litware];
        let internal = ["contoso.example", "hr.contoso.example", "sip.contoso.example"].map(domain);
        let settings = Settings::new("0123456789abcdef".parse().unwrap());
        let outer = EdgeSnapshot::new(7, partners, internal, settings);
        let server = InnerServer::new(vec!["192.0.2.7".parse().unwrap()]);
        let servers = ["contoso.example", "hr.contoso.example"].map(|name| (domain(name), server.clone()));
        let inner = outer.of_inner_leg(servers);
        assert_eq!(inner.revision(), 7);
        for (local, remote, refusal) in [
            ("fabrikam.example", "contoso.example", None),
            ("sip.contoso.example", "contoso.example", None),
            ("litware.example", "contoso.example", Some("litware.example is disabled")),
            ("northwind.example", "contoso.example", Some("northwind.example is not a federation partner")),
            (
                "hr.contoso.example",
                "contoso.example",
                Some(
                    "hr.contoso.example is served by an inner XMPP server, and nothing passes between two of them here",
                ),
            ),
            ("fabrikam.example", "sip.contoso.example", Some("no inner XMPP server is known for sip.contoso.example")),
        ] {
            let pair = DomainPair { local: domain(local), remote: domain(remote) };
            let found = inner.judge(&pair).err().map(|refusal| refusal.to_string());
            assert_eq!(found.as_deref(), refusal, "{pair}");
        }
        assert!(inner.inner_server(&domain("contoso.example")).is_some_and(|found| *found == server));
        assert!(outer.inner_server(&domain("contoso.example")).is_none(), "only on the inner leg");
        let outwards = DomainPair { local: domain("fabrikam.example"), remote: domain("contoso.example") };
        assert!(outer.judge(&outwards).is_err(), "the outer edge answers for no partner");
    }

    #[test]
    fn a_snapshot_never_shows_the_dialback_secret() {
        assert!(!format!("{:?}", snapshot()).contains("0123456789abcdef"));
    }
}
