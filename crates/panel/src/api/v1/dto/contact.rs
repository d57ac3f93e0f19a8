//! Contacts and pending invitations.

use serde::{Deserialize, Serialize};

/// What stands between an internal user and a partner's user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contact {
    /// Id of the row.
    pub id: String,
    /// The internal user.
    pub internal: String,
    /// The partner's user.
    pub partner: String,
    /// The internal user has added the partner's user: presence and messages are open.
    pub added: bool,
    /// The internal user has written: messages are open.
    pub written: bool,
    /// The partner's user may see the internal user's presence.
    pub authorised: bool,
    /// The partner's user has asked to, and waits for an answer.
    pub invited: bool,
    /// The partner's user is answered as if the internal user did not exist.
    pub blocked: bool,
    /// Who made it: `administrator`, `internal`, `partner`.
    pub invited_by: String,
    /// Revision of its last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// A pending invitation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Invitation {
    /// Id of the row.
    pub id: String,
    /// Who is asked.
    pub internal: String,
    /// Who asks.
    pub partner: String,
    /// Since when.
    pub created_at: String,
}

/// Whose contact a request is about.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ContactPair {
    /// The internal user.
    pub internal: String,
    /// The partner's user.
    pub partner: String,
}

impl From<&store::Contact> for Contact {
    fn from(contact: &store::Contact) -> Self {
        Self {
            id: contact.id.to_string(),
            internal: contact.internal.to_string(),
            partner: contact.partner.to_string(),
            added: contact.state.added,
            written: contact.state.written,
            authorised: contact.state.authorised,
            invited: contact.state.invited,
            blocked: contact.state.blocked,
            invited_by: contact.invited_by.as_str().to_owned(),
            revision: contact.revision,
            created_at: contact.created_at.to_string(),
            updated_at: contact.updated_at.to_string(),
        }
    }
}

impl From<&store::Invitation> for Invitation {
    fn from(invitation: &store::Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            internal: invitation.internal.to_string(),
            partner: invitation.partner.to_string(),
            created_at: invitation.created_at.to_string(),
        }
    }
}
