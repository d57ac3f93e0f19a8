//! The gateway-wide settings: one record, with the limits of every field in one table, [`SETTINGS`].
//!
//! Every field is read and set by its name, so the API, the command line and the store need no list of their own. An
//! error names the limits and what was entered.

use std::time::Duration;

use crate::FieldError;

mod passphrase;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod value;

pub use passphrase::{Passphrase, PassphraseError};
pub use table::{SETTINGS, Setting};
pub use targets::{Network, NetworkError, PrivateTargets};
pub use value::{PagerMessageType, Unit, Value};

/// The record. Each field's limits and meaning are those of the [`Setting`] of the same name; counts are of the thing
/// named, sizes in octets.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the table of settings documents each field by its name")]
pub struct Settings {
    pub connection_limit: u64,
    pub partner_connection_limit: u64,
    pub keep_alive_interval: Duration,
    pub stream_establishment_timeout: Duration,
    pub stream_inactivity_timeout: Duration,
    pub subscription_refresh_interval: Duration,
    pub dialback_passphrase: Passphrase,
    pub log_message_bodies: bool,
    pub stanza_bytes_max: u64,
    pub unauthenticated_bytes_max: u64,
    pub queue_stanzas: u64,
    pub queue_bytes: u64,
    pub queue_bytes_total: u64,
    pub queue_age: Duration,
    pub half_open_limit: u64,
    pub half_open_per_address: u64,
    pub partner_stanzas_per_second: u64,
    pub allow_private_targets: PrivateTargets,
    pub pager_message_type: PagerMessageType,
}

impl Settings {
    /// Every default, with the passphrase made for this installation.
    pub fn new(dialback_passphrase: Passphrase) -> Self {
        Self {
            connection_limit: 1000,
            partner_connection_limit: 20,
            keep_alive_interval: Duration::from_secs(300),
            stream_establishment_timeout: Duration::from_secs(60),
            stream_inactivity_timeout: Duration::from_secs(600),
            subscription_refresh_interval: Duration::from_secs(28_800),
            dialback_passphrase,
            log_message_bodies: false,
            stanza_bytes_max: 262_144,
            unauthenticated_bytes_max: 8192,
            queue_stanzas: 1000,
            queue_bytes: 1 << 20,
            queue_bytes_total: 64 << 20,
            queue_age: Duration::from_secs(60),
            half_open_limit: 2000,
            half_open_per_address: 64,
            partner_stanzas_per_second: 2000,
            allow_private_targets: PrivateTargets::None,
            pager_message_type: PagerMessageType::Chat,
        }
    }

    /// Sets the field `name` to what `text` says. On an error nothing is changed.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), FieldError> {
        table::find(name)?.write(self, text.trim())
    }

    /// Sets all `changes`, or none and every error.
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<FieldError>> {
        let mut settings = self.clone();
        let errors: Vec<_> = changes.into_iter().filter_map(|(name, text)| settings.set(name, text).err()).collect();
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// The field `name` for people; the passphrase is hidden.
    pub fn value(&self, name: &str) -> Result<Value, FieldError> {
        Ok(table::find(name)?.value(self))
    }

    /// Every field in the order of the table, for people; the passphrase is hidden.
    pub fn list(&self) -> impl Iterator<Item = (&'static Setting, Value)> {
        SETTINGS.iter().map(|setting| (setting, setting.value(self)))
    }

    /// Every field as [`Settings::set`] reads it, the passphrase included: only for the store.
    pub fn stored(&self) -> impl Iterator<Item = (&'static str, String)> {
        SETTINGS.iter().map(|setting| (setting.name, setting.stored(self)))
    }
}
