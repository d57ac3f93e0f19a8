//! Internal domains and the backends that serve them.

use lexicon::{Domain, RowId, Timestamp};
use policy::{Backend, InnerServer, settings::Passphrase};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, DomainHolder, Store, StoreError, access, component, contact,
    head::{Change, Topic, signed, unsigned},
    inner_server, partner, serving, trunk,
};

/// What is to serve an internal domain, with what its backends need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service<'a> {
    /// The backends, first choice first.
    pub backends: &'a [Backend],
    /// What the component proves to know; none: what is known already.
    pub secret: Option<&'a Passphrase>,
    /// The XMPP server; none: the one that is known already.
    pub server: Option<&'a InnerServer>,
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
    /// As for [`Store::add_domain_with`].
    pub async fn add_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
    ) -> Result<InternalDomain, StoreError> {
        self.add_domain_with(actor, name, &Service { backends, ..Service::default() }).await
    }

    /// Adds an internal domain that a component with this secret serves.
    ///
    /// # Errors
    /// As for [`Store::add_domain_with`].
    pub async fn add_component_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        secret: &Passphrase,
    ) -> Result<InternalDomain, StoreError> {
        let service = Service { backends: &[Backend::Component], secret: Some(secret), server: None };
        self.add_domain_with(actor, name, &service).await
    }

    /// Adds an internal domain with all that serves it.
    ///
    /// # Errors
    /// [`StoreError::Exists`], and [`StoreError::DomainTaken`] if a partner has it; [`StoreError::NoTrunk`] and
    /// [`StoreError::NoInnerServer`] if a backend is not there.
    pub async fn add_domain_with(
        &self,
        actor: &Actor,
        name: &Domain,
        service: &Service<'_>,
    ) -> Result<InternalDomain, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if exists(change.connection(), name).await? {
            return Err(StoreError::Exists { what: format!("the internal domain {name}") });
        }
        if let Some(primary) = partner::holder(change.connection(), name).await? {
            return Err(StoreError::DomainTaken { domain: name.clone(), holder: DomainHolder::Partner(primary) });
        }
        check_backends(change.connection(), name, service.backends, service.server.is_some()).await?;
        let (now, revision) = (change.now(), change.revision());
        let domain = InternalDomain {
            id: change.row_id(),
            name: name.clone(),
            backends: service.backends.to_vec(),
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
        .bind(backends_json(service.backends).to_string())
        .bind(revision)
        .bind(now.as_millis())
        .bind(now.as_millis())
        .execute(change.connection())
        .await?;
        if let Some(secret) = service.secret {
            component::save(change.connection(), domain.id, secret).await?;
        }
        if let Some(server) = service.server {
            inner_server::save(change.connection(), domain.id, server).await?;
        }
        change.touch(Topic::Edge);
        let form = audit_form(&domain, service.server);
        change.audit(actor, "domain.added", name.as_ascii(), None, Some(form)).await?;
        change.commit().await?;
        Ok(domain)
    }

    /// Replaces the backends of an internal domain, and with `secret` what its component must know.
    ///
    /// # Errors
    /// As for [`Store::set_domain_with`].
    pub async fn set_domain(
        &self,
        actor: &Actor,
        name: &Domain,
        backends: &[Backend],
        secret: Option<&Passphrase>,
    ) -> Result<InternalDomain, StoreError> {
        self.set_domain_with(actor, name, &Service { backends, secret, server: None }, None).await
    }

    /// Replaces what serves an internal domain. What a backend needed is forgotten with it: the component's secret, the
    /// XMPP server, and the assignments of addresses. Contacts stay: the addresses are the same. `expected` is the revision
    /// that the caller has read, if it matters.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`]; [`StoreError::DomainInUse`] while a domain has users whose
    /// registrar would go; [`StoreError::NoSecret`], [`StoreError::NoTrunk`] and [`StoreError::NoInnerServer`] if a backend
    /// would lack what it needs.
    pub async fn set_domain_with(
        &self,
        actor: &Actor,
        name: &Domain,
        service: &Service<'_>,
        expected: Option<u64>,
    ) -> Result<InternalDomain, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), name).await?;
        if expected.is_some_and(|expected| expected != before.revision) {
            let what = format!("the internal domain {name}");
            return Err(StoreError::Conflict { what, revision: before.revision });
        }
        let backends = service.backends;
        let server_before = inner_server::find(change.connection(), before.id, name).await?;
        let server = service.server.or(server_before.as_ref());
        check_backends(change.connection(), name, backends, server.is_some()).await?;
        if !has_registrar_among(backends) && has_registrar_among(&before.backends) {
            check_unused(change.connection(), name).await?;
        }
        let gone = |backend: &Backend| before.backends.contains(backend) && !backends.contains(backend);
        let server = server.filter(|_| !gone(&Backend::Xmpp));
        let has_new_secret = keep_secret(change.connection(), &before, service).await?;
        if before.backends == backends && !has_new_secret && server == server_before.as_ref() {
            return Ok(before);
        }
        match server {
            Some(server) => inner_server::save(change.connection(), before.id, server).await?,
            None => inner_server::forget(change.connection(), before.id).await?,
        }
        serving::forget_others(change.connection(), name, backends).await?;
        let form = audit_form(&before, server_before.as_ref());
        let action = match (before.backends == backends, server == server_before.as_ref()) {
            (true, true) => "domain.secret_changed",
            (true, false) => "domain.xmpp_server_changed",
            (false, _) => "domain.updated",
        };
        let (now, revision) = (change.now(), change.revision());
        let after =
            InternalDomain { backends: backends.to_vec(), revision: unsigned(revision), updated_at: now, ..before };
        update(change.connection(), &after).await?;
        change.touch(Topic::Edge);
        let forms = (Some(form), Some(audit_form(&after, server)));
        change.audit(actor, action, name.as_ascii(), forms.0, forms.1).await?;
        change.commit().await?;
        Ok(after)
    }

    /// Removes an internal domain; what its addresses had opened ends with it, and assignments are forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and [`StoreError::DomainInUse`] while it has users.
    pub async fn remove_domain(&self, actor: &Actor, name: &Domain) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let domain = existing(change.connection(), name).await?;
        check_unused(change.connection(), name).await?;
        contact::end_all_of_domain(&mut change, name).await?;
        serving::forget_others(change.connection(), name, &[]).await?;
        access::forget_domain(change.connection(), name).await?;
        let server = inner_server::find(change.connection(), domain.id, name).await?;
        sqlx::query("DELETE FROM internal_domain WHERE name = $1")
            .bind(name.as_ascii())
            .execute(change.connection())
            .await?;
        change.touch(Topic::Edge);
        change
            .audit(actor, "domain.removed", name.as_ascii(), Some(audit_form(&domain, server.as_ref())), None)
            .await?;
        change.commit().await?;
        Ok(())
    }
}

pub(crate) async fn existing(connection: &mut SqliteConnection, name: &Domain) -> Result<InternalDomain, StoreError> {
    let domain = load_all(connection).await?.into_iter().find(|domain| domain.name == *name);
    domain.ok_or_else(|| StoreError::NotFound { what: format!("internal domain {name}") })
}

/// What a component must know: set anew, kept, or forgotten with the component. Whether it was set anew.
async fn keep_secret(
    connection: &mut SqliteConnection,
    before: &InternalDomain,
    service: &Service<'_>,
) -> Result<bool, StoreError> {
    if !service.backends.contains(&Backend::Component) {
        component::forget(connection, before.id).await?;
        return Ok(false);
    }
    match service.secret {
        Some(secret) => component::save(connection, before.id, secret).await.map(|()| true),
        None if component::has_secret(connection, before.id).await? => Ok(false),
        None => Err(StoreError::NoSecret { domain: before.name.clone() }),
    }
}

async fn update(connection: &mut SqliteConnection, domain: &InternalDomain) -> Result<(), StoreError> {
    sqlx::query("UPDATE internal_domain SET backends = $1, revision = $2, updated_at = $3 WHERE name = $4")
        .bind(backends_json(&domain.backends).to_string())
        .bind(signed(domain.revision))
        .bind(domain.updated_at.as_millis())
        .bind(domain.name.as_ascii())
        .execute(connection)
        .await?;
    Ok(())
}

/// Every trunk is there, and an XMPP server where one is to serve.
async fn check_backends(
    connection: &mut SqliteConnection,
    name: &Domain,
    backends: &[Backend],
    has_server: bool,
) -> Result<(), StoreError> {
    for trunk in backends.iter().filter_map(Backend::trunk) {
        if trunk::find(connection, trunk).await?.is_none() {
            return Err(StoreError::NoTrunk { domain: name.clone(), trunk: trunk.clone() });
        }
    }
    if backends.contains(&Backend::Xmpp) && !has_server {
        return Err(StoreError::NoInnerServer { domain: name.clone() });
    }
    Ok(())
}

/// Users may have accounts; a domain without any backend is served by the registrar.
fn has_registrar_among(backends: &[Backend]) -> bool {
    backends.is_empty() || backends.contains(&Backend::Registrar)
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
    Ok(domain.map(|domain| has_registrar_among(&domain.backends)))
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

fn audit_form(domain: &InternalDomain, server: Option<&InnerServer>) -> Value {
    let mut form = json!({ "name": domain.name, "backends": backends_json(&domain.backends) });
    if let Some(server) = server {
        form["xmpp_server"] = inner_server::audit_form(server);
    }
    form
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
