//! What to publish in DNS, and what is there.

use serde::{Deserialize, Serialize};

/// What an internal domain needs in DNS.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DnsZone {
    /// The internal domain, A-labels.
    pub domain: String,
    /// The records.
    pub records: Vec<DnsRecord>,
    /// Ports that partners and clients connect to.
    pub ports: Vec<ListenerSeen>,
    /// What else to know, in sentences.
    pub notes: Vec<String>,
}

/// A port of ours, and whether it answers from this machine.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ListenerSeen {
    /// For what: `xmpp`, `inner`, `sip`.
    pub name: String,
    /// `tcp`, `tls`, `udp`.
    pub transport: String,
    /// Address and port.
    pub address: String,
    /// `open`, `closed`, or `failed`: it could not be told.
    pub state: String,
    /// Why it is not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What [`DnsRecord::state`] says.
pub mod dns_state {
    /// As it should be.
    pub const PRESENT: &str = "present";
    /// Not there.
    pub const ABSENT: &str = "absent";
    /// There, and something else.
    pub const DIFFERS: &str = "differs";
    /// Nobody has said whether it is there.
    pub const FAILED: &str = "failed";
}

/// One record, and what a name server said when it was asked for it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DnsRecord {
    /// The name, without the trailing dot.
    pub name: String,
    /// `SRV` or `A/AAAA`.
    pub kind: String,
    /// What to publish, as in a zone file; empty where nothing should be there.
    pub value: String,
    /// For whom it is.
    pub purpose: String,
    /// `public`, or `inner`: only in the DNS that the deployment asks.
    pub scope: String,
    /// Whether something does not work without it.
    pub needed: bool,
    /// `present`, `absent`, `differs`, or `failed`: no name server has said whether it is there.
    pub state: String,
    /// What is there.
    pub found: Vec<String>,
    /// What follows from it, or why it was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
