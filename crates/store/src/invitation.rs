//! Pending invitations: a subscription asked for by a partner's user that no internal user has answered yet.
//!
//! Strangers make these rows, so they are limited per internal user, per partner and in all, and end after 30 days
//! (`partner-policy` §3). Beyond a limit a new one is not kept; the gateway counts it.

use std::time::Duration;

use lexicon::{BareJid, RowId, Timestamp};
use policy::contact::{INVITATION_DAYS_MAX, InvitationCounts, InvitationLimit};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Store, StoreError, entropy,
    head::{Change, unsigned},
};

/// How long one is kept.
const AGE_MAX: Duration = Duration::from_secs(INVITATION_DAYS_MAX as u64 * 24 * 3600);

/// A partner's user has asked, nobody has answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// Id of the row.
    pub id: RowId,
    /// Who is asked.
    pub internal: BareJid,
    /// Who asks.
    pub partner: BareJid,
    /// Since when.
    pub created_at: Timestamp,
}

/// What became of an invitation that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvitationOutcome {
    /// It is kept.
    Recorded,
    /// The same one was pending already.
    Pending,
    /// Not kept: one more is not permitted.
    Limit(InvitationLimit),
    /// Not kept: the sender's domain is on no partner any more.
    NoPartner,
}

impl Store {
    /// Pending invitations, oldest first: all, or those for one internal user.
    pub async fn invitations(&self, internal: Option<&BareJid>) -> Result<Vec<Invitation>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, internal, partner, created_at FROM invitation \
             WHERE created_at > $1 AND ($2 = '' OR internal = $2) ORDER BY created_at, id",
        )
        .bind(oldest(entropy::now()))
        .bind(internal.map(ToString::to_string).unwrap_or_default())
        .fetch_all(&self.core.readers)
        .await?;
        rows.iter().map(Invitation::try_from).collect()
    }
}

/// Invitations of this moment, in milliseconds, or before have ended.
pub(crate) fn oldest(now: Timestamp) -> i64 {
    (now - AGE_MAX).as_millis()
}

/// Keeps an invitation within the limits.
pub(crate) async fn record(
    change: &mut Change<'_>,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<InvitationOutcome, StoreError> {
    let now = change.now();
    sqlx::query("DELETE FROM invitation WHERE created_at <= $1").bind(oldest(now)).execute(change.connection()).await?;
    let partner_id = sqlx::query("SELECT partner_id FROM partner_domain WHERE domain = $1")
        .bind(partner.domain().as_ascii())
        .fetch_optional(change.connection())
        .await?;
    let Some(partner_id) = partner_id else { return Ok(InvitationOutcome::NoPartner) };
    let partner_id: String = partner_id.try_get(0)?;
    if let Some(outcome) = refusal(change.connection(), internal, partner, &partner_id).await? {
        return Ok(outcome);
    }
    let id = change.row_id().to_string();
    sqlx::query("INSERT INTO invitation (id, internal, partner, partner_id, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(internal.to_string())
        .bind(partner.to_string())
        .bind(partner_id)
        .bind(now.as_millis())
        .execute(change.connection())
        .await?;
    Ok(InvitationOutcome::Recorded)
}

async fn refusal(
    connection: &mut SqliteConnection,
    internal: &BareJid,
    partner: &BareJid,
    partner_id: &str,
) -> Result<Option<InvitationOutcome>, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM invitation WHERE internal = $1 AND partner = $2), \
         (SELECT COUNT(*) FROM invitation WHERE internal = $1), \
         (SELECT COUNT(*) FROM invitation WHERE partner_id = $3), \
         (SELECT COUNT(*) FROM invitation)",
    )
    .bind(internal.to_string())
    .bind(partner.to_string())
    .bind(partner_id)
    .fetch_one(connection)
    .await?;
    let count = |column: usize| row.try_get::<i64, _>(column).map(unsigned);
    if count(0)? > 0 {
        return Ok(Some(InvitationOutcome::Pending));
    }
    let counts = InvitationCounts { of_user: count(1)?, of_partner: count(2)?, total: count(3)? };
    Ok(counts.admit().err().map(InvitationOutcome::Limit))
}

/// Whether the invitation of this pair waits for an answer.
pub(crate) async fn is_pending(
    connection: &mut SqliteConnection,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM invitation WHERE internal = $1 AND partner = $2")
        .bind(internal.to_string())
        .bind(partner.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Partner's users whose invitations wait for this internal user.
pub(crate) async fn pending_of(
    connection: &mut SqliteConnection,
    internal: &BareJid,
) -> Result<Vec<BareJid>, StoreError> {
    let rows = sqlx::query("SELECT id, internal, partner, created_at FROM invitation WHERE internal = $1")
        .bind(internal.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Invitation::try_from(row).map(|invitation| invitation.partner)).collect()
}

/// Internal users who have pending invitations.
pub(crate) async fn all_internal(connection: &mut SqliteConnection) -> Result<Vec<BareJid>, StoreError> {
    let rows = sqlx::query("SELECT id, internal, partner, created_at FROM invitation").fetch_all(connection).await?;
    rows.iter().map(|row| Invitation::try_from(row).map(|invitation| invitation.internal)).collect()
}

/// Removes the invitation of this pair.
pub(crate) async fn remove(
    connection: &mut SqliteConnection,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM invitation WHERE internal = $1 AND partner = $2")
        .bind(internal.to_string())
        .bind(partner.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

impl TryFrom<&SqliteRow> for Invitation {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let (id, internal, partner): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("invitation {id}"), reason.to_string());
        Ok(Self {
            id: id.parse().map_err(|error| bad(&error))?,
            internal: BareJid::parse(&internal).map_err(|error| bad(&error))?,
            partner: BareJid::parse(&partner).map_err(|error| bad(&error))?,
            created_at: Timestamp::from_millis(row.try_get(3)?),
        })
    }
}
