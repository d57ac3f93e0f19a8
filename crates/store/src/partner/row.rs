//! The rows of a partner, and the way between them and `policy::Partner`.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use data_encoding::HEXLOWER;
use lexicon::{Domain, Timestamp};
use policy::{Negotiation, Partner, TrustRoots};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::StoredPartner;
use crate::{
    StoreError,
    head::{signed, unsigned},
};

/// The partner with this primary domain (A-labels), all partners if it is empty, that were changed after the revision `after`.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    primary: &str,
    after: u64,
) -> Result<Vec<StoredPartner>, StoreError> {
    let mut domains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT d.partner_id, d.domain FROM partner_domain d JOIN partner p ON p.id = d.partner_id \
         WHERE d.position > 0 AND ($1 = '' OR p.primary_domain = $1) AND p.revision > $2 ORDER BY d.partner_id, d.position",
    )
    .bind(primary)
    .bind(signed(after))
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        domains.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    let rows = sqlx::query(
        "SELECT * FROM partner WHERE ($1 = '' OR primary_domain = $1) AND revision > $2 ORDER BY primary_domain",
    )
    .bind(primary)
    .bind(signed(after))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let additional = domains.remove(row.try_get::<&str, _>("id")?).unwrap_or_default();
            StoredPartner::try_from(PartnerRow { row, additional })
        })
        .collect()
}

/// Primary domains of all partners, in order.
pub(super) async fn names(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT primary_domain FROM partner ORDER BY primary_domain").fetch_all(connection).await?)
}

pub(super) async fn insert(connection: &mut SqliteConnection, stored: &StoredPartner) -> Result<(), StoreError> {
    let partner = &stored.partner;
    sqlx::query(
        "INSERT INTO partner (id, primary_domain, description, partner_type, tls, sasl, dialback, connection_limit, \
         keep_alive, proxy_fqdn, trust_roots, pins, enabled, revision, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(stored.id.to_string())
    .bind(partner.primary_domain.as_ascii())
    .bind(&*partner.description)
    .bind(partner.partner_type.as_str())
    .bind(partner.negotiation.tls.as_str())
    .bind(partner.negotiation.sasl.as_str())
    .bind(partner.negotiation.dialback)
    .bind(partner.connection_limit.map(i64::from))
    .bind(partner.keep_alive)
    .bind(partner.proxy_fqdn.as_ref().map(ToString::to_string))
    .bind(partner.trust_roots.as_str())
    .bind(pins_json(partner).to_string())
    .bind(partner.enabled)
    .bind(signed(stored.revision))
    .bind(stored.created_at.as_millis())
    .bind(stored.updated_at.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update(connection: &mut SqliteConnection, stored: &StoredPartner) -> Result<(), StoreError> {
    let partner = &stored.partner;
    sqlx::query(
        "UPDATE partner SET description = $1, partner_type = $2, tls = $3, sasl = $4, dialback = $5, \
         connection_limit = $6, keep_alive = $7, proxy_fqdn = $8, trust_roots = $9, pins = $10, enabled = $11, \
         revision = $12, updated_at = $13 WHERE id = $14",
    )
    .bind(&*partner.description)
    .bind(partner.partner_type.as_str())
    .bind(partner.negotiation.tls.as_str())
    .bind(partner.negotiation.sasl.as_str())
    .bind(partner.negotiation.dialback)
    .bind(partner.connection_limit.map(i64::from))
    .bind(partner.keep_alive)
    .bind(partner.proxy_fqdn.as_ref().map(ToString::to_string))
    .bind(partner.trust_roots.as_str())
    .bind(pins_json(partner).to_string())
    .bind(partner.enabled)
    .bind(signed(stored.revision))
    .bind(stored.updated_at.as_millis())
    .bind(stored.id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_domains(
    connection: &mut SqliteConnection,
    stored: &StoredPartner,
) -> Result<(), StoreError> {
    for (position, domain) in (0_i64..).zip(stored.partner.domains()) {
        sqlx::query("INSERT INTO partner_domain (domain, partner_id, position) VALUES ($1, $2, $3)")
            .bind(domain.as_ascii())
            .bind(stored.id.to_string())
            .bind(position)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn delete_domains(
    connection: &mut SqliteConnection,
    stored: &StoredPartner,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM partner_domain WHERE partner_id = $1")
        .bind(stored.id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the partner; its domains and invitations go with it.
pub(super) async fn delete(connection: &mut SqliteConnection, stored: &StoredPartner) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM partner WHERE id = $1").bind(stored.id.to_string()).execute(connection).await?;
    Ok(())
}

fn pins_json(partner: &Partner) -> Value {
    partner.pins.iter().map(ToString::to_string).collect()
}

/// What the audit log keeps: every field; of private roots only their SHA-256.
pub(super) fn audit_form(partner: &Partner) -> Value {
    let roots = match &partner.trust_roots {
        TrustRoots::System => "system".to_owned(),
        TrustRoots::Pem(text) => format!("pem sha256:{}", HEXLOWER.encode(&Sha256::digest(text.as_bytes()))),
    };
    json!({
        "primary_domain": partner.primary_domain,
        "description": &*partner.description,
        "additional_domains": partner.additional_domains,
        "partner_type": partner.partner_type.as_str(),
        "tls": partner.negotiation.tls.as_str(),
        "sasl": partner.negotiation.sasl.as_str(),
        "dialback": partner.negotiation.dialback,
        "connection_limit": partner.connection_limit,
        "keep_alive": partner.keep_alive,
        "proxy_fqdn": partner.proxy_fqdn.as_ref().map(ToString::to_string),
        "trust_roots": roots,
        "pins": pins_json(partner),
        "enabled": partner.enabled,
    })
}

/// A row with the additional domains that belong to it.
struct PartnerRow<'a> {
    row: &'a SqliteRow,
    additional: Vec<String>,
}

impl TryFrom<PartnerRow<'_>> for StoredPartner {
    type Error = StoreError;

    fn try_from(PartnerRow { row, additional }: PartnerRow<'_>) -> Result<Self, StoreError> {
        let name: String = row.try_get("primary_domain")?;
        let read = Reader { row, name: &name };
        let pins: Vec<String> =
            serde_json::from_str(row.try_get::<&str, _>("pins")?).map_err(|error| read.bad(error))?;
        let limit: Option<i64> = row.try_get("connection_limit")?;
        let proxy: Option<String> = row.try_get("proxy_fqdn")?;
        let partner = Partner {
            primary_domain: read.text("primary_domain")?,
            description: row.try_get::<&str, _>("description")?.into(),
            additional_domains: read.parse_all::<Domain>(&additional)?,
            partner_type: read.text("partner_type")?,
            negotiation: Negotiation {
                tls: read.text("tls")?,
                sasl: read.text("sasl")?,
                dialback: row.try_get("dialback")?,
            },
            connection_limit: limit.map(u32::try_from).transpose().map_err(|error| read.bad(error))?,
            keep_alive: row.try_get("keep_alive")?,
            proxy_fqdn: proxy.map(|text| text.parse()).transpose().map_err(|error| read.bad(error))?,
            trust_roots: read.text("trust_roots")?,
            pins: read.parse_all(&pins)?,
            enabled: row.try_get("enabled")?,
        };
        if let Some(invalid) = partner.invalid() {
            return Err(read.bad(invalid.reason()));
        }
        Ok(Self {
            id: read.text("id")?,
            partner,
            revision: unsigned(row.try_get("revision")?),
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        })
    }
}

/// Reads columns of one partner's row, naming the partner in errors.
struct Reader<'a> {
    row: &'a SqliteRow,
    name: &'a str,
}

impl Reader<'_> {
    fn bad(&self, reason: impl Display) -> StoreError {
        StoreError::damaged(format!("partner {}", self.name), reason)
    }

    fn text<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.row.try_get::<&str, _>(column)?.parse().map_err(|error| self.bad(error))
    }

    fn parse_all<T: FromStr<Err: Display>>(&self, texts: &[String]) -> Result<Vec<T>, StoreError> {
        texts.iter().map(|text| text.parse().map_err(|error| self.bad(error))).collect()
    }
}
