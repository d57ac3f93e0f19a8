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
        let depth = self.depth;
        self.cursor.expect(b"<")?;
        let name = self.cursor.qualified_name()?;
        self.tokens.push(Token::Element(Element {
            name,
            namespace: Namespace::None,
            whole: Span { start, end: start },
            content: Span::default(),
            next: self.innermost,
            borrows: None,
        }));
        let tag = self.attributes(index, depth)?;
        self.check_tag(start)?;
        let namespace = self.scopes.of_element(name, depth)?;
        if tag.prefixed > 0 {
            self.resolve_attributes(index + 1, depth, tag.prefixed)?;
        }
        let end = self.cursor.position();
        let Token::Element(element) = &mut self.tokens[index] else { unreachable!("the element was just pushed") };
        element.namespace = namespace;
        element.content = Span { start: end, end };
        self.innermost = index as u32;
        self.depth += 1;
        if tag.is_empty {
            self.close_element(Span { start: end, end });
        }
        Ok(())
    }

    /// Reads up to the end of the tag.
    fn attributes(&mut self, element: usize, depth: u32) -> Result<Tag, XmlFault> {
        let (mut attributes, mut bindings, mut prefixed) = (0, 0, 0);
        loop {
            let spaced = self.cursor.skip_space();
            match self.cursor.peek() {
                Some(b'>') => {
                    self.cursor.expect(b">")?;
                    return Ok(Tag { is_empty: false, prefixed });
                }
                Some(b'/') => {
                    self.cursor.expect(b"/>")?;
                    return Ok(Tag { is_empty: true, prefixed });
                }
                Some(_) if spaced => {}
                _ => return Err(XmlFault::Syntax),
            }
            let name = self.cursor.qualified_name()?;
            self.cursor.skip_space();
            self.cursor.expect(b"=")?;
            self.cursor.skip_space();
            let value = self.cursor.value()?;
            let declared = self.declared_prefix(name);
            self.refuse_same_name(element + 1, name, declared)?;
            match declared {
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
                    prefixed += u32::from(name.local_at > 0);
                    let (value, plain) = value;
                    self.tokens.push(Token::Attribute(Attribute { name, namespace: Namespace::None, value, plain }));
                }
            }
        }
    }

    /// The prefix that the attribute `name` declares, empty for the default; none if it declares nothing.
    fn declared_prefix(&self, name: Name) -> Option<Span> {
        const PREFIX: &[u8] = b"xmlns:";
        let written = name.span.bytes_of(self.cursor.bytes());
        match name.local_at as usize {
            0 if written == b"xmlns" => Some(Span { start: name.span.end, end: name.span.end }),
            local_at if local_at == PREFIX.len() && written.starts_with(PREFIX) => {
                Some(Span { start: name.span.start + name.local_at, end: name.span.end })
            }
            _ => None,
        }
    }

    /// XML 1.0 §3.1: no attribute name twice in a tag. One that declares a prefix can only be the same as another that
    /// does.
    fn refuse_same_name(&self, first: usize, name: Name, declared: Option<Span>) -> Result<(), XmlFault> {
        let bytes = self.cursor.bytes();
        let same = |token: &Token| match (token, declared) {
            (Token::Attribute(attribute), None) => attribute.name.span.bytes_of(bytes) == name.span.bytes_of(bytes),
            (Token::Binding { prefix, .. }, Some(declared)) => prefix.bytes_of(bytes) == declared.bytes_of(bytes),
            _ => false,
        };
        if self.tokens[first..].iter().any(same) { Err(XmlFault::DuplicateAttribute) } else { Ok(()) }
    }

    /// Finds the namespaces of prefixed attributes, once all declarations of the tag are known, and refuses two of the
    /// same expanded name (Namespaces §6.3).
    fn resolve_attributes(&mut self, first: usize, depth: u32, prefixed: u32) -> Result<(), XmlFault> {
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
            if prefixed > 1 && self.tokens[first..index].iter().any(same) {
                return Err(XmlFault::DuplicateAttribute);
            }
            self.tokens[index] = Token::Attribute(Attribute { namespace, ..attribute });
        }
        Ok(())
    }
}

/// What a start tag has shown besides its tokens.
struct Tag {
    is_empty: bool,
    /// How many attributes have a prefix and declare nothing.
    prefixed: u32,
}
