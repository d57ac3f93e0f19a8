//! A borrowed walk over the tokens of a batch.

use std::borrow::Cow;

use super::{
    batch::Shared,
    ns,
    token::{Attribute, Borrows, Element, Namespace, Token},
    unescape,
};

/// An element of a [`Batch`](super::Batch). Copying it copies two words.
#[derive(Clone, Copy)]
pub struct ElementRef<'a> {
    shared: &'a Shared,
    index: u32,
}

impl<'a> ElementRef<'a> {
    pub(crate) fn new(shared: &'a Shared, index: u32) -> Self {
        debug_assert!(matches!(shared.tokens[index as usize], Token::Element(_)), "elements stand at element tokens");
        Self { shared, index }
    }

    #[inline]
    pub(crate) fn token(self) -> &'a Element {
        match &self.shared.tokens[self.index as usize] {
            Token::Element(element) => element,
            _ => unreachable!("an ElementRef is made at element tokens only"),
        }
    }

    /// The local name.
    #[inline]
    pub fn name(self) -> &'a str {
        self.token().name.local(&self.shared.text)
    }

    /// The prefix as written; empty without one. Nothing but copying may depend on it.
    #[inline]
    pub fn prefix(self) -> &'a str {
        self.token().name.prefix(&self.shared.text)
    }

    /// Prefix, colon and local name as written.
    pub(crate) fn qualified_name(self) -> &'a str {
        self.token().name.span.of(&self.shared.text)
    }

    /// The namespace name; empty for none.
    #[inline]
    pub fn namespace(self) -> &'a str {
        self.shared.namespace(self.token().namespace)
    }

    /// Whether the expanded name is `namespace` and `name`. The only way to recognise an element.
    pub fn is(self, name: &str, namespace: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of the attribute `name` that is in no namespace.
    pub fn attribute(self, name: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|a| a.token.namespace == Namespace::None && a.name() == name).map(AttributeRef::value)
    }

    /// The value of the attribute `name` in `namespace`.
    pub fn attribute_in(self, name: &str, namespace: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|a| a.name() == name && a.namespace() == namespace).map(AttributeRef::value)
    }

    /// `xml:lang` of this element itself.
    pub fn lang(self) -> Option<Cow<'a, str>> {
        self.attribute_in("lang", ns::XML)
    }

    /// The attributes in order, namespace declarations left out.
    pub fn attributes(self) -> impl Iterator<Item = AttributeRef<'a>> + Clone + use<'a> {
        let shared = self.shared;
        self.head().filter_map(move |token| match token {
            Token::Attribute(token) => Some(AttributeRef { shared, token }),
            _ => None,
        })
    }

    /// Shows each attribute in no namespace, with its name in bytes.
    #[inline]
    pub(crate) fn own_attributes(self, mut look: impl FnMut(&'a [u8], AttributeRef<'a>)) {
        let shared = self.shared;
        for token in &shared.tokens[self.index as usize + 1..] {
            match token {
                Token::Attribute(token) if token.namespace == Namespace::None => {
                    look(token.name.span.bytes_of(shared.text.as_bytes()), AttributeRef { shared, token });
                }
                Token::Attribute(_) | Token::Binding { .. } => {}
                _ => break,
            }
        }
    }

    /// The namespace declarations of this element in order: prefix (empty for the default) and namespace name.
    pub fn declarations(self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let shared = self.shared;
        self.head().filter_map(move |token| match token {
            Token::Binding { prefix, namespace, .. } => Some((prefix.of(&shared.text), shared.namespace(*namespace))),
            _ => None,
        })
    }

    /// The namespace name that this element itself binds to `prefix`, empty for the default.
    pub fn declaration(self, prefix: &str) -> Option<&'a str> {
        self.declarations().find(|(declared, _)| *declared == prefix).map(|(_, namespace)| namespace)
    }

    /// Child elements and character data in order.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'a>> + Clone + use<'a> {
        let shared = self.shared;
        let mut index = self.content_index();
        let end = self.token().next;
        std::iter::from_fn(move || {
            if index >= end {
                return None;
            }
            let at = index;
            index += 1;
            match &shared.tokens[at as usize] {
                Token::Element(element) => {
                    index = element.next;
                    Some(NodeRef::Element(ElementRef { shared, index: at }))
                }
                Token::Text { span, plain } => Some(NodeRef::Text(unescape::text(span.of(&shared.text), *plain))),
                Token::CData { span, plain } => Some(NodeRef::Text(unescape::cdata(span.of(&shared.text), *plain))),
                Token::Attribute(_) | Token::Binding { .. } => {
                    unreachable!("the content of an element begins after its attributes")
                }
            }
        })
    }

    /// Child elements in order.
    pub fn children(self) -> impl Iterator<Item = Self> + Clone + use<'a> {
        self.nodes().filter_map(|node| match node {
            NodeRef::Element(element) => Some(element),
            NodeRef::Text(_) => None,
        })
    }

    /// The first child with this expanded name.
    pub fn child(self, name: &str, namespace: &str) -> Option<Self> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The character data directly inside, unescaped; that of children is left out.
    pub fn text(self) -> Cow<'a, str> {
        let mut texts = self.nodes().filter_map(|node| match node {
            NodeRef::Text(text) => Some(text),
            NodeRef::Element(_) => None,
        });
        let Some(mut text) = texts.next() else { return Cow::Borrowed("") };
        for more in texts {
            text.to_mut().push_str(&more);
        }
        text
    }

    /// Whether there is nothing between start tag and end tag.
    pub fn is_empty(self) -> bool {
        let content = self.token().content;
        content.start == content.end
    }

    /// The element as received, from `<` to the last `>`.
    #[inline]
    pub fn raw(self) -> &'a str {
        self.token().whole.of(&self.shared.text)
    }

    /// What stands between start tag and end tag, as received.
    pub fn payload(self) -> &'a str {
        self.token().content.of(&self.shared.text)
    }

    pub(crate) fn borrows(self) -> Option<Borrows> {
        self.token().borrows
    }

    /// The bindings in force inside this first-level element, where its content does not redeclare them: prefix, empty
    /// for the default, and namespace name.
    pub(crate) fn bindings_inside(self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let inherited = self.shared.inherited.iter().map(|(prefix, name)| (&**prefix, &**name));
        let not_redeclared = inherited.filter(move |(prefix, _)| self.declaration(prefix).is_none());
        self.declarations().chain(not_redeclared)
    }

    /// Declarations and attributes.
    fn head(self) -> impl Iterator<Item = &'a Token> + Clone + use<'a> {
        self.shared.tokens[self.index as usize + 1..]
            .iter()
            .take_while(|token| matches!(token, Token::Attribute(_) | Token::Binding { .. }))
    }

    fn content_index(self) -> u32 {
        self.index + 1 + self.head().count() as u32
    }
}

impl std::fmt::Debug for ElementRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ElementRef").field(&self.raw()).finish()
    }
}

/// What an element contains.
#[derive(Clone, Debug)]
pub enum NodeRef<'a> {
    /// A child.
    Element(ElementRef<'a>),
    /// Character data, unescaped. Text and CDATA that touch come as two.
    Text(Cow<'a, str>),
}

/// An attribute that is no namespace declaration.
#[derive(Clone, Copy)]
pub struct AttributeRef<'a> {
    shared: &'a Shared,
    token: &'a Attribute,
}

impl<'a> AttributeRef<'a> {
    /// The local name.
    pub fn name(self) -> &'a str {
        self.token.name.local(&self.shared.text)
    }

    /// The prefix as written; empty without one.
    pub fn prefix(self) -> &'a str {
        self.token.name.prefix(&self.shared.text)
    }

    /// The namespace name; empty for none.
    pub fn namespace(self) -> &'a str {
        self.shared.namespace(self.token.namespace)
    }

    /// Whether it means the same wherever it stands: it has no prefix, or `xml`.
    pub(crate) fn is_at_home(self) -> bool {
        matches!(self.token.namespace, Namespace::None | Namespace::Xml)
    }

    /// The value, references resolved and white space normalised (XML 1.0 §3.3.3).
    #[inline]
    pub fn value(self) -> Cow<'a, str> {
        unescape::attribute(self.token.value.of(&self.shared.text), self.token.plain)
    }
}

impl std::fmt::Debug for AttributeRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={:?}", self.name(), self.value())
    }
}
