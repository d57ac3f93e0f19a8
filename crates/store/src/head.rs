//! The single `head` row: the revision of the store and the end of the audit chain. Every write updates it first.

use lexicon::{RowId, Timestamp};
use serde_json::Value;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use crate::{Actor, StoreError, audit, entropy, sqlite::Core};

/// Revision of the last write that touched each topic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Revisions {
    /// Of any write.
    pub head: u64,
    /// Of partners, internal domains and settings: what an `EdgeSnapshot` holds.
    pub edge: u64,
    /// Of users and their credentials.
    pub users: u64,
    /// Of contacts.
    pub contacts: u64,
}

/// What a write touches, for those who follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topic {
    Edge,
    Users,
    Contacts,
}

/// Reads the revisions.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Revisions, StoreError> {
    let row = sqlx::query("SELECT revision, edge_revision, user_revision, contact_revision FROM head WHERE single = 1")
        .fetch_one(connection)
        .await?;
    Ok(Revisions {
        head: unsigned(row.try_get(0)?),
        edge: unsigned(row.try_get(1)?),
        users: unsigned(row.try_get(2)?),
        contacts: unsigned(row.try_get(3)?),
    })
}

/// A count or revision from a column that is never negative.
pub(crate) fn unsigned(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// A count or revision for a column.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One write transaction. Dropped without [`Change::commit`], nothing happened.
pub(crate) struct Change<'a> {
    core: &'a Core,
    tx: Transaction<'static, Sqlite>,
    revisions: Revisions,
    audit_number: i64,
    audit_hash: String,
    now: Timestamp,
}

impl<'a> Change<'a> {
    /// Waits for the writer and takes the next revision.
    pub(crate) async fn begin(core: &'a Core) -> Result<Self, StoreError> {
        if core.writer.is_closed() {
            return Err(StoreError::Closed);
        }
        let mut tx = core.writer.begin_with("BEGIN IMMEDIATE").await?;
        let head =
            sqlx::query("UPDATE head SET revision = revision + 1 WHERE single = 1 RETURNING audit_number, audit_hash")
                .fetch_one(&mut *tx)
                .await?;
        let revisions = load(&mut tx).await?;
        Ok(Self {
            core,
            tx,
            revisions,
            audit_number: head.try_get(0)?,
            audit_hash: head.try_get(1)?,
            now: entropy::now(),
        })
    }

    /// The connection inside the transaction.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// The revision that this write will have.
    pub(crate) fn revision(&self) -> i64 {
        signed(self.revisions.head)
    }

    /// Revision of the last change of partners, domains or settings before [`Change::touch`].
    pub(crate) fn edge_revision(&self) -> u64 {
        self.revisions.edge
    }

    /// The moment of this write.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// A fresh id for a row of this write.
    pub(crate) fn row_id(&self) -> RowId {
        entropy::row_id(self.now)
    }

    /// Says that this write touches `topic`.
    pub(crate) fn touch(&mut self, topic: Topic) {
        let revision = self.revisions.head;
        match topic {
            Topic::Edge => self.revisions.edge = revision,
            Topic::Users => self.revisions.users = revision,
            Topic::Contacts => self.revisions.contacts = revision,
        }
    }

    /// Adds an audit row. `before` and `after` must not hold secrets.
    pub(crate) async fn audit(
        &mut self,
        actor: &Actor,
        action: &str,
        subject: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StoreError> {
        self.audit_number += 1;
        let entry = audit::Entry {
            number: self.audit_number,
            id: self.row_id().to_string(),
            at: self.now.as_millis(),
            who: &actor.who,
            origin: &actor.origin,
            action,
            subject,
            before: before.map(|value| value.to_string()),
            after: after.map(|value| value.to_string()),
        };
        self.audit_hash = audit::insert(&mut self.tx, &entry, &self.audit_hash).await?;
        Ok(())
    }

    /// Makes the write durable, tells the followers, and returns its revision.
    pub(crate) async fn commit(mut self) -> Result<u64, StoreError> {
        sqlx::query(
            "UPDATE head SET edge_revision = $1, user_revision = $2, contact_revision = $3, audit_number = $4, \
             audit_hash = $5 WHERE single = 1",
        )
        .bind(signed(self.revisions.edge))
        .bind(signed(self.revisions.users))
        .bind(signed(self.revisions.contacts))
        .bind(self.audit_number)
        .bind(&self.audit_hash)
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        self.core.publish(self.revisions);
        Ok(self.revisions.head)
    }
}

impl Core {
    /// Tells the followers of a commit; of two commits the later one wins.
    fn publish(&self, revisions: Revisions) {
        self.revisions.send_if_modified(|known| {
            let newer = revisions.head > known.head;
            if newer {
                *known = revisions;
            }
            newer
        });
        self.revision.send_if_modified(|known| {
            let newer = revisions.head > *known;
            *known = revisions.head.max(*known);
            newer
        });
    }
}
