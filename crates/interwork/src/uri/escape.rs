//! Localparts and user parts: XEP-0106 on the XMPP side, percent-encoding on the SIP side.
//!
//! Both directions go through the *plain* user name, which may hold any character except controls. A localpart that no
//! plain name escapes to (`foo\5cbar`: the backslash needed no escape) is refused instead of being mapped to the name
//! of somebody else.

use std::{borrow::Cow, fmt::Write as _};

use super::UriError;

/// The characters that XEP-0106 §4.1 escapes, with their codes; the backslash itself is last.
const ESCAPES: [(char, &str); 10] = [
    (' ', "20"),
    ('"', "22"),
    ('&', "26"),
    ('\'', "27"),
    ('/', "2f"),
    (':', "3a"),
    ('<', "3c"),
    ('>', "3e"),
    ('@', "40"),
    ('\\', "5c"),
];

/// ASCII that stands unescaped in the user part of a SIP URI beside letters and digits (RFC 3261 §25.1: mark and
/// user-unreserved).
const USER_PLAIN: &[u8] = b"-_.!~*'()&=+$,;?/";

/// ASCII that stands unescaped in the value of a URI parameter beside letters and digits (RFC 3261 §25.1: mark and
/// param-unreserved), without `/`, which some endpoints take for the end of the address.
const PARAMETER_PLAIN: &[u8] = b"-_.!~*'()[]:&+$";

/// A plain user name as localpart.
pub(super) fn to_localpart(name: &str) -> Result<String, UriError> {
    if name.is_empty() {
        return Err(UriError::NoUser);
    }
    if name.chars().any(char::is_control) {
        return Err(UriError::Control);
    }
    // What PRECIS will make of it (RFC 8265 §3.3.2), so that nothing becomes an escape sequence, or needs one, afterwards.
    let name: String = name.chars().map(narrow).collect();
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err(UriError::Space);
    }
    let mut local = String::with_capacity(name.len() + 8);
    for (at, character) in name.char_indices() {
        match ESCAPES.iter().find(|(escaped, _)| *escaped == character) {
            Some(('\\', _)) if !would_be_escape(&name[at..]) => local.push('\\'),
            Some((_, code)) => {
                local.push('\\');
                local.push_str(code);
            }
            None => local.push(character),
        }
    }
    Ok(local)
}

/// The plain user name behind a normalised localpart (XEP-0106 §4.2: only the ten sequences, only in lower case).
pub(super) fn from_localpart(local: &str) -> Result<Cow<'_, str>, UriError> {
    if !local.contains('\\') {
        return Ok(Cow::Borrowed(local));
    }
    let mut name = String::with_capacity(local.len());
    let mut rest = local;
    while let Some(character) = rest.chars().next() {
        let (character, length) = match escape_at(rest) {
            Some(escaped) => (escaped, 3),
            None => (character, character.len_utf8()),
        };
        name.push(character);
        rest = &rest[length..];
    }
    match to_localpart(&name) {
        Ok(again) if again == local => Ok(Cow::Owned(name)),
        _ => Err(UriError::Escape),
    }
}

/// The character whose escape sequence `text` begins with.
fn escape_at(text: &str) -> Option<char> {
    let rest = text.strip_prefix('\\')?;
    ESCAPES.iter().find(|(_, code)| rest.starts_with(code)).map(|(character, _)| *character)
}

/// Whether `text` begins with an escape sequence, or with what is one in lower case.
fn would_be_escape(text: &str) -> bool {
    let code = text.strip_prefix('\\').and_then(|rest| rest.get(..2));
    code.is_some_and(|code| ESCAPES.iter().any(|(_, escaped)| escaped.eq_ignore_ascii_case(code)))
}

/// A full-width form of ASCII as ASCII.
fn narrow(character: char) -> char {
    match u32::from(character) {
        0x3000 => ' ',
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(character),
        _ => character,
    }
}

/// The user part of a SIP URI for a plain name.
pub(super) fn encode_user(name: &str) -> String {
    percent_encode(name, USER_PLAIN)
}

/// The value of a URI parameter.
pub(super) fn encode_parameter(value: &str) -> String {
    percent_encode(value, PARAMETER_PLAIN)
}

fn percent_encode(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Undoes percent-encoding; what comes out must be UTF-8 without controls.
pub(super) fn percent_decode(text: &str) -> Result<Cow<'_, str>, UriError> {
    let decoded = if text.contains('%') {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            match (byte, tail) {
                (b'%', [high, low, after @ ..]) => {
                    bytes.push(hex(*high)? << 4 | hex(*low)?);
                    rest = after;
                }
                (b'%', _) => return Err(UriError::Percent),
                _ => {
                    bytes.push(byte);
                    rest = tail;
                }
            }
        }
        Cow::Owned(String::from_utf8(bytes).map_err(|_| UriError::Utf8)?)
    } else {
        Cow::Borrowed(text)
    };
    if decoded.chars().any(char::is_control) { Err(UriError::Control) } else { Ok(decoded) }
}

fn hex(digit: u8) -> Result<u8, UriError> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(UriError::Percent)
}
