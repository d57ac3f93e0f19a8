//! The machine of a connection that a partner opened.

use std::time::Instant;

use bytes::Bytes;
use lexicon::Now;

use super::{
    dialback::Secret,
    event::{Input, Output},
    facts::StreamFacts,
    rules::StreamLimits,
};

/// What an inbound stream needs to know.
#[derive(Clone, Debug)]
pub struct InboundConfig {
    /// Whether we have a certificate, so that TLS can be offered.
    pub tls_available: bool,
    /// To recompute keys that others ask after.
    pub secret: Secret,
    /// Bounds.
    pub limits: StreamLimits,
}

/// A stream whose connection the peer opened.
pub struct Inbound {}

impl Inbound {
    /// A stream accepted `now`; `seed` is 32 random bytes, from which the stream ids are made.
    pub fn new(config: InboundConfig, seed: [u8; 32], now: Now) -> Self {
        let _ = (config, seed, now);
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

    /// How many more bytes of input are useful now; stop reading at zero.
    pub fn room(&self) -> usize {
        0
    }

    /// What has happened so far.
    pub fn facts(&self) -> &StreamFacts {
        unreachable!()
    }
}
