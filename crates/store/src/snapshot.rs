//! The edge's view: one revision of partners, internal domains and settings, read in one transaction.

use policy::EdgeSnapshot;

use crate::{Store, StoreError, domain, head, partner, setting};

impl Store {
    /// What the edge needs. Its revision is that of the last change of partners, internal domains or settings
    /// ([`crate::Revisions::edge`]), so two snapshots of one revision are equal.
    pub async fn snapshot(&self) -> Result<EdgeSnapshot, StoreError> {
        let mut tx = self.core.readers.begin().await?;
        let revision = head::load(&mut tx).await?.edge;
        let partners = partner::load_all(&mut tx).await?;
        let domains = domain::load_all(&mut tx).await?;
        let settings = setting::load(&mut tx).await?;
        Ok(EdgeSnapshot::new(
            revision,
            partners.into_iter().map(|stored| stored.partner),
            domains.into_iter().map(|domain| domain.name),
            settings,
        ))
    }
}
