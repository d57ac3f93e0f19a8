//! A partner: whom we federate with, and on which terms.
//!
//! The list of partners is closed: a domain on no enabled partner can neither send nor receive. Each domain counts only
//! when it is listed; sub-domains are never implied.

use std::{fmt, str::FromStr, sync::Arc};

use lexicon::Domain;

use crate::{
    FieldWarning, Negotiation,
    negotiation::{Invalid, Row},
};

mod changes;
mod directory;
mod look_alike;
mod target;
#[cfg(test)]
mod tests;
mod trust;

pub use changes::{Checked, PartnerChanges, PartnerDraft};
pub use directory::{Directory, Owner};
pub use target::{ProxyFqdn, ProxyFqdnError};
pub use trust::{PemError, Pin, PinError, TrustRoots};

/// Longest description in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1024;

/// Most additional domains of one partner.
pub const ADDITIONAL_DOMAINS_MAX: usize = 256;

/// Fewest connections a partner can be limited to: one each way.
pub const CONNECTION_LIMIT_MIN: u32 = 2;

/// Most pins of one partner.
pub const PINS_MAX: usize = 16;

/// Which contact rules apply to a partner's users.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PartnerType {
    /// The same enterprise, or a business partner.
    Federated,
    /// A public provider that verifies its users.
    PublicVerified,
    /// Any public provider.
    #[default]
    PublicUnverified,
}

impl PartnerType {
    /// All, in the order of the form.
    pub const ALL: [Self; 3] = [Self::Federated, Self::PublicVerified, Self::PublicUnverified];

    /// The word used in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Federated => "federated",
            Self::PublicVerified => "public_verified",
            Self::PublicUnverified => "public_unverified",
        }
    }

    /// Whether the partner's users see the status notes of internal users.
    pub const fn sees_status_notes(self) -> bool {
        matches!(self, Self::Federated)
    }

    /// Whether the partner's users must wait until an internal user has opened the contact.
    pub const fn waits_for_invitation(self) -> bool {
        matches!(self, Self::PublicUnverified)
    }
}

impl fmt::Display for PartnerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is not one of the three partner types.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are federated, public_verified and public_unverified")]
pub struct PartnerTypeError;

impl FromStr for PartnerType {
    type Err = PartnerTypeError;

    fn from_str(text: &str) -> Result<Self, PartnerTypeError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(PartnerTypeError)
    }
}

/// A configured partner. Made by [`PartnerDraft::check`] and [`PartnerChanges::check`]; the store makes the values that
/// they accepted again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partner {
    /// Its identity; cannot be renamed.
    pub primary_domain: Domain,
    /// Notes, contact data.
    pub description: Arc<str>,
    /// Further domains, each listed one allowed; without the primary, without repetition.
    pub additional_domains: Vec<Domain>,
    /// Contact rules.
    pub partner_type: PartnerType,
    /// TLS, SASL and dialback: a valid row.
    pub negotiation: Negotiation,
    /// Stanza connections over all domains and both directions; none: the gateway-wide `partner_connection_limit`.
    pub connection_limit: Option<u32>,
    /// Whether quiet streams are asked for proof of life.
    pub keep_alive: bool,
    /// Connect here instead of asking SRV.
    pub proxy_fqdn: Option<ProxyFqdn>,
    /// Which authorities may vouch for the partner's certificates.
    pub trust_roots: TrustRoots,
    /// If any, the peer's key must be one of them.
    pub pins: Vec<Pin>,
    /// Off without deleting.
    pub enabled: bool,
}

impl Partner {
    /// A partner with every default of the form.
    pub fn new(primary_domain: Domain) -> Self {
        Self {
            primary_domain,
            description: Arc::from(""),
            additional_domains: Vec::new(),
            partner_type: PartnerType::default(),
            negotiation: Negotiation::default(),
            connection_limit: None,
            keep_alive: true,
            proxy_fqdn: None,
            trust_roots: TrustRoots::System,
            pins: Vec::new(),
            enabled: true,
        }
    }

    /// All its domains, the primary first.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.primary_domain).chain(&self.additional_domains)
    }

    /// Whether `domain` is listed.
    pub fn has_domain(&self, domain: &Domain) -> bool {
        self.domains().any(|listed| listed == domain)
    }

    /// The row of its negotiation.
    pub fn row(&self) -> &'static Row {
        self.negotiation.row()
    }

    /// Whether its negotiation could not be saved; never of a checked partner.
    pub fn invalid(&self) -> Option<Invalid> {
        self.row().invalid()
    }

    /// What an administrator should know about it: its row's warnings, then look-alike names.
    pub fn warnings(&self) -> Vec<FieldWarning> {
        let row = self.row().warnings().iter().map(|warning| FieldWarning::from(*warning));
        let primary = look_alike::warning("primary_domain", &self.primary_domain);
        let additional =
            self.additional_domains.iter().filter_map(|domain| look_alike::warning("additional_domains", domain));
        row.chain(primary).chain(additional).collect()
    }
}
