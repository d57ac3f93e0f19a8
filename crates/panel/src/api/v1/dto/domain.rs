//! Internal domains.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An internal domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Domain {
    /// Id of the row.
    pub id: String,
    /// A-labels.
    pub name: String,
    /// As people read it.
    pub display_name: String,
    /// What serves it, first choice first: `component`, `registrar`.
    pub backends: Vec<String>,
    /// Whether a component serves it now; absent where none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Revision of its last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// A new internal domain.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewDomain {
    /// Its name.
    pub name: String,
    /// What serves it; absent: the built-in registrar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<String>>,
    /// What its component proves to know; never given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What to change of an internal domain; what is absent stays.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DomainChanges {
    /// What serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<String>>,
    /// What its component proves to know; never given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Shows nothing of the secret.
impl fmt::Debug for NewDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewDomain({:?}, {:?})", self.name, self.backends)
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for DomainChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainChanges({:?})", self.backends)
    }
}

impl From<&store::InternalDomain> for Domain {
    fn from(domain: &store::InternalDomain) -> Self {
        Self {
            id: domain.id.to_string(),
            name: domain.name.as_ascii().to_owned(),
            display_name: domain.name.as_unicode().to_owned(),
            backends: domain.backends.iter().map(ToString::to_string).collect(),
            connected: None,
            revision: domain.revision,
            created_at: domain.created_at.to_string(),
            updated_at: domain.updated_at.to_string(),
        }
    }
}
