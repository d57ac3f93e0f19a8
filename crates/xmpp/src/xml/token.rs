//! The flat tokens of a batch: spans into its bytes, no text of their own.

/// Bytes `start..end` of the batch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    pub(crate) fn bytes_of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// A qualified name as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Name {
    pub(crate) span: Span,
    /// Bytes of prefix and colon; 0 without a prefix.
    pub(crate) local_at: u32,
}

impl Name {
    pub(crate) fn local(self, text: &str) -> &str {
        Span { start: self.span.start + self.local_at, end: self.span.end }.of(text)
    }

    pub(crate) fn prefix(self, text: &str) -> &str {
        Span { start: self.span.start, end: self.span.start + self.local_at.saturating_sub(1) }.of(text)
    }
}

/// Which namespace a name is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Namespace {
    /// None.
    None,
    /// That of the prefix `xml`.
    Xml,
    /// The n-th binding inherited from the stream header.
    Inherited(u32),
    /// The value of the declaration at this token, which holds no reference.
    Declared(u32),
    /// The n-th of the batch's unescaped names: its declaration holds references.
    Unescaped(u32),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    /// An element. Its declarations and attributes follow, then its content.
    Element(Element),
    Attribute(Attribute),
    /// A namespace declaration; prefix empty for the default.
    Binding {
        prefix: Span,
        value: Span,
        namespace: Namespace,
    },
    /// Character data. `plain` when the bytes are the characters.
    Text {
        span: Span,
        plain: bool,
    },
    /// The inside of a CDATA section. `plain` unless it holds a carriage return.
    CData {
        span: Span,
        plain: bool,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: Name,
    pub(crate) namespace: Namespace,
    /// From `<` to the last `>`.
    pub(crate) whole: Span,
    /// Between start tag and end tag; empty for an empty-element tag.
    pub(crate) content: Span,
    /// The token after the element's last.
    pub(crate) next: u32,
    /// What the content needs of the bindings around it; known of first-level elements only.
    pub(crate) borrows: Option<Borrows>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    pub(crate) namespace: Namespace,
    pub(crate) value: Span,
    pub(crate) plain: bool,
}

/// Which namespace bindings made outside an element's content its content uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Borrows {
    /// A prefix other than `xml`.
    pub(crate) prefix: bool,
    /// The default namespace.
    pub(crate) default: bool,
}
