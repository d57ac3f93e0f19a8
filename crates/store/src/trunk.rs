//! Trunks: the ways to SIP deployments.

use std::{fmt::Display, str::FromStr, sync::Arc};

use lexicon::{RowId, Timestamp};
use policy::{Trunk, TrunkName, TrustRoots};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Backend, Store, StoreError, domain,
    head::{Change, Topic, signed, unsigned},
};

/// A trunk as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredTrunk {
    /// Id of the row.
    pub id: RowId,
    /// What was configured.
    pub trunk: Trunk,
    /// Revision of its last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// All trunks, by name.
    pub async fn trunks(&self) -> Result<Vec<StoredTrunk>, StoreError> {
        load_all(&mut *self.core.readers.acquire().await?).await
    }

    /// Adds a trunk that was checked.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn add_trunk(&self, actor: &Actor, trunk: &Trunk) -> Result<StoredTrunk, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if find(change.connection(), &trunk.name).await?.is_some() {
            return Err(StoreError::Exists { what: format!("the trunk {}", trunk.name) });
        }
        let now = change.now();
        let stored = StoredTrunk {
            id: change.row_id(),
            trunk: trunk.clone(),
            revision: unsigned(change.revision()),
            created_at: now,
            updated_at: now,
        };
        save(change.connection(), &stored).await?;
        change.touch(Topic::Edge);
        change.audit(actor, "trunk.added", trunk.name.as_str(), None, Some(audit_form(trunk))).await?;
        change.commit().await?;
        Ok(stored)
    }

    /// Replaces everything of a trunk but its name. `expected` is the revision that the caller has read, if it matters.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`].
    pub async fn set_trunk(
        &self,
        actor: &Actor,
        trunk: &Trunk,
        expected: Option<u64>,
    ) -> Result<StoredTrunk, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), &trunk.name).await?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Conflict { what: format!("the trunk {}", trunk.name), revision: before.revision });
        }
        if before.trunk == *trunk {
            return Ok(before);
        }
        let form = audit_form(&before.trunk);
        let (now, revision) = (change.now(), unsigned(change.revision()));
        let after = StoredTrunk { trunk: trunk.clone(), revision, updated_at: now, ..before };
        save(change.connection(), &after).await?;
        change.touch(Topic::Edge);
        change.audit(actor, "trunk.updated", trunk.name.as_str(), Some(form), Some(audit_form(trunk))).await?;
        change.commit().await?;
        Ok(after)
    }

    /// Removes a trunk that serves no domain.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::TrunkInUse`] while a domain names it.
    pub async fn remove_trunk(&self, actor: &Actor, name: &TrunkName) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), name).await?;
        let backend = Backend::Trunk(name.clone());
        let domains = domain::load_all(change.connection()).await?;
        if let Some(served) = domains.into_iter().find(|domain| domain.backends.contains(&backend)) {
            return Err(StoreError::TrunkInUse { trunk: name.clone(), domain: served.name });
        }
        sqlx::query("DELETE FROM trunk WHERE name = $1").bind(name.as_str()).execute(change.connection()).await?;
        change.touch(Topic::Edge);
        change.audit(actor, "trunk.removed", name.as_str(), Some(audit_form(&before.trunk)), None).await?;
        change.commit().await?;
        Ok(())
    }
}

/// All trunks, by name.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<StoredTrunk>, StoreError> {
    let rows = sqlx::query("SELECT * FROM trunk ORDER BY name").fetch_all(connection).await?;
    rows.iter().map(StoredTrunk::try_from).collect()
}

/// The trunk of this name.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    name: &TrunkName,
) -> Result<Option<StoredTrunk>, StoreError> {
    let row = sqlx::query("SELECT * FROM trunk WHERE name = $1").bind(name.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(StoredTrunk::try_from).transpose()
}

async fn existing(connection: &mut SqliteConnection, name: &TrunkName) -> Result<StoredTrunk, StoreError> {
    find(connection, name).await?.ok_or_else(|| StoreError::NotFound { what: format!("trunk {name}") })
}

async fn save(connection: &mut SqliteConnection, stored: &StoredTrunk) -> Result<(), StoreError> {
    let trunk = &stored.trunk;
    sqlx::query(
        "INSERT INTO trunk (id, name, description, targets, transport, peer_names, trust_roots, sources, \
         congestion_safe, dialect, session_mode, enabled, revision, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, targets = excluded.targets, \
         transport = excluded.transport, peer_names = excluded.peer_names, trust_roots = excluded.trust_roots, \
         sources = excluded.sources, congestion_safe = excluded.congestion_safe, dialect = excluded.dialect, \
         session_mode = excluded.session_mode, enabled = excluded.enabled, revision = excluded.revision, \
         updated_at = excluded.updated_at",
    )
    .bind(stored.id.to_string())
    .bind(trunk.name.as_str())
    .bind(&*trunk.description)
    .bind(texts(&trunk.targets).to_string())
    .bind(trunk.transport.as_str())
    .bind(names(trunk).to_string())
    .bind(trunk.trust_roots.as_str())
    .bind(texts(&trunk.sources).to_string())
    .bind(trunk.congestion_safe)
    .bind(trunk.dialect.as_str())
    .bind(trunk.session_mode.as_str())
    .bind(trunk.enabled)
    .bind(signed(stored.revision))
    .bind(stored.created_at.as_millis())
    .bind(stored.updated_at.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// A JSON array of text forms.
pub(crate) fn texts<T: ToString>(values: &[T]) -> Value {
    values.iter().map(ToString::to_string).collect()
}

/// The values of a JSON array of text forms.
pub(crate) fn parse_texts<T: FromStr<Err: Display>>(column: &str) -> Result<Vec<T>, String> {
    let texts: Vec<String> = serde_json::from_str(column).map_err(|error| error.to_string())?;
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| error.to_string())).collect()
}

fn names(trunk: &Trunk) -> Value {
    trunk.peer_names.iter().map(|name| name.as_ascii()).collect()
}

fn audit_form(trunk: &Trunk) -> Value {
    json!({
        "name": trunk.name.as_str(),
        "description": *trunk.description,
        "targets": texts(&trunk.targets),
        "transport": trunk.transport.as_str(),
        "peer_names": names(trunk),
        "trust_roots": trunk.trust_roots.as_str(),
        "sources": texts(&trunk.sources),
        "congestion_safe": trunk.congestion_safe,
        "dialect": trunk.dialect.as_str(),
        "session_mode": trunk.session_mode.as_str(),
        "enabled": trunk.enabled,
    })
}

impl TryFrom<&SqliteRow> for StoredTrunk {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("name")?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("the trunk {name}"), reason.to_string());
        fn word<T: FromStr<Err: Display>>(
            row: &SqliteRow,
            column: &str,
            bad: impl Fn(&dyn ToString) -> StoreError,
        ) -> Result<T, StoreError> {
            row.try_get::<&str, _>(column)?.parse().map_err(|error: T::Err| bad(&error))
        }
        fn list<T: FromStr<Err: Display>>(
            row: &SqliteRow,
            column: &str,
            bad: impl Fn(&dyn ToString) -> StoreError,
        ) -> Result<Vec<T>, StoreError> {
            parse_texts(row.try_get::<&str, _>(column)?).map_err(|error| bad(&error))
        }
        let trust_roots: TrustRoots = word(row, "trust_roots", bad)?;
        let trunk = Trunk {
            name: name.parse().map_err(|error| bad(&error))?,
            description: Arc::from(row.try_get::<&str, _>("description")?),
            targets: list(row, "targets", bad)?,
            transport: word(row, "transport", bad)?,
            peer_names: list(row, "peer_names", bad)?,
            trust_roots,
            sources: list(row, "sources", bad)?,
            congestion_safe: row.try_get("congestion_safe")?,
            dialect: word(row, "dialect", bad)?,
            session_mode: word(row, "session_mode", bad)?,
            enabled: row.try_get("enabled")?,
        };
        Ok(Self {
            id: word(row, "id", bad)?,
            trunk,
            revision: unsigned(row.try_get("revision")?),
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        })
    }
}
