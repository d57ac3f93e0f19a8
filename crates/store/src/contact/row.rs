//! The row of a contact.

use lexicon::{BareJid, Domain, RowId, Timestamp};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{CONTACT_PAGE_MAX, Contact, ContactFilter, InvitedBy};
use crate::{
    StoreError, entropy,
    head::{signed, unsigned},
    invitation,
};

pub(super) async fn page(
    connection: &mut SqliteConnection,
    filter: &ContactFilter,
) -> Result<Vec<Contact>, StoreError> {
    let text = |address: Option<&BareJid>| address.map(ToString::to_string).unwrap_or_default();
    let (internal, partner) = match &filter.after {
        Some((internal, partner)) => (internal.to_string(), partner.to_string()),
        None => Default::default(),
    };
    let rows = sqlx::query(
        "SELECT * FROM ( \
         SELECT c.id, c.internal, c.partner, c.added, c.written, c.authorised, c.blocked, c.invited_by, c.revision, \
         c.created_at, c.updated_at, i.id IS NOT NULL AS invited FROM contact c \
         LEFT JOIN invitation i ON i.internal = c.internal AND i.partner = c.partner AND i.created_at > $6 \
         WHERE c.added OR c.written OR c.authorised OR c.blocked OR i.id IS NOT NULL \
         UNION ALL \
         SELECT i.id, i.internal, i.partner, FALSE, FALSE, FALSE, FALSE, 'partner', 0, i.created_at, i.created_at, TRUE \
         FROM invitation i LEFT JOIN contact c ON c.internal = i.internal AND c.partner = i.partner \
         WHERE i.created_at > $6 AND c.id IS NULL) AS listed \
         WHERE ($1 = '' OR internal = $1) AND ($2 = '' OR partner = $2) \
         AND (internal > $3 OR (internal = $3 AND partner > $4)) ORDER BY internal, partner LIMIT $5",
    )
    .bind(text(filter.internal.as_ref()))
    .bind(text(filter.partner.as_ref()))
    .bind(internal)
    .bind(partner)
    .bind(i64::from(filter.limit.min(CONTACT_PAGE_MAX)))
    .bind(invitation::oldest(entropy::now()))
    .fetch_all(connection)
    .await?;
    rows.iter().map(Contact::try_from).collect()
}

pub(super) async fn since(connection: &mut SqliteConnection, revision: i64) -> Result<Vec<Contact>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.*, \
         EXISTS (SELECT 1 FROM invitation i WHERE i.internal = c.internal AND i.partner = c.partner) AS invited \
         FROM contact c WHERE revision > $1 ORDER BY revision, id",
    )
    .bind(revision)
    .fetch_all(connection)
    .await?;
    rows.iter().map(Contact::try_from).collect()
}

pub(super) async fn behind(
    connection: &mut SqliteConnection,
    revision: i64,
    id: Option<RowId>,
) -> Result<Vec<Contact>, StoreError> {
    // No id is behind this text, so without one nothing of `revision` itself is.
    let id = id.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows = sqlx::query(
        "SELECT c.*, \
         EXISTS (SELECT 1 FROM invitation i WHERE i.internal = c.internal AND i.partner = c.partner) AS invited \
         FROM contact c WHERE (revision, id) > ($1, $2) ORDER BY revision, id LIMIT $3",
    )
    .bind(revision)
    .bind(id)
    .bind(i64::from(CONTACT_PAGE_MAX))
    .fetch_all(connection)
    .await?;
    rows.iter().map(Contact::try_from).collect()
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<Option<Contact>, StoreError> {
    let row = sqlx::query(
        "SELECT c.*, \
         EXISTS (SELECT 1 FROM invitation i WHERE i.internal = c.internal AND i.partner = c.partner) AS invited \
         FROM contact c WHERE internal = $1 AND partner = $2",
    )
    .bind(internal.to_string())
    .bind(partner.to_string())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(Contact::try_from).transpose()
}

pub(super) async fn of_partner(
    connection: &mut SqliteConnection,
    primary: &Domain,
) -> Result<Vec<Contact>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.*, \
         EXISTS (SELECT 1 FROM invitation i WHERE i.internal = c.internal AND i.partner = c.partner) AS invited \
         FROM contact c JOIN partner_domain d ON d.domain = c.partner_domain JOIN partner p ON p.id = d.partner_id \
         WHERE p.primary_domain = $1 AND (c.added OR c.written OR c.authorised OR c.blocked)",
    )
    .bind(primary.as_ascii())
    .fetch_all(connection)
    .await?;
    rows.iter().map(Contact::try_from).collect()
}

/// Writes the contact, new or not.
pub(super) async fn upsert(connection: &mut SqliteConnection, contact: &Contact) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO contact (id, internal, partner, partner_domain, added, written, authorised, blocked, invited_by, \
         revision, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (internal, partner) DO UPDATE SET added = excluded.added, written = excluded.written, \
         authorised = excluded.authorised, blocked = excluded.blocked, revision = excluded.revision, \
         updated_at = excluded.updated_at",
    )
    .bind(contact.id.to_string())
    .bind(contact.internal.to_string())
    .bind(contact.partner.to_string())
    .bind(contact.partner.domain().as_ascii())
    .bind(contact.state.added)
    .bind(contact.state.written)
    .bind(contact.state.authorised)
    .bind(contact.state.blocked)
    .bind(contact.invited_by.as_str())
    .bind(signed(contact.revision))
    .bind(contact.created_at.as_millis())
    .bind(contact.updated_at.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn audit_form(contact: &Contact) -> Value {
    json!({
        "added": contact.state.added,
        "written": contact.state.written,
        "authorised": contact.state.authorised,
        "blocked": contact.state.blocked,
        "invited_by": contact.invited_by.as_str(),
    })
}

impl TryFrom<&SqliteRow> for Contact {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let bad = |reason: &dyn ToString| StoreError::damaged(format!("contact {id}"), reason.to_string());
        let address = |column: &str| -> Result<BareJid, StoreError> {
            BareJid::parse(row.try_get(column)?).map_err(|error| bad(&error))
        };
        let by: String = row.try_get("invited_by")?;
        let invited_by = InvitedBy::ALL.into_iter().find(|known| known.as_str() == by);
        Ok(Self {
            id: id.parse().map_err(|error| bad(&error))?,
            internal: address("internal")?,
            partner: address("partner")?,
            state: policy::Contact {
                added: row.try_get("added")?,
                written: row.try_get("written")?,
                authorised: row.try_get("authorised")?,
                invited: row.try_get("invited")?,
                blocked: row.try_get("blocked")?,
            },
            invited_by: invited_by.ok_or_else(|| bad(&format!("{by} is not an inviter")))?,
            revision: unsigned(row.try_get("revision")?),
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        })
    }
}
