//! Why a stream, or one pair of it, came to nothing: precise enough to tell a sender and an operator what to do.
//!
//! `Display` is the operator's text; what goes to the peer is [`condition`](StreamFailure::condition) alone. Words of the
//! peer inside are data, never markup.

use lexicon::{CertificateFault, Method};

use super::{
    dialback::DialbackError,
    error::{Condition, StreamError},
    external::SaslCondition,
    rules::Refusal,
};
use crate::xml::XmlError;

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// The partner's server.
    Peer,
    /// This server.
    Us,
    /// Whatever lies between.
    Network,
    /// The partner's settings here.
    Policy,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Retry {
    /// At once, on a new connection and without SASL: the rules permit dialback and the peer refused EXTERNAL.
    WithoutSasl,
    /// After the route's back-off.
    Later,
    /// Not before somebody has changed something; the route's longest back-off.
    Never,
}

/// How far a stream had come.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Waiting for the peer's stream header.
    Header,
    /// Waiting for the peer's features, or for what it chooses of ours.
    Features,
    /// Between `<starttls/>` and the end of the handshake.
    Tls,
    /// SASL is being negotiated.
    Sasl,
    /// A dialback key is with the peer, or is being verified.
    Dialback,
    /// A key is being asked after.
    Verify,
    /// At least one pair is authorised.
    Open,
    /// Our closing tag was sent.
    Closing,
}

impl Stage {
    /// The word used in the API and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Features => "features",
            Self::Tls => "tls",
            Self::Sasl => "sasl",
            Self::Dialback => "dialback",
            Self::Verify => "verify",
            Self::Open => "open",
            Self::Closing => "closing",
        }
    }
}

/// Finishes the sentence "… while …".
impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Header => "the stream header was awaited",
            Self::Features => "stream features were negotiated",
            Self::Tls => "TLS was negotiated",
            Self::Sasl => "SASL EXTERNAL was negotiated",
            Self::Dialback => "a dialback key was verified",
            Self::Verify => "the authoritative server was asked about a key",
            Self::Open => "the stream was open",
            Self::Closing => "the stream was closing",
        })
    }
}

/// Why a stream or a pair failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamFailure {
    /// The peer acknowledges stanzas that were never sent (XEP-0198 §6).
    #[error("the partner's server acknowledges {h} stanzas of {sent} that were sent")]
    AckTooHigh {
        /// What it said.
        h: u32,
        /// What was sent.
        sent: u32,
    },
    /// SASL EXTERNAL is the only method the partner's row permits here, and the peer's certificate rules it out.
    #[error("SASL over TLS is required and the partner's certificate {0}")]
    Certificate(CertificateFault),
    /// The certificate by which the peer proved its identity came to its end; a new stream needs a new one.
    #[error("the partner's certificate has expired while the stream was open")]
    CertificateExpired,
    /// We closed the stream with this condition on the shell's demand.
    #[error("closed by this server with {0}")]
    ClosedHere(Condition),
    /// The peer offers no dialback, and nothing else is left.
    #[error("the partner's server does not offer server dialback")]
    DialbackAbsent,
    /// Dialback ended with an error.
    #[error("server dialback failed: {0}")]
    DialbackFailed(DialbackError),
    /// The key was called invalid.
    #[error("the dialback key was called invalid: the authoritative server of the sender's domain did not issue it")]
    DialbackInvalid,
    /// The connection broke; the text is empty for an orderly end of TCP.
    #[error("the connection ended without a closing tag while {stage}{}", detail(.text))]
    Disconnected {
        /// How far the stream had come.
        stage: Stage,
        /// The system's words.
        text: Box<str>,
    },
    /// SASL EXTERNAL is required and not offered; the text lists what is.
    #[error("the partner's server does not offer SASL EXTERNAL{}", detail(.0))]
    ExternalAbsent(Box<str>),
    /// We refused the peer's EXTERNAL.
    #[error("SASL EXTERNAL of the partner's server was refused: {0}")]
    ExternalFailed(SaslCondition),
    /// The peer refused our EXTERNAL, most often because it does not trust our certificate.
    #[error("the partner's server refused SASL EXTERNAL: {name}{}", detail(.text))]
    ExternalRefused {
        /// The condition's element as spelled.
        name: Box<str>,
        /// The peer's words.
        text: Box<str>,
        /// The rules permit dialback and this connection cannot carry it any more.
        dialback_left: bool,
    },
    /// The partner's row does not permit the method that is about to authorise the pair.
    #[error("the partner's settings do not permit {0}")]
    MethodNotPermitted(Method),
    /// An added pair cannot be carried by this stream; it needs one of its own.
    #[error("this stream cannot carry the pair")]
    PairNotTaken,
    /// The peer closed the stream in an orderly way before it was of use.
    #[error("the partner's server closed the stream while {0}")]
    PeerClosed(Stage),
    /// The peer's stream error.
    #[error("the partner's server closed the stream with the error {error} while {stage}")]
    PeerError {
        /// What it said.
        error: StreamError,
        /// How far the stream had come.
        stage: Stage,
    },
    /// The peer broke a rule of the protocol.
    #[error("the partner's server broke a rule of the protocol: {1} ({0})")]
    Protocol(Condition, &'static str),
    /// Policy refuses the pair.
    #[error("{}", refusal_text(*.0))]
    Refused(Refusal),
    /// TLS is required and STARTTLS is not offered.
    #[error("TLS is required and the partner's server does not offer STARTTLS")]
    StarttlsAbsent,
    /// The peer answered `<failure/>`, or bytes were pipelined after the request.
    #[error("STARTTLS failed before the handshake: {0}")]
    StarttlsFailed(&'static str),
    /// The establishment timeout passed.
    #[error("timed out while {0}")]
    Timeout(Stage),
    /// The peer requires STARTTLS, which the partner's settings exclude.
    #[error("the partner's server requires TLS, which the partner's settings say is not supported")]
    TlsDemanded,
    /// The peer uses TLS, which the partner's settings exclude.
    #[error("the partner's server uses TLS, which the partner's settings say is not supported")]
    TlsExcluded,
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    TlsHandshake(Box<str>),
    /// TLS is required and the peer went on without it.
    #[error("TLS is required and the partner's server went on without it")]
    TlsRequired,
    /// What the peer sent is not the XML of a stream.
    #[error("the partner's server sent XML that is not allowed: {0}")]
    Xml(XmlError),
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ConnectionLimit => "the partner's connection limit is reached",
        Refusal::HostUnknown => "the addressed domain is not an internal domain",
        Refusal::LocalDisabled => "the addressed partner is disabled",
        Refusal::LocalNotPartner => "the addressed domain is on no partner's list",
        Refusal::OwnDomain => "the peer claims a domain that is answered for here as its own",
        Refusal::PartnerDisabled => "the partner is disabled",
        Refusal::PartnerUnknown => "the peer's domain is on no partner's list",
        Refusal::RulesChanged => "the partner's settings no longer permit the stream",
        Refusal::SameSide => "both domains are inside",
        Refusal::ServerUnknown => "no inner server of the domain is known",
        Refusal::Shutdown => "this server is shutting down",
        Refusal::SourceNotPermitted => "the inner server may not connect from this address",
    }
}

impl StreamFailure {
    /// Who has to do something.
    pub fn fault(&self) -> Fault {
        match self {
            // A peer that refuses EXTERNAL does not trust what we show.
            Self::ClosedHere(_) | Self::ExternalRefused { .. } | Self::PairNotTaken => Fault::Us,
            Self::Disconnected { .. } | Self::Timeout(_) => Fault::Network,
            Self::MethodNotPermitted(_) | Self::Refused(_) | Self::TlsDemanded | Self::TlsExcluded => Fault::Policy,
            Self::AckTooHigh { .. }
            | Self::Certificate(_)
            | Self::CertificateExpired
            | Self::DialbackAbsent
            | Self::DialbackFailed(_)
            | Self::DialbackInvalid
            | Self::ExternalAbsent(_)
            | Self::ExternalFailed(_)
            | Self::PeerClosed(_)
            | Self::PeerError { .. }
            | Self::Protocol(..)
            | Self::StarttlsAbsent
            | Self::StarttlsFailed(_)
            | Self::TlsHandshake(_)
            | Self::TlsRequired
            | Self::Xml(_) => Fault::Peer,
        }
    }

    /// The stream error that goes to the peer with it; none when the stream ends without one.
    pub fn condition(&self) -> Option<Condition> {
        Some(match self {
            Self::AckTooHigh { .. } => Condition::UndefinedCondition,
            Self::CertificateExpired => Condition::Reset,
            Self::ClosedHere(condition) | Self::Protocol(condition, _) => *condition,
            // Weaker verification is insufficient by local policy (RFC 6120 §6.4.5).
            Self::Certificate(_)
            | Self::DialbackAbsent
            | Self::ExternalAbsent(_)
            | Self::ExternalFailed(_)
            | Self::MethodNotPermitted(_)
            | Self::StarttlsAbsent
            | Self::TlsExcluded
            | Self::TlsRequired => Condition::PolicyViolation,
            // A mandatory feature that we do not support (§4.9.3.23).
            Self::TlsDemanded => Condition::UnsupportedFeature,
            Self::Refused(refusal) => refusal.condition(),
            Self::Timeout(_) => Condition::ConnectionTimeout,
            Self::Xml(error) => (*error).into(),
            Self::DialbackFailed(_)
            | Self::DialbackInvalid
            | Self::Disconnected { .. }
            | Self::ExternalRefused { .. }
            | Self::PairNotTaken
            | Self::PeerClosed(_)
            | Self::PeerError { .. }
            | Self::StarttlsFailed(_)
            | Self::TlsHandshake(_) => return None,
        })
    }

    /// What the peer is told beside the condition.
    pub(crate) fn wire_text(&self) -> String {
        match self {
            Self::AckTooHigh { h, sent } => format!("you acknowledge {h} stanzas and were sent {sent}"),
            Self::Certificate(fault) => format!("SASL EXTERNAL is required and your certificate {fault}"),
            Self::CertificateExpired => "your certificate has expired".to_owned(),
            Self::MethodNotPermitted(method) => format!("{method} is not permitted"),
            Self::Protocol(_, what) => (*what).to_owned(),
            Self::StarttlsAbsent | Self::TlsRequired => "TLS is required".to_owned(),
            Self::TlsDemanded | Self::TlsExcluded => "TLS is not supported with this partner".to_owned(),
            Self::Xml(error) => error.to_string(),
            _ => String::new(),
        }
    }

    /// Whether to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::ExternalRefused { dialback_left: true, .. } => Retry::WithoutSasl,
            Self::Refused(Refusal::ConnectionLimit | Refusal::Shutdown) => Retry::Later,
            Self::MethodNotPermitted(_) | Self::Refused(_) | Self::TlsDemanded | Self::TlsExcluded => Retry::Never,
            // Once the stream was open, the error is about what was sent on it, not about whether we may have one.
            Self::PeerError { error, stage }
                if *stage != Stage::Open
                    && matches!(
                        error.condition(),
                        Condition::HostUnknown
                            | Condition::HostGone
                            | Condition::PolicyViolation
                            | Condition::NotAuthorized
                    ) =>
            {
                Retry::Never
            }
            _ => Retry::Later,
        }
    }
}
