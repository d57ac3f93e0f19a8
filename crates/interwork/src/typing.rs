//! Typing notifications: chat states (XEP-0085) ↔ isComposing (RFC 3994) and KeyboardActivity (Lync), by RFC 7573 §6.
//!
//! SIP knows two states and XMPP five, so the way there and back loses the difference between `paused`, `inactive` and
//! `active`. `gone` has no counterpart among SIP's states: it ends the session (§6.1).

use std::{fmt, time::Duration};

use xmpp::{stanza::StanzaRef, xml::Batch};

use crate::message::{self, Addresses, Marks, Text};

mod composing;
mod keyboard;
mod pager;

pub use composing::{COMPOSING, IsComposing};
pub use keyboard::KEYBOARD;
pub use pager::Pager;

/// Most bytes of a notification.
pub const DOCUMENT_BYTES_MAX: usize = 4096;

/// Namespace of chat states.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";

/// How long an endpoint counts as typing that does not say when it will tell again (RFC 3994 §3.3).
pub const REFRESH_DEFAULT: Duration = Duration::from_secs(120);

/// Longest time that an endpoint may count as typing without telling again.
pub const REFRESH_MAX: Duration = Duration::from_secs(600);

/// A chat state (XEP-0085 §2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ChatState {
    /// Attends to the conversation.
    Active,
    /// Is typing.
    Composing,
    /// Has left the conversation.
    Gone,
    /// Has not attended for a while.
    Inactive,
    /// Was typing and stopped.
    Paused,
}

impl ChatState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Composing, Self::Gone, Self::Inactive, Self::Paused];

    /// The name of its element.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Composing => "composing",
            Self::Gone => "gone",
            Self::Inactive => "inactive",
            Self::Paused => "paused",
        }
    }

    /// The state in a message stanza, with a text beside it or without.
    pub fn of(stanza: &StanzaRef<'_>) -> Option<Self> {
        let element = stanza.element().children().find(|child| child.namespace() == CHAT_STATES)?;
        Self::ALL.into_iter().find(|state| state.as_str() == element.name())
    }

    /// What it is for SIP (RFC 7573 table 4); none for [`Gone`](Self::Gone), which ends the session.
    pub fn to_sip(self) -> Option<Activity> {
        match self {
            Self::Composing => Some(Activity::Active { refresh: REFRESH_DEFAULT }),
            Self::Active | Self::Inactive | Self::Paused => Some(Activity::Idle),
            Self::Gone => None,
        }
    }
}

impl fmt::Display for ChatState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a SIP endpoint tells of its user's typing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Activity {
    /// Typing; not any more if that is not told again within `refresh`.
    Active {
        /// From one second to [`REFRESH_MAX`].
        refresh: Duration,
    },
    /// Not typing.
    Idle,
}

impl Activity {
    /// What it is for XMPP (RFC 7573 table 3).
    pub fn to_xmpp(self) -> ChatState {
        match self {
            Self::Active { .. } => ChatState::Composing,
            Self::Idle => ChatState::Active,
        }
    }
}

/// The two ways to tell an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `application/im-iscomposing+xml`, in a MESSAGE.
    IsComposing,
    /// `application/xml` of Lync, in an INFO.
    KeyboardActivity,
}

impl Form {
    /// The Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::IsComposing => COMPOSING,
            Self::KeyboardActivity => KEYBOARD,
        }
    }

    /// The body that tells `activity`. Without a refresh interval: no refresh follows (RFC 3994 §3.2).
    pub fn body(self, activity: Activity) -> String {
        match self {
            Self::IsComposing => IsComposing::of(activity).to_xml(),
            Self::KeyboardActivity => keyboard::write(activity),
        }
    }
}

/// A body that is no typing notification, though its type says so: a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Malformed typing notification")]
pub struct Malformed;

/// What a body tells; none if its Content-Type is not that of a typing notification.
pub fn read(content_type: &str, body: &[u8]) -> Option<Result<Activity, Malformed>> {
    let media = crate::body::Media::read(content_type)?;
    match media.essence() {
        COMPOSING => Some(IsComposing::read(body).map(|composing| composing.activity())),
        KEYBOARD => Some(keyboard::read(body)),
        _ => None,
    }
}

/// A message stanza of a conversation with chat states: alone, or beside a text (XEP-0085 §5.1, §5.6). `thread` is that of
/// the conversation.
pub fn stanza(addresses: Addresses<'_>, text: Option<&Text>, state: ChatState, thread: Option<&str>) -> Batch {
    let marks = Marks { state: Some(state), ..Marks::default() };
    message::marked(addresses, text, "chat", thread, marks)
}

#[cfg(test)]
mod tests;
