//! API tokens: who shows one has its role until it expires.
//!
//! A token is 256 random bits, so that its SHA-256 is as good as a slow hash: there is nothing to guess.

use data_encoding::HEXLOWER;
use lexicon::{RowId, Timestamp};
use policy::role::Role;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{Actor, Store, StoreError, head::Change};

/// A token without its secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiToken {
    /// Id of the row.
    pub id: RowId,
    /// What people call it; no two have the same.
    pub name: String,
    /// What who shows it may do.
    pub role: Role,
    /// Who has made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
}

impl Store {
    /// All tokens, expired ones among them, by name.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_token ORDER BY name").fetch_all(&self.core.readers).await?;
        rows.iter().map(ApiToken::try_from).collect()
    }

    /// The token with this secret, whether it has expired or not.
    pub async fn token_of(&self, secret: &str) -> Result<Option<ApiToken>, StoreError> {
        let find = sqlx::query("SELECT * FROM api_token WHERE secret_sha256 = $1").bind(hash(secret));
        find.fetch_optional(&self.core.readers).await?.as_ref().map(ApiToken::try_from).transpose()
    }

    /// Adds a token; only a hash of `secret` is kept.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn add_token(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        secret: &str,
        expires_at: Timestamp,
    ) -> Result<ApiToken, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if find(change.connection(), name).await?.is_some() {
            return Err(StoreError::Exists { what: format!("the token {name}") });
        }
        let token = ApiToken {
            id: change.row_id(),
            name: name.to_owned(),
            role,
            created_by: actor.who.clone(),
            created_at: change.now(),
            expires_at,
        };
        sqlx::query(
            "INSERT INTO api_token (id, name, role, secret_sha256, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(token.id.to_string())
        .bind(name)
        .bind(role.as_str())
        .bind(hash(secret))
        .bind(&token.created_by)
        .bind(token.created_at.as_millis())
        .bind(expires_at.as_millis())
        .execute(change.connection())
        .await?;
        change.audit(actor, "token.added", name, None, Some(audit_form(&token))).await?;
        change.commit().await?;
        Ok(token)
    }

    /// Removes a token: it is worth nothing from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_token(&self, actor: &Actor, name: &str) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let Some(token) = find(change.connection(), name).await? else {
            return Err(StoreError::NotFound { what: format!("token {name}") });
        };
        sqlx::query("DELETE FROM api_token WHERE name = $1").bind(name).execute(change.connection()).await?;
        change.audit(actor, "token.removed", name, Some(audit_form(&token)), None).await?;
        change.commit().await?;
        Ok(())
    }
}

fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret))
}

async fn find(connection: &mut SqliteConnection, name: &str) -> Result<Option<ApiToken>, StoreError> {
    let find = sqlx::query("SELECT * FROM api_token WHERE name = $1").bind(name);
    find.fetch_optional(connection).await?.as_ref().map(ApiToken::try_from).transpose()
}

fn audit_form(token: &ApiToken) -> Value {
    json!({ "role": token.role.as_str(), "expires_at": token.expires_at.to_string() })
}

impl TryFrom<&SqliteRow> for ApiToken {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("name")?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("token {name}"), reason.to_string());
        Ok(Self {
            id: row.try_get::<&str, _>("id")?.parse().map_err(|error| bad(&error))?,
            role: row.try_get::<&str, _>("role")?.parse().map_err(|error| bad(&error))?,
            created_by: row.try_get("created_by")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
            name,
        })
    }
}
