//! Contacts: what stands between one internal user and one partner's user (`partner-policy` §3).
//!
//! SIP traffic only opens contacts (through `traffic`), an XMPP backend also takes back what it has opened ([`Step`]);
//! everything else is an administrator's, or the user's through one. A row is never deleted, so a gateway follows by revision: an ended contact is a row without
//! flags.

use std::collections::BTreeSet;

use lexicon::{BareJid, Domain, RowId, Timestamp};
use sqlx::SqliteConnection;

use crate::{
    Actor, Store, StoreError, domain,
    head::{Change, Topic, signed, unsigned},
    invitation, partner,
};

mod row;

/// Contacts returned at most at a time by [`Store::contacts`].
pub const CONTACT_PAGE_MAX: u32 = 1000;

/// Who made the contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvitedBy {
    /// An administrator.
    Administrator,
    /// The internal user, by adding or writing first.
    Internal,
    /// The partner's user, by adding first.
    Partner,
}

impl InvitedBy {
    const ALL: [Self; 3] = [Self::Administrator, Self::Internal, Self::Partner];

    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Internal => "internal",
            Self::Partner => "partner",
        }
    }
}

/// What traffic does to a contact (`partner-policy` §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The internal user permits the partner's user to see presence, or accepts an invitation.
    Accepted,
    /// The internal user has added the partner's user.
    Added,
    /// The partner's user has added the internal user, and the partner type permits it.
    Authorised,
    /// The internal user no longer permits it, or declines an invitation.
    Declined,
    /// The internal user has removed the partner's user.
    Removed,
    /// The partner's user takes an invitation back.
    Withdrawn,
    /// The internal user has written to the partner's user.
    Written,
}

impl Step {
    fn apply(self, state: policy::Contact) -> policy::Contact {
        match self {
            Self::Accepted => state.accept(),
            Self::Added => state.add(),
            Self::Authorised => policy::Contact { authorised: true, ..state },
            Self::Declined => state.decline(),
            Self::Removed => state.end_added(),
            Self::Withdrawn => policy::Contact { invited: false, ..state },
            Self::Written => state.write(),
        }
    }
}

/// The relation between an internal user and a partner's user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contact {
    /// Id of the row.
    pub id: RowId,
    /// The internal user.
    pub internal: BareJid,
    /// The partner's user.
    pub partner: BareJid,
    /// What is stored of them; `invited` while an invitation is pending.
    pub state: policy::Contact,
    /// Who made the contact.
    pub invited_by: InvitedBy,
    /// Revision of its last change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Which contacts to list, by internal address, then partner's address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ContactFilter {
    /// Only those of this internal user.
    pub internal: Option<BareJid>,
    /// Only those of this partner's user.
    pub partner: Option<BareJid>,
    /// Only those behind this pair of addresses: the next page.
    pub after: Option<(BareJid, BareJid)>,
    /// How many; at most [`CONTACT_PAGE_MAX`].
    pub limit: u32,
}

impl Store {
    /// A page of the contacts that have not ended; one with nothing but a pending invitation has revision 0.
    pub async fn contacts(&self, filter: &ContactFilter) -> Result<Vec<Contact>, StoreError> {
        row::page(&mut *self.core.readers.acquire().await?, filter).await
    }

    /// Contacts changed after `revision`, ended ones among them, in order of change; after 0: all.
    pub async fn contacts_since(&self, revision: u64) -> Result<Vec<Contact>, StoreError> {
        row::since(&mut *self.core.readers.acquire().await?, signed(revision)).await
    }

    /// The same in parts of at most [`CONTACT_PAGE_MAX`]: those changed after `revision`, and of that revision those behind
    /// the row `id`. Fewer than that are the last.
    pub async fn contacts_behind(&self, revision: u64, id: Option<RowId>) -> Result<Vec<Contact>, StoreError> {
        row::behind(&mut *self.core.readers.acquire().await?, signed(revision), id).await
    }

    /// The contact of a pair, also if it has ended.
    pub async fn contact(&self, internal: &BareJid, partner: &BareJid) -> Result<Option<Contact>, StoreError> {
        row::find(&mut *self.core.readers.acquire().await?, internal, partner).await
    }

    /// The contacts with users of this partner that have not ended: to count those that a change affects.
    pub async fn contacts_of_partner(&self, primary: &Domain) -> Result<Vec<Contact>, StoreError> {
        row::of_partner(&mut *self.core.readers.acquire().await?, primary).await
    }

    /// Adds a contact for the internal user: opens presence and messages. A pending invitation stays to be answered.
    ///
    /// # Errors
    /// [`StoreError::NotInternal`], [`StoreError::NotAUser`], [`StoreError::NotAPartner`].
    pub async fn add_contact(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        check_pair(change.connection(), internal, partner).await?;
        let before = current(&mut change, internal, partner).await?;
        let state = before.state.add();
        save(change, actor, "contact.added", before, state).await
    }

    /// Accepts a pending invitation: the partner's user may see presence, and the contact is added as the administrator's
    /// entry, so messages are open both ways.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if none is pending.
    pub async fn accept_invitation(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = current(&mut change, internal, partner).await?;
        require(&before, before.state.invited, "pending invitation of")?;
        let state = before.state.accept();
        save(change, actor, "contact.accepted", before, state).await
    }

    /// Declines a pending invitation. The partner's user may ask again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if none is pending.
    pub async fn decline_invitation(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = current(&mut change, internal, partner).await?;
        require(&before, before.state.invited, "pending invitation of")?;
        let state = before.state.decline();
        save(change, actor, "contact.declined", before, state).await
    }

    /// Ends what stands between the two, both directions and a pending invitation; a block stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is nothing to end.
    pub async fn end_contact(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = current(&mut change, internal, partner).await?;
        let state = before.state.end();
        require(&before, state != before.state, "contact with")?;
        save(change, actor, "contact.ended", before, state).await
    }

    /// Blocks the partner's user for the internal user; wins over every partner type. A pending invitation goes.
    ///
    /// # Errors
    /// [`StoreError::NotInternal`], [`StoreError::NotAUser`], [`StoreError::NotAPartner`].
    pub async fn block_contact(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        check_pair(change.connection(), internal, partner).await?;
        let before = current(&mut change, internal, partner).await?;
        let state = policy::Contact { blocked: true, invited: false, ..before.state };
        save(change, actor, "contact.blocked", before, state).await
    }

    /// Takes a block back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the partner's user is not blocked.
    pub async fn unblock_contact(
        &self,
        actor: &Actor,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<Contact, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = current(&mut change, internal, partner).await?;
        require(&before, before.state.blocked, "block of")?;
        let state = policy::Contact { blocked: false, ..before.state };
        save(change, actor, "contact.unblocked", before, state).await
    }
}

/// Changes a contact because of traffic; the contact, and whether anything changed.
pub(crate) async fn step(
    change: &mut Change<'_>,
    internal: &BareJid,
    partner: &BareJid,
    step: Step,
) -> Result<(Contact, bool), StoreError> {
    let by = match step {
        Step::Authorised | Step::Withdrawn => InvitedBy::Partner,
        _ => InvitedBy::Internal,
    };
    let before = match row::find(change.connection(), internal, partner).await? {
        Some(contact) => contact,
        None => {
            let invited = invitation::is_pending(change.connection(), internal, partner).await?;
            let by = if invited { InvitedBy::Partner } else { by };
            let contact = fresh(change, internal, partner, by);
            Contact { state: policy::Contact { invited, ..contact.state }, ..contact }
        }
    };
    let state = step.apply(before.state);
    if state == before.state {
        return Ok((before, false));
    }
    if before.state.invited && !state.invited {
        invitation::remove(change.connection(), internal, partner).await?;
    }
    let after = stamp(change, Contact { state, ..before });
    row::upsert(change.connection(), &after).await?;
    change.touch(Topic::Contacts);
    Ok((after, true))
}

/// Ends all contacts of the addresses of an internal domain.
pub(crate) async fn end_all_of_domain(change: &mut Change<'_>, domain: &Domain) -> Result<(), StoreError> {
    let contacts = row::since(change.connection(), 0).await?.into_iter().map(|contact| contact.internal);
    let invited = invitation::all_internal(change.connection()).await?;
    let addresses: BTreeSet<_> = contacts.chain(invited).filter(|internal| internal.domain() == domain).collect();
    for internal in addresses {
        end_all(change, &internal).await?;
    }
    Ok(())
}

/// Ends all contacts of an internal user, blocks and invitations too.
pub(crate) async fn end_all(change: &mut Change<'_>, internal: &BareJid) -> Result<(), StoreError> {
    // An invitation gets the row of an ended contact, by which those who follow learn of its end.
    for partner in invitation::pending_of(change.connection(), internal).await? {
        let contact = current(change, internal, &partner).await?;
        row::upsert(change.connection(), &contact).await?;
        invitation::remove(change.connection(), internal, &partner).await?;
    }
    let (revision, now) = (change.revision(), change.now());
    let ended = sqlx::query(
        "UPDATE contact SET added = FALSE, written = FALSE, authorised = FALSE, blocked = FALSE, revision = $1, \
         updated_at = $2 WHERE internal = $3",
    )
    .bind(revision)
    .bind(now.as_millis())
    .bind(internal.to_string())
    .execute(change.connection())
    .await?;
    if ended.rows_affected() > 0 {
        change.touch(Topic::Contacts);
    }
    Ok(())
}

fn fresh(change: &Change<'_>, internal: &BareJid, partner: &BareJid, invited_by: InvitedBy) -> Contact {
    Contact {
        id: change.row_id(),
        internal: internal.clone(),
        partner: partner.clone(),
        state: policy::Contact::default(),
        invited_by,
        revision: 0,
        created_at: change.now(),
        updated_at: change.now(),
    }
}

/// The contact as it stands, a new one if there is none.
async fn current(change: &mut Change<'_>, internal: &BareJid, partner: &BareJid) -> Result<Contact, StoreError> {
    if let Some(contact) = row::find(change.connection(), internal, partner).await? {
        return Ok(contact);
    }
    let invited = invitation::is_pending(change.connection(), internal, partner).await?;
    let by = if invited { InvitedBy::Partner } else { InvitedBy::Administrator };
    let contact = fresh(change, internal, partner, by);
    Ok(Contact { state: policy::Contact { invited, ..contact.state }, ..contact })
}

fn require(contact: &Contact, is_there: bool, what: &str) -> Result<(), StoreError> {
    if is_there {
        return Ok(());
    }
    Err(StoreError::NotFound { what: format!("{what} {} for {}", contact.partner, contact.internal) })
}

fn stamp(change: &Change<'_>, contact: Contact) -> Contact {
    Contact { revision: unsigned(change.revision()), updated_at: change.now(), ..contact }
}

/// Commits an administrator's change of a contact to `state`.
async fn save(
    mut change: Change<'_>,
    actor: &Actor,
    action: &str,
    before: Contact,
    state: policy::Contact,
) -> Result<Contact, StoreError> {
    if before.state == state {
        return Ok(before);
    }
    let after = put(&mut change, actor, action, before, state).await?;
    change.commit().await?;
    Ok(after)
}

/// Adds a contact as an administrator's entry inside a write; whether that changed anything.
pub(crate) async fn add(
    change: &mut Change<'_>,
    actor: &Actor,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<bool, StoreError> {
    check_pair(change.connection(), internal, partner).await?;
    let before = current(change, internal, partner).await?;
    let state = before.state.add();
    if before.state == state {
        return Ok(false);
    }
    put(change, actor, "contact.added", before, state).await.map(|_| true)
}

/// Writes an administrator's change of a contact to `state`.
async fn put(
    change: &mut Change<'_>,
    actor: &Actor,
    action: &str,
    before: Contact,
    state: policy::Contact,
) -> Result<Contact, StoreError> {
    if before.state.invited && !state.invited {
        invitation::remove(change.connection(), &before.internal, &before.partner).await?;
    }
    let is_new = before.revision == 0;
    let forms = ((!is_new).then(|| row::audit_form(&before)), row::audit_form(&Contact { state, ..before.clone() }));
    let after = stamp(change, Contact { state, ..before });
    row::upsert(change.connection(), &after).await?;
    change.touch(Topic::Contacts);
    let subject = format!("{} {}", after.internal, after.partner);
    change.audit(actor, action, &subject, forms.0, Some(forms.1)).await?;
    Ok(after)
}

/// Both addresses are those of users, one of an internal domain, one of a partner's.
async fn check_pair(
    connection: &mut SqliteConnection,
    internal: &BareJid,
    partner: &BareJid,
) -> Result<(), StoreError> {
    for address in [internal, partner] {
        if address.local().is_none() {
            return Err(StoreError::NotAUser { address: address.to_string() });
        }
    }
    if !domain::exists(connection, internal.domain()).await? {
        return Err(StoreError::NotInternal { domain: internal.domain().clone() });
    }
    if partner::holder(connection, partner.domain()).await?.is_none() {
        return Err(StoreError::NotAPartner { domain: partner.domain().clone() });
    }
    Ok(())
}
