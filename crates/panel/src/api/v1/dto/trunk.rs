//! Trunks: the ways to SIP deployments.

use serde::{Deserialize, Serialize};

use super::{FieldWarning, PeerCertificate};

/// A trunk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Trunk {
    /// Its identity.
    pub name: String,
    /// Notes.
    pub description: String,
    /// Where its deployment is reached, first choice first.
    pub targets: Vec<String>,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The names of which its certificate must show one.
    pub peer_names: Vec<String>,
    /// `system` or PEM text.
    pub trust_roots: String,
    /// Networks that its requests may come from.
    pub sources: Vec<String>,
    /// Whether every hop behind it has congestion control.
    pub congestion_safe: bool,
    /// `plain` or `lync`.
    pub dialect: String,
    /// `pager` or `session`.
    pub session_mode: String,
    /// Off without deleting.
    pub enabled: bool,
    /// What to know about it.
    pub warnings: Vec<FieldWarning>,
    /// Absent in a dry run of a new trunk, like the three below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What `If-Match` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// `up`, `degraded`, `down`, `not_tried` or `disabled`; absent in the answer to a change, like the three below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The internal domains that name it as a backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<String>>,
    /// Each address of each target, in the order in which they are tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_states: Option<Vec<TrunkTarget>>,
    /// Its live connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<TrunkConnection>>,
}

/// A trunk as it stands now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrunkState {
    /// Which one.
    pub name: String,
    /// Its addresses.
    pub targets: Vec<TrunkTarget>,
    /// Its live connections.
    pub connections: Vec<TrunkConnection>,
}

/// An address of a trunk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TrunkTarget {
    /// The target as it was configured.
    pub target: String,
    /// The address that it stands for; none if it was not found.
    pub address: Option<String>,
    /// `up`, `down` or `unknown`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// What went wrong last, whatever the state is now.
    pub last_error: Option<String>,
    /// How long the last OPTIONS took, in milliseconds.
    pub round_trip_ms: Option<u64>,
}

/// A live connection of a trunk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TrunkConnection {
    /// Address of the other end.
    pub peer: String,
    /// `inbound` or `outbound`: who opened it.
    pub direction: String,
    /// `tcp` or `tls`.
    pub transport: String,
    /// Since when.
    pub since: String,
    /// The SIP domains that the other end's certificate names.
    pub names: Vec<String>,
}

/// What an OPTIONS to every target has shown.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TrunkTest {
    /// Which trunk.
    pub name: String,
    /// Whether a target has answered.
    pub passed: bool,
    /// What was done, in order, for each target.
    pub steps: Vec<TrunkTestStep>,
}

/// One step of a test.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TrunkTestStep {
    /// The target as it was configured.
    pub target: String,
    /// The address that was tried.
    pub address: Option<String>,
    /// `resolve`, `connect`, `tls` or `options`.
    pub stage: String,
    /// Whether it went well.
    pub ok: bool,
    /// What came of it.
    pub text: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The certificate that was shown.
    pub certificate: Option<PeerCertificate>,
}

/// A new trunk; what is absent has its default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of a trunk, by their names")]
pub struct NewTrunk {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_roots: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion_safe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes to a trunk; what is absent stays, a list replaces the whole list.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of a trunk, by their names")]
pub struct TrunkChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_roots: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion_safe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What became, or in a dry run would become, of a trunk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TrunkChanged {
    /// The trunk after the change.
    pub trunk: Trunk,
    /// To be shown before a commit, and after it.
    pub warnings: Vec<FieldWarning>,
    /// Nothing was saved.
    pub dry_run: bool,
}

impl From<&policy::Trunk> for Trunk {
    fn from(trunk: &policy::Trunk) -> Self {
        Self {
            name: trunk.name.to_string(),
            description: trunk.description.to_string(),
            targets: trunk.targets.iter().map(ToString::to_string).collect(),
            transport: trunk.transport.to_string(),
            peer_names: trunk.peer_names.iter().map(|name| name.as_ascii().to_owned()).collect(),
            trust_roots: trunk.trust_roots.as_str().to_owned(),
            sources: trunk.sources.iter().map(ToString::to_string).collect(),
            congestion_safe: trunk.congestion_safe,
            dialect: trunk.dialect.to_string(),
            session_mode: trunk.session_mode.to_string(),
            enabled: trunk.enabled,
            warnings: trunk.warnings().into_iter().map(FieldWarning::from).collect(),
            ..Self::default()
        }
    }
}

impl From<&store::StoredTrunk> for Trunk {
    fn from(stored: &store::StoredTrunk) -> Self {
        Self {
            id: Some(stored.id.to_string()),
            revision: Some(stored.revision),
            created_at: Some(stored.created_at.to_string()),
            updated_at: Some(stored.updated_at.to_string()),
            ..Self::from(&stored.trunk)
        }
    }
}

impl From<TrunkChanges> for policy::TrunkChanges {
    fn from(changes: TrunkChanges) -> Self {
        Self {
            description: changes.description,
            targets: changes.targets,
            transport: changes.transport,
            peer_names: changes.peer_names,
            trust_roots: changes.trust_roots,
            sources: changes.sources,
            congestion_safe: changes.congestion_safe,
            dialect: changes.dialect,
            session_mode: changes.session_mode,
            enabled: changes.enabled,
        }
    }
}

impl From<NewTrunk> for policy::TrunkDraft {
    fn from(new: NewTrunk) -> Self {
        Self {
            name: new.name,
            changes: policy::TrunkChanges {
                description: new.description,
                targets: new.targets,
                transport: new.transport,
                peer_names: new.peer_names,
                trust_roots: new.trust_roots,
                sources: new.sources,
                congestion_safe: new.congestion_safe,
                dialect: new.dialect,
                session_mode: new.session_mode,
                enabled: new.enabled,
            },
        }
    }
}
