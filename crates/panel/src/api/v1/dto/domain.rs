//! Internal domains.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FieldWarning, present};

/// An internal domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Domain {
    /// Id of the row.
    pub id: String,
    /// A-labels.
    pub name: String,
    /// As people read it.
    pub display_name: String,
    /// What serves it, first choice first: `component`, `registrar`, `trunk:NAME`, `xmpp`.
    pub backends: Vec<String>,
    /// The XMPP server behind it; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xmpp_server: Option<XmppServer>,
    /// What to know about it.
    #[serde(default)]
    pub warnings: Vec<FieldWarning>,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// The XMPP server behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xmpp_server: Option<XmppServerChanges>,
}

/// What to change of an internal domain; what is absent stays.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DomainChanges {
    /// What serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<String>>,
    /// What its component proves to know; never given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Changes to the XMPP server behind it; it goes when `xmpp` is taken from the backends, not by `null`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub xmpp_server: Option<Option<XmppServerChanges>>,
}

/// The XMPP server behind an internal domain.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct XmppServer {
    /// Where it is reached, first choice first.
    pub targets: Vec<String>,
    /// Networks that it may connect from; empty: its targets' addresses.
    pub sources: Vec<String>,
    /// `required`, `optional` or `not_supported`.
    pub tls: String,
    /// The same for SASL EXTERNAL.
    pub sasl: String,
    /// Whether dialback is supported.
    pub dialback: bool,
    /// `system` or PEM text.
    pub trust_roots: String,
    /// SHA-256 of the keys that it may have; empty: any.
    pub pins: Vec<String>,
    /// Number of the negotiation row, 1 to 18.
    pub row: u8,
    /// What the row permits, strongest first.
    pub methods: Vec<String>,
}

/// An XMPP server as entered; what is absent has its default, or stays. A list replaces the whole list.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the server, by their names")]
pub struct XmppServerChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialback: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_roots: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<String>>,
}

/// Shows nothing of the secret.
impl fmt::Debug for NewDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewDomain({:?}, {:?}, {:?})", self.name, self.backends, self.xmpp_server)
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for DomainChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainChanges({:?}, {:?})", self.backends, self.xmpp_server)
    }
}

impl From<&store::InternalDomain> for Domain {
    fn from(domain: &store::InternalDomain) -> Self {
        Self {
            id: domain.id.to_string(),
            name: domain.name.as_ascii().to_owned(),
            display_name: domain.name.as_unicode().to_owned(),
            backends: domain.backends.iter().map(ToString::to_string).collect(),
            xmpp_server: None,
            warnings: Vec::new(),
            connected: None,
            revision: domain.revision,
            created_at: domain.created_at.to_string(),
            updated_at: domain.updated_at.to_string(),
        }
    }
}

impl From<&policy::InnerServer> for XmppServer {
    fn from(server: &policy::InnerServer) -> Self {
        let row = server.negotiation.row();
        Self {
            targets: server.targets.iter().map(ToString::to_string).collect(),
            sources: server.sources.iter().map(ToString::to_string).collect(),
            tls: server.negotiation.tls.to_string(),
            sasl: server.negotiation.sasl.to_string(),
            dialback: server.negotiation.dialback,
            trust_roots: server.trust_roots.as_str().to_owned(),
            pins: server.pins.iter().map(ToString::to_string).collect(),
            row: row.number,
            methods: row.methods.iter().map(|method| method.as_str().to_owned()).collect(),
        }
    }
}

impl From<XmppServerChanges> for policy::InnerServerChanges {
    fn from(changes: XmppServerChanges) -> Self {
        Self {
            targets: changes.targets,
            sources: changes.sources,
            tls: changes.tls,
            sasl: changes.sasl,
            dialback: changes.dialback,
            trust_roots: changes.trust_roots,
            pins: changes.pins,
        }
    }
}
