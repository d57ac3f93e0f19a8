//! From an internal user to a partner's user.

use std::fmt;

use lexicon::Domain;

use super::{Contact, MessageKind, PresenceKind, StanzaKind};
use crate::Partner;

/// What is known when a stanza, or a SIP request, of an internal user is judged.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a> {
    /// The partner that lists the recipient's domain.
    pub partner: Option<&'a Partner>,
    /// What is stored of the two users.
    pub contact: Contact,
    /// Whether the internal user's access policy permits this partner.
    pub has_access: bool,
}

/// What a permitted stanza changes in the contact; durable before the stanza leaves.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The internal user has written: [`Contact::write`].
    Writes,
    /// The internal user has added: [`Contact::add`].
    Adds,
    /// The internal user has removed: [`Contact::end_added`].
    EndsAdded,
    /// The internal user permits the partner's user to see presence: [`Contact::accept`].
    Accepts,
    /// The internal user no longer does, or refuses: [`Contact::decline`].
    Declines,
}

impl Effect {
    /// The contact after the effect.
    pub fn apply(self, contact: Contact) -> Contact {
        match self {
            Self::None => contact,
            Self::Writes => contact.write(),
            Self::Adds => contact.add(),
            Self::EndsAdded => contact.end_added(),
            Self::Accepts => contact.accept(),
            Self::Declines => contact.decline(),
        }
    }

    /// Whether it widens what the partner's user may do, so that it must be committed before the stanza leaves.
    pub fn widens(self, contact: Contact) -> bool {
        let after = self.apply(contact);
        after.opening() > contact.opening() || (after.authorised && !contact.authorised)
    }
}

/// Why an internal user may not send.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// The recipient's domain is on no partner.
    NotAPartner,
    /// The recipient's partner is switched off.
    Disabled,
    /// The partner's user has not been permitted to see this presence: silence, counted, nothing to tell the sender.
    NotWatching,
    /// The internal user has blocked the recipient (XEP-0191 §3.5).
    Blocked,
    /// The internal user has no access to this partner.
    NoAccess,
}

impl Refusal {
    /// The code that it is counted by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAPartner => "not_a_partner",
            Self::Disabled => "partner_disabled",
            Self::NotWatching => "not_watching",
            Self::Blocked => "blocked",
            Self::NoAccess => "no_access",
        }
    }

    /// What the internal user is told.
    pub fn text(self, domain: &Domain) -> impl fmt::Display {
        match self {
            Self::NotAPartner => format!("{domain} is not a federation partner"),
            Self::Disabled => format!("{domain} is disabled"),
            Self::NotWatching => "This contact may not see your presence".to_owned(),
            Self::Blocked => "You have blocked this contact".to_owned(),
            Self::NoAccess => "XMPP federation is not enabled for you".to_owned(),
        }
    }
}

/// Judges a stanza of an internal user for a partner's user: partner, partner type, blocked, access.
///
/// A SIP MESSAGE or INVITE is a chat message, a SUBSCRIBE with Expires > 0 a `subscribe`, a presence fetch a `probe`.
pub fn judge_outbound(kind: StanzaKind, case: Outbound<'_>) -> Result<Effect, Refusal> {
    let partner = match case.partner {
        None => return Err(Refusal::NotAPartner),
        Some(partner) if !partner.enabled => return Err(Refusal::Disabled),
        Some(partner) => partner,
    };
    let is_presence = matches!(kind, StanzaKind::Presence(PresenceKind::Available | PresenceKind::Unavailable));
    if is_presence && partner.partner_type.waits_for_invitation() && !case.contact.added {
        return Err(Refusal::NotWatching);
    }
    if case.contact.blocked && !retracts(kind) {
        return Err(Refusal::Blocked);
    }
    if !case.has_access && !retracts(kind) {
        return Err(Refusal::NoAccess);
    }
    Ok(effect(kind))
}

/// Takes something back from the partner's user: permitted even where nothing else is.
fn retracts(kind: StanzaKind) -> bool {
    matches!(
        kind,
        StanzaKind::Presence(PresenceKind::Unavailable | PresenceKind::Unsubscribe | PresenceKind::Unsubscribed)
    )
}

fn effect(kind: StanzaKind) -> Effect {
    match kind {
        // An error is an automatic answer: it is not the user's writing.
        StanzaKind::Message(MessageKind::Error) => Effect::None,
        StanzaKind::Message(_) => Effect::Writes,
        StanzaKind::Presence(PresenceKind::Subscribe) => Effect::Adds,
        StanzaKind::Presence(PresenceKind::Unsubscribe) => Effect::EndsAdded,
        StanzaKind::Presence(PresenceKind::Subscribed) => Effect::Accepts,
        StanzaKind::Presence(PresenceKind::Unsubscribed) => Effect::Declines,
        StanzaKind::Presence(_) | StanzaKind::Iq(_) => Effect::None,
    }
}
