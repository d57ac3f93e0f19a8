//! STARTTLS (RFC 6120 §5), the three elements of it.
//!
//! Bytes that follow `<starttls/>` or `<proceed/>` in plaintext would be read as if TLS had carried them. They are never
//! interpreted (§5.3.3, §5.4.2.3).

use crate::xml::{XmlWriter, ns};

/// `<starttls/>`.
pub(crate) fn write_request(writer: &mut XmlWriter) {
    writer.leaf("starttls", ns::TLS, "");
}

/// `<proceed/>`.
pub(crate) fn write_proceed(writer: &mut XmlWriter) {
    writer.leaf("proceed", ns::TLS, "");
}

/// `<failure/>` (§5.4.2.2).
pub(crate) fn write_failure(writer: &mut XmlWriter) {
    writer.leaf("failure", ns::TLS, "");
}

/// Whether `pipelined` holds more than the white space that careless peers send after an element.
pub(crate) fn is_injected(pipelined: &[u8]) -> bool {
    !pipelined.trim_ascii().is_empty()
}
