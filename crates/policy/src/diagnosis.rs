//! What to do about a failure: for each class of failure, the remedy in a sentence.
//!
//! The classes are the codes of reports; they are only ever added to. What happened in one attempt is the report's
//! part.

use lexicon::CertificateFault;

use crate::snapshot::PairRefusal;

/// What kind of thing went wrong between us and a partner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Failure {
    /// The remote domain is on no partner.
    NotAPartner,
    /// The partner is switched off.
    PartnerDisabled,
    /// The local domain is none of ours.
    NotInternal,
    /// The name servers did not answer or failed.
    DnsFailed,
    /// The partner's domain has no address to connect to.
    DnsNoAddress,
    /// Every address is private and `allow_private_targets` does not permit it.
    PrivateTarget,
    /// No address accepted a connection.
    ConnectFailed,
    /// The attempt took too long.
    Timeout,
    /// TLS is required and not offered.
    TlsNotOffered,
    /// The TLS handshake failed.
    TlsFailed,
    /// The partner's certificate is not good.
    Certificate(CertificateFault),
    /// The partner did not accept our certificate.
    OurCertificateRefused,
    /// The key was not confirmed by the partner's authoritative server.
    DialbackRefused,
    /// Nothing that the negotiation permits is available.
    NoPermittedMethod,
    /// The partner broke the protocol.
    Protocol,
    /// The partner closed the stream with an error.
    ClosedByPartner,
    /// A limit of ours was reached.
    Limit,
}

impl Failure {
    /// The code of reports, metrics and translations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAPartner => "not_a_partner",
            Self::PartnerDisabled => "partner_disabled",
            Self::NotInternal => "not_internal",
            Self::DnsFailed => "dns_failed",
            Self::DnsNoAddress => "dns_no_address",
            Self::PrivateTarget => "private_target",
            Self::ConnectFailed => "connect_failed",
            Self::Timeout => "timeout",
            Self::TlsNotOffered => "tls_not_offered",
            Self::TlsFailed => "tls_failed",
            Self::Certificate(fault) => fault.as_str(),
            Self::OurCertificateRefused => "our_certificate_refused",
            Self::DialbackRefused => "dialback_refused",
            Self::NoPermittedMethod => "no_permitted_method",
            Self::Protocol => "protocol",
            Self::ClosedByPartner => "closed_by_partner",
            Self::Limit => "limit",
        }
    }

    /// What an administrator can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NotAPartner => "add the domain as a partner, or as an additional domain of one",
            Self::PartnerDisabled => "enable the partner",
            Self::NotInternal => "add the domain as an internal domain, or tell the partner the right one",
            Self::DnsFailed => "check the name servers in the configuration file and that they can be reached",
            Self::DnsNoAddress => "ask the partner for its _xmpp-server records, or set proxy_fqdn",
            Self::PrivateTarget => "set allow_private_targets to the partner's network if this address is meant",
            Self::ConnectFailed => {
                "check that port 5269 of the partner can be reached from here; a firewall may block it"
            }
            Self::Timeout => "check the network to the partner; raise stream_establishment_timeout if it is slow",
            Self::TlsNotOffered => "ask the partner to enable TLS, or set TLS to optional and accept plaintext",
            Self::TlsFailed => "compare TLS versions and cipher suites with the partner; TLS 1.2 is the least",
            Self::Certificate(fault) => certificate_remedy(fault),
            Self::OurCertificateRefused => {
                "check that our certificate names the internal domain and that the partner trusts its authority"
            }
            Self::DialbackRefused => {
                "check that the partner's server can connect back to our public _xmpp-server records"
            }
            Self::NoPermittedMethod => "compare the partner's negotiation with what its server offers",
            Self::Protocol => "tell the partner what the report shows; its server breaks the standard",
            Self::ClosedByPartner => "read the partner's reason in the report; it may have to allow our domain",
            Self::Limit => "raise the limit that the report names, or find out why it is reached",
        }
    }
}

fn certificate_remedy(fault: CertificateFault) -> &'static str {
    match fault {
        CertificateFault::SelfSigned | CertificateFault::UntrustedIssuer => {
            "add the partner's authority to trust_roots, or permit TLS dialback with SASL optional"
        }
        CertificateFault::PinMismatch => "ask the partner whether its key was changed, then correct the pins",
        CertificateFault::Missing => "ask the partner to present a certificate, or permit TLS dialback",
        CertificateFault::Expired | CertificateFault::NotYetValid => {
            "ask the partner to renew its certificate; check the clock of this machine"
        }
        CertificateFault::WrongName => "ask the partner for a certificate that names its XMPP domain",
        CertificateFault::Malformed
        | CertificateFault::WrongPurpose
        | CertificateFault::BadSignature
        | CertificateFault::Revoked => "ask the partner for another certificate",
    }
}

impl From<&PairRefusal> for Failure {
    fn from(refusal: &PairRefusal) -> Self {
        match refusal {
            PairRefusal::NotInternal(_) => Self::NotInternal,
            PairRefusal::NotAPartner(_) => Self::NotAPartner,
            PairRefusal::Disabled(_) => Self::PartnerDisabled,
        }
    }
}
