//! The link by which the first administrator is made in a browser: a secret that works once and for a while.

use data_encoding::HEXLOWER;
use lexicon::Timestamp;
use policy::role::Role;
use sha2::{Digest as _, Sha256};

use crate::{Actor, Administrator, Store, StoreError, head::Change};

impl Store {
    /// Lets who knows `secret` make an administrator until `expires_at`; links made before are worth nothing from now on.
    pub async fn offer_setup(&self, actor: &Actor, secret: &str, expires_at: Timestamp) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        sqlx::query("DELETE FROM setup_link").execute(change.connection()).await?;
        sqlx::query("INSERT INTO setup_link (secret_sha256, expires_at) VALUES ($1, $2)")
            .bind(hash(secret))
            .bind(expires_at.as_millis())
            .execute(change.connection())
            .await?;
        change.audit(actor, "setup_link.made", "setup", None, None).await?;
        change.commit().await?;
        Ok(())
    }

    /// Until when the link with this secret works; none if there is none.
    pub async fn setup_until(&self, secret: &str) -> Result<Option<Timestamp>, StoreError> {
        let find = sqlx::query_scalar::<_, i64>("SELECT expires_at FROM setup_link WHERE secret_sha256 = $1");
        let found = find.bind(hash(secret)).fetch_optional(&self.core.readers).await?;
        Ok(found.map(Timestamp::from_millis))
    }

    /// Makes the administrator, and the link is used up: both or neither.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no such link, or it has expired; [`StoreError::Exists`].
    pub async fn set_up(
        &self,
        actor: &Actor,
        secret: &str,
        name: &str,
        password: &str,
    ) -> Result<Administrator, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let used = sqlx::query("DELETE FROM setup_link WHERE secret_sha256 = $1 AND expires_at > $2")
            .bind(hash(secret))
            .bind(change.now().as_millis())
            .execute(change.connection())
            .await?;
        if used.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "setup link that works".to_owned() });
        }
        let added = change.add_administrator(actor, name, Role::Administrator, password).await?;
        change.commit().await?;
        Ok(added)
    }
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret))
}
