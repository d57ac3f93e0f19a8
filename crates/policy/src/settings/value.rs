//! How a setting's value is shown and read.

use std::{fmt, str::FromStr};

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Things; the setting's name says which.
    Count,
    /// Octets.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// As shown after a number; empty for things.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Seconds => "s",
        }
    }

    /// Reads a whole number, which may carry a suffix of the unit: `64 KiB`, `5m`.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let factor = match (self, suffix.trim()) {
            (_, "") | (Self::Seconds, "s") => 1,
            (Self::Seconds, "m") => 60,
            (Self::Seconds, "h") => 3600,
            (Self::Bytes, "KiB") => 1 << 10,
            (Self::Bytes, "MiB") => 1 << 20,
            (Self::Bytes, "GiB") => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

/// A value for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A number of the setting's unit.
    Number(u64),
    /// On or off.
    Flag(bool),
    /// A word or a list.
    Text(String),
    /// Set, and never shown.
    Hidden,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.pad(&number.to_string()),
            Self::Flag(flag) => f.pad(&flag.to_string()),
            Self::Text(text) => f.pad(text),
            Self::Hidden => f.pad("(set, never shown)"),
        }
    }
}

/// The `type` of stanzas made from SIP MESSAGE requests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PagerMessageType {
    /// Shown as a conversation.
    Chat,
    /// As RFC 7572 says; clients then open a window for each.
    Normal,
}

impl PagerMessageType {
    /// The value of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Normal => "normal",
        }
    }
}

/// A text is not one of the two types.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are chat and normal")]
pub struct PagerMessageTypeError;

impl FromStr for PagerMessageType {
    type Err = PagerMessageTypeError;

    fn from_str(text: &str) -> Result<Self, PagerMessageTypeError> {
        match text {
            "chat" => Ok(Self::Chat),
            "normal" => Ok(Self::Normal),
            _ => Err(PagerMessageTypeError),
        }
    }
}
