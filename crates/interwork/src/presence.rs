//! Presence content: availability, show, priority and status of XMPP ↔ PIDF with RPID (RFC 8048 §6, RFC 3863, RFC 4480).
//!
//! An XMPP resource is a tuple, and a tuple is shown as a resource. RFC 8048 leaves RPID out, but SIP endpoints show nothing
//! else: `<show/>` and RPID are both written, and read in that order. A negative priority has no counterpart, nor have
//! capabilities and other extensions. Whether a partner's users may see notes is decided elsewhere; [`Endpoint::bare`] is
//! what is left for those who may not.

use xmpp::{
    stanza::{
        StanzaKind, StanzaRef,
        build::{self, Head},
    },
    xml::{Batch, ns},
};

use crate::discovery::Abilities;

mod pidf;
#[cfg(test)]
mod tests;

pub use pidf::{DOCUMENT_BYTES_MAX, PidfError, read, write};

/// The media type of PIDF.
pub const PIDF: &str = "application/pidf+xml";

/// Notes kept of one endpoint.
const NOTES_MAX: usize = 8;
/// Longest note, in bytes; more is cut off.
const NOTE_BYTES_MAX: usize = 1024;

/// What kind of availability it is (RFC 6121 §4.7.2.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Show {
    /// Temporarily away.
    Away,
    /// Wants to chat.
    Chat,
    /// Do not disturb.
    Dnd,
    /// Away for long.
    Xa,
}

impl Show {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Away, Self::Chat, Self::Dnd, Self::Xa];

    /// The text of `<show/>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Chat => "chat",
            Self::Dnd => "dnd",
            Self::Xa => "xa",
        }
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.as_str() == text.trim_ascii())
    }
}

/// A text of the user about their presence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// `xml:lang`.
    pub language: Option<String>,
    /// The text.
    pub text: String,
}

/// The presence of one endpoint of a user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Endpoint {
    /// The resource, or the id of the tuple without our prefix.
    pub id: String,
    /// Whether it can be reached.
    pub is_available: bool,
    /// Its kind of availability; none is plainly available.
    pub show: Option<Show>,
    /// Preference among the endpoints: −128 to 127.
    pub priority: i8,
    /// Its notes.
    pub notes: Vec<Note>,
}

impl Endpoint {
    /// One that has just been told to be there and no more.
    pub fn available(id: impl Into<String>) -> Self {
        Self { id: id.into(), is_available: true, ..Self::default() }
    }

    /// What a presence stanza of that resource says; none of other types than available and unavailable.
    pub fn of(stanza: &StanzaRef<'_>, resource: &str) -> Option<Self> {
        let is_available = match stanza.stanza_type() {
            None => true,
            Some("unavailable") => false,
            Some(_) => return None,
        };
        let child = |name: &str| stanza.child(name, ns::SERVER).map(|child| child.text().into_owned());
        let statuses = stanza.element().children().filter(|child| child.is("status", ns::SERVER));
        let notes = statuses.filter_map(|status| note(status.lang().map(Into::into), &status.text()));
        Some(Self {
            id: resource.to_owned(),
            is_available,
            show: child("show").and_then(|text| Show::of(&text)).filter(|_| is_available),
            priority: child("priority").and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(0),
            notes: notes.take(NOTES_MAX).collect(),
        })
    }

    /// Without what only federated partners may see.
    pub fn bare(self) -> Self {
        Self { notes: Vec::new(), ..self }
    }

    /// The presence stanza that says it, and what the endpoint can do while it is there.
    pub fn to_stanza(&self, head: Head<'_>, abilities: Option<Abilities>) -> Batch {
        let mut writer = build::start(StanzaKind::Presence, head, (!self.is_available).then_some("unavailable"));
        if let Some(show) = self.show.filter(|_| self.is_available) {
            writer.leaf("show", ns::SERVER, show.as_str());
        }
        for note in &self.notes {
            writer.start("status", ns::SERVER).attribute_if("xml:lang", note.language.as_deref());
            writer.text(&note.text).end();
        }
        if self.is_available && self.priority != 0 {
            writer.leaf("priority", ns::SERVER, &self.priority.to_string());
        }
        if let Some(abilities) = abilities.filter(|_| self.is_available) {
            abilities.write(&mut writer);
        }
        build::finish(writer)
    }
}

/// A note, cut to its longest form; none of blank text.
fn note(language: Option<String>, text: &str) -> Option<Note> {
    let text = text.trim();
    let end = text.floor_char_boundary(NOTE_BYTES_MAX);
    (end > 0).then(|| Note { language, text: text[..end].to_owned() })
}
