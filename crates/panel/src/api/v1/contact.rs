//! Contacts and invitations: an administrator acts for the internal user.

use axum::{Json, extract::State, http::StatusCode};
use lexicon::BareJid;
use store::{Actor, Backend, ContactFilter, InternalDomain};

use super::{
    body::{Body, Parameters, address},
    dto::{Contact, ContactPair, FieldError, Invitation, Page},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// Contacts in a page if the caller does not say, and at most.
const LIMIT_MAX: u32 = 1000;

/// Which contacts to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    internal: Option<String>,
    partner: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Which invitations to list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct InvitationListing {
    internal: Option<String>,
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(listing): Parameters<Listing>,
) -> Result<Json<Page<Contact>>, Refused> {
    let mut errors = Vec::new();
    let mut parse = |field, text: &Option<String>| text.as_ref().and_then(|text| address(field, text, &mut errors));
    let (internal, partner) = (parse("internal", &listing.internal), parse("partner", &listing.partner));
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let after = listing.after.as_deref().map(cursor).transpose()?;
    let limit = listing.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let contacts = means.store.contacts(&ContactFilter { internal, partner, after, limit }).await?;
    let full = u32::try_from(contacts.len()).is_ok_and(|found| found == limit);
    let next = contacts.last().filter(|_| full).map(|last| format!("{} {}", last.internal, last.partner));
    Ok(Json(Page { items: contacts.iter().map(Contact::from).collect(), next }))
}

pub(crate) async fn invitations(
    State(means): State<Means>,
    Parameters(listing): Parameters<InvitationListing>,
) -> Result<Json<Page<Invitation>>, Refused> {
    let mut errors = Vec::new();
    let internal = listing.internal.as_ref().and_then(|text| address("internal", text, &mut errors));
    if !errors.is_empty() {
        return Err(Refused::fields(errors));
    }
    let items = means.store.invitations(internal.as_ref()).await?.iter().map(Invitation::from).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<(StatusCode, Json<Contact>), Refused> {
    let pair = Pair::of_existing_user(&means, actor, body).await?;
    let contact = means.store.add_contact(&pair.actor, &pair.internal, &pair.partner).await?;
    Ok((StatusCode::CREATED, Json(Contact::from(&contact))))
}

pub(crate) async fn block(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<Json<Contact>, Refused> {
    let pair = Pair::of_existing_user(&means, actor, body).await?;
    Ok(Json(Contact::from(&means.store.block_contact(&pair.actor, &pair.internal, &pair.partner).await?)))
}

pub(crate) async fn unblock(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<Json<Contact>, Refused> {
    let pair = Pair::read(actor, body)?;
    Ok(Json(Contact::from(&means.store.unblock_contact(&pair.actor, &pair.internal, &pair.partner).await?)))
}

pub(crate) async fn accept(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<Json<Contact>, Refused> {
    let pair = Pair::read(actor, body)?;
    Ok(Json(Contact::from(&means.store.accept_invitation(&pair.actor, &pair.internal, &pair.partner).await?)))
}

pub(crate) async fn decline(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<Json<Contact>, Refused> {
    let pair = Pair::read(actor, body)?;
    Ok(Json(Contact::from(&means.store.decline_invitation(&pair.actor, &pair.internal, &pair.partner).await?)))
}

pub(crate) async fn end(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    body: Body,
) -> Result<Json<Contact>, Refused> {
    let pair = Pair::read(actor, body)?;
    Ok(Json(Contact::from(&means.store.end_contact(&pair.actor, &pair.internal, &pair.partner).await?)))
}

/// Who changes what stands between whom.
struct Pair {
    actor: Actor,
    internal: BareJid,
    partner: BareJid,
}

impl Pair {
    fn read(actor: Actor, body: Body) -> Result<Self, Refused> {
        let pair: ContactPair = body.parse()?;
        let mut errors = Vec::new();
        let internal = address("internal", &pair.internal, &mut errors);
        let partner = address("partner", &pair.partner, &mut errors);
        match (internal, partner) {
            (Some(internal), Some(partner)) => Ok(Self { actor, internal, partner }),
            _ => Err(Refused::fields(errors)),
        }
    }

    /// The same, if the internal user may exist and the other address belongs to a partner.
    async fn of_existing_user(means: &Means, actor: Actor, body: Body) -> Result<Self, Refused> {
        let pair = Self::read(actor, body)?;
        let snapshot = means.store.snapshot().await?;
        let (inside, outside) = (pair.internal.domain(), pair.partner.domain());
        let mut errors = Vec::new();
        let mut refuse = |field: &str, code: &str, message: String| {
            errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
        };
        if !snapshot.is_internal(inside) {
            refuse("internal", "not_internal", format!("{inside} is not one of our internal domains"));
        } else if !may_exist(means, &pair.internal).await? {
            refuse("internal", "no_such_user", format!("there is no user {}", pair.internal));
        }
        if snapshot.partner_of(outside).is_none() {
            refuse("partner", "not_a_partner", format!("{outside} is not a domain of a partner"));
        }
        if errors.is_empty() { Ok(pair) } else { Err(Refused::fields(errors)) }
    }
}

/// Whether there is such a user; behind everything but the registrar every address may exist.
async fn may_exist(means: &Means, internal: &BareJid) -> Result<bool, Refused> {
    let domains = means.store.domains().await?;
    let is_other = |backend: &Backend| *backend != Backend::Registrar;
    let knows_its_own =
        |domain: &InternalDomain| domain.name == *internal.domain() && domain.backends.iter().any(is_other);
    Ok(domains.iter().any(knows_its_own) || means.store.user(internal).await?.is_some())
}

/// Where a page ended: both addresses.
fn cursor(text: &str) -> Result<(BareJid, BareJid), Refused> {
    let parse = |text: &str| BareJid::parse(text).ok();
    text.split_once(' ')
        .and_then(|(internal, partner)| Some((parse(internal)?, parse(partner)?)))
        .ok_or_else(|| Refused::malformed("after must be the value of next in an earlier answer"))
}
