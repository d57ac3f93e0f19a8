//! Stanzas between servers (RFC 6120 §8), borrowed from a batch.

pub mod build;
pub mod error;

pub use error::{Condition, ErrorType, StanzaError, UnknownWord, bounce};

use std::borrow::Cow;

use crate::xml::{AttributeRef, ElementRef, ns};

/// The kinds of stanza.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StanzaKind {
    /// `<message/>`.
    Message,
    /// `<presence/>`.
    Presence,
    /// `<iq/>`.
    Iq,
}

impl StanzaKind {
    /// The name of its element.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Presence => "presence",
            Self::Iq => "iq",
        }
    }
}

/// A stanza and the attributes that every reader of it asks for.
#[derive(Clone, Debug)]
pub struct StanzaRef<'a> {
    kind: StanzaKind,
    element: ElementRef<'a>,
    from: Option<Cow<'a, str>>,
    to: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    stanza_type: Option<Cow<'a, str>>,
}

impl<'a> StanzaRef<'a> {
    /// `element` as a stanza: a message, presence or iq in `jabber:server`; anything else is none (RFC 6120 §8.4).
    pub fn of(element: ElementRef<'a>) -> Option<Self> {
        if element.namespace() != ns::SERVER {
            return None;
        }
        let kind = match element.name() {
            "message" => StanzaKind::Message,
            "presence" => StanzaKind::Presence,
            "iq" => StanzaKind::Iq,
            _ => return None,
        };
        let (mut from, mut to, mut id, mut stanza_type) = (None, None, None, None);
        element.own_attributes(|name, value| {
            let place = match name {
                b"from" => &mut from,
                b"to" => &mut to,
                b"id" => &mut id,
                b"type" => &mut stanza_type,
                _ => return,
            };
            *place = Some(value);
        });
        let value = AttributeRef::value;
        Some(Self {
            kind,
            element,
            from: from.map(value),
            to: to.map(value),
            id: id.map(value),
            stanza_type: stanza_type.map(value),
        })
    }

    /// Message, presence or iq.
    pub fn kind(&self) -> StanzaKind {
        self.kind
    }

    /// The sender as written.
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The recipient as written.
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// The id as written.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The attribute `type` as written. Without one a message is `normal` and a presence says "available".
    pub fn stanza_type(&self) -> Option<&str> {
        self.stanza_type.as_deref()
    }

    /// Whether this reports an error, so that no error may answer it (RFC 6120 §8.3.1 rule 8).
    pub fn is_error(&self) -> bool {
        self.stanza_type() == Some("error")
    }

    /// Whether an error may answer it: never an error, never the result of an iq.
    pub fn may_be_answered(&self) -> bool {
        let is_result = self.kind == StanzaKind::Iq && self.stanza_type() == Some("result");
        !is_result && !self.is_error()
    }

    /// The element with everything in it.
    pub fn element(&self) -> ElementRef<'a> {
        self.element
    }

    /// The first child with this expanded name.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ElementRef<'a>> {
        self.element.child(name, namespace)
    }

    /// The text of a message's body: the one without `xml:lang` or with the stanza's, else the first (RFC 6121 §5.2.3).
    pub fn body(&self) -> Option<Cow<'a, str>> {
        self.text_in_own_language("body")
    }

    /// The text of a message's subject, chosen like the body (RFC 6121 §5.2.4).
    pub fn subject(&self) -> Option<Cow<'a, str>> {
        self.text_in_own_language("subject")
    }

    /// The thread of a message (RFC 6121 §5.2.5).
    pub fn thread(&self) -> Option<Cow<'a, str>> {
        self.child("thread", ns::SERVER).map(ElementRef::text)
    }

    /// What an error stanza reports; none if this is no error. An error without a known condition is
    /// `undefined-condition` (RFC 6120 §8.3.2).
    pub fn error(&self) -> Option<StanzaError> {
        self.is_error().then(|| error::read(self.child("error", ns::SERVER)))
    }

    fn text_in_own_language(&self, name: &str) -> Option<Cow<'a, str>> {
        let named = || self.element.children().filter(|child| child.is(name, ns::SERVER));
        let own = self.element.lang();
        let chosen = named().find(|child| child.lang().is_none_or(|lang| Some(lang) == own));
        chosen.or_else(|| named().next()).map(ElementRef::text)
    }
}

#[cfg(test)]
mod tests;
