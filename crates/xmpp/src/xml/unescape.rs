//! From validated bytes to characters: references (XML 1.0 §4.1, §4.6), line ends (§2.11), attribute white space (§3.3.3).
//!
//! Only what the tokenizer has accepted comes here, so a reference is one of the five or a valid character.

use std::borrow::Cow;

/// Character data; `plain` when the bytes are the characters.
pub(crate) fn text(raw: &str, plain: bool) -> Cow<'_, str> {
    if plain { Cow::Borrowed(raw) } else { Cow::Owned(resolve(raw, '\n', true)) }
}

/// The inside of a CDATA section, where `&` is itself.
pub(crate) fn cdata(raw: &str, plain: bool) -> Cow<'_, str> {
    if plain { Cow::Borrowed(raw) } else { Cow::Owned(resolve(raw, '\n', false)) }
}

/// An attribute value.
#[inline]
pub(crate) fn attribute(raw: &str, plain: bool) -> Cow<'_, str> {
    if plain { Cow::Borrowed(raw) } else { Cow::Owned(resolve(raw, ' ', true)) }
}

/// The character that the reference `name` (without `&` and `;`) stands for, if it stands for one.
pub(crate) fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix('x') {
                Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
                None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
                _ => return None,
            };
            char::from_u32(code).filter(|c| super::chars::is_char(*c))
        }
    }
}

/// A line end becomes `line_end`; so do tabs where that is a blank (attribute values).
fn resolve(raw: &str, line_end: char, references: bool) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let special = |c: char| matches!(c, '\r' | '&') || line_end == ' ' && matches!(c, '\n' | '\t');
    while let Some(at) = rest.find(special) {
        out.push_str(&rest[..at]);
        let special = &rest[at..];
        rest = match special.strip_prefix('&') {
            Some(reference_on) if references => match reference_on.split_once(';') {
                Some((name, after)) => {
                    out.extend(reference(name));
                    after
                }
                None => reference_on,
            },
            Some(after) => {
                out.push('&');
                after
            }
            None => {
                out.push(line_end);
                special.strip_prefix("\r\n").unwrap_or(&special[1..])
            }
        };
    }
    out.push_str(rest);
    out
}
