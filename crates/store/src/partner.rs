//! Partners. Their rules are those of `policy`; the store keeps each domain on at most one of them.

use lexicon::{Domain, RowId, Timestamp};
use policy::Partner;
use sqlx::{Row as _, SqliteConnection};

use crate::{
    Actor, DomainHolder, Store, StoreError, domain,
    head::{Change, Topic, unsigned},
    report,
};

mod row;

/// A partner as kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredPartner {
    /// Id of the row.
    pub id: RowId,
    /// The partner.
    pub partner: Partner,
    /// Revision of its last change: what a conditional change names.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// All partners, by primary domain.
    pub async fn partners(&self) -> Result<Vec<StoredPartner>, StoreError> {
        load_all(&mut *self.core.readers.acquire().await?).await
    }

    /// The partner with this primary domain.
    pub async fn partner(&self, primary: &Domain) -> Result<Option<StoredPartner>, StoreError> {
        find(&mut *self.core.readers.acquire().await?, primary).await
    }

    /// Adds a partner that `policy` has checked.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::DomainTaken`].
    pub async fn add_partner(&self, actor: &Actor, partner: &Partner) -> Result<StoredPartner, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let stored = add(&mut change, actor, partner).await?;
        change.commit().await?;
        Ok(stored)
    }

    /// Replaces the partner of the same primary domain. With `expected`, only if that is still its revision.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`], [`StoreError::DomainTaken`].
    pub async fn set_partner(
        &self,
        actor: &Actor,
        expected: Option<u64>,
        partner: &Partner,
    ) -> Result<StoredPartner, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), &partner.primary_domain, expected).await?;
        if before.partner == *partner {
            return Ok(before);
        }
        let after = set(&mut change, actor, &before, partner).await?;
        change.commit().await?;
        Ok(after)
    }

    /// Removes a partner and its pending invitations. Contacts stay: they have no effect without a partner.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`].
    pub async fn remove_partner(
        &self,
        actor: &Actor,
        expected: Option<u64>,
        primary: &Domain,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), primary, expected).await?;
        row::delete(change.connection(), &before).await?;
        report::forget(change.connection(), primary).await?;
        change.touch(Topic::Edge);
        let form = row::audit_form(&before.partner);
        change.audit(actor, "partner.removed", primary.as_ascii(), Some(form), None).await?;
        change.commit().await?;
        Ok(())
    }
}

/// Adds a partner inside a write.
pub(crate) async fn add(
    change: &mut Change<'_>,
    actor: &Actor,
    partner: &Partner,
) -> Result<StoredPartner, StoreError> {
    let primary = &partner.primary_domain;
    if find(change.connection(), primary).await?.is_some() {
        return Err(StoreError::Exists { what: format!("the partner {primary}") });
    }
    check_domains(change.connection(), partner).await?;
    let now = change.now();
    let stored = StoredPartner {
        id: change.row_id(),
        partner: partner.clone(),
        revision: unsigned(change.revision()),
        created_at: now,
        updated_at: now,
    };
    row::insert(change.connection(), &stored).await?;
    row::insert_domains(change.connection(), &stored).await?;
    change.touch(Topic::Edge);
    change.audit(actor, "partner.added", primary.as_ascii(), None, Some(row::audit_form(partner))).await?;
    Ok(stored)
}

/// Replaces a partner inside a write.
pub(crate) async fn set(
    change: &mut Change<'_>,
    actor: &Actor,
    before: &StoredPartner,
    partner: &Partner,
) -> Result<StoredPartner, StoreError> {
    let after = StoredPartner {
        partner: partner.clone(),
        revision: unsigned(change.revision()),
        updated_at: change.now(),
        ..before.clone()
    };
    row::delete_domains(change.connection(), before).await?;
    check_domains(change.connection(), partner).await?;
    row::update(change.connection(), &after).await?;
    row::insert_domains(change.connection(), &after).await?;
    change.touch(Topic::Edge);
    let forms = (row::audit_form(&before.partner), row::audit_form(partner));
    let (action, subject) = (action(&before.partner, partner), partner.primary_domain.as_ascii());
    change.audit(actor, action, subject, Some(forms.0), Some(forms.1)).await?;
    Ok(after)
}

/// Switching on and off has actions of its own.
fn action(before: &Partner, after: &Partner) -> &'static str {
    let switched = Partner { enabled: after.enabled, ..before.clone() };
    match (switched == *after, after.enabled) {
        (true, true) => "partner.enabled",
        (true, false) => "partner.disabled",
        (false, _) => "partner.updated",
    }
}

/// All partners, by primary domain.
pub(crate) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<StoredPartner>, StoreError> {
    row::load(connection, "", 0).await
}

/// The same with what is known of an earlier `revision`, so that only what was changed since is read whole.
pub(crate) async fn load_since(
    connection: &mut SqliteConnection,
    known: &[StoredPartner],
    revision: u64,
) -> Result<Vec<StoredPartner>, StoreError> {
    let mut changed = row::load(connection, "", revision).await?.into_iter().peekable();
    let mut known = known.iter().peekable();
    let mut partners = Vec::with_capacity(known.len());
    for name in row::names(connection).await? {
        while known.next_if(|partner| partner.partner.primary_domain.as_ascii() < &*name).is_some() {}
        let kept = known.next_if(|partner| partner.partner.primary_domain.as_ascii() == name);
        let renewed = changed.next_if(|partner| partner.partner.primary_domain.as_ascii() == name);
        match renewed.or_else(|| kept.cloned()) {
            Some(partner) => partners.push(partner),
            None => return load_all(connection).await,
        }
    }
    Ok(partners)
}

async fn find(connection: &mut SqliteConnection, primary: &Domain) -> Result<Option<StoredPartner>, StoreError> {
    Ok(row::load(connection, primary.as_ascii(), 0).await?.pop())
}

pub(crate) async fn existing(
    connection: &mut SqliteConnection,
    primary: &Domain,
    expected: Option<u64>,
) -> Result<StoredPartner, StoreError> {
    let stored =
        find(connection, primary).await?.ok_or_else(|| StoreError::NotFound { what: format!("partner {primary}") })?;
    match expected {
        Some(expected) if expected != stored.revision => {
            Err(StoreError::Conflict { what: format!("the partner {primary}"), revision: stored.revision })
        }
        _ => Ok(stored),
    }
}

/// Primary domain of the partner that lists `domain`.
pub(crate) async fn holder(connection: &mut SqliteConnection, domain: &Domain) -> Result<Option<Domain>, StoreError> {
    let row = sqlx::query(
        "SELECT p.primary_domain FROM partner_domain d JOIN partner p ON p.id = d.partner_id WHERE d.domain = $1",
    )
    .bind(domain.as_ascii())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let primary: String = row.try_get(0)?;
    Domain::parse(&primary).map(Some).map_err(|error| StoreError::damaged(format!("partner {primary}"), error))
}

/// No domain of `partner` may be internal or on a partner; its own rows must be out of the way.
async fn check_domains(connection: &mut SqliteConnection, partner: &Partner) -> Result<(), StoreError> {
    for domain in partner.domains() {
        let holder = if domain::exists(connection, domain).await? {
            DomainHolder::Internal
        } else {
            match holder(connection, domain).await? {
                Some(primary) => DomainHolder::Partner(primary),
                None => continue,
            }
        };
        return Err(StoreError::DomainTaken { domain: domain.clone(), holder });
    }
    Ok(())
}
