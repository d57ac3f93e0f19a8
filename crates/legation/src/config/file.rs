//! The file as written: every value with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

/// Read first, so that a file of another version is not refused for its fields.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) version: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "version")]
    pub(super) _version: i64,
    pub(super) data_dir: Text,
    pub(super) roles: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(super) xmpp: Xmpp,
    #[serde(default)]
    pub(super) sip: Sip,
    #[serde(default)]
    pub(super) component: Component,
    #[serde(default)]
    pub(super) inner: Inner,
    #[serde(default)]
    pub(super) dns: Dns,
    #[serde(default)]
    pub(super) admin: Admin,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) ops: Ops,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Xmpp {
    pub(super) listen: Option<Vec<Text>>,
    pub(super) listen_tls: Option<Vec<Text>>,
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
    pub(super) host: Option<Text>,
    #[serde(default)]
    pub(super) contacts: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) certificate: Text,
    pub(super) key: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sip {
    pub(super) udp: Option<Vec<Text>>,
    pub(super) tcp: Option<Vec<Text>>,
    pub(super) tls: Option<Vec<Text>>,
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
    pub(super) host: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    #[serde(default)]
    pub(super) listen: Vec<Text>,
    #[serde(default)]
    pub(super) allow_remote: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inner {
    #[serde(default)]
    pub(super) listen: Vec<Text>,
    #[serde(default)]
    pub(super) listen_tls: Vec<Text>,
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    #[serde(default)]
    pub(super) name_servers: Vec<Text>,
    #[serde(default)]
    pub(super) overrides: BTreeMap<Text, Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) socket: Option<Text>,
    #[serde(default)]
    pub(super) listen: Vec<Text>,
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<Text>,
    pub(super) format: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ops {
    #[serde(default)]
    pub(super) listen: Vec<Text>,
}
