//! Access policies.

use serde::{Deserialize, Serialize};

use super::{FieldWarning, present};

/// A policy. Domains are A-labels.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Policy {
    /// `global`, `site:DOMAIN` or `user:NAME`.
    pub identity: String,
    /// `global`, `site` or `user`.
    pub scope: String,
    /// Federation at all.
    pub enable_federation_access: bool,
    /// Federation with XMPP partners; effective only with the first.
    pub enable_xmpp_access: bool,
    /// Primary domains of the partners it is for; empty: all.
    pub partners: Vec<String>,
    /// To how many users it is assigned.
    pub users: u64,
    /// What `If-Match` names; 0: the global one out of the box.
    pub revision: u64,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// A new policy; what is absent has its default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewPolicy {
    /// `site:DOMAIN` or `user:NAME`.
    pub identity: String,
    /// Federation at all; false if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_federation_access: Option<bool>,
    /// Federation with XMPP partners; false if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_xmpp_access: Option<bool>,
    /// Primary domains of partners; empty: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partners: Option<Vec<String>>,
}

/// Changes to a policy; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PolicyChanges {
    /// Federation at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_federation_access: Option<bool>,
    /// Federation with XMPP partners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_xmpp_access: Option<bool>,
    /// Replaces the list of partners; empty: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partners: Option<Vec<String>>,
}

/// What became, or in a dry run would become, of a policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PolicyChanged {
    /// The policy after the change.
    pub policy: Policy,
    /// To be shown before a commit, and after it.
    pub warnings: Vec<FieldWarning>,
    /// Nothing was saved.
    pub dry_run: bool,
}

/// Which policy counts for an internal address, which need not have an account.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct UserPolicy {
    /// The address.
    pub address: String,
    /// The policy that is assigned to it: `user:NAME`.
    pub assigned: Option<String>,
    /// The policy that counts: that one, else that of its site, else the global one.
    pub effective: Policy,
}

/// Which policy is assigned to an internal address.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewUserPolicy {
    /// `user:NAME`; `null`: none of its own.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub policy: Option<Option<String>>,
}

impl From<&store::StoredPolicy> for Policy {
    fn from(stored: &store::StoredPolicy) -> Self {
        let policy = &stored.policy;
        Self {
            identity: policy.identity.to_string(),
            scope: policy.identity.scope().as_str().to_owned(),
            enable_federation_access: policy.enable_federation_access,
            enable_xmpp_access: policy.enable_xmpp_access,
            partners: policy.partners.iter().map(|domain| domain.as_ascii().to_owned()).collect(),
            users: stored.users,
            revision: stored.revision,
            updated_at: stored.updated_at.map(|at| at.to_string()),
        }
    }
}

impl From<PolicyChanges> for policy::access::PolicyChanges {
    fn from(changes: PolicyChanges) -> Self {
        Self {
            enable_federation_access: changes.enable_federation_access,
            enable_xmpp_access: changes.enable_xmpp_access,
            partners: changes.partners,
        }
    }
}

impl From<NewPolicy> for policy::access::PolicyDraft {
    fn from(new: NewPolicy) -> Self {
        let NewPolicy { identity, enable_federation_access, enable_xmpp_access, partners } = new;
        let changes = policy::access::PolicyChanges { enable_federation_access, enable_xmpp_access, partners };
        Self { identity, changes }
    }
}
