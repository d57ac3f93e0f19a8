//! What is known of a peer's certificate and of the TLS it came with.
//!
//! A certificate is judged in parts that are kept apart: the chain, the identity, the validity, the purpose, the pin. A
//! verdict never ends a handshake; it decides which method is available. These are the facts; `net::tls` finds them,
//! `xmpp::identity` compares the names, the policy row decides.

use std::fmt;

use crate::Timestamp;

/// The names a certificate gives its subject (RFC 6120 §13.7.1.2, RFC 5922 §7.1). For XMPP the subject's common name is no
/// identity (RFC 9525 §2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateNames {
    /// dNSName entries, as written.
    pub dns: Vec<String>,
    /// SRVName entries (RFC 4985), as written: `_xmpp-server.fabrikam.example`.
    pub srv: Vec<String>,
    /// id-on-xmppAddr entries, as written.
    pub xmpp: Vec<String>,
    /// uniformResourceIdentifier entries, as written: `sip:fabrikam.example`.
    pub uri: Vec<String>,
    /// The subject's common name, where there is no subjectAltName at all: only SIP looks at it, and only then.
    pub common: Option<String>,
}

impl CertificateNames {
    /// Whether the certificate names nobody to XMPP.
    pub fn is_empty(&self) -> bool {
        self.dns.is_empty() && self.srv.is_empty() && self.xmpp.is_empty()
    }
}

/// What is wrong with a certificate, in the words of a report.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateFault {
    /// The peer showed none.
    Missing,
    /// It cannot be read.
    Malformed,
    /// It does not name the domain.
    WrongName,
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// It is its own issuer and not a trusted root.
    SelfSigned,
    /// No trusted root stands behind it; an intermediate certificate may be missing.
    UntrustedIssuer,
    /// It was shown without the certificate of its issuer, which is no trusted root and is kept elsewhere, as it says.
    IntermediateMissing,
    /// It may not be used by a server.
    WrongPurpose,
    /// A signature is wrong or of a kind that is not accepted.
    BadSignature,
    /// It was revoked.
    Revoked,
    /// Its key is none of the pinned ones.
    PinMismatch,
}

impl CertificateFault {
    /// The word used in the API, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "certificate_missing",
            Self::Malformed => "certificate_malformed",
            Self::WrongName => "certificate_wrong_name",
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::SelfSigned => "certificate_self_signed",
            Self::UntrustedIssuer => "certificate_untrusted_issuer",
            Self::IntermediateMissing => "certificate_intermediate_missing",
            Self::WrongPurpose => "certificate_wrong_purpose",
            Self::BadSignature => "certificate_bad_signature",
            Self::Revoked => "certificate_revoked",
            Self::PinMismatch => "certificate_pin_mismatch",
        }
    }
}

/// Finishes the sentence "The certificate …".
impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missing => "was not shown",
            Self::Malformed => "cannot be read",
            Self::WrongName => "does not name the domain",
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::SelfSigned => "is self-signed",
            Self::UntrustedIssuer => "was not issued by a trusted authority, or an intermediate certificate is missing",
            Self::IntermediateMissing => "was shown without the certificate of its issuer",
            Self::WrongPurpose => "may not be used by a server",
            Self::BadSignature => "has a signature that is wrong or not accepted",
            Self::Revoked => "was revoked",
            Self::PinMismatch => "has a key that is none of the pinned ones",
        })
    }
}

/// Chain, validity, purpose and pin in one word: good, or the first fault found. The identity is judged apart.
pub type ChainVerdict = Result<(), CertificateFault>;

/// A peer's end-entity certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerCertificate {
    /// Whom it names.
    pub names: CertificateNames,
    /// The subject as text, for people. Peer-supplied: never markup.
    pub subject: String,
    /// The issuer as text, for people. Peer-supplied: never markup.
    pub issuer: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// SHA-256 of the SubjectPublicKeyInfo: what a pin names.
    pub spki_sha256: [u8; 32],
}

/// The TLS version in use.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// What a finished TLS handshake tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFacts {
    /// The version in use.
    pub version: TlsVersion,
    /// The cipher suite's name, for people.
    pub cipher: String,
    /// The peer's certificate, or why there is none to read.
    pub peer: Result<PeerCertificate, CertificateFault>,
}
