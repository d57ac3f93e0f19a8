//! Random bits of the operating system: seeds for machines and identifiers.

use lexicon::{RowId, StreamId, Timestamp};

/// Fills an array.
///
/// # Panics
/// When the operating system has no randomness to give: nothing that must be unpredictable may go on then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A seed for a protocol machine.
pub fn seed() -> [u8; 32] {
    bytes()
}

/// 32 random bits, for choices among equals.
pub fn number() -> u32 {
    u32::from_ne_bytes(bytes())
}

/// A new id for a row.
pub fn row_id(now: Timestamp) -> RowId {
    RowId::new(now, bytes())
}

/// A new id for a stream.
pub fn stream_id() -> StreamId {
    StreamId::new(u128::from_ne_bytes(bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed(), seed());
        assert_ne!(stream_id(), stream_id());
    }
}
