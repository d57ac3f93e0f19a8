//! The audit log: who changed what, when and from where, each row chained to the one before it by its hash.
//!
//! The hash of a row is SHA-256 over the hash of the row before it, a line feed, and the row as a JSON array of its fields
//! in the order of [`Entry`]. The `head` row holds the last hash, so removing rows at the end is found too.

use lexicon::{RowId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Store, StoreError,
    head::{Change, signed, unsigned},
};

/// Rows returned at most at a time.
pub const AUDIT_PAGE_MAX: u32 = 1000;

/// One administrative change.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Position in the log, from 1 without gaps.
    pub number: u64,
    /// Id of the row.
    pub id: RowId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// From where.
    pub origin: String,
    /// What was done: `partner.updated`.
    pub action: String,
    /// To what: a domain, an address, a setting.
    pub subject: String,
    /// The state before; none if it was made.
    pub before: Option<Value>,
    /// The state after; none if it was removed.
    pub after: Option<Value>,
    /// Hash of the chain up to this row.
    pub hash: String,
}

/// Which audit rows to list, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditFilter {
    /// Only rows about this subject.
    pub subject: Option<String>,
    /// Only rows of this actor.
    pub who: Option<String>,
    /// Only rows of this action, or of all actions on its kind of thing: `partner` stands for `partner.added` and the rest.
    pub action: Option<String>,
    /// Only rows from this moment on.
    pub since: Option<Timestamp>,
    /// Only rows before this moment.
    pub until: Option<Timestamp>,
    /// Only rows older than the one with this number: the next page.
    pub after: Option<u64>,
    /// How many; at most [`AUDIT_PAGE_MAX`].
    pub limit: u32,
}

/// The fields that the chain covers, in its order.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) who: &'a str,
    pub(crate) origin: &'a str,
    pub(crate) action: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Entry<'_> {
    fn hash(&self, previous: &str) -> String {
        let fields = (
            self.number,
            &self.id,
            self.at,
            self.who,
            self.origin,
            self.action,
            self.subject,
            &self.before,
            &self.after,
        );
        let canonical = serde_json::to_string(&fields).expect("numbers and text always have a JSON form");
        let digest = Sha256::new().chain_update(previous).chain_update("\n").chain_update(canonical).finalize();
        data_encoding::HEXLOWER.encode(&digest)
    }
}

/// Writes a row and returns its hash.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    entry: &Entry<'_>,
    previous: &str,
) -> Result<String, StoreError> {
    let hash = entry.hash(previous);
    sqlx::query(
        "INSERT INTO audit (number, id, at, who, origin, action, subject, before, after, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.number)
    .bind(&entry.id)
    .bind(entry.at)
    .bind(entry.who)
    .bind(entry.origin)
    .bind(entry.action)
    .bind(entry.subject)
    .bind(&entry.before)
    .bind(&entry.after)
    .bind(&hash)
    .execute(connection)
    .await?;
    Ok(hash)
}

impl Store {
    /// A page of the audit log, newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT number, id, at, who, origin, action, subject, before, after, hash FROM audit \
             WHERE number < $1 AND ($2 = '' OR subject = $2) AND ($3 = '' OR who = $3) \
             AND ($4 = '' OR action = $4 OR substr(action, 1, length($4) + 1) = $4 || '.') \
             AND at >= $5 AND at < $6 ORDER BY number DESC LIMIT $7",
        )
        .bind(filter.after.map_or(i64::MAX, signed))
        .bind(filter.subject.as_deref().unwrap_or(""))
        .bind(filter.who.as_deref().unwrap_or(""))
        .bind(filter.action.as_deref().unwrap_or(""))
        .bind(filter.since.map_or(i64::MIN, Timestamp::as_millis))
        .bind(filter.until.map_or(i64::MAX, Timestamp::as_millis))
        .bind(i64::from(filter.limit.min(AUDIT_PAGE_MAX)))
        .fetch_all(&self.core.readers)
        .await?;
        rows.iter().map(AuditRow::try_from).collect()
    }

    /// Writes that an administrator did something that changes nothing here: closed a stream, ran a probe.
    pub async fn record(&self, actor: &Actor, action: &str, subject: &str, what: Value) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        change.audit(actor, action, subject, None, Some(what)).await?;
        change.commit().await?;
        Ok(())
    }

    /// Checks the whole chain; `Ok` with the number of rows, or [`StoreError::Damaged`] naming the first bad row.
    pub async fn verify_audit(&self) -> Result<u64, StoreError> {
        verify(&mut *self.core.readers.begin().await?).await
    }
}

/// Checks the whole chain inside one transaction.
pub(crate) async fn verify(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let head =
        sqlx::query("SELECT audit_number, audit_hash FROM head WHERE single = 1").fetch_one(&mut *connection).await?;
    let (last, last_hash): (i64, String) = (head.try_get(0)?, head.try_get(1)?);
    let (mut number, mut hash) = (0, String::new());
    loop {
        let rows = sqlx::query(
            "SELECT number, id, at, who, origin, action, subject, before, after, hash FROM audit \
             WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(number)
        .bind(i64::from(AUDIT_PAGE_MAX))
        .fetch_all(&mut *connection)
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            hash = check(row, number + 1, &hash)?;
            number += 1;
        }
    }
    if (number, &hash) == (last, &last_hash) {
        return Ok(unsigned(number));
    }
    Err(StoreError::damaged("an audit log", format!("it ends at row {number}, but {last} rows were written")))
}

/// Checks one row of the chain and returns its hash.
fn check(row: &SqliteRow, number: i64, previous: &str) -> Result<String, StoreError> {
    let (who, origin): (String, String) = (row.try_get(3)?, row.try_get(4)?);
    let (action, subject): (String, String) = (row.try_get(5)?, row.try_get(6)?);
    let entry = Entry {
        number: row.try_get(0)?,
        id: row.try_get(1)?,
        at: row.try_get(2)?,
        who: &who,
        origin: &origin,
        action: &action,
        subject: &subject,
        before: row.try_get(7)?,
        after: row.try_get(8)?,
    };
    let hash: String = row.try_get(9)?;
    if entry.number == number && entry.hash(previous) == hash {
        return Ok(hash);
    }
    Err(StoreError::damaged(format!("audit row {number}"), "it was changed or removed after it was written"))
}

impl TryFrom<&SqliteRow> for AuditRow {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let number = unsigned(row.try_get(0)?);
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("audit row {number}"), reason.to_string());
        let json = |text: Option<String>| {
            text.map(|text| serde_json::from_str(&text).map_err(|error| bad(&error))).transpose()
        };
        Ok(Self {
            number,
            id: row.try_get::<String, _>(1)?.parse().map_err(|error| bad(&error))?,
            at: Timestamp::from_millis(row.try_get(2)?),
            who: row.try_get(3)?,
            origin: row.try_get(4)?,
            action: row.try_get(5)?,
            subject: row.try_get(6)?,
            before: json(row.try_get(7)?)?,
            after: json(row.try_get(8)?)?,
            hash: row.try_get(9)?,
        })
    }
}
