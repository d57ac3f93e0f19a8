//! Probes: connections made only to learn what would happen.

use serde::{Deserialize, Serialize};

use super::{PartnerChanges, Report, Step};

/// What to probe.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewProbe {
    /// The domain to connect to; it need not be a partner's.
    pub domain: String,
    /// The internal domain to connect as; the first one if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Settings to try instead of the partner's, or of the defaults where the domain is no partner's. Nothing is saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<PartnerChanges>,
}

/// A probe.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Probe {
    /// Names it while it is remembered.
    pub id: String,
    /// The domain that is connected to.
    pub domain: String,
    /// The internal domain that it is connected from.
    pub local: String,
    /// `running`, `done` or `cancelled`.
    pub state: String,
    /// What has happened so far.
    pub steps: Vec<Step>,
    /// The outcome, once it is done.
    pub report: Option<Report>,
    /// The settings whose method was seen to work; once it is done.
    pub rows: Vec<WorkingRow>,
}

/// Negotiation settings that would work.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the partner's form, by their names")]
pub struct WorkingRow {
    /// Number of the negotiation row, 1 to 18.
    pub row: u8,
    pub tls: String,
    pub sasl: String,
    pub dialback: bool,
    /// What the pair would be authorised by.
    pub method: String,
}
