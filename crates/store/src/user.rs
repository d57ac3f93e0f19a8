//! Users of the built-in registrar and their digest credentials.
//!
//! A password is never stored: per algorithm (RFC 8760) only HA1 = H(user:realm:password) is, which is as good as the
//! password in that realm and therefore shown to nobody: no audit row, no log and no `Debug` form has it.

use std::{collections::BTreeMap, fmt};

use lexicon::{BareJid, RowId, Timestamp};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Store, StoreError, access, contact, domain,
    head::{Change, Topic, unsigned},
};

/// HA1 of a password for one algorithm and realm (RFC 7616 §3.4.2).
#[derive(Clone, Eq, PartialEq)]
pub struct Credential {
    /// As named on the wire: `MD5`, `SHA-256`.
    pub algorithm: String,
    /// The realm.
    pub realm: String,
    /// HA1 in lower-case hexadecimal digits.
    pub ha1: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} in {:?})", self.algorithm, self.realm)
    }
}

/// An internal user with an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Id of the row.
    pub id: RowId,
    /// The address; its domain is an internal domain.
    pub address: BareJid,
    /// The name for people; may be empty.
    pub display_name: String,
    /// Whether the user may register, send and receive.
    pub enabled: bool,
    /// One per algorithm; none: the user cannot register.
    pub credentials: Vec<Credential>,
    /// Revision of the last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// All users with their credentials, by address: the book of the gateway.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        load(&mut *self.core.readers.acquire().await?, "").await
    }

    /// One user.
    pub async fn user(&self, address: &BareJid) -> Result<Option<User>, StoreError> {
        find(&mut *self.core.readers.acquire().await?, address).await
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NotInternal`], [`StoreError::NotRegistrar`], [`StoreError::NotAUser`].
    pub async fn add_user(
        &self,
        actor: &Actor,
        address: &BareJid,
        display_name: &str,
        credentials: &[Credential],
    ) -> Result<User, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        check_address(change.connection(), address).await?;
        if find(change.connection(), address).await?.is_some() {
            return Err(StoreError::Exists { what: format!("the user {address}") });
        }
        let (now, revision) = (change.now(), change.revision());
        let user = User {
            id: change.row_id(),
            address: address.clone(),
            display_name: display_name.to_owned(),
            enabled: true,
            credentials: credentials.to_vec(),
            revision: unsigned(revision),
            created_at: now,
            updated_at: now,
        };
        sqlx::query(
            "INSERT INTO registrar_user (id, address, domain, display_name, enabled, revision, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(user.id.to_string())
        .bind(address.to_string())
        .bind(address.domain().as_ascii())
        .bind(display_name)
        .bind(true)
        .bind(revision)
        .bind(now.as_millis())
        .bind(now.as_millis())
        .execute(change.connection())
        .await?;
        insert_credentials(change.connection(), &user).await?;
        change.touch(Topic::Users);
        change.audit(actor, "user.added", &address.to_string(), None, Some(audit_form(&user))).await?;
        change.commit().await?;
        Ok(user)
    }

    /// Changes display name and enabled; of a user that is still as at the revision `expected`, if one is given.
    pub async fn set_user(
        &self,
        actor: &Actor,
        address: &BareJid,
        display_name: &str,
        enabled: bool,
        expected: Option<u64>,
    ) -> Result<User, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), address).await?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(StoreError::Conflict { what: format!("the user {address}"), revision: before.revision });
        }
        if before.display_name == display_name && before.enabled == enabled {
            return Ok(before);
        }
        let after = User { display_name: display_name.to_owned(), enabled, ..before.clone() };
        update(change, actor, "user.updated", &before, after).await
    }

    /// Replaces the credentials: a new password.
    pub async fn set_credentials(
        &self,
        actor: &Actor,
        address: &BareJid,
        credentials: &[Credential],
    ) -> Result<User, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), address).await?;
        sqlx::query("DELETE FROM credential WHERE user_id = $1")
            .bind(before.id.to_string())
            .execute(change.connection())
            .await?;
        let after = User { credentials: credentials.to_vec(), ..before.clone() };
        insert_credentials(change.connection(), &after).await?;
        update(change, actor, "user.password_changed", &before, after).await
    }

    /// Removes a user; all their contacts and invitations end with them, and so does an access policy of their own, so that
    /// a later user of the same address inherits nothing.
    pub async fn remove_user(&self, actor: &Actor, address: &BareJid) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), address).await?;
        sqlx::query("DELETE FROM registrar_user WHERE id = $1")
            .bind(before.id.to_string())
            .execute(change.connection())
            .await?;
        contact::end_all(&mut change, address).await?;
        if access::forget_assignment(change.connection(), address).await? {
            change.touch(Topic::Edge);
        }
        change.touch(Topic::Users);
        change.audit(actor, "user.removed", &address.to_string(), Some(audit_form(&before)), None).await?;
        change.commit().await?;
        Ok(())
    }
}

async fn check_address(connection: &mut SqliteConnection, address: &BareJid) -> Result<(), StoreError> {
    if address.local().is_none() {
        return Err(StoreError::NotAUser { address: address.to_string() });
    }
    match domain::has_registrar(connection, address.domain()).await? {
        Some(true) => Ok(()),
        Some(false) => Err(StoreError::NotRegistrar { domain: address.domain().clone() }),
        None => Err(StoreError::NotInternal { domain: address.domain().clone() }),
    }
}

async fn update(
    mut change: Change<'_>,
    actor: &Actor,
    action: &str,
    before: &User,
    after: User,
) -> Result<User, StoreError> {
    let user = User { revision: unsigned(change.revision()), updated_at: change.now(), ..after };
    sqlx::query(
        "UPDATE registrar_user SET display_name = $1, enabled = $2, revision = $3, updated_at = $4 WHERE id = $5",
    )
    .bind(&user.display_name)
    .bind(user.enabled)
    .bind(change.revision())
    .bind(user.updated_at.as_millis())
    .bind(user.id.to_string())
    .execute(change.connection())
    .await?;
    change.touch(Topic::Users);
    let subject = user.address.to_string();
    change.audit(actor, action, &subject, Some(audit_form(before)), Some(audit_form(&user))).await?;
    change.commit().await?;
    Ok(user)
}

async fn insert_credentials(connection: &mut SqliteConnection, user: &User) -> Result<(), StoreError> {
    for credential in &user.credentials {
        sqlx::query("INSERT INTO credential (user_id, algorithm, realm, ha1) VALUES ($1, $2, $3, $4)")
            .bind(user.id.to_string())
            .bind(&credential.algorithm)
            .bind(&credential.realm)
            .bind(&credential.ha1)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn existing(connection: &mut SqliteConnection, address: &BareJid) -> Result<User, StoreError> {
    find(connection, address).await?.ok_or_else(|| StoreError::NotFound { what: format!("user {address}") })
}

async fn find(connection: &mut SqliteConnection, address: &BareJid) -> Result<Option<User>, StoreError> {
    Ok(load(connection, &address.to_string()).await?.pop())
}

/// The user with this address; all users if it is empty.
async fn load(connection: &mut SqliteConnection, address: &str) -> Result<Vec<User>, StoreError> {
    let mut credentials: BTreeMap<String, Vec<Credential>> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT c.user_id, c.algorithm, c.realm, c.ha1 FROM credential c JOIN registrar_user u ON u.id = c.user_id \
         WHERE $1 = '' OR u.address = $1 ORDER BY c.user_id, c.algorithm, c.realm",
    )
    .bind(address)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let credential = Credential { algorithm: row.try_get(1)?, realm: row.try_get(2)?, ha1: row.try_get(3)? };
        credentials.entry(row.try_get(0)?).or_default().push(credential);
    }
    let rows = sqlx::query(
        "SELECT id, address, display_name, enabled, revision, created_at, updated_at FROM registrar_user \
         WHERE $1 = '' OR address = $1 ORDER BY address",
    )
    .bind(address)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| read(row, &mut credentials)).collect()
}

fn read(row: &SqliteRow, credentials: &mut BTreeMap<String, Vec<Credential>>) -> Result<User, StoreError> {
    let address: String = row.try_get("address")?;
    let bad = |reason: &dyn ToString| StoreError::damaged(format!("user {address}"), reason.to_string());
    let id: String = row.try_get("id")?;
    Ok(User {
        credentials: credentials.remove(&id).unwrap_or_default(),
        id: id.parse().map_err(|error| bad(&error))?,
        address: BareJid::parse(&address).map_err(|error| bad(&error))?,
        display_name: row.try_get("display_name")?,
        enabled: row.try_get("enabled")?,
        revision: unsigned(row.try_get("revision")?),
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
    })
}

fn audit_form(user: &User) -> Value {
    let algorithms: Vec<&str> = user.credentials.iter().map(|credential| credential.algorithm.as_str()).collect();
    json!({
        "address": user.address,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "credentials": algorithms,
    })
}
