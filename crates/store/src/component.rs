//! What components must know: the secrets of domains that a program serves (XEP-0114 §3).
//!
//! The handshake is a digest of the secret and of an id that we choose, so the secret itself is kept, as the dialback
//! secret is: no list, audit row, log or `Debug` form has it, and it is read for the gateway alone.

use lexicon::{Domain, RowId};
use policy::settings::Passphrase;
use sqlx::{Row as _, SqliteConnection};

use crate::{Backend, Store, StoreError, domain};

/// A domain that a component serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Component {
    /// The internal domain.
    pub domain: Domain,
    /// What the component proves to know; without it none can connect.
    pub secret: Option<Passphrase>,
}

impl Store {
    /// The domains that components serve, with their secrets: for the gateway, not for people.
    pub async fn components(&self) -> Result<Vec<Component>, StoreError> {
        load_all(&mut *self.core.readers.begin().await?).await
    }
}

/// The domains that components serve, by name.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<Component>, StoreError> {
    let domains = domain::load_all(connection).await?;
    let mut components = Vec::new();
    for served in domains.into_iter().filter(|domain| domain.backends.contains(&Backend::Component)) {
        let secret = secret(connection, &served).await?;
        components.push(Component { domain: served.name, secret });
    }
    Ok(components)
}

async fn secret(
    connection: &mut SqliteConnection,
    served: &domain::InternalDomain,
) -> Result<Option<Passphrase>, StoreError> {
    let row = sqlx::query("SELECT secret FROM component_secret WHERE domain_id = $1")
        .bind(served.id.to_string())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let parsed = row.try_get::<&str, _>(0)?.parse();
    parsed.map(Some).map_err(|error| StoreError::damaged(format!("the component's secret of {}", served.name), error))
}

pub(crate) async fn has_secret(connection: &mut SqliteConnection, domain: RowId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM component_secret WHERE domain_id = $1")
        .bind(domain.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

pub(crate) async fn save(
    connection: &mut SqliteConnection,
    domain: RowId,
    secret: &Passphrase,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO component_secret (domain_id, secret) VALUES ($1, $2) \
         ON CONFLICT (domain_id) DO UPDATE SET secret = excluded.secret",
    )
    .bind(domain.to_string())
    .bind(secret.reveal())
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn forget(connection: &mut SqliteConnection, domain: RowId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM component_secret WHERE domain_id = $1")
        .bind(domain.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
