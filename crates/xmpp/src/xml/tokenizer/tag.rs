//! Start tags: attributes, declarations, and what their prefixes mean.

use super::{Tokenizer, cursor::Cursor};
use crate::xml::{
    XmlFault,
    token::{Attribute, Element, Name, Namespace, Span, Token},
};

impl Tokenizer<'_> {
    /// STag or EmptyElemTag (XML 1.0 §3.1). Leaves the element open, unless it is empty.
    pub(super) fn start_tag(&mut self) -> Result<(), XmlFault> {
        let mut cursor = self.cursor;
        let index = self.tokens.len();
        let read = self.read_start_tag(&mut cursor);
        // Also after a fault: that the bytes ended says something.
        let start = std::mem::replace(&mut self.cursor, cursor).position();
        let (name, tag) = read?;
        self.check_tag(start)?;
        let depth = self.depth;
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

    #[inline(always)]
    fn read_start_tag(&mut self, cursor: &mut Cursor<'_>) -> Result<(Name, Tag), XmlFault> {
        let start = cursor.position();
        cursor.expect(b"<")?;
        let name = cursor.qualified_name()?;
        self.tokens.push(Token::Element(Element {
            name,
            namespace: Namespace::None,
            whole: Span { start, end: start },
            content: Span::default(),
            next: self.innermost,
            borrows: None,
        }));
        let first = self.tokens.len();
        let tag = self.attributes(cursor, first)?;
        Ok((name, tag))
    }

    /// Reads up to the end of the tag; `first` is where its attributes begin among the tokens.
    #[inline(always)]
    fn attributes(&mut self, cursor: &mut Cursor<'_>, first: usize) -> Result<Tag, XmlFault> {
        let (mut attributes, mut bindings, mut prefixed) = (0, 0, 0);
        let mut seen = Seen::default();
        loop {
            let spaced = cursor.skip_space();
            if let Some(is_empty) = cursor.tag_end()? {
                return Ok(Tag { is_empty, prefixed });
            }
            if !spaced {
                return Err(XmlFault::Syntax);
            }
            let name = cursor.qualified_name()?;
            cursor.equals()?;
            let value = cursor.value()?;
            let written = name.span.bytes_of(cursor.bytes());
            let reserved = if written.starts_with(b"xml") { Reserved::of(written, name) } else { None };
            let declared = match reserved {
                Some(Reserved::Declares(prefix)) => Some(prefix),
                _ => None,
            };
            if seen.may_hold(written) {
                self.refuse_same_name(first, name, declared)?;
            }
            match declared {
                Some(prefix) => {
                    bindings += 1;
                    if value.0.len() > self.limits.namespace_bytes_max {
                        return Err(XmlFault::BindingsExceeded);
                    }
                    if bindings > self.limits.bindings_max || self.scopes.len() >= self.limits.bindings_max as usize {
                        return Err(XmlFault::BindingsExceeded);
                    }
                    let namespace = self.scopes.declare(prefix, value, self.tokens.len() as u32, self.depth)?;
                    self.tokens.push(Token::Binding { prefix, value: value.0, namespace });
                }
                None => {
                    attributes += 1;
                    if attributes > self.limits.attributes_max {
                        return Err(XmlFault::AttributesExceeded);
                    }
                    let (value, plain) = value;
                    prefixed += u32::from(name.local_at > 0 && reserved.is_none());
                    let namespace = if reserved.is_some() { Namespace::Xml } else { Namespace::None };
                    self.tokens.push(Token::Attribute(Attribute { name, namespace, value, plain }));
                }
            }
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
            if attribute.name.local_at == 0 || attribute.namespace == Namespace::Xml {
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

/// Which names a tag has shown, roughly: what it does not hold was not there.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Whether a name like this one was there; from now on it is.
    fn may_hold(&mut self, name: &[u8]) -> bool {
        let last = name.last().map_or(0, |last| usize::from(*last));
        let mark = 1 << ((last ^ name.len() << 3) % 64);
        let held = self.0 & mark != 0;
        self.0 |= mark;
        held
    }
}

/// What an attribute's name means that begins with `xml`, if it means anything before the declarations are known.
enum Reserved {
    /// It declares this prefix, empty for the default.
    Declares(Span),
    /// It is in the namespace of `xml`, which no other prefix can mean.
    Xml,
}

impl Reserved {
    fn of(written: &[u8], name: Name) -> Option<Self> {
        let Span { start, end } = name.span;
        match (name.local_at, written) {
            (0, b"xmlns") => Some(Self::Declares(Span { start: end, end })),
            (4, _) if written[3] == b':' => Some(Self::Xml),
            (6, _) if written.starts_with(b"xmlns:") => Some(Self::Declares(Span { start: start + 6, end })),
            _ => None,
        }
    }
}
