//! Contact rules: which stanza passes between an internal user and a partner's user.
//!
//! The rules depend on the partner's type and on how the internal user has opened the contact; they are tables with a
//! cell for every kind of stanza. The order of judgement is partner, partner type, blocked, access policy, existence,
//! so the answer of the type rule is the same whether or not the internal user exists.
//!
//! These rules are for addresses of users. What is sent to an internal domain itself (ping, service discovery) is the
//! gateway's to answer; only the partner is judged then.

use std::fmt;

mod inbound;
mod invitation;
mod kind;
mod outbound;
#[cfg(test)]
mod tests;

pub use inbound::{Answer, DropReason, Inbound, Judged, RULES, Rule, judge_inbound};
pub use invitation::{
    INVITATION_DAYS_MAX, INVITATIONS_MAX, INVITATIONS_PER_PARTNER_MAX, INVITATIONS_PER_USER_MAX, InvitationCounts,
    InvitationLimit,
};
pub use kind::{IqKind, MessageKind, PresenceKind, StanzaKind};
pub use outbound::{Effect, Outbound, Refusal, judge_outbound};

use crate::PartnerType;

/// What is stored of one internal user and one partner's user; survives restarts. The default is that of strangers.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Contact {
    /// The internal user, or an administrator for them, has added the partner's user: opens presence and messages.
    pub added: bool,
    /// The internal user has written to the partner's user: opens messages.
    pub written: bool,
    /// The partner's user may see the internal user's presence.
    pub authorised: bool,
    /// The partner's user has asked to, and waits for an answer.
    pub invited: bool,
    /// Wins over every type; the partner's user is answered as if the internal user did not exist.
    pub blocked: bool,
}

/// How far the internal user has opened a contact. The order is that of openness.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Opening {
    /// Not at all.
    Closed,
    /// Messages.
    Written,
    /// Presence and messages.
    Added,
}

impl Contact {
    /// How far the internal user has opened it.
    pub fn opening(self) -> Opening {
        match (self.added, self.written) {
            (true, _) => Opening::Added,
            (false, true) => Opening::Written,
            (false, false) => Opening::Closed,
        }
    }

    /// The contact after the internal user, or an administrator for them, has added it. Adding ends no block.
    pub fn add(self) -> Self {
        Self { added: true, ..self }
    }

    /// The contact after the internal user has written.
    pub fn write(self) -> Self {
        Self { written: true, ..self }
    }

    /// The contact after an invitation was accepted: an entry like any other, and the invitation is answered.
    pub fn accept(self) -> Self {
        Self { added: true, authorised: true, invited: false, ..self }
    }

    /// The contact after an invitation was declined, or an authorisation withdrawn.
    pub fn decline(self) -> Self {
        Self { authorised: false, invited: false, ..self }
    }

    /// The contact after the internal user has removed the partner's user: `unsubscribe`.
    pub fn end_added(self) -> Self {
        Self { added: false, ..self }
    }

    /// The contact after an administrator has ended it: nothing is left but a block.
    pub fn end(self) -> Self {
        Self { blocked: self.blocked, ..Self::default() }
    }

    /// Whether there is nothing to store.
    pub fn is_stranger(self) -> bool {
        self == Self::default()
    }

    /// Whether the partner's user may see the internal user's presence.
    pub fn sees_presence(self, partner_type: PartnerType) -> bool {
        !self.blocked
            && match partner_type {
                PartnerType::Federated | PartnerType::PublicVerified => self.authorised || self.added,
                PartnerType::PublicUnverified => self.added,
            }
    }

    /// Whether the partner's user may send messages.
    pub fn may_write(self, partner_type: PartnerType) -> bool {
        !self.blocked && (!partner_type.waits_for_invitation() || self.opening() > Opening::Closed)
    }

    /// Whether a change of the partner's type changes what the partner's user may do or see: counted before commit.
    pub fn is_affected_by(self, before: PartnerType, after: PartnerType) -> bool {
        let rights = |kind: PartnerType| {
            let notes = kind.sees_status_notes() && self.sees_presence(kind);
            (self.sees_presence(kind), self.may_write(kind), notes)
        };
        rights(before) != rights(after)
    }
}

/// For people: the words that are true of it, `none` of strangers.
impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = [
            (self.blocked, "blocked"),
            (self.added, "added"),
            (self.written, "written"),
            (self.authorised, "authorised"),
            (self.invited, "invited"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect();
        f.pad(&if words.is_empty() { "none".to_owned() } else { words.join(", ") })
    }
}
