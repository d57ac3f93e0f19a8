//! Who serves which internal address: domains with their backends, trunks, inner servers, and assignments of addresses;
//! and who of them may use federation.

use lexicon::{BareJid, Domain};
use policy::{AccessPolicies, InnerServer, Trunk};
use sqlx::{Row as _, SqliteConnection};

use crate::{
    Actor, Backend, Component, InternalDomain, Store, StoreError, access, component, domain,
    head::{Change, Topic},
    inner_server, trunk,
};

/// One revision of all that says who serves internal addresses: for the gateway, not for people.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The internal domains, by name.
    pub domains: Vec<InternalDomain>,
    /// Those that a component may serve, with its secret.
    pub components: Vec<Component>,
    /// The trunks, by name.
    pub trunks: Vec<Trunk>,
    /// The XMPP servers behind internal domains.
    pub inner_servers: Vec<(Domain, InnerServer)>,
    /// Addresses that another than the first backend of their domain serves.
    pub assigned: Vec<(BareJid, Backend)>,
    /// Which of these addresses may use XMPP federation.
    pub access: AccessPolicies,
}

impl Serving {
    /// The servers that the leg of inner XMPP servers leads to: those of domains that have that backend.
    pub fn inner_leg(&self) -> impl Iterator<Item = (Domain, InnerServer)> {
        let has_it = |name: &Domain| {
            self.domains.iter().any(|domain| domain.name == *name && domain.backends.contains(&Backend::Xmpp))
        };
        self.inner_servers.iter().filter(move |(name, _)| has_it(name)).cloned()
    }

    /// What serves `address`; none if its domain is not internal.
    pub fn backend_of(&self, address: &BareJid) -> Option<&Backend> {
        let domain = self.domains.iter().find(|domain| domain.name == *address.domain())?;
        let assigned = self.assigned.iter().find(|(assigned, _)| assigned == address).map(|(_, backend)| backend);
        assigned.filter(|backend| domain.backends.contains(backend)).or(domain.backends.first())
    }
}

impl Store {
    /// Who serves internal addresses, read in one transaction.
    pub async fn serving(&self) -> Result<Serving, StoreError> {
        load(&mut *self.core.readers.begin().await?).await
    }

    /// Which backend an address was assigned to; none: the first of its domain serves it.
    pub async fn user_backend(&self, address: &BareJid) -> Result<Option<Backend>, StoreError> {
        find_assigned(&mut *self.core.readers.acquire().await?, address).await
    }

    /// Assigns an internal address to one of its domain's backends; none: to the first again.
    ///
    /// # Errors
    /// [`StoreError::NotInternal`] if the domain is not internal; [`StoreError::NotAUser`] if the address is a domain;
    /// [`StoreError::NoBackend`] if it has no such backend.
    pub async fn assign_backend(
        &self,
        actor: &Actor,
        address: &BareJid,
        backend: Option<&Backend>,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if address.local().is_none() {
            return Err(StoreError::NotAUser { address: address.to_string() });
        }
        let domain = match domain::existing(change.connection(), address.domain()).await {
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotInternal { domain: address.domain().clone() }),
            found => found,
        }?;
        if let Some(backend) = backend.filter(|backend| !domain.backends.contains(backend)) {
            return Err(StoreError::NoBackend { domain: domain.name, backend: backend.clone() });
        }
        let before = find_assigned(change.connection(), address).await?;
        if before.as_ref() == backend {
            return Ok(());
        }
        let text = address.to_string();
        match backend {
            Some(backend) => {
                let insert = "INSERT INTO user_backend (address, domain, backend) VALUES ($1, $2, $3) \
                     ON CONFLICT (address) DO UPDATE SET backend = excluded.backend";
                let insert = sqlx::query(insert).bind(&text).bind(domain.name.as_ascii()).bind(backend.to_string());
                insert.execute(change.connection()).await?;
            }
            None => {
                let delete = sqlx::query("DELETE FROM user_backend WHERE address = $1").bind(&text);
                delete.execute(change.connection()).await?;
            }
        }
        change.touch(Topic::Edge);
        let form =
            |backend: Option<&Backend>| backend.map(|backend| serde_json::json!({ "backend": backend.to_string() }));
        change.audit(actor, "user.backend_changed", &text, form(before.as_ref()), form(backend)).await?;
        change.commit().await?;
        Ok(())
    }
}

/// Everything, inside one transaction.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Serving, StoreError> {
    Ok(Serving {
        domains: domain::load_all(connection).await?,
        components: component::load_all(connection).await?,
        trunks: trunk::load_all(connection).await?.into_iter().map(|stored| stored.trunk).collect(),
        inner_servers: inner_server::load_all(connection).await?,
        assigned: load_assigned(connection).await?,
        access: access::load(connection).await?,
    })
}

/// Forgets the assignments of a domain's addresses to backends that are not among `backends`.
pub(crate) async fn forget_others(
    connection: &mut SqliteConnection,
    domain: &Domain,
    backends: &[Backend],
) -> Result<(), StoreError> {
    let kept: Vec<_> = backends.iter().map(ToString::to_string).collect();
    let rows = sqlx::query("SELECT DISTINCT backend FROM user_backend WHERE domain = $1")
        .bind(domain.as_ascii())
        .fetch_all(&mut *connection)
        .await?;
    for row in rows {
        let backend: String = row.try_get(0)?;
        if !kept.contains(&backend) {
            let delete = sqlx::query("DELETE FROM user_backend WHERE domain = $1 AND backend = $2");
            delete.bind(domain.as_ascii()).bind(&backend).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn find_assigned(connection: &mut SqliteConnection, address: &BareJid) -> Result<Option<Backend>, StoreError> {
    let row = sqlx::query("SELECT backend FROM user_backend WHERE address = $1")
        .bind(address.to_string())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let parsed = row.try_get::<&str, _>(0)?.parse();
    parsed.map(Some).map_err(|error| StoreError::damaged(format!("the backend of {address}"), error))
}

async fn load_assigned(connection: &mut SqliteConnection) -> Result<Vec<(BareJid, Backend)>, StoreError> {
    let rows = sqlx::query("SELECT address, backend FROM user_backend ORDER BY address").fetch_all(connection).await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let address: &str = row.try_get(0)?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("the backend of {address}"), reason.to_string());
        let backend = row.try_get::<&str, _>(1)?.parse().map_err(|error| bad(&error))?;
        Ok((BareJid::parse(address).map_err(|error| bad(&error))?, backend))
    };
    rows.iter().map(read).collect()
}
