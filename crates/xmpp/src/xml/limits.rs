//! How much XML one peer may make us hold or count (RFC 6120 §13.12, XEP-0205 §4).
//!
//! All numbers are inclusive. What exceeds one is answered with `policy-violation` and never buffered further.

/// Limits of one stream. They can be widened when its peer has authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of one first-level element, from `<` to `>`; also of the stream header with its declaration.
    pub element_bytes_max: usize,
    /// Bytes of one tag with its attributes.
    pub tag_bytes_max: usize,
    /// Open elements below the stream, the first-level element included.
    pub depth_max: u32,
    /// Elements in one first-level element, itself included.
    pub elements_max: u32,
    /// Attributes of one element, namespace declarations not counted.
    pub attributes_max: u32,
    /// Namespace declarations of one element, and those in force at once within one first-level element.
    pub bindings_max: u32,
    /// Bytes of one namespace name, so that declaring it elsewhere anew cannot multiply an element.
    pub namespace_bytes_max: usize,
}

impl Limits {
    /// While nobody is authenticated: `bytes_max` is the setting `unauthenticated_bytes_max`.
    pub const fn unauthenticated(bytes_max: usize) -> Self {
        Self {
            element_bytes_max: bytes_max,
            tag_bytes_max: bytes_max,
            depth_max: 8,
            elements_max: 64,
            attributes_max: 16,
            bindings_max: 16,
            namespace_bytes_max: 512,
        }
    }

    /// For stanzas of an authorised pair: `bytes_max` is the setting `stanza_bytes_max`.
    pub const fn stanzas(bytes_max: usize) -> Self {
        let tag_bytes_max = if bytes_max < 65_536 { bytes_max } else { 65_536 };
        Self {
            element_bytes_max: bytes_max,
            tag_bytes_max,
            depth_max: 64,
            elements_max: 8_192,
            attributes_max: 64,
            bindings_max: 32,
            namespace_bytes_max: 512,
        }
    }

    /// For elements from our own side.
    pub const fn own() -> Self {
        Self {
            element_bytes_max: 64 << 20,
            tag_bytes_max: 64 << 20,
            depth_max: 128,
            elements_max: 1 << 20,
            attributes_max: 128,
            bindings_max: 128,
            namespace_bytes_max: 1_024,
        }
    }

    /// For what the writer has just made. Escaping and declaring make an element longer than the one it was copied from,
    /// which has passed other limits, so that none may be reached here.
    pub(crate) const fn written() -> Self {
        Self {
            element_bytes_max: usize::MAX,
            tag_bytes_max: usize::MAX,
            depth_max: u32::MAX,
            elements_max: u32::MAX,
            attributes_max: u32::MAX,
            bindings_max: u32::MAX,
            namespace_bytes_max: usize::MAX,
        }
    }
}
