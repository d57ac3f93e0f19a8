//! The gateway-wide settings, by name. Only what differs from the defaults is kept, so that a better default reaches
//! installations that never chose; and the dialback secret, made at the first start and shown to nobody (XEP-0185).

use std::collections::BTreeMap;

use policy::{Settings, settings::SETTINGS};
use serde_json::{Map, Value};
use sqlx::{Row as _, SqliteConnection};

use crate::{
    Actor, Store, StoreError, entropy,
    head::{self, Change, Topic},
    sqlite::Core,
};

/// Whose value is never shown.
const SECRET: &str = "dialback_passphrase";
/// What stands in the audit log instead.
const HIDDEN: &str = "(hidden)";

/// The settings as kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredSettings {
    /// The settings.
    pub settings: Settings,
    /// The revision they were read at: what a conditional change names. It also counts changes of partners and domains.
    pub revision: u64,
}

impl Store {
    /// The gateway-wide settings.
    pub async fn settings(&self) -> Result<StoredSettings, StoreError> {
        let mut tx = self.core.readers.begin().await?;
        let revision = head::load(&mut tx).await?.edge;
        Ok(StoredSettings { settings: load(&mut tx).await?, revision })
    }

    /// Replaces the settings by ones that `policy` has checked. With `expected`, only if nothing was changed since.
    ///
    /// # Errors
    /// [`StoreError::Conflict`].
    pub async fn set_settings(
        &self,
        actor: &Actor,
        expected: Option<u64>,
        settings: &Settings,
    ) -> Result<StoredSettings, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let revision = change.edge_revision();
        if expected.is_some_and(|expected| expected != revision) {
            return Err(StoreError::Conflict { what: "the settings".to_owned(), revision });
        }
        let before = load(change.connection()).await?;
        if before == *settings {
            return Ok(StoredSettings { settings: before, revision });
        }
        replace(&mut change, actor, &before, settings).await?;
        let revision = change.commit().await?;
        Ok(StoredSettings { settings: settings.clone(), revision })
    }
}

/// Replaces the settings inside a write.
pub(crate) async fn replace(
    change: &mut Change<'_>,
    actor: &Actor,
    before: &Settings,
    settings: &Settings,
) -> Result<(), StoreError> {
    save(change.connection(), settings).await?;
    change.touch(Topic::Edge);
    let (old, new) = difference(before, settings);
    change.audit(actor, "settings.updated", "settings", Some(old), Some(new)).await
}

/// Makes the dialback secret if there is none.
pub(crate) async fn prepare(core: &Core) -> Result<(), StoreError> {
    let found = sqlx::query("SELECT 1 FROM setting WHERE name = $1").bind(SECRET).fetch_optional(&core.readers).await?;
    if found.is_some() {
        return Ok(());
    }
    let mut change = Change::begin(core).await?;
    put(change.connection(), SECRET, entropy::passphrase().reveal()).await?;
    change.touch(Topic::Edge);
    let after = Value::from_iter([(SECRET, HIDDEN)]);
    change.audit(&Actor::new("legation", "first start"), "settings.created", "settings", None, Some(after)).await?;
    change.commit().await?;
    Ok(())
}

/// Reads the settings. A name of a later version is left alone.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Settings, StoreError> {
    let bad = |reason: &dyn ToString| StoreError::damaged("a setting", reason.to_string());
    let rows = sqlx::query("SELECT name, value FROM setting").fetch_all(connection).await?;
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        values.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let secret = values.remove(SECRET).ok_or_else(|| bad(&"the dialback secret is missing"))?;
    let mut settings = Settings::new(secret.parse().map_err(|error| bad(&error))?);
    for setting in SETTINGS {
        if let Some(value) = values.get(setting.name) {
            settings.set(setting.name, value).map_err(|error| bad(&error))?;
        }
    }
    Ok(settings)
}

async fn save(connection: &mut SqliteConnection, settings: &Settings) -> Result<(), StoreError> {
    let defaults = Settings::new(settings.dialback_passphrase.clone());
    for ((name, value), (_, default)) in settings.stored().zip(defaults.stored()) {
        if value != default || name == SECRET {
            put(connection, name, &value).await?;
        } else {
            sqlx::query("DELETE FROM setting WHERE name = $1").bind(name).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn put(connection: &mut SqliteConnection, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}

/// The names that differ, with the old and the new values as text.
fn difference(before: &Settings, after: &Settings) -> (Value, Value) {
    let (mut old, mut new) = (Map::new(), Map::new());
    for ((name, was), (_, is)) in before.stored().zip(after.stored()) {
        if was != is {
            let (was, is) = if name == SECRET { (HIDDEN.to_owned(), HIDDEN.to_owned()) } else { (was, is) };
            old.insert(name.to_owned(), was.into());
            new.insert(name.to_owned(), is.into());
        }
    }
    (old.into(), new.into())
}
