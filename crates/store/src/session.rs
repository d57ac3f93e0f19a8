//! Who is signed in to the control panel, kept so that a restart of the server signs nobody out.
//!
//! A secret is 256 random bits, so that its SHA-256 is as good as a slow hash. How long a session lives is its reader's
//! business. Nothing here touches what followers read, and sign-ins are audited by who permits them.

use data_encoding::HEXLOWER;
use lexicon::Timestamp;
use policy::role::Role;
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    Administrator, Store, StoreError,
    head::{Change, signed},
};

/// A session whose administrator is enabled, and as they were when it began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PanelSession {
    /// The administrator.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The address that they signed in from.
    pub origin: String,
    /// When they did.
    pub began_at: Timestamp,
    /// When they were last noted to be there.
    pub seen_at: Timestamp,
    /// The hash of the secret.
    pub secret_sha256: String,
}

/// The sessions that still live: began and were seen after these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Living {
    /// The earliest beginning.
    pub began_after: Timestamp,
    /// The earliest sign of life.
    pub seen_after: Timestamp,
}

/// Reads what follows of living sessions; `$1` and `$2` are the fields of [`Living`].
macro_rules! living {
    ($rest:literal) => {
        concat!(
            "SELECT s.secret_sha256, s.origin, s.began_at, s.seen_at, a.name, a.role FROM panel_session s \
             JOIN administrator a ON a.id = s.administrator_id AND a.generation = s.generation AND a.enabled \
             WHERE s.began_at > $1 AND s.seen_at > $2 AND ",
            $rest
        )
    };
}

impl Store {
    /// Begins a session of `administrator`, as they are known, and drops those that do not live. Beyond `sessions_max` the
    /// one idle for longest goes.
    pub async fn begin_session(
        &self,
        administrator: &Administrator,
        secret: &str,
        origin: &str,
        living: Living,
        sessions_max: u32,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        sqlx::query("DELETE FROM panel_session WHERE began_at <= $1 OR seen_at <= $2")
            .bind(living.began_after.as_millis())
            .bind(living.seen_after.as_millis())
            .execute(change.connection())
            .await?;
        let now = change.now().as_millis();
        sqlx::query(
            "INSERT INTO panel_session (secret_sha256, administrator_id, generation, origin, began_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(hash(secret))
        .bind(administrator.id.to_string())
        .bind(signed(administrator.generation))
        .bind(origin)
        .bind(now)
        .bind(now)
        .execute(change.connection())
        .await?;
        sqlx::query(
            "DELETE FROM panel_session WHERE secret_sha256 IN \
             (SELECT secret_sha256 FROM panel_session ORDER BY seen_at DESC, rowid DESC LIMIT -1 OFFSET $1)",
        )
        .bind(i64::from(sessions_max))
        .execute(change.connection())
        .await?;
        change.commit().await?;
        Ok(())
    }

    /// The living session of this secret.
    pub async fn session(&self, secret: &str, living: Living) -> Result<Option<PanelSession>, StoreError> {
        let find = sqlx::query(living!("s.secret_sha256 = $3"))
            .bind(living.began_after.as_millis())
            .bind(living.seen_after.as_millis())
            .bind(hash(secret));
        find.fetch_optional(&self.core.readers).await?.as_ref().map(PanelSession::try_from).transpose()
    }

    /// Living sessions of an administrator, the one seen last first.
    pub async fn sessions_of(&self, name: &str, living: Living) -> Result<Vec<PanelSession>, StoreError> {
        let find = sqlx::query(living!("a.name = $3 ORDER BY s.seen_at DESC, s.rowid DESC"))
            .bind(living.began_after.as_millis())
            .bind(living.seen_after.as_millis())
            .bind(name);
        let rows = find.fetch_all(&self.core.readers).await?;
        rows.iter().map(PanelSession::try_from).collect()
    }

    /// Notes that the session of this secret was used now.
    pub async fn see_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let now = change.now().as_millis();
        sqlx::query("UPDATE panel_session SET seen_at = $1 WHERE secret_sha256 = $2")
            .bind(now)
            .bind(hash(secret))
            .execute(change.connection())
            .await?;
        change.commit().await?;
        Ok(())
    }

    /// Ends the session of this secret, if there is one.
    pub async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        sqlx::query("DELETE FROM panel_session WHERE secret_sha256 = $1")
            .bind(hash(secret))
            .execute(change.connection())
            .await?;
        change.commit().await?;
        Ok(())
    }

    /// Ends all sessions of an administrator but that of this secret.
    pub async fn end_other_sessions(&self, name: &str, secret: &str) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        sqlx::query(
            "DELETE FROM panel_session WHERE secret_sha256 <> $1 \
             AND administrator_id IN (SELECT id FROM administrator WHERE name = $2)",
        )
        .bind(hash(secret))
        .bind(name)
        .execute(change.connection())
        .await?;
        change.commit().await?;
        Ok(())
    }
}

impl PanelSession {
    /// Whether it is that of this secret.
    pub fn is_of(&self, secret: &str) -> bool {
        self.secret_sha256 == hash(secret)
    }
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret))
}

impl TryFrom<&SqliteRow> for PanelSession {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("name")?;
        let role = row.try_get::<&str, _>("role")?.parse();
        Ok(Self {
            role: role.map_err(|error| StoreError::damaged(format!("administrator {name}"), format!("{error}")))?,
            origin: row.try_get("origin")?,
            began_at: Timestamp::from_millis(row.try_get("began_at")?),
            seen_at: Timestamp::from_millis(row.try_get("seen_at")?),
            secret_sha256: row.try_get("secret_sha256")?,
            name,
        })
    }
}
