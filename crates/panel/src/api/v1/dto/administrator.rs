//! Administrators.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An administrator, without the password.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Administrator {
    /// What they log in as.
    pub name: String,
    /// `administrator`, `user_administrator`, `help_desk` or `viewer`.
    pub role: String,
    /// Whether they may log in.
    pub enabled: bool,
    /// When they were added.
    pub created_at: String,
    /// When they were last changed.
    pub updated_at: String,
}

/// A new administrator.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewAdministrator {
    /// What they log in as; no two have the same.
    pub name: String,
    /// `administrator`, `user_administrator`, `help_desk` or `viewer`.
    pub role: String,
    /// At least 12 characters.
    pub password: String,
}

/// Changes to an administrator; what is absent stays. Their sessions end.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AdministratorChanges {
    /// What they may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A new password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether they may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Without the password.
/// The caller's own password: the one before, and the new one.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OwnPassword {
    /// The password so far.
    pub current: String,
    /// The new one, at least 12 characters.
    pub password: String,
}

impl fmt::Debug for OwnPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnPassword").finish_non_exhaustive()
    }
}

impl fmt::Debug for NewAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAdministrator").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for AdministratorChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdministratorChanges").field("role", &self.role).finish_non_exhaustive()
    }
}

impl From<&store::Administrator> for Administrator {
    fn from(administrator: &store::Administrator) -> Self {
        Self {
            name: administrator.name.clone(),
            role: administrator.role.to_string(),
            enabled: administrator.enabled,
            created_at: administrator.created_at.to_string(),
            updated_at: administrator.updated_at.to_string(),
        }
    }
}
