//! How far a run of bytes goes that need no second look: found eight at a time in a word, or many at a time in vectors.
//!
//! A run may end early: where it ends, the byte is looked at by its class.

/// The highest bit of each byte; a test in words sets it in the bytes that it is about.
const HIGH: u64 = splat(0x80);

const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks the bytes below `bound`, which is at most 0x80. A borrow can only mark bytes above one that is marked rightly,
/// so that the lowest mark is right.
const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(splat(bound)) & !word
}

/// Marks the bytes that are `byte`, the lowest rightly.
const fn same(word: u64, byte: u8) -> u64 {
    below(word ^ splat(byte), 1)
}

/// The number of the byte that the lowest mark is in.
fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// How many bytes at the start of `bytes` are `in_name`. The first eight are looked at without asking for the end of the
/// bytes before each.
#[inline(always)]
pub(super) fn name_run(bytes: &[u8], in_name: &[bool; 256]) -> usize {
    let is_over = |byte: &u8| !in_name[usize::from(*byte)];
    match bytes.first_chunk::<8>().and_then(|start| start.iter().position(is_over)) {
        Some(length) => length,
        None => bytes.iter().position(is_over).unwrap_or(bytes.len()),
    }
}

/// How many bytes at the start of `bytes` may stand in a value in any quotes. Most values are short and plain: what is rare
/// in them ends the run too, all up to the quotes and all beyond ASCII.
#[inline]
pub(super) fn value_run(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = (below(word, b'\'' + 1) | same(word, b'<') | word) & HIGH;
        if marks != 0 {
            return index * 8 + first(marks);
        }
    }
    let is_free = |byte: &&u8| **byte > b'\'' && **byte != b'<' && byte.is_ascii();
    bytes.len() - tail.len() + tail.iter().take_while(is_free).count()
}

/// How many bytes stand before the first that is `<`, `&`, `stop`, a control character, or 0xEF, which may begin a
/// noncharacter.
pub(super) fn text_run(bytes: &[u8], stop: u8) -> usize {
    const BLOCK: usize = 32;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // Without branches between the bytes of a block the compiler makes vector comparisons of them.
    let is_free = |block: &&[u8; BLOCK]| block.iter().fold(0, |found, byte| found | ends_text(*byte, stop)) == 0;
    let free = blocks.iter().take_while(is_free).count() * BLOCK;
    let (words, tail) = bytes[free..].as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = below(word, 0x20) | same(word, b'<') | same(word, b'&') | same(word, stop) | same(word, 0xef);
        if marks & HIGH != 0 {
            return free + index * 8 + first(marks & HIGH);
        }
    }
    bytes.len() - tail.len() + tail.iter().take_while(|byte| ends_text(**byte, stop) == 0).count()
}

/// One for a byte that ends a run of text, else zero.
#[inline(always)]
fn ends_text(byte: u8, stop: u8) -> u8 {
    let special = u8::from(byte == b'<') | u8::from(byte == b'&') | u8::from(byte == stop);
    special | u8::from(byte < 0x20) | u8::from(byte == 0xef)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn is_end_of_text(byte: u8, stop: u8) -> bool {
        byte < 0x20 || byte == 0xef || b"<&".contains(&byte) || byte == stop
    }

    fn is_end_of_value(byte: u8) -> bool {
        byte <= b'\'' || byte == b'<' || byte >= 0x80
    }

    /// Bytes near those that the tests are about, since a wrong borrow shows in neighbours.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let near = b"<=;&%'`\"(^_`]\\/.-,:9@AZ[az{\x00\x1f\x20\x21\x7f\x80\xee\xef\xf0".to_vec();
        vec(prop_oneof![prop::sample::select(near), any::<u8>(), Just(b'a'), Just(b'b')], 0..120)
    }

    proptest! {
        #[test]
        fn words_find_what_single_bytes_find(bytes in bytes(), stop in prop::sample::select(b"]'\"".to_vec())) {
            let single = |ends: &dyn Fn(u8) -> bool| bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len());
            prop_assert_eq!(text_run(&bytes, stop), single(&|byte| is_end_of_text(byte, stop)));
            prop_assert_eq!(value_run(&bytes), single(&is_end_of_value));
        }
    }

    #[test]
    fn each_byte_is_judged_alike_at_each_place() {
        for byte in 0..=255 {
            for at in 0..75 {
                let mut bytes = [b'a'; 75];
                bytes[at] = byte;
                assert_eq!(
                    text_run(&bytes, b']'),
                    if is_end_of_text(byte, b']') { at } else { 75 },
                    "{byte:#x} at {at}"
                );
                assert_eq!(value_run(&bytes), if is_end_of_value(byte) { at } else { 75 }, "{byte:#x} at {at}");
            }
        }
    }
}
