//! The only way XML is made.
//!
//! Text and attribute values are escaped, namespaces are declared where they differ from what is in force, and every
//! start tag gets its end tag. A character that XML cannot carry (XML 1.0 §2.2) becomes U+FFFD.
//!
//! Element names, attribute names and namespace names are ours (literals, or names from validated XML); only values and
//! text may come from anywhere.

mod copy;
mod escape;

use bytes::Bytes;

use super::{Batch, Limits, ns, tokenizer};

/// Writes first-level elements, or a stream header.
#[derive(Debug)]
pub struct XmlWriter {
    out: Vec<u8>,
    /// Bindings in force around what is written.
    context: &'static [(&'static str, &'static str)],
    /// Whether the last start tag still lacks its `>`.
    in_tag: bool,
    open: Vec<Open>,
    /// Of each open element its name as written, then the default namespace inside it.
    names: String,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    name_at: usize,
    default_at: usize,
    /// Whether prefixes were declared here or further out, so that the context's may mean something else.
    shadowed: bool,
    /// Whether the prefixes of a copied element were declared on this one.
    declared: bool,
}

impl XmlWriter {
    /// Inside a stream between servers: the default is `jabber:server`, `stream` and `db` are bound.
    pub fn new() -> Self {
        Self::within(ns::SERVER_STREAM)
    }

    /// Inside a stream with other bindings (prefix, empty for the default, and namespace name); none for a document.
    pub fn within(context: &'static [(&'static str, &'static str)]) -> Self {
        Self { out: Vec::new(), context, in_tag: false, open: Vec::new(), names: String::new() }
    }

    /// Appends to `out` instead of starting with an empty buffer.
    pub fn reusing(self, out: Vec<u8>) -> Self {
        Self { out, ..self }
    }

    /// The XML declaration and the start tag `<stream:stream>` that declares this context, with the attributes given;
    /// absent ones are left out. The stream counts as open around what follows, not as an element to end.
    pub fn stream_header(&mut self, attributes: &[(&str, Option<&str>)]) -> &mut Self {
        self.close_tag();
        self.out.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        self.in_tag = true;
        for (prefix, namespace) in self.context {
            self.declare(prefix, namespace);
        }
        for (name, value) in attributes {
            self.attribute_if(name, *value);
        }
        self.close_tag();
        self
    }

    /// `</stream:stream>`.
    pub fn stream_end(&mut self) -> &mut Self {
        self.out.extend_from_slice(b"</stream:stream>");
        self
    }

    /// Opens `name` in `namespace`: unprefixed where that is the default in force, with the prefix that the context
    /// binds to it, else with a declaration of its own.
    pub fn start(&mut self, name: &str, namespace: &str) -> &mut Self {
        let shadowed = self.open.last().is_some_and(|open| open.shadowed);
        self.open(name, namespace, shadowed)
    }

    /// Opens an element; without the context's prefixes where they are `shadowed`.
    fn open(&mut self, name: &str, namespace: &str, shadowed: bool) -> &mut Self {
        self.close_tag();
        let is_default = self.default_namespace() == namespace;
        let prefix = self.context.iter().find(|(prefix, bound)| !prefix.is_empty() && *bound == namespace);
        let prefix = match prefix {
            _ if namespace == ns::XML => Some("xml"),
            Some((prefix, _)) if !is_default && !shadowed => Some(*prefix),
            _ => None,
        };
        let name_at = self.names.len();
        if let Some(prefix) = prefix {
            self.names.push_str(prefix);
            self.names.push(':');
        }
        self.names.push_str(name);
        let default_at = self.names.len();
        self.out.push(b'<');
        self.out.extend_from_slice(&self.names.as_bytes()[name_at..default_at]);
        self.in_tag = true;
        if is_default || prefix.is_some() {
            match self.open.last() {
                Some(outer) => self.names.extend_from_within(outer.default_at..name_at),
                None => self.names.push_str(self.context_default()),
            }
        } else {
            self.declare("", namespace);
            self.names.push_str(namespace);
        }
        self.open.push(Open { name_at, default_at, shadowed, declared: false });
        self
    }

    /// An attribute in no namespace, or with the prefix `xml`.
    ///
    /// # Panics
    /// When no start tag was just opened.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        assert!(self.in_tag, "attributes belong to the start tag just opened");
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"='");
        escape::attribute(&mut self.out, value);
        self.out.push(b'\'');
        self
    }

    /// The same if there is a value.
    ///
    /// # Panics
    /// When no start tag was just opened.
    pub fn attribute_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Character data.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.close_tag();
            escape::text(&mut self.out, text);
        }
        self
    }

    /// Closes the innermost open element; one without content becomes an empty-element tag.
    ///
    /// # Panics
    /// When no element is open.
    pub fn end(&mut self) -> &mut Self {
        let open = self.open.pop().expect("every end has its start");
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(&self.names.as_bytes()[open.name_at..open.default_at]);
            self.out.push(b'>');
        }
        self.names.truncate(open.name_at);
        self
    }

    /// An element with text alone.
    pub fn leaf(&mut self, name: &str, namespace: &str, text: &str) -> &mut Self {
        self.start(name, namespace).text(text).end()
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
        assert!(self.open.is_empty(), "every start has its end");
        Bytes::from(self.out)
    }

    /// What was written in the context of [`new`](Self::new), as a batch of first-level elements.
    ///
    /// # Panics
    /// When an element is still open, or the context is another one.
    pub fn into_batch(self) -> Batch {
        assert!(self.open.is_empty(), "every start has its end");
        tokenizer::batch_of(self.out, &Limits::written()).expect("what the writer makes is well-formed")
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }

    fn declare(&mut self, prefix: &str, namespace: &str) {
        self.out.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(b"='");
        escape::attribute(&mut self.out, namespace);
        self.out.push(b'\'');
    }

    fn default_namespace(&self) -> &str {
        match self.open.last() {
            Some(open) => &self.names[open.default_at..],
            None => self.context_default(),
        }
    }

    fn context_default(&self) -> &'static str {
        self.context.iter().find(|(prefix, _)| prefix.is_empty()).map_or("", |(_, namespace)| namespace)
    }
}

impl Default for XmlWriter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
