//! The edge's view: one revision of partners, internal domains and settings, read in one transaction.

use policy::EdgeSnapshot;
use sqlx::SqliteConnection;

use crate::{Store, StoreError, domain, head, partner, setting};

impl Store {
    /// What the edge needs. Its revision is that of the last change of partners, internal domains or settings
    /// ([`crate::Revisions::edge`]), so two snapshots of one revision are equal.
    pub async fn snapshot(&self) -> Result<EdgeSnapshot, StoreError> {
        load(&mut *self.core.readers.begin().await?).await
    }
}

/// The same inside one transaction.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<EdgeSnapshot, StoreError> {
    let revision = head::load(connection).await?.edge;
    let partners = partner::load_all(connection).await?;
    let domains = domain::load_all(connection).await?;
    let settings = setting::load(connection).await?;
    Ok(EdgeSnapshot::new(
        revision,
        partners.into_iter().map(|stored| stored.partner),
        domains.into_iter().map(|domain| domain.name),
        settings,
    ))
}
