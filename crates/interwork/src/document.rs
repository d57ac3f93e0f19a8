//! A small XML document of a SIP body, read by the strict reader that stanzas are read by.
//!
//! That reader knows elements and text of a stream, so the XML declaration is taken off here. Comments, document types and
//! entities are refused by it, and what is left cannot be large.

use xmpp::xml::{Batch, XmlWriter};

/// The document as a batch of its one root element; none if it is longer than `bytes_max` or no document that we read. An
/// element without a namespace is found in `jabber:server`.
pub(crate) fn read(body: &[u8], bytes_max: usize) -> Option<Batch> {
    if body.len() > bytes_max {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
    let batch = Batch::from_xml(without_declaration(text)?).ok()?;
    (batch.len() == 1).then_some(batch)
}

/// XML 1.0 §2.8. An encoding other than UTF-8 or a part of it is refused.
fn without_declaration(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n'])) else {
        return Some(text);
    };
    let (declaration, rest) = rest.split_once("?>")?;
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
    encoding.is_none_or(|value| is_utf_8(&value)).then_some(rest)
}

/// What `writer` holds, as a document.
pub(crate) fn write(writer: XmlWriter) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{}", String::from_utf8_lossy(&writer.finish()))
}
