//! Partners.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FieldWarning, present};

/// A partner. Domains are A-labels.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the fields are those of the partner's form, by their names")]
pub struct Partner {
    pub primary_domain: String,
    /// The primary domain as people read it.
    pub display_domain: String,
    pub description: String,
    pub additional_domains: Vec<String>,
    pub partner_type: String,
    pub tls: String,
    pub sasl: String,
    pub dialback: bool,
    pub connection_limit: Option<u32>,
    pub keep_alive: bool,
    pub proxy_fqdn: Option<String>,
    pub trust_roots: String,
    pub pins: Vec<String>,
    pub enabled: bool,
    /// Number of the negotiation row, 1 to 18.
    pub row: u8,
    /// What the row permits, strongest first.
    pub methods: Vec<String>,
    /// What to know about it.
    #[serde(default)]
    pub warnings: Vec<FieldWarning>,
    /// Absent in a dry run of a new partner, like the three below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What `If-Match` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// `up`, `degraded`, `down`, `not_tried` or `disabled`; absent in the answer to a change, like the two below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<LastAttempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastAttempt>,
}

/// A page of partners, and how many there are in each state.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PartnerPage {
    /// The partners of this page.
    pub items: Vec<Partner>,
    /// Where the next page starts, in their own order; none: this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Partners that were found, by state, whether that is asked for or not.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

/// The last attempt that succeeded, or that failed, with any domain of a partner.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LastAttempt {
    /// When it began.
    pub at: String,
    /// `inbound` or `outbound`: who opened the connection.
    pub direction: String,
    /// The internal domain, if it was said.
    pub local: Option<String>,
    /// The partner's domain.
    pub remote: String,
    /// `ok`, or the code of the failure.
    pub result: String,
    /// Its report, unless it is so old that it is not kept any more.
    pub report: String,
}

/// A new partner; what is absent has its default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the partner's form, by their names")]
pub struct NewPartner {
    pub primary_domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_domains: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialback: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_fqdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_roots: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Changes to a partner; what is absent stays. `add_domains` and `remove_domains` change the list of additional domains,
/// `additional_domains` replaces it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the partner's form, by their names")]
pub struct PartnerChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_domains: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_domains: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_domains: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialback: Option<bool>,
    /// `null` empties it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub connection_limit: Option<Option<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// `null` or an empty text empties it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub proxy_fqdn: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_roots: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What became, or in a dry run would become, of a partner.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PartnerChanged {
    /// The partner after the change.
    pub partner: Partner,
    /// To be shown before a commit, and after it.
    #[serde(default)]
    pub warnings: Vec<FieldWarning>,
    /// How many contacts a change of the partner type affects; absent if the type does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts_affected: Option<u64>,
    /// Nothing was saved.
    #[serde(default)]
    pub dry_run: bool,
}

impl From<&policy::Partner> for Partner {
    fn from(partner: &policy::Partner) -> Self {
        let row = partner.row();
        Self {
            primary_domain: partner.primary_domain.as_ascii().to_owned(),
            display_domain: partner.primary_domain.as_unicode().to_owned(),
            description: partner.description.to_string(),
            additional_domains: partner.additional_domains.iter().map(|d| d.as_ascii().to_owned()).collect(),
            partner_type: partner.partner_type.to_string(),
            tls: partner.negotiation.tls.to_string(),
            sasl: partner.negotiation.sasl.to_string(),
            dialback: partner.negotiation.dialback,
            connection_limit: partner.connection_limit,
            keep_alive: partner.keep_alive,
            proxy_fqdn: partner.proxy_fqdn.as_ref().map(ToString::to_string),
            trust_roots: partner.trust_roots.as_str().to_owned(),
            pins: partner.pins.iter().map(ToString::to_string).collect(),
            enabled: partner.enabled,
            row: row.number,
            methods: row.methods.iter().map(|method| method.as_str().to_owned()).collect(),
            warnings: partner.warnings().into_iter().map(FieldWarning::from).collect(),
            id: None,
            revision: None,
            created_at: None,
            updated_at: None,
            state: None,
            last_success: None,
            last_failure: None,
        }
    }
}

impl From<&store::StoredPartner> for Partner {
    fn from(stored: &store::StoredPartner) -> Self {
        Self {
            id: Some(stored.id.to_string()),
            revision: Some(stored.revision),
            created_at: Some(stored.created_at.to_string()),
            updated_at: Some(stored.updated_at.to_string()),
            ..Self::from(&stored.partner)
        }
    }
}

impl From<NewPartner> for policy::PartnerDraft {
    fn from(new: NewPartner) -> Self {
        Self {
            primary_domain: new.primary_domain,
            changes: policy::PartnerChanges {
                description: new.description,
                additional_domains: new.additional_domains,
                add_domains: Vec::new(),
                remove_domains: Vec::new(),
                partner_type: new.partner_type,
                tls: new.tls,
                sasl: new.sasl,
                dialback: new.dialback,
                connection_limit: new.connection_limit.map(Some),
                keep_alive: new.keep_alive,
                proxy_fqdn: new.proxy_fqdn,
                trust_roots: new.trust_roots,
                pins: new.pins,
                enabled: new.enabled,
            },
        }
    }
}

impl From<PartnerChanges> for policy::PartnerChanges {
    fn from(changes: PartnerChanges) -> Self {
        Self {
            description: changes.description,
            additional_domains: changes.additional_domains,
            add_domains: changes.add_domains,
            remove_domains: changes.remove_domains,
            partner_type: changes.partner_type,
            tls: changes.tls,
            sasl: changes.sasl,
            dialback: changes.dialback,
            connection_limit: changes.connection_limit,
            keep_alive: changes.keep_alive,
            proxy_fqdn: changes.proxy_fqdn.map(Option::unwrap_or_default),
            trust_roots: changes.trust_roots,
            pins: changes.pins,
            enabled: changes.enabled,
        }
    }
}
