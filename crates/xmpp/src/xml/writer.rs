//! The only way XML is made.
//!
//! Text and attribute values are escaped, namespaces are declared where they differ from what is in force, and every
//! start tag gets its end tag. A character that XML cannot carry (XML 1.0 §2.2) becomes U+FFFD.
//!
//! Element names, attribute names and namespace names are ours (literals or names from validated XML); only values and
//! text may come from anywhere.

use bytes::Bytes;

use super::{ElementRef, ns};

/// Writes first-level elements, or a stream header.
#[derive(Debug)]
pub struct XmlWriter {
    out: Vec<u8>,
    /// Bindings in force around what is written.
    context: &'static [(&'static str, &'static str)],
    /// Whether the last start tag still lacks its `>`.
    in_tag: bool,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    name: String,
    default: String,
}

/// What our stream headers between servers bind.
const SERVER_STREAM: &[(&str, &str)] = &[("", ns::SERVER), ("stream", ns::STREAM), ("db", ns::DIALBACK)];

impl XmlWriter {
    /// Inside a stream between servers: the default is `jabber:server`, `stream` and `db` are bound.
    pub fn new() -> Self {
        Self::within(SERVER_STREAM)
    }

    /// Inside a stream with other bindings; none at all for a document.
    pub fn within(context: &'static [(&'static str, &'static str)]) -> Self {
        Self { out: Vec::new(), context, in_tag: false, open: Vec::new() }
    }

    /// Appends to `out` instead of starting with an empty buffer.
    pub fn reusing(self, out: Vec<u8>) -> Self {
        Self { out, ..self }
    }

    /// The XML declaration and the start tag `<stream:stream>` with this context declared, `version='1.0'` and the
    /// attributes given; absent ones are left out. The tag stays open: nothing but [`finish`](Self::finish) may follow.
    pub fn stream_header(&mut self, _attributes: &[(&str, Option<&str>)]) -> &mut Self {
        self
    }

    /// `</stream:stream>`.
    pub fn stream_end(&mut self) -> &mut Self {
        self.out.extend_from_slice(b"</stream:stream>");
        self
    }

    /// Opens `name` in `namespace`: unprefixed where that is the default in force, with the prefix that the context
    /// binds to it, else with a declaration of its own.
    pub fn start(&mut self, _name: &str, _namespace: &str) -> &mut Self {
        self
    }

    /// An attribute in no namespace, or with the prefix `xml`.
    ///
    /// # Panics
    /// When no start tag was just opened.
    pub fn attribute(&mut self, _name: &str, _value: &str) -> &mut Self {
        self
    }

    /// The same if there is a value.
    pub fn attribute_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Character data.
    pub fn text(&mut self, _text: &str) -> &mut Self {
        self
    }

    /// Closes the innermost open element; one without content becomes an empty-element tag.
    ///
    /// # Panics
    /// When no element is open.
    pub fn end(&mut self) -> &mut Self {
        self
    }

    /// An element with text alone.
    pub fn leaf(&mut self, name: &str, namespace: &str, text: &str) -> &mut Self {
        self.start(name, namespace).text(text).end()
    }

    /// A copy of `element`, declared so that it means the same here.
    pub fn element(&mut self, _element: ElementRef<'_>) -> &mut Self {
        self
    }

    /// A copy of everything between the tags of `element`: its validated bytes where they mean the same here, else
    /// written anew.
    pub fn content_of(&mut self, _element: ElementRef<'_>) -> &mut Self {
        self
    }

    /// A copy of the first-level element with attributes of its start tag replaced: the bytes of its payload are spliced
    /// where they mean the same here.
    pub fn forward(&mut self, _element: ElementRef<'_>, _replaced: &[(&str, &str)]) -> &mut Self {
        self
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written.
    ///
    /// # Panics
    /// When an element is still open.
    pub fn finish(self) -> Bytes {
        Bytes::from(self.out)
    }

    /// What was written, as a batch of first-level elements.
    pub fn into_batch(self) -> super::Batch {
        super::Batch::from_xml(self.out).expect("the writer makes well-formed elements")
    }
}

impl Default for XmlWriter {
    fn default() -> Self {
        Self::new()
    }
}
