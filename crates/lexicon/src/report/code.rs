//! How an attempt ended, as a word. The list is only ever added to: the words key metrics, remedies and translations.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::CertificateFault;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// How an attempt, or one step of it, ended.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order in which they were added.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word of the API, of logs, of metrics and of the store.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The pair was authorised; of a step: it did what it should.
    Ok = "ok",
    /// The remote domain is on no partner.
    NotAPartner = "not_a_partner",
    /// The partner is switched off.
    PartnerDisabled = "partner_disabled",
    /// The local domain is none of ours.
    NotInternal = "not_internal",
    /// The peer claims a domain of ours.
    OwnDomain = "own_domain",
    /// The name servers failed or did not answer.
    DnsFailed = "dns_failed",
    /// DNS knows no server: neither SRV nor address records.
    DnsNoServer = "dns_no_server",
    /// The SRV target ".": the domain says that it offers no federation.
    DnsNotOffered = "dns_not_offered",
    /// Only addresses that may not be dialled were found.
    PrivateTarget = "private_target",
    /// Nothing listens at any address.
    ConnectRefused = "connect_refused",
    /// There is no way to any address.
    Unreachable = "unreachable",
    /// No address answered in time.
    ConnectTimeout = "connect_timeout",
    /// This machine could not dial.
    ConnectFailed = "connect_failed",
    /// The stream was not established in time.
    Timeout = "timeout",
    /// TLS is required and STARTTLS is not offered.
    StarttlsAbsent = "starttls_absent",
    /// STARTTLS ended before the handshake.
    StarttlsFailed = "starttls_failed",
    /// TLS is required and the peer went on without it.
    TlsRequired = "tls_required",
    /// The peer uses TLS, which the partner's settings exclude.
    TlsExcluded = "tls_excluded",
    /// The handshake failed.
    TlsFailed = "tls_failed",
    /// The partner showed no certificate.
    CertificateMissing = "certificate_missing",
    /// The partner's certificate cannot be read.
    CertificateMalformed = "certificate_malformed",
    /// The partner's certificate does not name the domain.
    CertificateWrongName = "certificate_wrong_name",
    /// The partner's certificate has expired.
    CertificateExpired = "certificate_expired",
    /// The partner's certificate is not valid yet.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// The partner's certificate is its own issuer.
    CertificateSelfSigned = "certificate_self_signed",
    /// No trusted root stands behind the partner's certificate, or an intermediate certificate is missing.
    CertificateUntrustedIssuer = "certificate_untrusted_issuer",
    /// The partner's certificate is not for servers.
    CertificateWrongPurpose = "certificate_wrong_purpose",
    /// A signature is wrong or of a kind that is not accepted.
    CertificateBadSignature = "certificate_bad_signature",
    /// The partner's certificate was revoked.
    CertificateRevoked = "certificate_revoked",
    /// The partner's key is none of the pinned ones.
    CertificatePinMismatch = "certificate_pin_mismatch",
    /// SASL EXTERNAL is required and the partner does not offer it.
    ExternalAbsent = "external_absent",
    /// We refused the partner's SASL EXTERNAL for a reason that is not its certificate.
    ExternalFailed = "external_failed",
    /// The partner refused our SASL EXTERNAL.
    OurCertificateRefused = "our_certificate_refused",
    /// The partner offers no dialback, and nothing else is left.
    DialbackAbsent = "dialback_absent",
    /// Dialback ended with an error.
    DialbackRefused = "dialback_refused",
    /// The authoritative server did not answer in time.
    DialbackTimeout = "dialback_timeout",
    /// The key was called invalid.
    DialbackInvalid = "dialback_invalid",
    /// The partner's settings do not permit the method that was left.
    MethodNotPermitted = "method_not_permitted",
    /// The partner's settings changed meanwhile.
    SettingsChanged = "settings_changed",
    /// The connections of the partner, or of all, have reached the limit.
    ConnectionLimit = "connection_limit",
    /// The peer sent more, deeper or larger XML than the limits.
    StreamLimit = "stream_limit",
    /// The partner ended the stream with an error.
    PartnerError = "partner_error",
    /// The partner ended the stream before it was of use.
    PartnerClosed = "partner_closed",
    /// The connection broke.
    Disconnected = "disconnected",
    /// The partner broke a rule of the protocol.
    ProtocolViolation = "protocol_violation",
    /// The partner sent XML that is not allowed on a stream.
    XmlInvalid = "xml_invalid",
    /// We ended it.
    ClosedHere = "closed_here",
    /// We are shutting down.
    Shutdown = "shutdown",
    /// Whoever started the probe ended it.
    Cancelled = "cancelled",
    /// The partner's certificate was shown without that of its issuer, an intermediate authority.
    CertificateIntermediateMissing = "certificate_intermediate_missing",
    /// Both domains are internal: nothing passes between two servers of our own side.
    SameSide = "same_side",
    /// No inner XMPP server is configured for the domain.
    InnerServerUnknown = "inner_server_unknown",
    /// The inner XMPP server connected from an address that it may not come from.
    SourceNotPermitted = "source_not_permitted",
}

impl Code {
    /// Whether the word says something about the partner or the way to it. What we did for reasons of our own does not
    /// tell how the partner is.
    pub fn tells_of_partner(self) -> bool {
        !matches!(
            self,
            Self::Cancelled | Self::ClosedHere | Self::PartnerDisabled | Self::SettingsChanged | Self::Shutdown
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<CertificateFault> for Code {
    fn from(fault: CertificateFault) -> Self {
        match fault {
            CertificateFault::Missing => Self::CertificateMissing,
            CertificateFault::Malformed => Self::CertificateMalformed,
            CertificateFault::WrongName => Self::CertificateWrongName,
            CertificateFault::Expired => Self::CertificateExpired,
            CertificateFault::NotYetValid => Self::CertificateNotYetValid,
            CertificateFault::SelfSigned => Self::CertificateSelfSigned,
            CertificateFault::UntrustedIssuer => Self::CertificateUntrustedIssuer,
            CertificateFault::IntermediateMissing => Self::CertificateIntermediateMissing,
            CertificateFault::WrongPurpose => Self::CertificateWrongPurpose,
            CertificateFault::BadSignature => Self::CertificateBadSignature,
            CertificateFault::Revoked => Self::CertificateRevoked,
            CertificateFault::PinMismatch => Self::CertificatePinMismatch,
        }
    }
}

/// A code as it was written down: a word of this version, or one of a later version, which is kept as it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Recorded {
    /// A word of this version.
    Known(Code),
    /// A word of a later version.
    Later(Box<str>),
}

impl Recorded {
    /// The word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Later(text) => text,
        }
    }

    /// Whether it is [`Code::Ok`].
    pub fn is_ok(&self) -> bool {
        *self == Self::Known(Code::Ok)
    }

    /// The code, if this version knows it.
    pub fn known(&self) -> Option<Code> {
        match self {
            Self::Known(code) => Some(*code),
            Self::Later(_) => None,
        }
    }
}

impl From<Code> for Recorded {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

impl From<&str> for Recorded {
    fn from(text: &str) -> Self {
        let known = Code::ALL.iter().find(|code| code.as_str() == text);
        known.map_or_else(|| Self::Later(text.into()), |code| Self::Known(*code))
    }
}

impl Serialize for Recorded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from(&*text))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Recorded::from(code.as_str()), Recorded::Known(*code));
        }
    }

    #[test]
    fn the_faults_of_certificates_keep_their_words() {
        for fault in [
            CertificateFault::Missing,
            CertificateFault::Malformed,
            CertificateFault::WrongName,
            CertificateFault::Expired,
            CertificateFault::NotYetValid,
            CertificateFault::SelfSigned,
            CertificateFault::UntrustedIssuer,
            CertificateFault::IntermediateMissing,
            CertificateFault::WrongPurpose,
            CertificateFault::BadSignature,
            CertificateFault::Revoked,
            CertificateFault::PinMismatch,
        ] {
            assert_eq!(Code::from(fault).as_str(), fault.as_str());
        }
    }

    #[test]
    fn a_word_of_a_later_version_is_kept() {
        let read: Recorded = serde_json::from_str("\"quantum_refused\"").unwrap();
        assert_eq!(read, Recorded::Later("quantum_refused".into()));
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"quantum_refused\"");
    }
}
