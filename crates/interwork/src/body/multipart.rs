//! The text among alternatives (RFC 2046 §5.1).
//!
//! RFC 2046 §5.1.4 tells a reader to show the last alternative that it can show, which is the richest. We look for text, so
//! plain text comes first, then HTML, then alternatives within; one that cannot be read leaves room for the next.

use super::{BodyError, Media, base64, text_within};

/// Parts that are looked at.
const PARTS_MAX: usize = 16;
/// Bytes of one part's header.
const HEADER_BYTES_MAX: usize = 4096;
/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The text of a `multipart/alternative` body; alternatives may nest `depth` more times.
pub(super) fn text(media: &Media<'_>, body: &[u8], depth: u8) -> Result<String, BodyError> {
    let boundary = media.param("boundary").ok_or(BodyError::Malformed)?;
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || boundary.ends_with(' ') {
        return Err(BodyError::Malformed);
    }
    let parts = split(body, boundary.as_bytes())?;
    let parts: Vec<Part<'_>> = parts.into_iter().map(Part::read).collect::<Option<_>>().ok_or(BodyError::Parts)?;
    let mut failure = BodyError::ContentType;
    for wanted in ["text/plain", "text/html", "multipart/alternative"] {
        for part in &parts {
            let media = Media::read(&part.content_type).ok_or(BodyError::Malformed)?;
            if media.essence() != wanted {
                continue;
            }
            match part.decoded().and_then(|body| text_within(&media, &body, depth)) {
                Ok(text) => return Ok(text),
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

/// The parts between the delimiter lines. A missing last delimiter is borne: the text before it is all there.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Result<Vec<&'a [u8]>, BodyError> {
    let mut parts = Vec::new();
    let mut begun = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let delimiter = line.trim_ascii_end().strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        if let Some(end) = delimiter.filter(|end| matches!(*end, b"" | b"--")) {
            if let Some(begun) = begun {
                parts.push(without_line_end(&body[begun..at]));
            }
            begun = Some(at + line.len());
            if end == b"--" {
                begun = None;
                break;
            }
            if parts.len() == PARTS_MAX {
                return Err(BodyError::Parts);
            }
        }
        at += line.len();
    }
    if let Some(begun) = begun {
        parts.push(&body[begun..]);
    }
    if parts.is_empty() { Err(BodyError::Parts) } else { Ok(parts) }
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(part: &[u8]) -> &[u8] {
    part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(part)
}

struct Part<'a> {
    content_type: String,
    encoding: String,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(part: &'a [u8]) -> Option<Self> {
        let mut fields: Vec<String> = Vec::new();
        let mut at = 0;
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let line = std::str::from_utf8(line).ok()?.trim_end();
            if line.is_empty() {
                break;
            }
            if at > HEADER_BYTES_MAX {
                return None;
            }
            match fields.last_mut() {
                Some(folded) if line.starts_with([' ', '\t']) => folded.push_str(line),
                _ => fields.push(line.to_owned()),
            }
        }
        let value = |wanted: &str| {
            let mut named = fields.iter().filter_map(|field| field.split_once(':'));
            named
                .find(|(name, _)| name.trim_end().eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim().to_owned())
        };
        // RFC 2046 §5.1: a part without a type is plain text.
        let content_type = value("Content-Type").unwrap_or_else(|| "text/plain".to_owned());
        let encoding = value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
        Some(Self { content_type, encoding, body: &part[at..] })
    }

    fn decoded(&self) -> Result<std::borrow::Cow<'a, [u8]>, BodyError> {
        match self.encoding.as_str() {
            "" | "7bit" | "8bit" | "binary" => Ok(self.body.into()),
            "base64" => base64(self.body).map(Into::into).ok_or(BodyError::Undecodable),
            "quoted-printable" => Ok(quoted_printable(self.body).into()),
            _ => Err(BodyError::ContentEncoding),
        }
    }
}

/// RFC 2045 §6.7. An equals sign that begins no escape stays as it is, as the note on robustness there proposes.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        let end = &line[line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1)..];
        let (text, end) = text.strip_suffix(b"=").map_or((text, end), |text| (text, &b""[..]));
        let mut at = 0;
        while at < text.len() {
            let escape = (text[at] == b'=').then(|| text.get(at + 1..at + 3)).flatten().and_then(hex);
            plain.push(escape.unwrap_or(text[at]));
            at += if escape.is_some() { 3 } else { 1 };
        }
        plain.extend_from_slice(end);
    }
    plain
}

fn hex(digits: &[u8]) -> Option<u8> {
    data_encoding::HEXUPPER_PERMISSIVE.decode(digits).ok().and_then(|bytes| bytes.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2045 §6.7, rule 5.
    #[test]
    fn quoted_printable_is_decoded() {
        let wrapped = b"Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.";
        assert_eq!(quoted_printable(wrapped), b"Now's the time for all folk to come to the aid of their country.");
        assert_eq!(quoted_printable(b"f=C3=bc 1=2 a \t\r\nb=3D="), "f\u{fc} 1=2 a\r\nb=".as_bytes());
    }

    /// RFC 2046 §5.1.1: preamble and epilogue are ignored, the line end before a delimiter is the delimiter's, padding
    /// may follow it, and a longer line that begins alike is none.
    #[test]
    fn parts_stand_between_delimiters() {
        let body = b"preamble\r\n--b\r\n\r\none\r\n\r\n--b \t\r\n\r\n--bc\n--b--\r\nepilogue\r\n--b\r\n";
        assert_eq!(split(body, b"b").unwrap(), [&b"\r\none\r\n"[..], b"\r\n--bc"]);
        assert_eq!(split(b"--b\n\nopen", b"b").unwrap(), [b"\nopen"]);
        for bad in [&b""[..], b"--c\r\n\r\nx\r\n--c--", b"x --b\r\n"] {
            assert_eq!(split(bad, b"b"), Err(BodyError::Parts));
        }
        assert_eq!(split("--b\n\n".repeat(18).as_bytes(), b"b"), Err(BodyError::Parts));
        assert_eq!(split("--b\n\n".repeat(16).as_bytes(), b"b").unwrap().len(), 16);
    }
}
