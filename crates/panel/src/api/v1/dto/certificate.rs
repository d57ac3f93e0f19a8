//! The server's own certificates.

use serde::{Deserialize, Serialize};

/// The certificates that are shown to partners, or those in the files.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Certificates {
    /// In the order of the configuration file; the first is shown when no other fits.
    pub items: Vec<Certificate>,
    /// Internal domains that none of them names.
    pub domains_without: Vec<String>,
    /// What should be looked after, in sentences.
    pub warnings: Vec<String>,
}

/// One certificate with its key.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Certificate {
    /// The file with the certificate and its chain.
    pub certificate: String,
    /// The file with the key. It belongs to the certificate, else neither is in use.
    pub key: String,
    /// Every name in it: dNSName, xmppAddr, SRVName.
    pub names: Vec<String>,
    /// The internal domains that it is shown for.
    pub domains: Vec<String>,
    /// The subject, for people.
    pub subject: String,
    /// The issuer, for people.
    pub issuer: String,
    /// Start of validity.
    pub not_before: String,
    /// End of validity.
    pub not_after: String,
    /// Whole days until the end of validity; negative after it.
    pub days_left: i64,
    /// `valid`, `expiring` (30 days or less), `expired`, `not_yet_valid`.
    pub state: String,
}

/// The certificate that a partner's server showed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PeerCertificate {
    /// The subject, for people. As the partner wrote it.
    pub subject: String,
    /// The issuer, for people. As the partner wrote it.
    pub issuer: String,
    /// End of validity.
    pub not_after: String,
    /// Whole days until the end of validity; negative after it.
    pub days_left: i64,
}
