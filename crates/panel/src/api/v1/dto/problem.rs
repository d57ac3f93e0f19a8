//! Errors on the wire: RFC 9457, with every faulty field at once.

use serde::{Deserialize, Serialize};

/// Why a request was refused (`application/problem+json`). Nothing was changed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem {
    /// What kind: `urn:legation:problem:…`; never changes its meaning.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, in a sentence.
    pub detail: String,
    /// All faulty fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One faulty field.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FieldError {
    /// Its name.
    pub field: String,
    /// Never changes its meaning.
    pub code: String,
    /// What was entered, what is allowed, the remedy.
    pub message: String,
}

/// What to know about a field that was accepted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FieldWarning {
    /// Its name.
    pub field: String,
    /// Never changes its meaning.
    pub code: String,
    /// What follows from the value.
    pub message: String,
}

impl From<policy::FieldError> for FieldError {
    fn from(error: policy::FieldError) -> Self {
        Self { field: error.field.to_owned(), code: error.code.to_owned(), message: error.message }
    }
}

impl From<policy::FieldWarning> for FieldWarning {
    fn from(warning: policy::FieldWarning) -> Self {
        Self { field: warning.field.to_owned(), code: warning.code.to_owned(), message: warning.message }
    }
}
