//! What contact rules and access policies refused of a partner's traffic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Refusals since the server started, by reason. Reasons: `uninvited`, `recipient_must_add`, `blocked`, `no_access`, `no_such_user`,
/// `service_unavailable` (no such user, or one who has blocked the sender), `partner_disabled`, `not_watching`, `not_a_partner`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Refusals {
    /// Since when.
    pub since: String,
    /// Of what the partner's users sent.
    pub from_partner: BTreeMap<String, u64>,
    /// Of what internal users sent to it.
    pub to_partner: BTreeMap<String, u64>,
}
