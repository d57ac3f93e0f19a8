//! Test messages.

use serde::{Deserialize, Serialize};

/// Whom to send a test message.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewMessageTest {
    /// The user, of a partner or of ours.
    pub to: String,
    /// An internal address; absent: `postmaster` of the first internal domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What a test message has shown.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MessageTest {
    /// Who it came from.
    pub from: String,
    /// Who it was for.
    pub to: String,
    /// Whether nothing went wrong.
    pub passed: bool,
    /// Each hop, in order.
    pub steps: Vec<MessageStep>,
}

/// One hop of a test message, or the answer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MessageStep {
    /// `sent`, `written`, `acknowledged`, `delivered`, `answered`.
    pub stage: String,
    /// Whether it went well.
    pub ok: bool,
    /// What was seen.
    pub text: String,
    /// Since the message was sent, in milliseconds.
    pub after_ms: u64,
}
