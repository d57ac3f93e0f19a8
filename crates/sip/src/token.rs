//! Tags, branches and Call-IDs that nobody can foretell (RFC 3261 §19.3: at least 32 bits of randomness).
//!
//! The randomness is a seed that comes in; each token is a hash of the seed and a counter, so the same seed gives the same
//! tokens and one token tells nothing of the next.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A source of tokens.
#[derive(Clone)]
pub struct Tokens {
    seed: [u8; 32],
    made: u64,
}

impl Tokens {
    /// Tokens that follow from `seed`, which must be secret and used for nothing else.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, made: 0 }
    }

    /// The next token: 24 lower-case hexadecimal digits (96 bits).
    pub fn make(&mut self) -> String {
        HEXLOWER.encode(&self.block()[..12])
    }

    /// A seed for another source.
    pub fn seed(&mut self) -> [u8; 32] {
        self.block()
    }

    fn block(&mut self) -> [u8; 32] {
        self.made += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.made.to_be_bytes());
        hash.finalize().into()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_tokens_and_no_token_comes_twice() {
        let (mut one, mut other) = (Tokens::new([7; 32]), Tokens::new([7; 32]));
        let first = one.make();
        assert_eq!(first, other.make());
        assert_ne!(first, one.make());
        assert_eq!(first.len(), 24);
    }
}
