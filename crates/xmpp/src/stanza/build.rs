//! Stanzas that we make ourselves.

use super::{StanzaError, StanzaKind};
use crate::xml::{Batch, XmlWriter, ns};

/// The start tag of a stanza.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The sender.
    pub from: &'a str,
    /// The recipient.
    pub to: &'a str,
    /// The id; an iq must have one.
    pub id: Option<&'a str>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// `chat`, `normal`, …; none is `normal`.
    pub message_type: Option<&'a str>,
    /// The body.
    pub body: Option<&'a str>,
    /// The subject.
    pub subject: Option<&'a str>,
    /// The thread.
    pub thread: Option<&'a str>,
    /// `xml:lang`.
    pub lang: Option<&'a str>,
}

/// A message.
pub fn message(head: Head<'_>, message: Message<'_>) -> Batch {
    let mut writer = start(StanzaKind::Message, head, message.message_type);
    writer.attribute_if("xml:lang", message.lang);
    for (name, text) in [("subject", message.subject), ("body", message.body), ("thread", message.thread)] {
        if let Some(text) = text {
            writer.leaf(name, ns::SERVER, text);
        }
    }
    finish(writer)
}

/// A presence without content; no type says "available".
pub fn presence(head: Head<'_>, presence_type: Option<&str>) -> Batch {
    finish(start(StanzaKind::Presence, head, presence_type))
}

/// The result of an iq; `payload` writes its child, if it has one.
pub fn iq_result(head: Head<'_>, payload: impl FnOnce(&mut XmlWriter)) -> Batch {
    let mut writer = start(StanzaKind::Iq, head, Some("result"));
    payload(&mut writer);
    finish(writer)
}

/// A request by iq; `payload` writes its one child.
pub fn iq_get(head: Head<'_>, payload: impl FnOnce(&mut XmlWriter)) -> Batch {
    let mut writer = start(StanzaKind::Iq, head, Some("get"));
    payload(&mut writer);
    finish(writer)
}

/// An error that is no answer to a stanza at hand; [`bounce`](super::bounce) makes one that is.
pub fn error(kind: StanzaKind, head: Head<'_>, error: &StanzaError) -> Batch {
    let mut writer = start(kind, head, Some("error"));
    error.write(&mut writer);
    finish(writer)
}

/// Opens a stanza for writing more into it; [`finish`] closes it.
pub fn start(kind: StanzaKind, head: Head<'_>, stanza_type: Option<&str>) -> XmlWriter {
    let mut writer = XmlWriter::new();
    writer.start(kind.as_str(), ns::SERVER).attribute("from", head.from).attribute("to", head.to);
    writer.attribute_if("id", head.id).attribute_if("type", stanza_type);
    writer
}

/// Closes what [`start`] opened.
pub fn finish(mut writer: XmlWriter) -> Batch {
    writer.end();
    writer.into_batch()
}
