//! Stream ids from a seed: unpredictable outside, repeatable in a test (RFC 6120 §4.7.3).

use lexicon::StreamId;
use sha2::{Digest, Sha256};

/// The ids of one connection's streams: each header gets a new one.
pub(crate) struct StreamIds {
    seed: [u8; 32],
    made: u64,
}

impl StreamIds {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, made: 0 }
    }

    pub(crate) fn next(&mut self) -> StreamId {
        let digest = Sha256::new().chain_update(self.seed).chain_update(self.made.to_be_bytes()).finalize();
        self.made += 1;
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        StreamId::new(u128::from_be_bytes(id))
    }
}
