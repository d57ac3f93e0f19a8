//! What a machine must know of policy, and when it may not.
//!
//! The rules come from outside at the moment a pair is judged, with the verdict about the certificate that the peer
//! showed on this connection. A machine asks again when a pair is about to be authorised: what it was told earlier only
//! decided what to offer.

use std::time::Duration;

use lexicon::{ChainVerdict, DomainPair, Method, MethodSet};

use super::error::Condition;

/// The partner's TLS setting.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TlsUse {
    /// Nothing but the negotiation of TLS happens in plaintext.
    Required,
    /// TLS is used when the peer offers it.
    Optional,
    /// TLS is neither advertised nor requested.
    NotSupported,
}

/// How a domain pair may be authorised on one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairRules {
    /// The partner's TLS setting.
    pub tls: TlsUse,
    /// The methods that the partner's row permits.
    pub methods: MethodSet,
    /// Whether server dialback is spoken with the partner at all.
    pub dialback: bool,
    /// Chain, validity, purpose and pin of the certificate shown on this connection, judged by the partner's roots.
    /// [`CertificateFault::Missing`](lexicon::CertificateFault::Missing) before TLS. Its names are compared by the
    /// machine.
    pub certificate: ChainVerdict,
    /// Whether the partner is asked for proof of life after a silence.
    pub keep_alive: bool,
}

impl PairRules {
    /// Whether anything could authorise the pair without TLS.
    pub(crate) fn permit_plaintext(&self) -> bool {
        self.tls != TlsUse::Required && self.methods.contains(Method::TcpDialback)
    }

    /// Whether `method` may authorise a pair on a connection with these facts.
    pub(crate) fn permit(&self, method: Method, tls_up: bool, certificate: ChainVerdict) -> bool {
        let tls_fits = !(tls_up && self.tls == TlsUse::NotSupported);
        tls_fits
            && match method {
                Method::SaslOverTls => self.methods.contains(method) && tls_up && certificate.is_ok(),
                Method::TlsDialback | Method::TcpDialback => self.dialback_method(tls_up) == Some(method),
            }
    }

    /// The dialback method of a connection with or without TLS, if the rules permit it.
    pub(crate) fn dialback_method(&self, tls_up: bool) -> Option<Method> {
        let method = if tls_up { Method::TlsDialback } else { Method::TcpDialback };
        (self.dialback && self.methods.contains(method) && (tls_up || self.tls != TlsUse::Required)).then_some(method)
    }
}

/// Why a pair is not served at all.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// Connections of the partner have reached the limit.
    ConnectionLimit,
    /// The local domain is not an internal domain.
    HostUnknown,
    /// On the leg of inner servers: the local domain is that of a partner that is switched off.
    LocalDisabled,
    /// On that leg: the local domain is on no partner's list.
    LocalNotPartner,
    /// The peer claims a domain of ours.
    OwnDomain,
    /// The partner exists and is switched off.
    PartnerDisabled,
    /// The remote domain is on no partner's list.
    PartnerUnknown,
    /// The partner's settings changed so that this stream is no longer permitted.
    RulesChanged,
    /// On the leg of inner servers: both domains are behind it, and nothing passes between two of one side.
    SameSide,
    /// On that leg: no server is known for the remote domain.
    ServerUnknown,
    /// We are shutting down.
    Shutdown,
    /// On the leg of inner servers: the peer's address is none that the remote domain's server may connect from.
    SourceNotPermitted,
}

impl Refusal {
    /// The stream error to answer with.
    pub fn condition(self) -> Condition {
        match self {
            Self::ConnectionLimit => Condition::ResourceConstraint,
            Self::HostUnknown | Self::LocalDisabled | Self::LocalNotPartner | Self::SameSide => Condition::HostUnknown,
            Self::OwnDomain => Condition::InvalidFrom,
            Self::PartnerDisabled
            | Self::PartnerUnknown
            | Self::RulesChanged
            | Self::ServerUnknown
            | Self::SourceNotPermitted => Condition::PolicyViolation,
            Self::Shutdown => Condition::SystemShutdown,
        }
    }

    /// What the peer is told.
    pub fn wire_text(self, pair: &DomainPair) -> String {
        let DomainPair { local, remote } = pair;
        match self {
            Self::ConnectionLimit => format!("too many connections of {remote}"),
            Self::HostUnknown => format!("{local} is not served here"),
            Self::LocalDisabled => format!("federation with {local} is disabled"),
            Self::LocalNotPartner => format!("{local} is not a federation partner"),
            Self::OwnDomain => format!("{remote} is served here and connects to nobody"),
            Self::PartnerDisabled => format!("federation with {remote} is switched off"),
            Self::PartnerUnknown => format!("{remote} is not a federation partner of {local}"),
            Self::RulesChanged => format!("the rules for {remote} have changed"),
            Self::SameSide => format!("{remote} and {local} are both inside and are not connected here"),
            Self::ServerUnknown => format!("no inner XMPP server of {remote} is known here"),
            Self::Shutdown => "the server is shutting down".to_owned(),
            Self::SourceNotPermitted => format!("the server of {remote} may not connect from this address"),
        }
    }
}

/// Extensions that may be switched off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extensions {
    /// Bidirectional streams (XEP-0288): each pair authorised on a connection may be used both ways.
    pub bidi: bool,
    /// Stream management (XEP-0198): stanzas are acknowledged when they are settled.
    pub stream_management: bool,
}

impl Extensions {
    /// All that are spoken.
    pub const ALL: Self = Self { bidi: true, stream_management: true };
}

/// Numbers that bound one stream; the gateway-wide settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StreamLimits {
    /// From accept or connect to an authorised pair.
    pub establishment_timeout: Duration,
    /// Without stanzas, then closed cleanly.
    pub inactivity_timeout: Duration,
    /// On a stream that we send on, without proof that the partner lives, before it is asked.
    pub keep_alive_interval: Duration,
    /// From the question to `connection-timeout`.
    pub keep_alive_timeout: Duration,
    /// From our closing tag to the peer's.
    pub close_timeout: Duration,
    /// Bytes accepted from one header to an authorised pair.
    pub unauthenticated_bytes_max: usize,
    /// Bytes of one stanza; advertised by XEP-0478.
    pub stanza_bytes_max: usize,
    /// Pairs of one stream, authorised or being authorised.
    pub pairs_max: usize,
    /// Stanzas sent without acknowledgement before `room` is zero, where the peer acknowledges.
    pub unacked_max: usize,
    /// Bytes waiting to be written before `room` is zero.
    pub write_bytes_max: usize,
}

impl Default for StreamLimits {
    /// The defaults of the settings.
    fn default() -> Self {
        Self {
            establishment_timeout: Duration::from_secs(60),
            inactivity_timeout: Duration::from_secs(600),
            keep_alive_interval: Duration::from_secs(300),
            keep_alive_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            unauthenticated_bytes_max: 8_192,
            stanza_bytes_max: 262_144,
            pairs_max: 64,
            unacked_max: 500,
            write_bytes_max: 256 << 10,
        }
    }
}
