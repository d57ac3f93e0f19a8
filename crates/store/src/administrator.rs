//! Administrators: who may log in to the control panel, with which role.
//!
//! What the panel has made of a password is kept as it is and is in no audit row and no `Debug` form.

use std::fmt;

use lexicon::{RowId, Timestamp};
use policy::role::Role;
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Store, StoreError,
    head::{Change, signed, unsigned},
};

/// An administrator.
#[derive(Clone, Eq, PartialEq)]
pub struct Administrator {
    /// Id of the row.
    pub id: RowId,
    /// What they log in as.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What the panel has made of the password.
    pub password: String,
    /// Whether they may log in.
    pub enabled: bool,
    /// Counts changes of role, password and enabled: each ends the sessions before it.
    pub generation: u64,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

/// Without the password.
impl fmt::Debug for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What is to change of an administrator; what is `None` stays.
#[derive(Clone, Default)]
pub struct AdministratorChanges {
    /// What they may do.
    pub role: Option<Role>,
    /// What the panel has made of a new password.
    pub password: Option<String>,
    /// Whether they may log in.
    pub enabled: Option<bool>,
}

impl Store {
    /// All administrators, by name.
    pub async fn administrators(&self) -> Result<Vec<Administrator>, StoreError> {
        let rows = sqlx::query("SELECT * FROM administrator ORDER BY name").fetch_all(&self.core.readers).await?;
        rows.iter().map(Administrator::try_from).collect()
    }

    /// The one of this name.
    pub async fn administrator(&self, name: &str) -> Result<Option<Administrator>, StoreError> {
        find(&mut *self.core.readers.acquire().await?, name).await
    }

    /// Adds an administrator.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn add_administrator(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Administrator, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let added = change.add_administrator(actor, name, role, password).await?;
        change.commit().await?;
        Ok(added)
    }

    /// Changes an administrator; their sessions end.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_administrator(
        &self,
        actor: &Actor,
        name: &str,
        changes: &AdministratorChanges,
    ) -> Result<Administrator, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), name).await?;
        let after = Administrator {
            role: changes.role.unwrap_or(before.role),
            password: changes.password.clone().unwrap_or_else(|| before.password.clone()),
            enabled: changes.enabled.unwrap_or(before.enabled),
            ..before.clone()
        };
        if after == before {
            return Ok(before);
        }
        let after = Administrator { generation: before.generation + 1, updated_at: change.now(), ..after };
        write(change.connection(), &after).await?;
        let action =
            if changes.password.is_some() { "administrator.password_changed" } else { "administrator.updated" };
        change.audit(actor, action, name, Some(audit_form(&before)), Some(audit_form(&after))).await?;
        change.commit().await?;
        Ok(after)
    }

    /// Removes an administrator; their sessions end.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_administrator(&self, actor: &Actor, name: &str) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), name).await?;
        sqlx::query("DELETE FROM administrator WHERE name = $1").bind(name).execute(change.connection()).await?;
        change.audit(actor, "administrator.removed", name, Some(audit_form(&before)), None).await?;
        change.commit().await?;
        Ok(())
    }
}

impl Change<'_> {
    /// Adds an administrator as a part of this change.
    pub(crate) async fn add_administrator(
        &mut self,
        actor: &Actor,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Administrator, StoreError> {
        if find(self.connection(), name).await?.is_some() {
            return Err(StoreError::Exists { what: format!("the administrator {name}") });
        }
        let added = Administrator {
            id: self.row_id(),
            name: name.to_owned(),
            role,
            password: password.to_owned(),
            enabled: true,
            generation: 0,
            created_at: self.now(),
            updated_at: self.now(),
        };
        write(self.connection(), &added).await?;
        self.audit(actor, "administrator.added", name, None, Some(audit_form(&added))).await?;
        Ok(added)
    }
}

async fn existing(connection: &mut SqliteConnection, name: &str) -> Result<Administrator, StoreError> {
    find(connection, name).await?.ok_or_else(|| StoreError::NotFound { what: format!("administrator {name}") })
}

async fn find(connection: &mut SqliteConnection, name: &str) -> Result<Option<Administrator>, StoreError> {
    let find = sqlx::query("SELECT * FROM administrator WHERE name = $1").bind(name);
    find.fetch_optional(connection).await?.as_ref().map(Administrator::try_from).transpose()
}

/// Writes an administrator, new or not.
async fn write(connection: &mut SqliteConnection, administrator: &Administrator) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator (id, name, role, password, enabled, generation, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO UPDATE SET role = excluded.role, \
         password = excluded.password, enabled = excluded.enabled, generation = excluded.generation, \
         updated_at = excluded.updated_at",
    )
    .bind(administrator.id.to_string())
    .bind(&administrator.name)
    .bind(administrator.role.as_str())
    .bind(&administrator.password)
    .bind(administrator.enabled)
    .bind(signed(administrator.generation))
    .bind(administrator.created_at.as_millis())
    .bind(administrator.updated_at.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

fn audit_form(administrator: &Administrator) -> Value {
    json!({ "role": administrator.role.as_str(), "enabled": administrator.enabled })
}

impl TryFrom<&SqliteRow> for Administrator {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("name")?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("administrator {name}"), reason.to_string());
        Ok(Self {
            id: row.try_get::<&str, _>("id")?.parse().map_err(|error| bad(&error))?,
            role: row.try_get::<&str, _>("role")?.parse().map_err(|error| bad(&error))?,
            password: row.try_get("password")?,
            enabled: row.try_get("enabled")?,
            generation: unsigned(row.try_get("generation")?),
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
            name,
        })
    }
}
