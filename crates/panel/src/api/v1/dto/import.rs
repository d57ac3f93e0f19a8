//! Imports: what a file would change, row by row.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FieldError, FieldWarning};

/// What an import did, or in a dry run would do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Import {
    /// What the file holds: `partners`, `settings`, `policies`, `users` or `contacts`.
    pub kind: String,
    /// Every row of the file.
    pub rows: Vec<ImportRow>,
    /// Internal users known here who could not use XMPP federation before and can after it.
    pub gains_access: Vec<String>,
    /// Internal users known here who could use it before and cannot after it.
    pub loses_access: Vec<String>,
    /// Nothing was saved.
    pub dry_run: bool,
}

/// One row of the file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ImportRow {
    /// Counted from 1, without a header.
    pub row: u64,
    /// What it is about, as far as it could be read.
    pub subject: String,
    /// `add`, `change`, `unchanged` or `invalid`.
    pub action: String,
    /// Which fields change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// Why it is invalid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What to know about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FieldWarning>,
}

/// A field that changes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// Null if the thing is new.
    pub before: Value,
    /// What it will be.
    pub after: Value,
}
