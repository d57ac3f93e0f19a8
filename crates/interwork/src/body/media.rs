//! Content-Type as peers really write it (RFC 2045 §5.1).
//!
//! Only the type and the parameters that are asked for must be readable. Lync adds `msgr=` with unquoted base64, whose `=`
//! no token may hold: what stands in a parameter that nobody asks for is nobody's business.

use std::borrow::Cow;

use data_encoding::BASE64_NOPAD;
use sip::{MediaType, message::unquote};

/// A media type and its parameters, borrowed.
#[derive(Clone, Debug)]
pub(crate) struct Media<'a> {
    essence: String,
    params: &'a str,
}

impl<'a> Media<'a> {
    /// Reads the value of a Content-Type.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (essence, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let MediaType { essence, .. } = MediaType::parse(essence).ok()?;
        Some(Self { essence, params })
    }

    /// `text/plain`, in lower case.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// The first parameter of this name, without quotes.
    pub(crate) fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        pieces(self.params).find_map(|piece| {
            let (key, value) = piece.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| unquote(value.trim()))
        })
    }
}

/// The pieces between semicolons that stand outside quoted strings, trimmed.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' => return !quoted,
                _ => {}
            }
            false
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(text[..end.unwrap_or(text.len())].trim())
    })
}

/// The bytes behind base64 with or without padding and white space (RFC 4648 §4).
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    BASE64_NOPAD.decode(&text[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that Lync writes, from the gateway's reference ("Later messages").
    #[test]
    fn a_parameter_that_is_no_token_harms_nothing() {
        let media = Media::read("Text/Plain; charset=UTF-8;msgr=WAAtAE0ATQBTAA0ACgA=;a=\"x;charset=y\"").unwrap();
        assert_eq!(media.essence(), "text/plain");
        assert_eq!(media.param("charset").unwrap(), "UTF-8");
        assert_eq!(media.param("MSGR").unwrap(), "WAAtAE0ATQBTAA0ACgA=");
        assert_eq!(media.param("a").unwrap(), "x;charset=y");
        assert_eq!(media.param("b"), None);
        for bad in ["", "plain", "text/", "/plain", "te xt/plain", ";charset=UTF-8"] {
            assert!(Media::read(bad).is_none(), "{bad}");
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn base64_is_read_with_or_without_padding() {
        for (text, bytes) in [("", &b""[..]), ("Zg==", b"f"), ("Zg", b"f"), ("Zm9v\r\nYmFy", b"foobar")] {
            assert_eq!(base64(text.as_bytes()).unwrap(), bytes, "{text}");
        }
        assert_eq!(base64(b"Z"), None);
        assert_eq!(base64(b"Zg=a"), None);
    }
}
