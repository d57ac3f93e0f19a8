//! Notifications of what became of a message: IMDN (RFC 5438) ↔ receipts (XEP-0184) and the marker `displayed` (XEP-0333).

use lexicon::Timestamp;
use xmpp::{
    stanza::{
        StanzaKind, StanzaRef,
        build::{self, Head},
    },
    xml::{Batch, XmlWriter},
};

use crate::{document, message::Addresses};

/// The media type.
pub const NOTIFICATION: &str = "message/imdn+xml";

/// Namespace of receipts.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// Namespace of markers.
pub const MARKERS: &str = "urn:xmpp:chat-markers:0";

const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";
const DOCUMENT_BYTES_MAX: usize = 4096;
const MESSAGE_ID_BYTES_MAX: usize = 256;

/// No notification, though its type says so: a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Malformed disposition notification")]
pub struct Malformed;

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It has reached the recipient's device.
    Delivered,
    /// It was shown.
    Displayed,
    /// It has not arrived.
    Failed,
    /// Nothing that the other side has a word for: forwarded, processed, stored, forbidden to tell.
    Other,
}

/// A notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// Message-ID of the message.
    pub message_id: String,
    /// Its fate.
    pub fate: Fate,
}

impl Notification {
    /// Reads a document (§11.1).
    ///
    /// # Errors
    /// When it is no XML of at most 4096 bytes, no imdn, or without message-id.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let batch = document::read(body, DOCUMENT_BYTES_MAX).ok_or(Malformed)?;
        let root = batch.element(0);
        if !root.is("imdn", NAMESPACE) {
            return Err(Malformed);
        }
        let message_id = root.child("message-id", NAMESPACE).map(|id| id.text().trim_ascii().to_owned());
        let message_id = message_id.filter(|id| !id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX).ok_or(Malformed)?;
        let status = |kind: &str, status: &str| {
            let told = root.child(kind, NAMESPACE).and_then(|kind| kind.child("status", NAMESPACE));
            told.is_some_and(|told| told.child(status, NAMESPACE).is_some())
        };
        let fate = if status("delivery-notification", "delivered") {
            Fate::Delivered
        } else if status("display-notification", "displayed") {
            Fate::Displayed
        } else if status("delivery-notification", "failed") || status("delivery-notification", "error") {
            Fate::Failed
        } else {
            Fate::Other
        };
        Ok(Self { message_id, fate })
    }

    /// The document that tells it to the sender of a message to `recipient`, now; none where there is nothing to tell.
    pub fn to_xml(&self, recipient: &str, now: Timestamp) -> Option<String> {
        let (kind, status) = match self.fate {
            Fate::Delivered => ("delivery-notification", "delivered"),
            Fate::Displayed => ("display-notification", "displayed"),
            Fate::Failed => ("delivery-notification", "failed"),
            Fate::Other => return None,
        };
        let mut writer = XmlWriter::within(&[]);
        writer.start("imdn", NAMESPACE);
        writer.leaf("message-id", NAMESPACE, &self.message_id);
        writer.leaf("datetime", NAMESPACE, &now.to_string());
        writer.leaf("recipient-uri", NAMESPACE, recipient);
        writer.leaf("original-recipient-uri", NAMESPACE, recipient);
        writer.start(kind, NAMESPACE).start("status", NAMESPACE).start(status, NAMESPACE).end();
        writer.end();
        writer.end();
        writer.end();
        Some(document::write(writer))
    }
}

/// Whether a stanza asks for a receipt (XEP-0184 §5.1): it needs an id.
pub fn asks(stanza: &StanzaRef<'_>) -> bool {
    stanza.id().is_some() && stanza.child("request", RECEIPTS).is_some()
}

/// The fate that a stanza without a text tells, and the id of the message that it is about.
pub fn told(stanza: &StanzaRef<'_>) -> Option<(Fate, String)> {
    let forms = [("received", RECEIPTS, Fate::Delivered), ("displayed", MARKERS, Fate::Displayed)];
    forms.into_iter().find_map(|(name, namespace, fate)| {
        let id = stanza.child(name, namespace)?.attribute("id")?.into_owned();
        Some((fate, id))
    })
}

/// The stanza that tells the sender of the message `about` its fate; none where XMPP has no such stanza: a failure is an
/// error of the message itself.
pub fn stanza(addresses: Addresses<'_>, about: &str, fate: Fate) -> Option<Batch> {
    let (name, namespace) = match fate {
        Fate::Delivered => ("received", RECEIPTS),
        Fate::Displayed => ("displayed", MARKERS),
        Fate::Failed | Fate::Other => return None,
    };
    let (from, to) = (addresses.from.to_string(), addresses.to.to_string());
    let head = Head { from: &from, to: &to, id: Some(addresses.id) };
    let mut writer = build::start(StanzaKind::Message, head, Some("chat"));
    writer.start(name, namespace).attribute("id", about).end();
    Some(build::finish(writer))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5438 §7.2.1.1.
    const EXAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
   <imdn xmlns="urn:ietf:params:xml:ns:imdn">
         <message-id>34jk324j</message-id>
         <datetime>2008-04-04T12:16:49-05:00</datetime>
        <recipient-uri>im:bob@example.com</recipient-uri>
         <original-recipient-uri
           >im:bob@example.com</original-recipient-uri>
         <delivery-notification>
            <status>
               <delivered/>
            </status>
         </delivery-notification>
       </imdn>"#;

    #[test]
    fn the_example_of_the_standard_is_read() {
        for (kind, status, fate) in [
            ("delivery", "delivered", Fate::Delivered),
            ("delivery", "failed", Fate::Failed),
            ("delivery", "error", Fate::Failed),
            ("delivery", "forbidden", Fate::Other),
            ("display", "displayed", Fate::Displayed),
            ("display", "forbidden", Fate::Other),
            ("processing", "processed", Fate::Other),
        ] {
            let document = EXAMPLE
                .replace("delivery-notification", &format!("{kind}-notification"))
                .replace("<delivered/>", &format!("<{status}/>"));
            let read = Notification::read(document.as_bytes());
            assert_eq!(read, Ok(Notification { message_id: "34jk324j".to_owned(), fate }), "{kind} {status}");
        }
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        let doctype = EXAMPLE.replace("?>", "?><!DOCTYPE imdn [<!ENTITY x 'y'>]>");
        let long = EXAMPLE.replace("34jk324j", &"x".repeat(257));
        let foreign = EXAMPLE.replace("urn:ietf:params:xml:ns:imdn", "urn:example");
        let without = EXAMPLE.replace("message-id", "message");
        for body in ["", "<imdn", &doctype, &long, &foreign, &without, &" ".repeat(5000)] {
            assert_eq!(Notification::read(body.as_bytes()), Err(Malformed), "{body}");
        }
    }

    #[test]
    fn what_is_written_is_read_alike() {
        for fate in [Fate::Delivered, Fate::Displayed, Fate::Failed] {
            let notification = Notification { message_id: "a<b".to_owned(), fate };
            let xml = notification.to_xml("sip:juliet@fabrikam.example", Timestamp::from_millis(0)).unwrap();
            assert_eq!(Notification::read(xml.as_bytes()), Ok(notification), "{xml}");
        }
        let other = Notification { message_id: "x".to_owned(), fate: Fate::Other };
        assert_eq!(other.to_xml("sip:x@example.org", Timestamp::from_millis(0)), None);
    }
}
