//! What SIP users have registered.

use serde::{Deserialize, Serialize};

/// An endpoint that a user has registered.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Registration {
    /// The address.
    pub user: String,
    /// The URI of the endpoint.
    pub contact: String,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: String,
    /// Where the REGISTER came from.
    pub source: String,
    /// How long it is still valid.
    pub expires_in_seconds: u64,
    /// Whether it failed to answer and is skipped until it registers again.
    pub unreachable: bool,
}
