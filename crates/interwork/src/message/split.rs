//! Long texts in numbered parts.
//!
//! A MESSAGE that may cross a link without congestion control must not exceed 1300 bytes (RFC 3428 §8). RFC 7572 §6 would
//! refuse the whole message; we split at character boundaries and number the parts, up to a limit that keeps one stanza
//! from becoming a flood.

use std::borrow::Cow;

/// Most parts that one message becomes.
pub const PARTS_MAX: usize = 8;

/// Bytes of `(1/8) ` in front of a part.
const NUMBER_BYTES: usize = 6;

/// `text` in parts of at most `bytes_max` bytes, numbered if there is more than one; `None` if it needs more than
/// [`PARTS_MAX`].
pub fn split(text: &str, bytes_max: usize) -> Option<Vec<Cow<'_, str>>> {
    if text.len() <= bytes_max {
        return Some(vec![Cow::Borrowed(text)]);
    }
    let room = bytes_max.saturating_sub(NUMBER_BYTES);
    let mut pieces = Vec::with_capacity(PARTS_MAX);
    let mut rest = text;
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(room);
        if cut == 0 || pieces.len() == PARTS_MAX {
            return None;
        }
        let (piece, tail) = rest.split_at(cut);
        pieces.push(piece);
        rest = tail;
    }
    let count = pieces.len();
    Some(pieces.iter().enumerate().map(|(n, piece)| Cow::Owned(format!("({}/{count}) {piece}", n + 1))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_fits_stays_whole() {
        assert_eq!(split("abcdef", 6), Some(vec![Cow::Borrowed("abcdef")]));
        assert_eq!(split("", 6), Some(vec![Cow::Borrowed("")]));
    }

    #[test]
    fn parts_are_numbered_in_order() {
        assert_eq!(split("abcdefghijkl", 10).unwrap(), ["(1/3) abcd", "(2/3) efgh", "(3/3) ijkl"]);
    }

    #[test]
    fn a_character_is_never_cut() {
        assert_eq!(
            split("a\u{20ac}\u{20ac}\u{20ac}", 9).unwrap(),
            ["(1/4) a", "(2/4) \u{20ac}", "(3/4) \u{20ac}", "(4/4) \u{20ac}"]
        );
        assert_eq!(split("\u{20ac}\u{20ac}\u{20ac}", 8), None, "no room for one character");
    }

    #[test]
    fn more_than_eight_parts_are_refused() {
        assert_eq!(split(&"x".repeat(32), 10).map(|parts| parts.len()), Some(8));
        assert_eq!(split(&"x".repeat(33), 10), None);
    }

    proptest! {
        #[test]
        fn the_parts_together_are_the_text(text in "\\PC{0,200}", bytes_max in 20usize..200) {
            if let Some(parts) = split(&text, bytes_max) {
                prop_assert!(parts.iter().all(|part| part.len() <= bytes_max));
                let whole: String = match parts.as_slice() {
                    [one] => one.to_string(),
                    parts => parts.iter().map(|part| &part[NUMBER_BYTES..]).collect(),
                };
                prop_assert_eq!(whole, text);
            }
        }
    }
}
