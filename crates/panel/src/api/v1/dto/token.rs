//! API tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token without its secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// `administrator`, `user_administrator`, `help_desk` or `viewer`.
    pub role: String,
    /// Who has made it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// From when on it is worth nothing.
    pub expires_at: String,
    /// Whether that is over.
    pub expired: bool,
}

/// A new token.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewToken {
    /// What people call it; no two have the same.
    pub name: String,
    /// `administrator`, `user_administrator`, `help_desk` or `viewer`.
    pub role: String,
    /// How long it lasts: 1 to 3,650; 90 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// A token that was made, with its secret, which is never shown again.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TokenMade {
    /// The token.
    pub token: Token,
    /// What is sent as `Authorization: Bearer`.
    pub secret: String,
}

/// Without the secret.
impl fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenMade").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Who the caller is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WhoAmI {
    /// As it stands in the audit log: `uid:0`, `token:NAME`.
    pub who: String,
    /// From where.
    pub origin: String,
    /// What the caller may do.
    pub role: String,
}
