//! Copying validated elements so that they mean the same where they are written.
//!
//! The bytes of a payload are spliced in as they were received. Prefixes that it borrows from outside are declared on
//! the start tag before it; only where it borrows another default namespace is it written anew, element by element.

use super::XmlWriter;
use crate::xml::{AttributeRef, ElementRef, NodeRef, ns};

impl XmlWriter {
    /// A copy of `element`, of any level, declared so that it means the same here.
    pub fn element(&mut self, element: ElementRef<'_>) -> &mut Self {
        self.start(element.name(), element.namespace()).attributes_of(element).nodes_of(element).end()
    }

    /// The attributes of `element` on the start tag just opened.
    fn attributes_of(&mut self, element: ElementRef<'_>) -> &mut Self {
        let mut prefixes = 0;
        for attribute in element.attributes() {
            match attribute.namespace() {
                "" => self.attribute(attribute.name(), &attribute.value()),
                ns::XML => self.attribute(&format!("xml:{}", attribute.name()), &attribute.value()),
                namespace => {
                    let prefix = format!("a{prefixes}");
                    prefixes += 1;
                    self.declare(&prefix, namespace);
                    self.attribute(&format!("{prefix}:{}", attribute.name()), &attribute.value())
                }
            };
        }
        self
    }

    /// A copy of `element` in which its namespace `from` is `to`, and so of its descendants down to the first element of
    /// another namespace, whose payload stays as it is.
    pub fn renamed(&mut self, element: ElementRef<'_>, from: &str, to: &str) -> &mut Self {
        if element.namespace() != from {
            return self.element(element);
        }
        self.start(element.name(), to).attributes_of(element);
        for node in element.nodes() {
            match node {
                NodeRef::Element(child) => self.renamed(child, from, to),
                NodeRef::Text(text) => self.text(&text),
            };
        }
        self.end()
    }

    /// A copy of everything between the tags of `element`, with the bytes received where that is possible.
    ///
    /// To be called right after the start tag it belongs to was opened and given its attributes.
    pub fn content_of(&mut self, element: ElementRef<'_>) -> &mut Self {
        if element.is_empty() {
            return self;
        }
        let Some(borrows) = element.borrows().filter(|_| self.in_tag) else { return self.nodes_of(element) };
        let default = element.bindings_inside().find(|(prefix, _)| prefix.is_empty()).map_or("", |(_, name)| name);
        if borrows.default && default != self.default_namespace() {
            return self.nodes_of(element);
        }
        if borrows.prefix {
            self.declare_prefixes_of(element);
        }
        self.close_tag();
        self.out.extend_from_slice(element.payload().as_bytes());
        self
    }

    /// A copy of the first-level `element` in which the attributes `replaced` (in no namespace) have these values.
    pub fn forward(&mut self, element: ElementRef<'_>, replaced: &[(&str, &str)]) -> &mut Self {
        if replaced.is_empty() && self.may_copy(element) {
            self.close_tag();
            self.out.extend_from_slice(element.raw().as_bytes());
            return self;
        }
        // The prefixes that may be declared on this tag may be those of the context.
        self.open(element.name(), element.namespace(), true);
        for attribute in element.attributes() {
            let is_replaced = |(name, _): &(&str, &str)| *name == attribute.name();
            match attribute.namespace() {
                "" if replaced.iter().any(is_replaced) => continue,
                "" => self.attribute(attribute.name(), &attribute.value()),
                ns::XML => self.attribute(&format!("xml:{}", attribute.name()), &attribute.value()),
                _ => self.foreign_attribute(element, attribute),
            };
        }
        for (name, value) in replaced {
            self.attribute(name, value);
        }
        self.content_of(element).end()
    }

    /// Whether the first-level `element` means the same here as it stands: without a prefix it is in the default
    /// namespace, which is the same here, and nothing in it uses a prefix that was declared before it.
    fn may_copy(&self, element: ElementRef<'_>) -> bool {
        let is_own = element.borrows().is_some_and(|borrows| !borrows.prefix)
            && element.attributes().all(AttributeRef::is_at_home);
        is_own && element.prefix().is_empty() && element.namespace() == self.default_namespace()
    }

    /// An attribute with its prefix, which is declared before it.
    fn foreign_attribute(&mut self, element: ElementRef<'_>, attribute: AttributeRef<'_>) -> &mut Self {
        self.declare_prefixes_of(element);
        self.attribute(&format!("{}:{}", attribute.prefix(), attribute.name()), &attribute.value())
    }

    /// Declares every prefix in force inside the first-level `element`, once.
    fn declare_prefixes_of(&mut self, element: ElementRef<'_>) {
        let open = self.open.last_mut().expect("prefixes are declared on a start tag");
        if open.declared {
            return;
        }
        open.declared = true;
        open.shadowed = true;
        for (prefix, namespace) in element.bindings_inside() {
            if !matches!(prefix, "" | "xml") {
                self.declare(prefix, namespace);
            }
        }
    }

    fn nodes_of(&mut self, element: ElementRef<'_>) -> &mut Self {
        for node in element.nodes() {
            match node {
                NodeRef::Element(child) => self.element(child),
                NodeRef::Text(text) => self.text(&text),
            };
        }
        self
    }
}
