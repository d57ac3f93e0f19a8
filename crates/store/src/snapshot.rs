//! The edge's view: one revision of partners, internal domains and settings, read in one transaction and kept until the next.

use std::sync::Arc;

use policy::EdgeSnapshot;
use sqlx::SqliteConnection;

use crate::{Store, StoreError, StoredPartner, domain, head, partner, setting};

/// One revision of what the edge needs, with the partners as they are stored.
#[derive(Debug)]
pub struct Edge {
    /// What the edge needs. Its revision is that of the last change of partners, internal domains or settings
    /// ([`crate::Revisions::edge`]), so two snapshots of one revision are equal.
    pub snapshot: EdgeSnapshot,
    /// All partners, by primary domain.
    pub partners: Vec<StoredPartner>,
}

impl Store {
    /// The newest revision, from memory if nothing has changed since it was read.
    pub async fn edge(&self) -> Result<Arc<Edge>, StoreError> {
        let wanted = self.core.revisions.borrow().edge;
        let mut kept = self.core.edge.lock().await;
        if let Some(edge) = kept.as_ref().filter(|edge| edge.snapshot.revision() >= wanted) {
            return Ok(Arc::clone(edge));
        }
        let edge = Arc::new(load_edge(&mut *self.core.readers.begin().await?, kept.as_deref()).await?);
        *kept = Some(Arc::clone(&edge));
        Ok(edge)
    }

    /// What the edge needs, at its newest revision.
    pub async fn snapshot(&self) -> Result<EdgeSnapshot, StoreError> {
        Ok(self.edge().await?.snapshot.clone())
    }
}

/// The same inside one transaction.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<EdgeSnapshot, StoreError> {
    Ok(load_edge(connection, None).await?.snapshot)
}

/// With what was `kept` of an earlier revision.
async fn load_edge(connection: &mut SqliteConnection, kept: Option<&Edge>) -> Result<Edge, StoreError> {
    let revision = head::load(connection).await?.edge;
    let partners = match kept {
        Some(kept) => partner::load_since(connection, &kept.partners, kept.snapshot.revision()).await?,
        None => partner::load_all(connection).await?,
    };
    let domains = domain::load_all(connection).await?;
    let settings = setting::load(connection).await?;
    let snapshot = EdgeSnapshot::new(
        revision,
        partners.iter().map(|stored| stored.partner.clone()),
        domains.into_iter().map(|domain| domain.name),
        settings,
    );
    Ok(Edge { snapshot, partners })
}
