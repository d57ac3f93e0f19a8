//! Internal domains and the backends that serve them.

use std::str::FromStr;

use lexicon::{Domain, RowId, Timestamp};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, DomainHolder, Store, StoreError,
    head::{Change, Topic, unsigned},
    partner,
};

/// What serves an internal domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The built-in SIP registrar: users are accounts.
    Registrar,
}

impl Backend {
    /// The word used in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
        }
    }
}

/// A text is not a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed is registrar")]
pub struct BackendError;

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        if text == Self::Registrar.as_str() { Ok(Self::Registrar) } else { Err(BackendError) }
    }
}

/// A domain of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InternalDomain {
    /// Id of the row.
    pub id: RowId,
    /// Its name.
    pub name: Domain,
    /// What serves it, first choice first.
    pub backends: Vec<Backend>,
    /// Revision of its last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// All internal domains, by name.
    pub async fn domains(&self) -> Result<Vec<InternalDomain>, StoreError> {
        load_all(&mut *self.core.readers.acquire().await?).await
    }

    /// Adds an internal domain.
    ///
    /// # Errors
    /// [`StoreError::Exists`], and [`StoreError::DomainTaken`] if a partner has it.
    pub async fn add_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
    ) -> Result<InternalDomain, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if exists(change.connection(), name).await? {
            return Err(StoreError::Exists { what: format!("the internal domain {name}") });
        }
        if let Some(primary) = partner::holder(change.connection(), name).await? {
            return Err(StoreError::DomainTaken { domain: name.clone(), holder: DomainHolder::Partner(primary) });
        }
        let (now, revision) = (change.now(), change.revision());
        let domain = InternalDomain {
            id: change.row_id(),
            name: name.clone(),
            backends: backends.to_vec(),
            revision: unsigned(revision),
            created_at: now,
            updated_at: now,
        };
        sqlx::query(
            "INSERT INTO internal_domain (id, name, backends, revision, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(domain.id.to_string())
        .bind(name.as_ascii())
        .bind(backends_json(backends).to_string())
        .bind(revision)
        .bind(now.as_millis())
        .bind(now.as_millis())
        .execute(change.connection())
        .await?;
        change.touch(Topic::Edge);
        change.audit(actor, "domain.added", name.as_ascii(), None, Some(audit_form(&domain))).await?;
        change.commit().await?;
        Ok(domain)
    }

    /// Removes an internal domain.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and [`StoreError::DomainInUse`] while it has users.
    pub async fn remove_domain(&self, actor: &Actor, name: &Domain) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let domain = load(change.connection(), name)
            .await?
            .ok_or_else(|| StoreError::NotFound { what: format!("internal domain {name}") })?;
        let users: i64 = sqlx::query("SELECT COUNT(*) FROM registrar_user WHERE domain = $1")
            .bind(name.as_ascii())
            .fetch_one(change.connection())
            .await?
            .try_get(0)?;
        if users > 0 {
            return Err(StoreError::DomainInUse { domain: name.clone(), users: unsigned(users) });
        }
        sqlx::query("DELETE FROM internal_domain WHERE name = $1")
            .bind(name.as_ascii())
            .execute(change.connection())
            .await?;
        change.touch(Topic::Edge);
        change.audit(actor, "domain.removed", name.as_ascii(), Some(audit_form(&domain)), None).await?;
        change.commit().await?;
        Ok(())
    }
}

/// All internal domains, by name.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<InternalDomain>, StoreError> {
    let rows =
        sqlx::query("SELECT id, name, backends, revision, created_at, updated_at FROM internal_domain ORDER BY name")
            .fetch_all(connection)
            .await?;
    rows.iter().map(InternalDomain::try_from).collect()
}

async fn load(connection: &mut SqliteConnection, name: &Domain) -> Result<Option<InternalDomain>, StoreError> {
    Ok(load_all(connection).await?.into_iter().find(|domain| domain.name == *name))
}

/// Whether `name` is an internal domain.
pub(crate) async fn exists(connection: &mut SqliteConnection, name: &Domain) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM internal_domain WHERE name = $1")
        .bind(name.as_ascii())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

fn backends_json(backends: &[Backend]) -> Value {
    backends.iter().map(|backend| backend.as_str()).collect()
}

fn audit_form(domain: &InternalDomain) -> Value {
    json!({ "name": domain.name, "backends": backends_json(&domain.backends) })
}

impl TryFrom<&SqliteRow> for InternalDomain {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("name")?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("internal domain {name}"), reason.to_string());
        let backends: Vec<String> =
            serde_json::from_str(row.try_get::<&str, _>("backends")?).map_err(|error| bad(&error))?;
        Ok(Self {
            id: row.try_get::<&str, _>("id")?.parse().map_err(|error| bad(&error))?,
            name: Domain::parse(&name).map_err(|error| bad(&error))?,
            backends: backends
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()
                .map_err(|error| bad(&error))?,
            revision: unsigned(row.try_get("revision")?),
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        })
    }
}
