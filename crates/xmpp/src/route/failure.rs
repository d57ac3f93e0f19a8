//! Why a route has no stream, and what that means for its stanzas (RFC 6120 §8.3.3.16, §8.3.3.17, §10.4.3).
//!
//! | what happened | condition | sender's remedy |
//! |---|---|---|
//! | the domain does not exist or offers no XMPP service | `remote-server-not-found` | the address |
//! | the name servers did not answer; nobody accepted the connection; the stream was not established | `remote-server-timeout` | wait |
//! | the partner's server does not serve the domain | `remote-server-not-found` | the address |
//! | the partner's server calls our dialback key invalid (XEP-0220 §2.1.1) | `internal-server-error` | the administrator |
//! | the partner's server refuses us | `remote-server-timeout`, type `cancel` | none |
//! | our settings refuse the pair, or no security that they accept was reached | `policy-violation` | the administrator |
//!
//! `Display` is the operator's text; the sender's is in the [`StanzaError`].

use lexicon::Domain;

use crate::{
    stanza::{Condition, ErrorType, StanzaError},
    stream::{Condition as StreamCondition, Refusal, Retry, StreamFailure},
};

/// Why there is no stream for a pair.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteFailure {
    /// DNS says that the domain does not exist or that it offers no XMPP service. The text is for the operator.
    #[error("the partner's domain has no XMPP server: {0}")]
    NotFound(String),
    /// DNS gave no answer that could be used.
    #[error("the partner's server cannot be looked up: {0}")]
    Unresolved(String),
    /// No address of the partner's server accepted a connection.
    #[error("the partner's server cannot be reached: {0}")]
    Unreachable(String),
    /// The stream was not established, or has ended.
    #[error(transparent)]
    Stream(#[from] StreamFailure),
}

impl RouteFailure {
    /// Whether and when to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotFound(_) | Self::Unresolved(_) | Self::Unreachable(_) => Retry::Later,
            Self::Stream(failure) => failure.retry(),
        }
    }

    /// Whether stanzas are bounced at once instead of waiting for the next attempt.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NotFound(_) => true,
            Self::Unresolved(_) | Self::Unreachable(_) => false,
            Self::Stream(failure) => failure.retry() == Retry::Never || is_insecure(failure) || is_distrust(failure),
        }
    }

    /// What the sender of a stanza for `remote` is told.
    pub fn stanza_error(&self, remote: &Domain) -> StanzaError {
        let (condition, text) = match self {
            Self::NotFound(_) => (Condition::RemoteServerNotFound, format!("{remote} has no XMPP server.")),
            Self::Unresolved(_) => {
                (Condition::RemoteServerTimeout, format!("The server of {remote} cannot be looked up now."))
            }
            Self::Unreachable(_) => {
                (Condition::RemoteServerTimeout, format!("The server of {remote} cannot be reached now."))
            }
            Self::Stream(failure) => return stream_error(failure, remote),
        };
        StanzaError::new(condition).with_text(text)
    }
}

fn stream_error(failure: &StreamFailure, remote: &Domain) -> StanzaError {
    if is_insecure(failure) {
        return StanzaError::new(Condition::PolicyViolation)
            .with_text(format!("No acceptable security with {remote}."));
    }
    match failure {
        StreamFailure::Refused(refusal) => refused(*refusal, remote),
        StreamFailure::DialbackInvalid => StanzaError::new(Condition::InternalServerError)
            .with_text(format!("The server of {remote} does not believe who we are.")),
        StreamFailure::PeerError { error, .. } => match error.condition() {
            StreamCondition::HostUnknown | StreamCondition::HostGone => {
                StanzaError::new(Condition::RemoteServerNotFound)
                    .with_text(format!("The server found for {remote} does not serve that domain."))
            }
            StreamCondition::PolicyViolation | StreamCondition::NotAuthorized => refuses(remote),
            _ => not_established(remote),
        },
        failure if is_distrust(failure) => refuses(remote),
        _ => not_established(remote),
    }
}

fn refuses(remote: &Domain) -> StanzaError {
    StanzaError::new(Condition::RemoteServerTimeout)
        .with_type(ErrorType::Cancel)
        .with_text(format!("The server of {remote} refuses the connection."))
}

fn not_established(remote: &Domain) -> StanzaError {
    StanzaError::new(Condition::RemoteServerTimeout)
        .with_text(format!("The connection to the server of {remote} could not be set up."))
}

fn refused(refusal: Refusal, remote: &Domain) -> StanzaError {
    let (condition, text) = match refusal {
        Refusal::ConnectionLimit => {
            (Condition::ResourceConstraint, format!("Too many connections to {remote} are open."))
        }
        Refusal::HostUnknown | Refusal::LocalDisabled | Refusal::LocalNotPartner => {
            (Condition::PolicyViolation, "The sender's domain does not federate.".to_owned())
        }
        Refusal::OwnDomain | Refusal::PartnerUnknown => {
            (Condition::PolicyViolation, format!("{remote} is not a federation partner."))
        }
        Refusal::PartnerDisabled => (Condition::PolicyViolation, format!("Federation with {remote} is disabled.")),
        Refusal::RulesChanged => (Condition::PolicyViolation, format!("No acceptable security with {remote}.")),
        Refusal::SameSide => {
            (Condition::PolicyViolation, format!("The sender's domain is not connected with {remote} here."))
        }
        Refusal::ServerUnknown | Refusal::SourceNotPermitted => {
            (Condition::RemoteServerNotFound, format!("No inner XMPP server of {remote} is known."))
        }
        Refusal::Shutdown => (Condition::RemoteServerTimeout, "The server is shutting down.".to_owned()),
    };
    StanzaError::new(condition).with_text(text)
}

/// Whether the partner's server does not take the certificate that we show, and nothing else is left to try. One condition
/// says that later is better (RFC 6120 §6.5.11).
fn is_distrust(failure: &StreamFailure) -> bool {
    matches!(
        failure,
        StreamFailure::ExternalRefused { name, dialback_left: false, .. } if &**name != "temporary-auth-failure"
    )
}

/// Whether the partner's server was reached but not with the security that the partner's settings demand.
fn is_insecure(failure: &StreamFailure) -> bool {
    matches!(
        failure,
        StreamFailure::Certificate(_)
            | StreamFailure::DialbackAbsent
            | StreamFailure::ExternalAbsent(_)
            | StreamFailure::MethodNotPermitted(_)
            | StreamFailure::StarttlsAbsent
            | StreamFailure::TlsDemanded
            | StreamFailure::TlsExcluded
            | StreamFailure::TlsRequired
    )
}
