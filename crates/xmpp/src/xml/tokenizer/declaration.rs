//! The XML declaration before a stream header (XML 1.0 §2.8, RFC 6120 §11.5, §11.6, §11.8).

use super::cursor::Cursor;
use crate::xml::XmlFault;

/// Reads `<?xml version='1.0' encoding='utf-8'?>`. `standalone='yes'` has no meaning and is ignored.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(), XmlFault> {
    if cursor.expect(b"<?xml").is_err() || !cursor.skip_space() {
        return Err(XmlFault::ProcessingInstruction);
    }
    if pseudo_attribute(cursor, b"version")? != "1.0" {
        return Err(XmlFault::Syntax);
    }
    let mut spaced = cursor.skip_space();
    if spaced && cursor.peek() == Some(b'e') {
        if !pseudo_attribute(cursor, b"encoding")?.eq_ignore_ascii_case("utf-8") {
            return Err(XmlFault::Encoding);
        }
        spaced = cursor.skip_space();
    }
    if spaced && cursor.peek() == Some(b's') {
        match pseudo_attribute(cursor, b"standalone")? {
            "yes" => {}
            "no" => return Err(XmlFault::Standalone),
            _ => return Err(XmlFault::Syntax),
        }
        cursor.skip_space();
    }
    cursor.expect(b"?>")
}

fn pseudo_attribute<'a>(cursor: &mut Cursor<'a>, name: &[u8]) -> Result<&'a str, XmlFault> {
    cursor.expect(name)?;
    cursor.skip_space();
    cursor.expect(b"=")?;
    cursor.skip_space();
    let (value, _) = cursor.value()?;
    Ok(value.of(cursor.text()))
}
