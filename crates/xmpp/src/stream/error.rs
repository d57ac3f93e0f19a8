//! Stream errors (RFC 6120 §4.9): the condition for the wire, the peer's own words kept for the report.

use std::fmt;

use crate::xml::{ElementRef, XmlError, XmlWriter, ns};

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A condition of RFC 6120 §4.9.3.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Condition {
            $($(#[$doc])* $name,)*
        }

        impl Condition {
            /// All conditions in the order of the standard.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the condition's element.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

conditions! {
    /// XML that cannot be processed.
    BadFormat = "bad-format",
    /// A prefix that is not accepted.
    BadNamespacePrefix = "bad-namespace-prefix",
    /// A stream replaced by a newer one, or one too many.
    Conflict = "conflict",
    /// Silence.
    ConnectionTimeout = "connection-timeout",
    /// The domain is no longer served here.
    HostGone = "host-gone",
    /// The domain is not served here.
    HostUnknown = "host-unknown",
    /// `to` or `from` missing or malformed.
    ImproperAddressing = "improper-addressing",
    /// Our fault, or theirs.
    InternalServerError = "internal-server-error",
    /// `from` names somebody who is not authorised.
    InvalidFrom = "invalid-from",
    /// The stream's or its content's namespace is wrong.
    InvalidNamespace = "invalid-namespace",
    /// XML that a validating server does not accept.
    InvalidXml = "invalid-xml",
    /// Something was sent before authorisation.
    NotAuthorized = "not-authorized",
    /// XML that is none.
    NotWellFormed = "not-well-formed",
    /// A local policy.
    PolicyViolation = "policy-violation",
    /// A server behind cannot be reached.
    RemoteConnectionFailed = "remote-connection-failed",
    /// Security must be negotiated anew.
    Reset = "reset",
    /// No resources left for this stream.
    ResourceConstraint = "resource-constraint",
    /// Comment, processing instruction, document type or entity.
    RestrictedXml = "restricted-xml",
    /// Go elsewhere; not followed.
    SeeOtherHost = "see-other-host",
    /// Shutting down.
    SystemShutdown = "system-shutdown",
    /// Any other reason.
    UndefinedCondition = "undefined-condition",
    /// Not UTF-8.
    UnsupportedEncoding = "unsupported-encoding",
    /// A mandatory feature is not supported.
    UnsupportedFeature = "unsupported-feature",
    /// A first-level element that is no stanza.
    UnsupportedStanzaType = "unsupported-stanza-type",
    /// A version that is not supported.
    UnsupportedVersion = "unsupported-version",
}

impl Condition {
    /// The condition named `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|condition| condition.as_str() == text)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<XmlError> for Condition {
    fn from(error: XmlError) -> Self {
        Self::from_name(error.condition()).unwrap_or(Self::UndefinedCondition)
    }
}

/// A stream error as the peer sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamError {
    /// The condition's element as spelled, so that one unknown to us reaches the report.
    pub name: Box<str>,
    /// The peer's text, shortened to 512 characters. Peer-supplied: never markup.
    pub text: Box<str>,
}

impl StreamError {
    /// The condition; [`Condition::UndefinedCondition`] for one that no standard knows (RFC 6120 §4.9.3.21).
    pub fn condition(&self) -> Condition {
        Condition::from_name(&self.name).unwrap_or(Condition::UndefinedCondition)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.text.is_empty() {
            write!(f, " ({})", self.text)?;
        }
        Ok(())
    }
}

/// Longest text of a peer that is kept, in characters.
pub(crate) const PEER_TEXT_CHARS_MAX: usize = 512;

/// A peer's words, shortened.
pub(crate) fn peer_text(text: &str) -> Box<str> {
    match text.char_indices().nth(PEER_TEXT_CHARS_MAX) {
        Some((end, _)) => text[..end].into(),
        None => text.into(),
    }
}

/// Reads an `<error/>` whose condition and text are in `namespace`; an application's condition is passed over.
pub(crate) fn condition_and_text(error: ElementRef<'_>, namespace: &str) -> (Box<str>, Box<str>) {
    let children = || error.children().filter(|child| child.namespace() == namespace);
    let name = children().find(|child| child.name() != "text").map_or("undefined-condition", ElementRef::name);
    let text = children().find(|child| child.name() == "text").map(|child| peer_text(child.text().trim()));
    (peer_text(name), text.unwrap_or_default())
}

/// Reads `<stream:error/>`.
pub(crate) fn read(error: ElementRef<'_>) -> StreamError {
    let (name, text) = condition_and_text(error, ns::STREAM_ERROR);
    StreamError { name, text }
}

/// Writes `<stream:error/>`.
pub(crate) fn write(writer: &mut XmlWriter, condition: Condition, text: &str) {
    write_with(writer, condition, text, |_| {});
}

/// The same with an application's own condition (RFC 6120 §4.9.4).
pub(crate) fn write_with(
    writer: &mut XmlWriter,
    condition: Condition,
    text: &str,
    application: impl FnOnce(&mut XmlWriter),
) {
    writer.start("error", ns::STREAM).leaf(condition.as_str(), ns::STREAM_ERROR, "");
    if !text.is_empty() {
        writer.start("text", ns::STREAM_ERROR).attribute("xml:lang", "en").text(text).end();
    }
    application(writer);
    writer.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Batch;

    #[test]
    fn conditions_are_the_25_of_the_standard() {
        assert_eq!(Condition::ALL.len(), 25);
        for condition in Condition::ALL {
            assert_eq!(Condition::from_name(condition.as_str()), Some(*condition));
        }
        assert_eq!(Condition::from_name("Bad-Format"), None);
    }

    /// RFC 6120 §4.9.4: an application's own condition stands beside that of the standard.
    #[test]
    fn reads_the_condition_and_text_of_the_standard_only() {
        let batch = Batch::from_xml(
            "<error xmlns='http://etherx.jabber.org/streams'><escape-your-data xmlns='http://example.org/ns'/>\
             <text xmlns='http://example.org/ns'>no</text><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xml:lang='en' xmlns='urn:ietf:params:xml:ns:xmpp-streams'> Some special text </text></error>",
        )
        .unwrap();
        let error = read(batch.element(0));
        assert_eq!((error.condition(), &*error.text), (Condition::NotWellFormed, "Some special text"));
        let empty = Batch::from_xml("<error xmlns='http://etherx.jabber.org/streams'/>").unwrap();
        assert_eq!(read(empty.element(0)).condition(), Condition::UndefinedCondition);
    }

    #[test]
    fn the_words_of_a_peer_are_shortened() {
        let kept = peer_text(&"ü".repeat(2 * PEER_TEXT_CHARS_MAX));
        assert_eq!(kept.chars().count(), PEER_TEXT_CHARS_MAX);
    }
}
