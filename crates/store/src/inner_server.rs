//! The XMPP servers of our own side, one for each internal domain that is served by one.

use lexicon::{Domain, RowId};
use policy::{InnerServer, Negotiation};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Backend, Store, StoreError, domain,
    head::{Change, Topic},
    trunk::{parse_texts, texts},
};

impl Store {
    /// The server behind an internal domain, if it has one.
    pub async fn inner_server(&self, name: &Domain) -> Result<Option<InnerServer>, StoreError> {
        let mut tx = self.core.readers.begin().await?;
        let domain = domain::existing(&mut tx, name).await?;
        find(&mut tx, domain.id, name).await
    }

    /// Says which server is behind an internal domain; none: it is forgotten. Whether it serves anybody is said by the
    /// domain's backends.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::NoInnerServer`] if one is needed by the domain's backends.
    pub async fn set_inner_server(
        &self,
        actor: &Actor,
        name: &Domain,
        server: Option<&InnerServer>,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let domain = domain::existing(change.connection(), name).await?;
        let before = find(change.connection(), domain.id, name).await?;
        if before.as_ref() == server {
            return Ok(());
        }
        match server {
            Some(server) => save(change.connection(), domain.id, server).await?,
            None if domain.backends.contains(&Backend::Xmpp) => {
                return Err(StoreError::NoInnerServer { domain: domain.name });
            }
            None => forget(change.connection(), domain.id).await?,
        }
        change.touch(Topic::Edge);
        let (before, after) = (before.as_ref().map(audit_form), server.map(audit_form));
        change.audit(actor, "domain.xmpp_server_changed", name.as_ascii(), before, after).await?;
        change.commit().await?;
        Ok(())
    }
}

/// All of them with the domains that they are behind, by name.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<(Domain, InnerServer)>, StoreError> {
    let mut servers = Vec::new();
    for domain in domain::load_all(connection).await? {
        if let Some(server) = find(connection, domain.id, &domain.name).await? {
            servers.push((domain.name, server));
        }
    }
    Ok(servers)
}

/// The one behind a domain.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    domain: RowId,
    name: &Domain,
) -> Result<Option<InnerServer>, StoreError> {
    let row = sqlx::query("SELECT * FROM inner_server WHERE domain_id = $1")
        .bind(domain.to_string())
        .fetch_optional(connection)
        .await?;
    let damaged = |reason: String| StoreError::damaged(format!("the XMPP server of {name}"), reason);
    row.map(|row| read(&row, damaged)).transpose()
}

fn read(row: &SqliteRow, damaged: impl Fn(String) -> StoreError) -> Result<InnerServer, StoreError> {
    let text = |column: &str| row.try_get::<&str, _>(column);
    let bad = |error: &dyn ToString| damaged(error.to_string());
    Ok(InnerServer {
        targets: parse_texts(text("targets")?).map_err(|error| bad(&error))?,
        sources: parse_texts(text("sources")?).map_err(|error| bad(&error))?,
        negotiation: Negotiation {
            tls: text("tls")?.parse().map_err(|error| bad(&error))?,
            sasl: text("sasl")?.parse().map_err(|error| bad(&error))?,
            dialback: row.try_get("dialback")?,
        },
        trust_roots: text("trust_roots")?.parse().map_err(|error| bad(&error))?,
        pins: parse_texts(text("pins")?).map_err(|error| bad(&error))?,
    })
}

/// Makes `server` the one behind a domain.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    domain: RowId,
    server: &InnerServer,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO inner_server (domain_id, targets, sources, tls, sasl, dialback, trust_roots, pins) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (domain_id) DO UPDATE SET targets = excluded.targets, \
         sources = excluded.sources, tls = excluded.tls, sasl = excluded.sasl, dialback = excluded.dialback, \
         trust_roots = excluded.trust_roots, pins = excluded.pins",
    )
    .bind(domain.to_string())
    .bind(texts(&server.targets).to_string())
    .bind(texts(&server.sources).to_string())
    .bind(server.negotiation.tls.as_str())
    .bind(server.negotiation.sasl.as_str())
    .bind(server.negotiation.dialback)
    .bind(server.trust_roots.as_str())
    .bind(texts(&server.pins).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// No server is behind the domain any more.
pub(crate) async fn forget(connection: &mut SqliteConnection, domain: RowId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM inner_server WHERE domain_id = $1").bind(domain.to_string()).execute(connection).await?;
    Ok(())
}

pub(crate) fn audit_form(server: &InnerServer) -> Value {
    json!({
        "targets": texts(&server.targets),
        "sources": texts(&server.sources),
        "tls": server.negotiation.tls.as_str(),
        "sasl": server.negotiation.sasl.as_str(),
        "dialback": server.negotiation.dialback,
        "trust_roots": server.trust_roots.as_str(),
        "pins": texts(&server.pins),
    })
}
