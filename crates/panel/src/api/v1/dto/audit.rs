//! The audit log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One administrative change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Audit {
    /// Position in the log, from 1.
    pub number: u64,
    /// Id of the row.
    pub id: String,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// From where.
    pub origin: String,
    /// What was done: `partner.updated`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The state before; null if it was made.
    pub before: Option<Value>,
    /// The state after; null if it was removed.
    pub after: Option<Value>,
    /// Hash of the chain up to this row.
    pub hash: String,
}

/// The chain of the audit log is whole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditVerified {
    /// How many rows were checked.
    pub rows: u64,
}

impl From<store::AuditRow> for Audit {
    fn from(row: store::AuditRow) -> Self {
        Self {
            number: row.number,
            id: row.id.to_string(),
            at: row.at.to_string(),
            who: row.who,
            origin: row.origin,
            action: row.action,
            subject: row.subject,
            before: row.before,
            after: row.after,
            hash: row.hash,
        }
    }
}
