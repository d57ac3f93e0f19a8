//! What a message stanza means to a SIP endpoint.
//!
//! An endpoint shows plain text and nothing else. Text passes, with what it corrects said in words; what has no text
//! form is dropped and counted by [`Silence`]; what the sender expects to work is refused with a text.

use xmpp::{
    stanza::{Condition, StanzaError, StanzaRef},
    xml::ElementRef,
};

use crate::typing::CHAT_STATES;

/// In front of the text of a corrected message (XEP-0308).
pub const CORRECTION: &str = "Correction: ";

/// Longest subject that becomes a Subject header, in bytes; a longer one becomes the first line of the text.
const SUBJECT_BYTES_MAX: usize = 200;

/// What to do with a message stanza.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Deliver.
    Text(Text),
    /// A message of ours could not be delivered: tell its sender.
    Failure(StanzaError),
    /// Drop and count.
    Nothing(Silence),
    /// Answer with this error.
    Refused(StanzaError),
}

/// Plain text for people.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text {
    /// The text; never empty.
    pub body: String,
    /// One line.
    pub subject: Option<String>,
    /// A language tag.
    pub language: Option<String>,
    /// The text is a stand-in for an encrypted one: the sender should be told once.
    pub encrypted: bool,
}

/// Why a message is dropped without an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Silence {
    /// A chat state alone (XEP-0085): [`ChatState::of`](crate::typing::ChatState::of) says which.
    ChatState,
    /// Encrypted, without a text for those who cannot decrypt: the sender should be told once.
    Encrypted,
    /// Any other payload without a body.
    NoBody,
    /// A reaction (XEP-0444).
    Reaction,
    /// A receipt or marker (XEP-0184, XEP-0333).
    Receipt,
    /// A retraction (XEP-0424).
    Retraction,
}

impl Silence {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ChatState, Self::Encrypted, Self::NoBody, Self::Reaction, Self::Receipt, Self::Retraction];

    /// The word for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatState => "chat_state",
            Self::Encrypted => "encrypted",
            Self::NoBody => "no_body",
            Self::Reaction => "reaction",
            Self::Receipt => "receipt",
            Self::Retraction => "retraction",
        }
    }
}

const CONFERENCE: &str = "jabber:x:conference";
const CORRECT: &str = "urn:xmpp:message-correct:0";
const JINGLE_MESSAGE: &str = "urn:xmpp:jingle-message:0";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

/// Elements that hold an encrypted text: OMEMO (XEP-0384, both forms in use), OpenPGP (XEP-0373, XEP-0027).
const ENCRYPTED: [(&str, &str); 4] = [
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("openpgp", "urn:xmpp:openpgp:0"),
    ("x", "jabber:x:encrypted"),
];

/// Payloads that change an earlier message; a body beside them is only a fallback.
const CHANGES: [(&str, &str, Silence); 3] = [
    ("reactions", "urn:xmpp:reactions:0", Silence::Reaction),
    ("retract", "urn:xmpp:message-retract:1", Silence::Retraction),
    ("apply-to", "urn:xmpp:fasten:0", Silence::Retraction),
];

/// Reads `stanza`, which is a message.
pub fn read(stanza: &StanzaRef<'_>) -> Reading {
    if let Some(error) = stanza.error() {
        return Reading::Failure(error);
    }
    if let Some(refusal) = refusal(stanza) {
        return Reading::Refused(refusal);
    }
    for (name, namespace, silence) in CHANGES {
        if stanza.child(name, namespace).is_some() {
            return Reading::Nothing(silence);
        }
    }
    let encrypted = ENCRYPTED.iter().any(|(name, namespace)| stanza.child(name, namespace).is_some());
    let subject = stanza.subject().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let body = stanza.body().filter(|body| !body.is_empty());
    let Some(body) = body else {
        return match subject {
            Some(subject) if !encrypted => Reading::Text(text(stanza, subject, None, false)),
            _ => Reading::Nothing(silence(stanza, encrypted)),
        };
    };
    let corrected = stanza.child("replace", CORRECT).is_some();
    let body = if corrected { format!("{CORRECTION}{body}") } else { body.into_owned() };
    Reading::Text(text(stanza, body, subject, encrypted))
}

fn text(stanza: &StanzaRef<'_>, body: String, subject: Option<String>, encrypted: bool) -> Text {
    let (body, subject) = match subject {
        Some(subject) if subject.len() > SUBJECT_BYTES_MAX => (format!("{subject}\n\n{body}"), None),
        subject => (body, subject),
    };
    let language = stanza.element().lang().map(|tag| tag.into_owned()).filter(|tag| is_language_tag(tag));
    Text { body, subject, language, encrypted }
}

/// The letters, digits and hyphens of RFC 5646 §2.1: all that may enter a header field.
pub(super) fn is_language_tag(tag: &str) -> bool {
    tag.len() <= 35
        && tag.split('-').all(|part| matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Group chat and calls.
fn refusal(stanza: &StanzaRef<'_>) -> Option<StanzaError> {
    let invited = |x: ElementRef<'_>| x.child("invite", MUC_USER).is_some();
    let text = if stanza.stanza_type() == Some("groupchat")
        || stanza.child("x", CONFERENCE).is_some()
        || stanza.child("x", MUC_USER).is_some_and(invited)
    {
        "Group chat is not available through this gateway"
    } else if stanza.child("propose", JINGLE_MESSAGE).is_some() {
        "Calls are not available through this gateway"
    } else {
        return None;
    };
    Some(StanzaError::new(Condition::ServiceUnavailable).with_text(text))
}

/// Why a message without text is dropped.
fn silence(stanza: &StanzaRef<'_>, encrypted: bool) -> Silence {
    if encrypted {
        return Silence::Encrypted;
    }
    let receipt = |child: ElementRef<'_>| {
        matches!(
            (child.name(), child.namespace()),
            ("received", "urn:xmpp:receipts") | ("received" | "displayed" | "acknowledged", "urn:xmpp:chat-markers:0")
        )
    };
    if stanza.element().children().any(receipt) {
        Silence::Receipt
    } else if stanza.element().children().any(|child| child.namespace() == CHAT_STATES) {
        Silence::ChatState
    } else {
        Silence::NoBody
    }
}

#[cfg(test)]
mod tests {
    use xmpp::xml::Batch;

    use super::*;

    fn reading(attributes: &str, content: &str) -> Reading {
        let xml = format!("<message from='j@f.example/b' to='r@c.example' {attributes}>{content}</message>");
        let batch = Batch::from_xml(xml).unwrap();
        read(&StanzaRef::of(batch.element(0)).unwrap())
    }

    fn plain(body: &str) -> Text {
        Text { body: body.into(), ..Text::default() }
    }

    #[test]
    fn text_passes_with_subject_and_language() {
        for kind in ["", "type='chat'", "type='normal'", "type='headline'"] {
            assert_eq!(reading(kind, "<body>Art thou not Romeo?</body>"), Reading::Text(plain("Art thou not Romeo?")));
        }
        let expected = Text { subject: Some("s".into()), language: Some("cs".into()), ..plain("Nic") };
        assert_eq!(reading("xml:lang='cs'", "<subject> s </subject><body>Nic</body>"), Reading::Text(expected));
        assert_eq!(reading("xml:lang='c s'", "<body>Nic</body>"), Reading::Text(plain("Nic")));
    }

    #[test]
    fn a_subject_alone_or_a_long_one_is_text() {
        assert_eq!(reading("", "<subject>tonight?</subject>"), Reading::Text(plain("tonight?")));
        let long = "s".repeat(201);
        let expected = plain(&format!("{long}\n\nbody"));
        assert_eq!(reading("", &format!("<subject>{long}</subject><body>body</body>")), Reading::Text(expected));
    }

    /// sip-gateway.md, "Everyday stanzas".
    #[test]
    fn everyday_payloads_are_read_as_decided() {
        let omemo = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>";
        let correction = "<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>";
        assert_eq!(reading("", correction), Reading::Text(plain("Correction: new")));
        assert_eq!(
            reading("", &format!("{omemo}<body>OMEMO</body>")),
            Reading::Text(Text { encrypted: true, ..plain("OMEMO") })
        );
        for (content, silence) in [
            (omemo, Silence::Encrypted),
            ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", Silence::ChatState),
            ("<received xmlns='urn:xmpp:receipts' id='1'/>", Silence::Receipt),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", Silence::Receipt),
            ("<reactions xmlns='urn:xmpp:reactions:0' id='1'/><body>fallback</body>", Silence::Reaction),
            ("<retract xmlns='urn:xmpp:message-retract:1' id='1'/><body>fallback</body>", Silence::Retraction),
            ("<apply-to xmlns='urn:xmpp:fasten:0' id='1'/>", Silence::Retraction),
            ("<body/>", Silence::NoBody),
            ("<body xmlns='urn:other'>text</body>", Silence::NoBody),
            ("", Silence::NoBody),
        ] {
            assert_eq!(reading("", content), Reading::Nothing(silence), "{content}");
        }
    }

    #[test]
    fn group_chat_and_calls_are_refused_with_a_text() {
        for (attributes, content, text) in [
            ("type='groupchat'", "<body>x</body>", "Group chat"),
            ("", "<x xmlns='jabber:x:conference' jid='room@muc.f.example'/><body>come</body>", "Group chat"),
            ("", "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='r@c.example'/></x>", "Group chat"),
            ("", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", "Calls"),
        ] {
            let Reading::Refused(error) = reading(attributes, content) else { panic!("{content} is refused") };
            assert_eq!(error.condition, Condition::ServiceUnavailable);
            assert!(error.text.unwrap().starts_with(text));
        }
    }

    #[test]
    fn an_error_is_a_failure_of_an_earlier_message() {
        let error = "<body>mine</body><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        let Reading::Failure(error) = reading("type='error'", error) else { panic!("an error is a failure") };
        assert_eq!(error.condition, Condition::ItemNotFound);
    }

    #[test]
    fn language_tags_hold_nothing_that_ends_a_header() {
        for (tag, fits) in
            [("en", true), ("de-CH-1996", true), ("", false), ("en-", false), ("e\nn", false), ("abcdefghi", false)]
        {
            assert_eq!(is_language_tag(tag), fits, "{tag:?}");
        }
    }
}
