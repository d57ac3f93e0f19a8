//! Restricted XML 1.0 as XMPP uses it (RFC 6120 §11, Namespaces in XML 1.0).
//!
//! A server at the border must never pass on bytes that the next server reads differently. So there is one reader: the
//! [`Framer`] cuts the byte stream into first-level elements under [`Limits`], a strict tokenizer validates every byte of
//! them once, and all that follows (stanzas, forwarding) walks the tokens of a [`Batch`]. And there is one way to make
//! XML: the [`XmlWriter`].
//!
//! Comments, processing instructions, document types and entities beyond the five predefined ones do not exist here;
//! meeting one is an [`XmlError`] with the stream error condition to answer with.

pub mod batch;
pub mod element;
pub mod error;
pub mod framer;
pub mod limits;
pub mod writer;

pub(crate) mod chars;
pub(crate) mod scanner;
pub(crate) mod token;
pub(crate) mod tokenizer;
pub(crate) mod unescape;

pub use batch::{Batch, Elements};
pub use element::{AttributeRef, ElementRef, NodeRef};
pub use error::{XmlError, XmlFault};
pub use framer::{Frame, Framer, Framing};
pub use limits::Limits;
pub use writer::XmlWriter;

/// Namespace names that more than one module speaks.
pub mod ns {
    /// Content of a stream between servers (RFC 6120 §4.8.2).
    pub const SERVER: &str = "jabber:server";
    /// Server dialback (XEP-0220).
    pub const DIALBACK: &str = "jabber:server:dialback";
    /// The stream itself (RFC 6120 §4.8.1).
    pub const STREAM: &str = "http://etherx.jabber.org/streams";
    /// STARTTLS (RFC 6120 §5).
    pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
    /// SASL (RFC 6120 §6).
    pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
    /// Conditions of stream errors (RFC 6120 §4.9.2).
    pub const STREAM_ERROR: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    /// Conditions of stanza errors (RFC 6120 §8.3.2).
    pub const STANZA_ERROR: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// The prefix `xml`, bound without being declared.
    pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
    /// The prefix `xmlns`, which nobody may bind.
    pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

    /// What our stream headers between servers bind: prefix, empty for the default, and namespace name.
    pub const SERVER_STREAM: &[(&str, &str)] = &[("", SERVER), ("stream", STREAM), ("db", DIALBACK)];
}
