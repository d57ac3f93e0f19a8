//! Charsets of text bodies (RFC 2046 §4.1.2, RFC 2781).

use std::borrow::Cow;

use super::{BodyError, Media};

/// `body` in the charset of `media`; without one it is UTF-8, of which US-ASCII is a part (RFC 3261 §7.4.1).
pub(super) fn decode<'a>(media: &Media<'_>, body: &'a [u8]) -> Result<Cow<'a, str>, BodyError> {
    let charset = media.param("charset").unwrap_or(Cow::Borrowed("utf-8")).to_ascii_lowercase();
    match charset.as_str() {
        "utf-8" | "utf8" | "us-ascii" => {
            let text = std::str::from_utf8(body).map_err(|_| BodyError::Undecodable)?;
            Ok(Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)))
        }
        "iso-8859-1" | "latin1" => Ok(Cow::Owned(body.iter().map(|byte| char::from(*byte)).collect())),
        "utf-16" => match body {
            [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
            // RFC 2781 §4.3: without a mark it should be read as big-endian.
            rest => utf_16(rest, u16::from_be_bytes),
        },
        "utf-16le" => utf_16(body, u16::from_le_bytes),
        "utf-16be" => utf_16(body, u16::from_be_bytes),
        _ => Err(BodyError::Charset),
    }
}

fn utf_16<'a>(body: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'a, str>, BodyError> {
    let (units, odd) = body.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(BodyError::Undecodable);
    }
    let text: Result<String, _> = char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect();
    text.map(Cow::Owned).map_err(|_| BodyError::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(content_type: &str, body: &[u8]) -> Result<String, BodyError> {
        decode(&Media::read(content_type).unwrap(), body).map(Cow::into_owned)
    }

    /// The octets of RFC 2781 §5: "*=Ra" with U+12345 in its three forms.
    #[test]
    fn utf_16_is_read_in_both_orders() {
        let big = [0xd8, 0x08, 0xdf, 0x45, 0x00, 0x3d, 0x00, 0x52, 0x00, 0x61];
        let little: Vec<u8> = big.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        let text = Ok("\u{12345}=Ra".to_owned());
        assert_eq!(decoded("text/plain;charset=UTF-16BE", &big), text);
        assert_eq!(decoded("text/plain;charset=utf-16le", &little), text);
        assert_eq!(decoded("text/plain;charset=UTF-16", &big), text);
        assert_eq!(decoded("text/plain;charset=UTF-16", &[&[0xff, 0xfe], &little[..]].concat()), text);
        assert_eq!(decoded("text/plain;charset=UTF-16", &[&[0xfe, 0xff], &big[..]].concat()), text);
        assert_eq!(decoded("text/plain;charset=UTF-16BE", &big[..9]), Err(BodyError::Undecodable));
        assert_eq!(decoded("text/plain;charset=UTF-16BE", &big[..2]), Err(BodyError::Undecodable));
    }

    #[test]
    fn utf_8_is_the_default_and_others_are_named() {
        assert_eq!(decoded("text/plain", "\u{feff}f\u{fc}".as_bytes()).unwrap(), "f\u{fc}");
        assert_eq!(decoded("text/plain;charset=\"us-ascii\"", b"a").unwrap(), "a");
        assert_eq!(decoded("text/plain;charset=ISO-8859-1", b"f\xfc").unwrap(), "f\u{fc}");
        assert_eq!(decoded("text/plain", b"\xff"), Err(BodyError::Undecodable));
        assert_eq!(decoded("text/plain;charset=koi8-r", b"a"), Err(BodyError::Charset));
    }
}
