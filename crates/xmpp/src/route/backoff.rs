//! Growing, random delays between attempts (RFC 6120 §3.3).

use std::time::Duration;

/// Doubling stops here; the longest delay has been reached long before.
const DOUBLINGS_MAX: u32 = 20;

#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let random = seed.chunks_exact(8).fold(0, |mixed, chunk| {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            mix(mixed ^ u64::from_le_bytes(word))
        });
        Self { failures: 0, random }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay after one more failure: between half of it and the whole of what has been reached by doubling.
    pub(super) fn delay(&mut self, min: Duration, max: Duration, longest: bool) -> Duration {
        let doubled = min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        self.failures = self.failures.saturating_add(1);
        let whole = if longest { max } else { doubled.min(max) };
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let share = (mix(self.random) >> 32) as u32;
        whole / 2 + (whole / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

/// The finalizer of SplitMix64: spreads a counter over all 64 bits. Nothing secret depends on it.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
