//! The kinds of stanza that the rules tell apart (RFC 6120 §8, RFC 6121 §4.7.1 and §5.2.2).

/// A stanza by its name and `type`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StanzaKind {
    /// `<message/>`.
    Message(MessageKind),
    /// `<presence/>`.
    Presence(PresenceKind),
    /// `<iq/>`.
    Iq(IqKind),
}

/// The `type` of a message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MessageKind {
    /// Part of a conversation.
    Chat,
    /// The default, and what an unknown type counts as.
    Normal,
    /// Of a multi-user chat.
    Groupchat,
    /// An alert that expects no answer.
    Headline,
    /// About a message that was sent.
    Error,
}

/// The `type` of a presence stanza.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PresenceKind {
    /// No type.
    Available,
    /// No longer available.
    Unavailable,
    /// Asks to see presence.
    Subscribe,
    /// Permits it.
    Subscribed,
    /// Ends seeing presence.
    Unsubscribe,
    /// Refuses it, or ends a permission.
    Unsubscribed,
    /// Asks for presence now.
    Probe,
    /// About a presence stanza that was sent.
    Error,
}

/// The `type` of an iq.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum IqKind {
    /// Asks.
    Get,
    /// Orders.
    Set,
    /// Answers.
    Result,
    /// Refuses.
    Error,
}

impl MessageKind {
    /// From the attribute; an unknown type is `normal` (RFC 6121 §5.2.2).
    pub fn from_type(text: Option<&str>) -> Self {
        match text {
            Some("chat") => Self::Chat,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            Some("error") => Self::Error,
            _ => Self::Normal,
        }
    }
}

impl PresenceKind {
    /// From the attribute; none if the standard knows no such type.
    pub fn from_type(text: Option<&str>) -> Option<Self> {
        Some(match text {
            None => Self::Available,
            Some("unavailable") => Self::Unavailable,
            Some("subscribe") => Self::Subscribe,
            Some("subscribed") => Self::Subscribed,
            Some("unsubscribe") => Self::Unsubscribe,
            Some("unsubscribed") => Self::Unsubscribed,
            Some("probe") => Self::Probe,
            Some("error") => Self::Error,
            Some(_) => return None,
        })
    }
}

impl IqKind {
    /// From the attribute; none if it is missing or the standard knows no such type.
    pub fn from_type(text: Option<&str>) -> Option<Self> {
        Some(match text? {
            "get" => Self::Get,
            "set" => Self::Set,
            "result" => Self::Result,
            "error" => Self::Error,
            _ => return None,
        })
    }
}

impl StanzaKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Message(MessageKind::Chat),
        Self::Message(MessageKind::Normal),
        Self::Message(MessageKind::Groupchat),
        Self::Message(MessageKind::Headline),
        Self::Message(MessageKind::Error),
        Self::Presence(PresenceKind::Available),
        Self::Presence(PresenceKind::Unavailable),
        Self::Presence(PresenceKind::Subscribe),
        Self::Presence(PresenceKind::Subscribed),
        Self::Presence(PresenceKind::Unsubscribe),
        Self::Presence(PresenceKind::Unsubscribed),
        Self::Presence(PresenceKind::Probe),
        Self::Presence(PresenceKind::Error),
        Self::Iq(IqKind::Get),
        Self::Iq(IqKind::Set),
        Self::Iq(IqKind::Result),
        Self::Iq(IqKind::Error),
    ];

    /// Whether an error may answer it: never an error or a result (RFC 6120 §8.3.1, §8.2.3), and presence is met with
    /// silence (RFC 6121 §8.5.1).
    pub fn is_answered(self) -> bool {
        match self {
            Self::Message(kind) => kind != MessageKind::Error,
            Self::Presence(_) => false,
            Self::Iq(kind) => matches!(kind, IqKind::Get | IqKind::Set),
        }
    }
}
