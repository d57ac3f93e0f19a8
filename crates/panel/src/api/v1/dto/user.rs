//! Users of the built-in registrar.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::present;

/// With which algorithms a user is challenged (RFC 8760).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DigestChoice {
    /// SHA-256 and MD5, the stronger first.
    #[default]
    Sha256Md5,
    /// MD5 alone, for clients that give up when they see another algorithm.
    Md5,
}

/// A user. The password and what is made of it are never shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct User {
    /// Id of the row.
    pub id: String,
    /// The address.
    pub address: String,
    /// The name for people; may be empty.
    pub display_name: String,
    /// Whether the user may register, send and receive.
    pub enabled: bool,
    /// Algorithms that the user is challenged with.
    pub algorithms: Vec<String>,
    /// What serves the address: an account counts only where it is the registrar. Absent in the answer to a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Revision of the last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// A new user.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewUser {
    /// The address; its domain is an internal domain.
    pub address: String,
    /// The password.
    pub password: String,
    /// The name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// With which algorithms to challenge.
    pub digest: DigestChoice,
}

/// Changes to a user; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UserChanges {
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Whether the user may register, send and receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A new password.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    pub password: String,
    /// With which algorithms to challenge.
    pub digest: DigestChoice,
}

/// What serves an internal address, which need not have an account.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct UserBackend {
    /// The address.
    pub address: String,
    /// What serves it.
    pub backend: String,
    /// Whether it was assigned; else it is the first of its domain.
    pub assigned: bool,
    /// The backends of its domain.
    pub backends: Vec<String>,
}

/// What is to serve an internal address.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewUserBackend {
    /// One of its domain's backends; `null`: the first of them.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub backend: Option<Option<String>>,
}

/// Without the password.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPassword").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl From<&store::User> for User {
    fn from(user: &store::User) -> Self {
        Self {
            id: user.id.to_string(),
            address: user.address.to_string(),
            display_name: user.display_name.clone(),
            enabled: user.enabled,
            algorithms: user.credentials.iter().map(|credential| credential.algorithm.clone()).collect(),
            backend: None,
            revision: user.revision,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}
