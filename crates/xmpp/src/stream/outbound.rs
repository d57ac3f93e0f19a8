//! The machine of a connection that we opened.

use std::time::Instant;

use bytes::Bytes;
use lexicon::{DomainPair, Now};

use super::{
    dialback::{Secret, VerifyRequest},
    event::{Input, Output},
    facts::StreamFacts,
    rules::StreamLimits,
};

/// What an outbound connection is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Stanzas of this pair, from its local to its remote domain.
    Stanzas(DomainPair),
    /// The question whether a key is valid; closed after the answer.
    Verify(VerifyRequest),
}

/// What an outbound stream needs to know.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// What the connection is for.
    pub purpose: Purpose,
    /// Whether SASL may be tried; false after [`Retry::WithoutSasl`](super::Retry::WithoutSasl).
    pub sasl: bool,
    /// To make keys.
    pub secret: Secret,
    /// Bounds.
    pub limits: StreamLimits,
}

/// A stream whose connection we opened.
pub struct Outbound {}

impl Outbound {
    /// A stream on a connection made `now`. It first asks for the pair's rules.
    pub fn new(config: OutboundConfig, now: Now) -> Self {
        let _ = (config, now);
        Self {}
    }

    /// Takes an input. All outputs must be taken with [`poll`](Self::poll) before the next one.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// Moves the bytes to write to the end of `into`.
    pub fn drain(&mut self, into: &mut Vec<Bytes>) {
        let _ = into;
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// How many more bytes [`Input::Send`] should bring now; zero while no pair is authorised.
    pub fn room(&self) -> usize {
        0
    }

    /// What has happened so far.
    pub fn facts(&self) -> &StreamFacts {
        unreachable!()
    }
}
