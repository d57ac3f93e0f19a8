//! SASL EXTERNAL between servers (RFC 6120 §6, XEP-0178 §3).

use std::fmt;

/// A condition of SASL failure that we send (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SaslCondition {
    /// The peer gave up (§6.5.1).
    Aborted,
    /// SASL without TLS (§6.5.4).
    EncryptionRequired,
    /// Not base64 (§6.5.5).
    IncorrectEncoding,
    /// The peer asks to act as somebody else (§6.5.6).
    InvalidAuthzid,
    /// Not EXTERNAL (§6.5.7).
    InvalidMechanism,
    /// No content at all (§6.5.8).
    MalformedRequest,
    /// The certificate does not prove the identity, or policy excludes SASL (§6.5.10).
    NotAuthorized,
}

impl SaslCondition {
    /// The name of the condition's element.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
        }
    }
}

impl fmt::Display for SaslCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
