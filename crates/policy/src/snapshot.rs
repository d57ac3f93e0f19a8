//! What the edge needs to judge streams without a database.
//!
//! A snapshot is one revision of the store's partners, internal domains and settings. The proxy does not listen before
//! its first one and exchanges it whole, so a stream is never judged by parts of two revisions. Contacts never enter
//! it.

use std::{collections::BTreeMap, sync::Arc};

use lexicon::{Domain, DomainPair};

use crate::{
    Partner, Settings,
    partner::{Directory, Owner},
    settings::Passphrase,
};

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
    /// The remote side's partner is switched off.
    #[error("{0} is disabled")]
    Disabled(Domain),
}

impl EdgeSnapshot {
    /// Of what the store held at `revision`.
    pub fn new(
        revision: u64,
        partners: impl IntoIterator<Item = Partner>,
        internal: impl IntoIterator<Item = Domain>,
        settings: Settings,
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
        Self { inner: Arc::new(Inner { revision, settings, partners, by_domain, directory }) }
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
            return Err(PairRefusal::NotInternal(pair.local.clone()));
        }
        match self.partner_of(&pair.remote) {
            None => Err(PairRefusal::NotAPartner(pair.remote.clone())),
            Some(partner) if !partner.enabled => Err(PairRefusal::Disabled(pair.remote.clone())),
            Some(partner) => Ok(partner),
        }
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
    fn a_snapshot_never_shows_the_dialback_secret() {
        assert!(!format!("{:?}", snapshot()).contains("0123456789abcdef"));
    }
}
