//! What is wrong, or doubtful, with something that a person entered.

use std::fmt;

/// Why a field's value is refused. Nothing is saved while there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldError {
    /// The field's name in the API and on the command line.
    pub field: &'static str,
    /// A code that never changes its meaning; keys translations.
    pub code: &'static str,
    /// What was entered, what is allowed and, where there is one, the remedy.
    pub message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field, code, message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for FieldError {}

/// What a person should know about a value that is accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldWarning {
    /// The field's name in the API and on the command line.
    pub field: &'static str,
    /// A code that never changes its meaning; keys translations.
    pub code: &'static str,
    /// What follows from the value.
    pub message: String,
}

impl FieldWarning {
    /// A warning about `field`.
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field, code, message: message.into() }
    }
}

impl fmt::Display for FieldWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
