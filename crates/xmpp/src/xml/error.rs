//! Why bytes are not the XML of a stream, and the stream error to answer with (RFC 6120 §4.9.3).

/// What a peer's XML did wrong. None of these can be recovered from: a stream error is final (§4.9.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{fault}")]
pub struct XmlError {
    /// The rule that was broken.
    pub fault: XmlFault,
}

/// The rule that was broken.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum XmlFault {
    /// More attributes on one element than the limit.
    #[error("an element has more attributes than the limit")]
    AttributesExceeded,
    /// More namespace declarations, or a longer namespace name, than the limit.
    #[error("an element has more or longer namespace declarations than the limit")]
    BindingsExceeded,
    /// A character that XML 1.0 does not allow, raw or as a character reference.
    #[error("a character that XML does not allow")]
    Character,
    /// `<!-- -->`.
    #[error("an XML comment")]
    Comment,
    /// Elements nested deeper than the limit.
    #[error("elements are nested deeper than the limit")]
    DepthExceeded,
    /// `<!DOCTYPE>` or another declaration.
    #[error("a document type declaration")]
    Doctype,
    /// Two attributes of one element have the same name, or the same local name and namespace.
    #[error("an attribute appears twice")]
    DuplicateAttribute,
    /// A first-level element has more bytes than the limit.
    #[error("an element has more bytes than the limit")]
    ElementBytesExceeded,
    /// A first-level element holds more elements than the limit.
    #[error("an element holds more elements than the limit")]
    ElementsExceeded,
    /// The declaration names an encoding other than UTF-8, or the bytes are not UTF-8.
    #[error("the encoding is not UTF-8")]
    Encoding,
    /// The stream header is an empty-element tag: the stream is over before it began.
    #[error("a stream header that ends its stream")]
    EmptyStream,
    /// A reference to an entity other than the five predefined ones.
    #[error("a reference to an entity that is not predefined")]
    Entity,
    /// An end tag does not match its start tag.
    #[error("an end tag does not match its start tag")]
    MismatchedTag,
    /// The reserved prefixes or names are bound wrongly, or a prefix is bound to nothing.
    #[error("a namespace declaration that is not allowed")]
    NamespaceDeclaration,
    /// A processing instruction, or an XML declaration that is not at the start.
    #[error("a processing instruction")]
    ProcessingInstruction,
    /// The declaration says that there are external markup declarations.
    #[error("an XML declaration with standalone='no'")]
    Standalone,
    /// Tag, name, attribute, reference or declaration is not written as XML demands.
    #[error("the XML is not well-formed")]
    Syntax,
    /// A tag has more bytes than the limit.
    #[error("a tag has more bytes than the limit")]
    TagBytesExceeded,
    /// Characters other than white space outside first-level elements.
    #[error("text between elements")]
    TextBetweenElements,
    /// An element or attribute uses a prefix that is not bound.
    #[error("a namespace prefix that is not bound")]
    UnboundPrefix,
}

impl XmlFault {
    /// The stream error condition of RFC 6120 §4.9.3, as its element is named.
    pub fn condition(self) -> &'static str {
        match self {
            // §4.9.3.14: a local policy such as a limit on size.
            Self::AttributesExceeded
            | Self::BindingsExceeded
            | Self::DepthExceeded
            | Self::ElementBytesExceeded
            | Self::ElementsExceeded
            | Self::TagBytesExceeded => "policy-violation",
            // §4.9.3.18 with §11.1 and §11.5.
            Self::Comment | Self::Doctype | Self::Entity | Self::ProcessingInstruction | Self::Standalone => {
                "restricted-xml"
            }
            // §4.9.3.22 with §11.6.
            Self::Encoding => "unsupported-encoding",
            // §4.9.3.1: well-formed, but no XML that a stream can process.
            Self::EmptyStream | Self::TextBetweenElements => "bad-format",
            // §4.9.3.13 with §11.3, namespace-well-formedness included.
            Self::Character
            | Self::DuplicateAttribute
            | Self::MismatchedTag
            | Self::NamespaceDeclaration
            | Self::Syntax
            | Self::UnboundPrefix => "not-well-formed",
        }
    }
}

impl XmlError {
    /// The stream error condition of RFC 6120 §4.9.3, as its element is named.
    pub fn condition(self) -> &'static str {
        self.fault.condition()
    }
}

impl From<XmlFault> for XmlError {
    fn from(fault: XmlFault) -> Self {
        Self { fault }
    }
}
