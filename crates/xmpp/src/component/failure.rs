//! Why the connection of a component ended. `Display` is the operator's text.

use lexicon::Domain;

use crate::{
    stream::{Condition, StreamError},
    xml::XmlError,
};

/// Why a component is not served.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ComponentRefusal {
    /// Another connection serves the domain.
    Conflict,
    /// The domain is not one that a component serves here.
    HostUnknown,
}

/// Why a component's connection ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ComponentFailure {
    /// We closed the stream with this condition on the shell's demand.
    #[error("closed by this server with {0}")]
    ClosedHere(Condition),
    /// The connection broke; the text is empty for an orderly end of TCP.
    #[error("the connection of the component ended without a closing tag{}", detail(.0))]
    Disconnected(Box<str>),
    /// The handshake was made with another secret.
    #[error("the component of {0} does not know its secret")]
    HandshakeFailed(Domain),
    /// The component's stream error.
    #[error("the component closed the stream with the error {0}")]
    PeerError(StreamError),
    /// The component broke a rule of the protocol.
    #[error("the component broke a rule of the protocol: {1} ({0})")]
    Protocol(Condition, &'static str),
    /// The domain is not served by a component, or by another one.
    #[error("the component of {domain} is refused: {}", refusal_text(*.refusal))]
    Refused {
        /// Why.
        refusal: ComponentRefusal,
        /// The domain it wanted to serve.
        domain: Domain,
    },
    /// The handshake did not come in time.
    #[error("the component did not make its handshake in time")]
    Timeout,
    /// What it sent is not the XML of a stream.
    #[error("the component sent XML that is not allowed: {0}")]
    Xml(#[from] XmlError),
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

fn refusal_text(refusal: ComponentRefusal) -> &'static str {
    match refusal {
        ComponentRefusal::Conflict => "another connection serves the domain",
        ComponentRefusal::HostUnknown => "no component serves that domain here",
    }
}

impl ComponentFailure {
    /// The stream error that goes to the component with it; none when the stream ends without one.
    pub fn condition(&self) -> Option<Condition> {
        Some(match self {
            Self::ClosedHere(condition) | Self::Protocol(condition, _) => *condition,
            Self::HandshakeFailed(_) => Condition::NotAuthorized,
            Self::Refused { refusal: ComponentRefusal::Conflict, .. } => Condition::Conflict,
            Self::Refused { refusal: ComponentRefusal::HostUnknown, .. } => Condition::HostUnknown,
            Self::Timeout => Condition::ConnectionTimeout,
            Self::Xml(error) => (*error).into(),
            Self::Disconnected(_) | Self::PeerError(_) => return None,
        })
    }

    /// What the component is told beside the condition.
    pub(super) fn wire_text(&self) -> String {
        match self {
            Self::Protocol(_, what) => (*what).to_owned(),
            Self::Refused { refusal, .. } => refusal_text(*refusal).to_owned(),
            Self::Xml(error) => error.to_string(),
            _ => String::new(),
        }
    }
}
