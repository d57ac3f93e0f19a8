//! What happened on a stream, for reports: facts, not judgements.

use lexicon::{CertificateFault, Direction, Domain, DomainPair, Method, TlsFacts};

use super::{error::StreamError, failure::Stage, failure::StreamFailure};

/// What one stream's life tells so far.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Who opened the connection.
    pub direction: Direction,
    /// How far the stream has come.
    pub stage: Stage,
    /// Our domain, as first agreed.
    pub local: Option<Domain>,
    /// The partner's domain, as first agreed.
    pub remote: Option<Domain>,
    /// The id of the current stream, chosen by who was connected to.
    pub id: Option<Box<str>>,
    /// Whether the peer speaks version 1.0; none before its header.
    pub version_1: Option<bool>,
    /// The TLS in use.
    pub tls: Option<TlsFacts>,
    /// The verdict about the peer's certificate, its name included; none before it was needed.
    pub certificate: Option<Result<(), CertificateFault>>,
    /// Outbound: the features last seen.
    pub features: Option<FeaturesSeen>,
    /// Methods tried, in order.
    pub attempts: Vec<Attempt>,
    /// Pairs that may carry stanzas now.
    pub authorised: Vec<(DomainPair, Method)>,
    /// Of these, the ones that carry stanzas against the direction of the connection too (XEP-0288).
    pub inverse: Vec<(DomainPair, Method)>,
    /// The peer's stream error.
    pub peer_error: Option<StreamError>,
    /// Keys that were asked after on this stream.
    pub keys_asked: u32,
}

impl StreamFacts {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            stage: Stage::Header,
            local: None,
            remote: None,
            id: None,
            version_1: None,
            tls: None,
            certificate: None,
            features: None,
            attempts: Vec::new(),
            authorised: Vec::new(),
            inverse: Vec::new(),
            peer_error: None,
            keys_asked: 0,
        }
    }

    /// Remembers an attempt; past 32 the oldest go.
    pub(crate) fn tried(&mut self, method: Method, failure: Option<StreamFailure>) {
        const ATTEMPTS_MAX: usize = 32;
        if self.attempts.len() == ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt { method, failure });
    }
}

/// A method that was tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// The method.
    pub method: Method,
    /// Why it failed; none if it authorised a pair.
    pub failure: Option<StreamFailure>,
}

/// Features that a peer advertised.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FeaturesSeen {
    /// STARTTLS is offered.
    pub starttls: bool,
    /// STARTTLS is said to be required.
    pub starttls_required: bool,
    /// SASL mechanisms, at most 16.
    pub mechanisms: Vec<Box<str>>,
    /// Server dialback is offered (XEP-0220 §2.4).
    pub dialback: bool,
    /// Dialback errors are understood.
    pub dialback_errors: bool,
    /// Stanzas both ways are offered (XEP-0288).
    pub bidi: bool,
    /// Stream management is offered (XEP-0198).
    pub stream_management: bool,
    /// The greatest stanza the peer accepts (XEP-0478), if it says.
    pub stanza_bytes_max: Option<u64>,
    /// Seconds of our silence after which the peer may end the stream (XEP-0478), if it says.
    pub idle_seconds: Option<u32>,
    /// A feature that we do not speak is said to be required.
    pub unknown_required: bool,
}

impl FeaturesSeen {
    /// Whether SASL EXTERNAL is among the mechanisms.
    pub fn external(&self) -> bool {
        self.mechanisms.iter().any(|name| &**name == "EXTERNAL")
    }
}
