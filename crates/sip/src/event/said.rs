//! The Subscription-State of a NOTIFY as it comes (RFC 6665 §8.2.3). An unknown state counts as active, as an unknown reason
//! counts as none.

use crate::message::{FieldError, Name, Request};

/// How the notifier says that the subscription stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StateSaid {
    Active,
    Pending,
    Terminated,
}

/// What a NOTIFY says of its subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Said {
    pub(super) state: StateSaid,
    /// In lower case; empty: none.
    pub(super) reason: String,
    pub(super) expires_s: Option<u32>,
    pub(super) retry_after_s: Option<u32>,
}

impl Said {
    pub(super) fn of(request: &Request) -> Result<Self, FieldError> {
        const FIELD: &str = "Subscription-State";
        let text = request.headers.first(Name::SubscriptionState).ok_or(FieldError::Missing(FIELD))?;
        let mut parts = text.split(';').map(str::trim);
        let state = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "" => return Err(FieldError::Missing(FIELD)),
            "pending" => StateSaid::Pending,
            "terminated" => StateSaid::Terminated,
            _ => StateSaid::Active,
        };
        let mut said = Self { state, reason: String::new(), expires_s: None, retry_after_s: None };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "reason" => said.reason = value.to_ascii_lowercase(),
                "expires" => said.expires_s = value.parse().ok(),
                "retry-after" => said.retry_after_s = value.parse().ok(),
                _ => {}
            }
        }
        Ok(said)
    }
}
