//! From characters to bytes that read back as the same characters (XML 1.0 §2.4, §2.11, §3.3.3).

use crate::xml::chars;

/// Character data. `>` is escaped so that `]]>` never appears, a carriage return so that it stays one.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// The inside of an attribute value in either quotes.
pub(super) fn attribute(out: &mut Vec<u8>, value: &str) {
    escape(out, value, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\'' => Some("&apos;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

fn escape(out: &mut Vec<u8>, text: &str, replacement: impl Fn(u8) -> Option<&'static str>) {
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        let (skip, instead) = match replacement(byte) {
            Some(instead) => (1, instead),
            None if byte < 0x20 && !chars::is_space(byte) => (1, "\u{fffd}"),
            None if byte == 0xef && is_noncharacter(&text[at..]) => (3, "\u{fffd}"),
            None => continue,
        };
        out.extend_from_slice(&text.as_bytes()[done..at]);
        out.extend_from_slice(instead.as_bytes());
        done = at + skip;
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
}

fn is_noncharacter(text: &str) -> bool {
    text.starts_with(['\u{fffe}', '\u{ffff}'])
}
