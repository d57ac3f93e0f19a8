//! Internal domains and the backends that serve them.

use std::{fmt, str::FromStr};

use lexicon::{Domain, RowId, Timestamp};
use policy::{TrunkName, settings::Passphrase};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, DomainHolder, Store, StoreError, component, contact,
    head::{Change, Topic, unsigned},
    partner,
};

/// What serves an internal domain, or one of its addresses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Backend {
    /// A program that connects to us (XEP-0114): every address of the domain may exist.
    Component,
    /// The built-in SIP registrar: users are accounts.
    Registrar,
    /// A SIP deployment behind the trunk of this name: every address of the domain may exist.
    Trunk(TrunkName),
    /// An XMPP server of our own side ([`policy::InnerServer`]): every address of the domain may exist.
    Xmpp,
}

impl Backend {
    /// The trunk's name, if it is one.
    pub fn trunk(&self) -> Option<&TrunkName> {
        match self {
            Self::Trunk(name) => Some(name),
            _ => None,
        }
    }
}

/// The word used in the API and on the command line.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.pad("component"),
            Self::Registrar => f.pad("registrar"),
            Self::Trunk(name) => write!(f, "trunk:{name}"),
            Self::Xmpp => f.pad("xmpp"),
        }
    }
}

/// A text is not a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are component, registrar, xmpp, and trunk:NAME")]
pub struct BackendError;

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        match text {
            "component" => Ok(Self::Component),
            "registrar" => Ok(Self::Registrar),
            "xmpp" => Ok(Self::Xmpp),
            other => {
                let name = other.strip_prefix("trunk:").and_then(|name| name.parse().ok());
                name.map(Self::Trunk).ok_or(BackendError)
            }
        }
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

    /// Adds an internal domain. No component can serve it before it has a secret.
    ///
    /// # Errors
    /// [`StoreError::Exists`], and [`StoreError::DomainTaken`] if a partner has it.
    pub async fn add_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
    ) -> Result<InternalDomain, StoreError> {
        self.insert_domain(actor, name, backends, None).await
    }

    /// Adds an internal domain that a component with this secret serves.
    ///
    /// # Errors
    /// As for [`Store::add_domain`].
    pub async fn add_component_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        secret: &Passphrase,
    ) -> Result<InternalDomain, StoreError> {
        self.insert_domain(actor, name, &[Backend::Component], Some(secret)).await
    }

    async fn insert_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
        secret: Option<&Passphrase>,
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
        if let Some(secret) = secret {
            component::save(change.connection(), domain.id, secret).await?;
        }
        change.touch(Topic::Edge);
        change.audit(actor, "domain.added", name.as_ascii(), None, Some(audit_form(&domain))).await?;
        change.commit().await?;
        Ok(domain)
    }

    /// Replaces the backends of an internal domain, and with `secret` what its component must know; a domain that no
    /// component serves any more forgets its secret. Contacts stay: the addresses are the same.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::DomainInUse`] while a domain has users whose registrar would go;
    /// [`StoreError::NoSecret`] if a component would have none.
    pub async fn set_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
        secret: Option<&Passphrase>,
    ) -> Result<InternalDomain, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), name).await?;
        if !backends.contains(&Backend::Registrar) {
            check_unused(change.connection(), name).await?;
        }
        let known = component::has_secret(change.connection(), before.id).await?;
        let is_component = backends.contains(&Backend::Component);
        match secret.filter(|_| is_component) {
            Some(secret) => component::save(change.connection(), before.id, secret).await?,
            None if is_component && !known => return Err(StoreError::NoSecret { domain: name.clone() }),
            None if before.backends == backends => return Ok(before),
            None if !is_component => component::forget(change.connection(), before.id).await?,
            None => {}
        }
        let action = if before.backends == backends { "domain.secret_changed" } else { "domain.updated" };
        let forms = (audit_form(&before), backends.to_vec());
        let (now, revision) = (change.now(), change.revision());
        let after = InternalDomain { backends: forms.1, revision: unsigned(revision), updated_at: now, ..before };
        sqlx::query("UPDATE internal_domain SET backends = $1, revision = $2, updated_at = $3 WHERE name = $4")
            .bind(backends_json(backends).to_string())
            .bind(revision)
            .bind(now.as_millis())
            .bind(name.as_ascii())
            .execute(change.connection())
            .await?;
        change.touch(Topic::Edge);
        change.audit(actor, action, name.as_ascii(), Some(forms.0), Some(audit_form(&after))).await?;
        change.commit().await?;
        Ok(after)
    }

    /// Removes an internal domain; what a component's addresses had opened ends with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and [`StoreError::DomainInUse`] while it has users.
    pub async fn remove_domain(&self, actor: &Actor, name: &Domain) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let domain = existing(change.connection(), name).await?;
        check_unused(change.connection(), name).await?;
        if domain.backends.contains(&Backend::Component) {
            contact::end_all_of_domain(&mut change, name).await?;
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

pub(crate) async fn existing(connection: &mut SqliteConnection, name: &Domain) -> Result<InternalDomain, StoreError> {
    let domain = load_all(connection).await?.into_iter().find(|domain| domain.name == *name);
    domain.ok_or_else(|| StoreError::NotFound { what: format!("internal domain {name}") })
}

/// No user has an account in it.
async fn check_unused(connection: &mut SqliteConnection, name: &Domain) -> Result<(), StoreError> {
    let users: i64 = sqlx::query("SELECT COUNT(*) FROM registrar_user WHERE domain = $1")
        .bind(name.as_ascii())
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    if users > 0 {
        return Err(StoreError::DomainInUse { domain: name.clone(), users: unsigned(users) });
    }
    Ok(())
}

/// All internal domains, by name.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<InternalDomain>, StoreError> {
    let rows =
        sqlx::query("SELECT id, name, backends, revision, created_at, updated_at FROM internal_domain ORDER BY name")
            .fetch_all(connection)
            .await?;
    rows.iter().map(InternalDomain::try_from).collect()
}

/// Whether users of `name` may have accounts; none if it is no internal domain.
pub(crate) async fn has_registrar(
    connection: &mut SqliteConnection,
    name: &Domain,
) -> Result<Option<bool>, StoreError> {
    let domain = load_all(connection).await?.into_iter().find(|domain| domain.name == *name);
    Ok(domain.map(|domain| domain.backends.is_empty() || domain.backends.contains(&Backend::Registrar)))
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
    backends.iter().map(ToString::to_string).collect()
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
