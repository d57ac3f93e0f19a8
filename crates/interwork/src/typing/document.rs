//! A small XML document of a SIP body, read by the strict reader that stanzas are read by.
//!
//! That reader knows elements and text of a stream, so the XML declaration is taken off here. Comments, document types and
//! entities are refused by it, and what is left cannot be large.

use xmpp::xml::{Batch, XmlWriter};

use super::Malformed;

/// Most bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 4096;

/// The document as a batch of its one root element. An element without a namespace is found in `jabber:server`.
pub(super) fn read(body: &[u8]) -> Result<Batch, Malformed> {
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(body).map_err(|_| Malformed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii_start();
    let batch = Batch::from_xml(without_declaration(text)?).map_err(|_| Malformed)?;
    if batch.len() == 1 { Ok(batch) } else { Err(Malformed) }
}

/// XML 1.0 §2.8. An encoding other than UTF-8 or a part of it is refused.
fn without_declaration(text: &str) -> Result<&str, Malformed> {
    let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n'])) else {
        return Ok(text);
    };
    let (declaration, rest) = rest.split_once("?>").ok_or(Malformed)?;
    let encoding = declaration.split_once("encoding").map(|(_, value)| value.to_ascii_lowercase());
    let is_utf_8 = |value: &str| {
        let quoted = value.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start).unwrap_or_default();
        ["utf-8", "us-ascii"].iter().any(|name| {
            quoted
                .strip_prefix(['"', '\''])
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with(['"', '\'']))
        })
    };
    if encoding.is_none_or(|value| is_utf_8(&value)) { Ok(rest) } else { Err(Malformed) }
}

/// What `writer` holds, as a document.
pub(super) fn write(writer: XmlWriter) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{}", String::from_utf8_lossy(&writer.finish()))
}
