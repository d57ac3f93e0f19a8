//! What the server is doing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PeerCertificate;

/// The server now.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Revision of the store.
    pub revision: u64,
    /// When it started.
    pub started_at: String,
    /// What it listens on.
    pub listeners: Vec<Listener>,
    /// Live streams with partners.
    pub streams: Vec<Stream>,
    /// Addresses registered by internal users.
    pub registrations: u64,
    /// Message sessions that stand or are being opened, of internal users on SIP.
    pub message_sessions: u64,
    /// Messages with a body to and from partners in the last minute.
    pub messages_per_minute: u64,
    /// Components that serve internal domains now.
    pub components: Vec<Component>,
    /// Counters of what came in and what became of it, by name.
    pub ledger: BTreeMap<String, u64>,
    /// What should be looked after, in sentences.
    pub warnings: Vec<String>,
}

/// A connected component.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Component {
    /// The internal domain that it serves.
    pub domain: String,
    /// Address of its end of the connection.
    pub peer: String,
    /// Since when.
    pub since: String,
    /// Stanzas that wait for it to read.
    pub waiting: u64,
}

/// How much is going on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Running {
    /// Rows of live streams.
    pub streams: u64,
    /// Registered SIP endpoints.
    pub registrations: u64,
    /// Message sessions.
    pub message_sessions: u64,
    /// Messages with a body to and from partners in the last minute.
    pub messages_per_minute: u64,
}

/// A place where connections or datagrams are accepted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Listener {
    /// For what: `xmpp`, `sip`, `api`.
    pub name: String,
    /// `tcp`, `udp`, `unix`.
    pub transport: String,
    /// Address and port, or path.
    pub address: String,
}

/// One stream.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Stream {
    /// Names the connection, for closing it; a connection may carry several pairs.
    pub number: u64,
    /// `partner` or `inner`: with a partner's server, or with one of our own side, where we stand for `local`.
    pub leg: String,
    /// Address of the other end.
    pub peer: String,
    /// Primary domain of the partner; empty on the inner leg.
    pub partner: String,
    /// The internal domain; on the inner leg the partner's.
    pub local: String,
    /// The partner's domain; on the inner leg the internal one.
    pub remote: String,
    /// `inbound` or `outbound`: who opened the connection.
    pub direction: String,
    /// How the pair was authorised.
    pub method: String,
    /// Since when.
    pub since: String,
    /// `TLS 1.3` or `TLS 1.2`; none without TLS.
    pub tls_version: Option<String>,
    /// The cipher suite, as the TLS library names it: `TLS13_AES_256_GCM_SHA384`; none without TLS.
    pub cipher: Option<String>,
    /// Stanzas that the connection has received, of all its pairs.
    pub stanzas_in: u64,
    /// Stanzas that it was given to send.
    pub stanzas_out: u64,
    /// The certificate that the partner's server showed; none without TLS.
    pub certificate: Option<PeerCertificate>,
}
