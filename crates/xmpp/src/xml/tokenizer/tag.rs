//! Start tags: attributes, declarations, and what their prefixes mean.

use super::Tokenizer;
use crate::xml::{
    XmlFault,
    token::{Attribute, Element, Name, Namespace, Span, Token},
};

impl Tokenizer<'_> {
    /// STag or EmptyElemTag (XML 1.0 §3.1). Leaves the element open, unless it is empty.
    pub(super) fn start_tag(&mut self) -> Result<(), XmlFault> {
        let start = self.cursor.position();
        let index = self.tokens.len();
        let depth = self.open.len() as u32;
        self.cursor.expect(b"<")?;
        let name = self.cursor.qualified_name()?;
        self.tokens.push(Token::Element(Element {
            name,
            namespace: Namespace::None,
            whole: Span { start, end: start },
            content: Span::default(),
            next: 0,
            borrows: None,
        }));
        let empty = self.attributes(index, depth)?;
        let namespace = self.scopes.of_element(name, depth)?;
        self.resolve_attributes(index + 1, depth)?;
        let end = self.cursor.position();
        let Token::Element(element) = &mut self.tokens[index] else { unreachable!("the element was just pushed") };
        element.namespace = namespace;
        element.content = Span { start: end, end };
        self.open.push(index as u32);
        if empty {
            self.close_element(Span { start: end, end });
        }
        Ok(())
    }

    /// Reads up to the end of the tag; whether the element is empty.
    fn attributes(&mut self, element: usize, depth: u32) -> Result<bool, XmlFault> {
        let (mut attributes, mut bindings) = (0, 0);
        loop {
            let spaced = self.cursor.skip_space();
            match self.cursor.peek() {
                Some(b'>') => {
                    self.cursor.expect(b">")?;
                    return Ok(false);
                }
                Some(b'/') => {
                    self.cursor.expect(b"/>")?;
                    return Ok(true);
                }
                Some(_) if spaced => {}
                _ => return Err(XmlFault::Syntax),
            }
            let name = self.cursor.qualified_name()?;
            self.cursor.skip_space();
            self.cursor.expect(b"=")?;
            self.cursor.skip_space();
            let value = self.cursor.value()?;
            self.refuse_same_name(element + 1, name)?;
            match self.declared_prefix(name) {
                Some(prefix) => {
                    bindings += 1;
                    if value.0.len() > self.limits.namespace_bytes_max {
                        return Err(XmlFault::BindingsExceeded);
                    }
                    if bindings > self.limits.bindings_max || self.scopes.len() >= self.limits.bindings_max as usize {
                        return Err(XmlFault::BindingsExceeded);
                    }
                    let namespace = self.scopes.declare(prefix, value, self.tokens.len() as u32, depth)?;
                    self.tokens.push(Token::Binding { prefix, value: value.0, namespace });
                }
                None => {
                    attributes += 1;
                    if attributes > self.limits.attributes_max {
                        return Err(XmlFault::AttributesExceeded);
                    }
                    let (value, plain) = value;
                    self.tokens.push(Token::Attribute(Attribute { name, namespace: Namespace::None, value, plain }));
                }
            }
        }
    }

    /// The prefix that the attribute `name` declares, empty for the default; none if it declares nothing.
    fn declared_prefix(&self, name: Name) -> Option<Span> {
        let text = self.cursor.text();
        match (name.prefix(text), name.local(text)) {
            ("", "xmlns") => Some(Span { start: name.span.end, end: name.span.end }),
            ("xmlns", _) => Some(Span { start: name.span.start + name.local_at, end: name.span.end }),
            _ => None,
        }
    }

    /// XML 1.0 §3.1: no attribute name twice in a tag.
    fn refuse_same_name(&self, first: usize, name: Name) -> Result<(), XmlFault> {
        let text = self.cursor.text();
        let written = name.span.of(text);
        let declared = self.declared_prefix(name).map(|prefix| prefix.of(text));
        let same = |token: &Token| match token {
            Token::Attribute(attribute) => attribute.name.span.of(text) == written,
            Token::Binding { prefix, .. } => declared == Some(prefix.of(text)),
            _ => false,
        };
        if self.tokens[first..].iter().any(same) { Err(XmlFault::DuplicateAttribute) } else { Ok(()) }
    }

    /// Finds the namespaces of prefixed attributes, once all declarations of the tag are known, and refuses two of the
    /// same expanded name (Namespaces §6.3).
    fn resolve_attributes(&mut self, first: usize, depth: u32) -> Result<(), XmlFault> {
        let text = self.cursor.text();
        for index in first..self.tokens.len() {
            let Token::Attribute(attribute) = self.tokens[index] else { continue };
            if attribute.name.local_at == 0 {
                continue;
            }
            let namespace = self.scopes.of_attribute(attribute.name, depth)?;
            let same = |token: &Token| match token {
                Token::Attribute(earlier) => {
                    earlier.name.local_at > 0
                        && earlier.name.local(text) == attribute.name.local(text)
                        && self.scopes.is_same(earlier.namespace, namespace)
                }
                _ => false,
            };
            if self.tokens[first..index].iter().any(same) {
                return Err(XmlFault::DuplicateAttribute);
            }
            self.tokens[index] = Token::Attribute(Attribute { namespace, ..attribute });
        }
        Ok(())
    }
}
