//! From a partner's user to an internal user.

use super::{Contact, IqKind, MessageKind, Opening, PresenceKind, StanzaKind};
use crate::{Partner, PartnerType};

/// What is known when a stanza of a partner's user is judged.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The partner that lists the sender's domain.
    pub partner: Option<&'a Partner>,
    /// What is stored of the two users.
    pub contact: Contact,
    /// Whether the internal user's access policy permits this partner.
    pub has_access: bool,
    /// Whether the internal user exists; behind a trunk: may exist.
    pub exists: bool,
}

/// What becomes of a stanza.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Judged {
    /// It goes to the internal user.
    Deliver,
    /// A probe that counts as a request to see presence.
    TreatAsSubscribe,
    /// A request to see presence that waits for the internal user; nothing is answered.
    KeepPending,
    /// A waiting request is withdrawn; nothing is answered.
    WithdrawPending,
    /// An error to the sender.
    Answer(Answer),
    /// Silence, counted.
    Drop(DropReason),
}

/// The one error to the sender.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// The sender's domain is on no enabled partner.
    NotAPartner,
    /// The recipient must open the contact first.
    RecipientMustAdd,
    /// No such user, or one to whom this sender has no way: not told apart.
    ServiceUnavailable,
}

impl Answer {
    /// The defined condition (RFC 6120 §8.3.3).
    pub const fn condition(self) -> &'static str {
        match self {
            Self::NotAPartner => "policy-violation",
            Self::RecipientMustAdd => "forbidden",
            Self::ServiceUnavailable => "service-unavailable",
        }
    }

    /// The error's `type` (RFC 6120 §8.3.2).
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::NotAPartner => "modify",
            Self::RecipientMustAdd => "auth",
            Self::ServiceUnavailable => "cancel",
        }
    }

    /// The text, which tells the sender nothing that the condition does not.
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::NotAPartner => Some("Your domain is not a federation partner of this domain."),
            Self::RecipientMustAdd => Some("The recipient must add you as a contact before you can send messages."),
            Self::ServiceUnavailable => None,
        }
    }

    /// By what it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAPartner => "not_a_partner",
            Self::RecipientMustAdd => "recipient_must_add",
            Self::ServiceUnavailable => "service_unavailable",
        }
    }
}

/// Why a stanza is met with silence.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DropReason {
    /// The sender's domain is on no enabled partner.
    NotAPartner,
    /// The internal user has not opened the contact.
    Uninvited,
    /// The internal user has blocked the sender.
    Blocked,
    /// The internal user has no access to this partner.
    NoAccess,
    /// There is no such internal user.
    NoSuchUser,
}

impl DropReason {
    /// By what it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAPartner => "not_a_partner",
            Self::Uninvited => "uninvited",
            Self::Blocked => "blocked",
            Self::NoAccess => "no_access",
            Self::NoSuchUser => "no_such_user",
        }
    }
}

/// What the type rule says of a kind of stanza.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cell {
    /// It passes.
    Pass,
    /// It passes; without a stored authorisation it counts as a request.
    Probe,
    /// It waits.
    Wait,
    /// It ends what waits, and passes to nobody.
    Withdraw,
    /// The recipient must open the contact first.
    MustAdd,
    /// As if there were no such user.
    Unavailable,
    /// Silence.
    Silence,
}

/// The type rule of one kind of stanza.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The kind.
    pub kind: StanzaKind,
    /// Of federated and public verified partners, however the contact is opened.
    pub trusted: Cell,
    /// Of public unverified partners: closed, written, added.
    pub unverified: [Cell; 3],
}

/// The type rules of partner-policy.md §3, in the order of [`StanzaKind::ALL`].
pub static RULES: [Rule; 17] = {
    use Cell::{MustAdd, Pass, Probe, Silence, Unavailable, Wait, Withdraw};
    use IqKind as I;
    use MessageKind as M;
    use PresenceKind as P;
    [
        message(M::Chat, [MustAdd, Pass, Pass]),
        message(M::Normal, [MustAdd, Pass, Pass]),
        message(M::Groupchat, [MustAdd, Pass, Pass]),
        message(M::Headline, [Silence, Pass, Pass]),
        message(M::Error, [Silence, Pass, Pass]),
        presence(P::Available, Pass, [Silence, Silence, Pass]),
        presence(P::Unavailable, Pass, [Silence, Silence, Pass]),
        presence(P::Subscribe, Pass, [Wait, Wait, Pass]),
        presence(P::Subscribed, Pass, [Silence, Silence, Pass]),
        presence(P::Unsubscribe, Pass, [Withdraw, Withdraw, Pass]),
        presence(P::Unsubscribed, Pass, [Silence, Silence, Pass]),
        presence(P::Probe, Probe, [Silence, Silence, Pass]),
        presence(P::Error, Pass, [Silence, Silence, Pass]),
        iq(I::Get, [Unavailable, Pass, Pass]),
        iq(I::Set, [Unavailable, Pass, Pass]),
        iq(I::Result, [Silence, Pass, Pass]),
        iq(I::Error, [Silence, Pass, Pass]),
    ]
};

const fn message(kind: MessageKind, unverified: [Cell; 3]) -> Rule {
    Rule { kind: StanzaKind::Message(kind), trusted: Cell::Pass, unverified }
}

const fn presence(kind: PresenceKind, trusted: Cell, unverified: [Cell; 3]) -> Rule {
    Rule { kind: StanzaKind::Presence(kind), trusted, unverified }
}

const fn iq(kind: IqKind, unverified: [Cell; 3]) -> Rule {
    Rule { kind: StanzaKind::Iq(kind), trusted: Cell::Pass, unverified }
}

impl Rule {
    fn of(kind: StanzaKind) -> &'static Self {
        RULES.iter().find(|rule| rule.kind == kind).expect("the table has a row for every kind of stanza")
    }

    fn cell(&self, partner_type: PartnerType, opening: Opening) -> Cell {
        match partner_type {
            PartnerType::Federated | PartnerType::PublicVerified => self.trusted,
            PartnerType::PublicUnverified => self.unverified[opening as usize],
        }
    }
}

/// Judges a stanza of a partner's user for an internal user: partner, partner type, blocked, access, existence.
pub fn judge_inbound(kind: StanzaKind, case: Inbound<'_>) -> Judged {
    let Some(partner) = case.partner.filter(|partner| partner.enabled) else {
        return refuse(kind, Answer::NotAPartner, DropReason::NotAPartner);
    };
    let passed = match Rule::of(kind).cell(partner.partner_type, case.contact.opening()) {
        Cell::Pass => Judged::Deliver,
        Cell::Probe if case.contact.authorised => Judged::Deliver,
        Cell::Probe => Judged::TreatAsSubscribe,
        Cell::Wait => Judged::KeepPending,
        Cell::Withdraw if case.contact.invited => Judged::WithdrawPending,
        Cell::MustAdd => return Judged::Answer(Answer::RecipientMustAdd),
        Cell::Unavailable => return Judged::Answer(Answer::ServiceUnavailable),
        Cell::Withdraw | Cell::Silence => return Judged::Drop(DropReason::Uninvited),
    };
    let absent = if case.contact.blocked {
        DropReason::Blocked
    } else if !case.has_access {
        DropReason::NoAccess
    } else if !case.exists {
        DropReason::NoSuchUser
    } else {
        return passed;
    };
    refuse(kind, Answer::ServiceUnavailable, absent)
}

fn refuse(kind: StanzaKind, answer: Answer, silence: DropReason) -> Judged {
    if kind.is_answered() { Judged::Answer(answer) } else { Judged::Drop(silence) }
}
