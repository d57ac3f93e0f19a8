use lexicon::Domain;

use super::*;
use crate::Partner;

/// Each cell of partner-policy.md §3, inbound, of a user who exists, has access and is not blocked. Columns: a
/// federated or public verified partner; an unverified one whose contact is closed, written, added. `-` is silence.
const INBOUND: &str = "
    message chat           deliver    forbidden   deliver     deliver
    message normal         deliver    forbidden   deliver     deliver
    message groupchat      deliver    forbidden   deliver     deliver
    message headline       deliver    -           deliver     deliver
    message error          deliver    -           deliver     deliver
    presence available     deliver    -           -           deliver
    presence unavailable   deliver    -           -           deliver
    presence subscribe     deliver    pending     pending     deliver
    presence subscribed    deliver    -           -           deliver
    presence unsubscribe   deliver    -           -           deliver
    presence unsubscribed  deliver    -           -           deliver
    presence probe         subscribe  -           -           deliver
    presence error         deliver    -           -           deliver
    iq get                 deliver    unavailable deliver     deliver
    iq set                 deliver    unavailable deliver     deliver
    iq result              deliver    -           deliver     deliver
    iq error               deliver    -           deliver     deliver
";

const CLOSED: Contact = Contact { added: false, written: false, authorised: false, invited: false, blocked: false };
const WRITTEN: Contact = Contact { written: true, ..CLOSED };
const ADDED: Contact = Contact { added: true, ..CLOSED };

fn partner(partner_type: PartnerType) -> Partner {
    Partner { partner_type, ..Partner::new(Domain::parse("fabrikam.example").unwrap()) }
}

fn case(partner: &Partner, contact: Contact) -> Inbound<'_> {
    Inbound { partner: Some(partner), contact, has_access: true, exists: true }
}

fn kind(name: &str, kind: &str) -> StanzaKind {
    match name {
        "message" => StanzaKind::Message(MessageKind::from_type(Some(kind))),
        "presence" if kind == "available" => StanzaKind::Presence(PresenceKind::Available),
        "presence" => StanzaKind::Presence(PresenceKind::from_type(Some(kind)).unwrap()),
        _ => StanzaKind::Iq(IqKind::from_type(Some(kind)).unwrap()),
    }
}

fn word(judged: Judged) -> String {
    match judged {
        Judged::Deliver => "deliver".to_owned(),
        Judged::TreatAsSubscribe => "subscribe".to_owned(),
        Judged::KeepPending => "pending".to_owned(),
        Judged::WithdrawPending => "withdraw".to_owned(),
        Judged::Answer(Answer::RecipientMustAdd) => "forbidden".to_owned(),
        Judged::Answer(Answer::ServiceUnavailable) => "unavailable".to_owned(),
        Judged::Answer(answer) => answer.as_str().to_owned(),
        Judged::Drop(_) => "-".to_owned(),
    }
}

/// The documented table as kind and four words.
fn documented() -> Vec<(StanzaKind, [&'static str; 4])> {
    let rows = INBOUND.trim().lines().map(|line| {
        let cells: Vec<_> = line.split_whitespace().collect();
        (kind(cells[0], cells[1]), [cells[2], cells[3], cells[4], cells[5]])
    });
    rows.collect()
}

#[test]
fn every_kind_of_stanza_has_one_row() {
    let kinds: Vec<_> = documented().iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, StanzaKind::ALL);
    assert_eq!(RULES.each_ref().map(|rule| rule.kind), StanzaKind::ALL);
}

#[test]
fn every_cell_of_the_type_rule_is_as_documented() {
    for (kind, [trusted, closed, written, added]) in documented() {
        for partner_type in [PartnerType::Federated, PartnerType::PublicVerified] {
            let partner = partner(partner_type);
            for contact in [CLOSED, WRITTEN, ADDED] {
                assert_eq!(word(judge_inbound(kind, case(&partner, contact))), trusted, "{kind:?} {partner_type}");
            }
        }
        let partner = partner(PartnerType::PublicUnverified);
        for (contact, expected) in [(CLOSED, closed), (WRITTEN, written), (ADDED, added)] {
            assert_eq!(word(judge_inbound(kind, case(&partner, contact))), expected, "{kind:?} {contact}");
        }
    }
}

/// "The answer of the type rule is identical whether the user exists or not", nor do block and access show.
#[test]
fn an_uninvited_sender_learns_nothing_of_the_recipient() {
    let partner = partner(PartnerType::PublicUnverified);
    for kind in StanzaKind::ALL {
        let seen = |judged| match judged {
            Judged::Answer(answer) => Some(answer),
            _ => None,
        };
        let exists = seen(judge_inbound(kind, case(&partner, CLOSED)));
        for absent in [
            Inbound { exists: false, ..case(&partner, CLOSED) },
            Inbound { has_access: false, ..case(&partner, CLOSED) },
            case(&partner, Contact { blocked: true, ..CLOSED }),
        ] {
            assert_eq!(seen(judge_inbound(kind, absent)), exists, "{kind:?} {absent:?}");
        }
    }
}

/// "No access, blocked, not existing: service-unavailable for messages and iq, silence for presence", errors and
/// results being never answered; the reason that is counted follows the order of judgement.
#[test]
fn blocked_no_access_and_no_such_user_look_the_same() {
    use DropReason::{Blocked, NoAccess, NoSuchUser};
    for partner_type in PartnerType::ALL {
        let partner = partner(partner_type);
        let blocked = Contact { blocked: true, ..ADDED };
        for (contact, has_access, exists, reason) in [
            (blocked, true, true, Blocked),
            (blocked, false, false, Blocked),
            (ADDED, false, true, NoAccess),
            (ADDED, false, false, NoAccess),
            (ADDED, true, false, NoSuchUser),
        ] {
            for kind in StanzaKind::ALL {
                let found = judge_inbound(kind, Inbound { partner: Some(&partner), contact, has_access, exists });
                let expected = match kind {
                    StanzaKind::Message(MessageKind::Error)
                    | StanzaKind::Presence(_)
                    | StanzaKind::Iq(IqKind::Result | IqKind::Error) => Judged::Drop(reason),
                    StanzaKind::Message(_) | StanzaKind::Iq(_) => Judged::Answer(Answer::ServiceUnavailable),
                };
                assert_eq!(found, expected, "{kind:?} {reason:?}");
            }
        }
    }
}

#[test]
fn an_invitation_is_kept_only_for_a_user_who_exists() {
    let partner = partner(PartnerType::PublicUnverified);
    let subscribe = StanzaKind::Presence(PresenceKind::Subscribe);
    let stranger = case(&partner, CLOSED);
    for (case, expected) in [
        (stranger, Judged::KeepPending),
        (Inbound { exists: false, ..stranger }, Judged::Drop(DropReason::NoSuchUser)),
        (Inbound { has_access: false, ..stranger }, Judged::Drop(DropReason::NoAccess)),
        (Inbound { contact: Contact { blocked: true, ..CLOSED }, ..stranger }, Judged::Drop(DropReason::Blocked)),
    ] {
        assert_eq!(judge_inbound(subscribe, case), expected);
    }
}

#[test]
fn an_unsubscribe_withdraws_what_is_pending() {
    let partner = partner(PartnerType::PublicUnverified);
    let unsubscribe = StanzaKind::Presence(PresenceKind::Unsubscribe);
    for contact in [CLOSED, WRITTEN] {
        let invited = Contact { invited: true, ..contact };
        assert_eq!(judge_inbound(unsubscribe, case(&partner, invited)), Judged::WithdrawPending);
        assert_eq!(judge_inbound(unsubscribe, case(&partner, contact)), Judged::Drop(DropReason::Uninvited));
    }
}

#[test]
fn a_probe_counts_as_subscribe_until_it_is_authorised() {
    let probe = StanzaKind::Presence(PresenceKind::Probe);
    for partner_type in [PartnerType::Federated, PartnerType::PublicVerified] {
        let partner = partner(partner_type);
        let authorised = Contact { authorised: true, ..CLOSED };
        assert_eq!(judge_inbound(probe, case(&partner, CLOSED)), Judged::TreatAsSubscribe);
        assert_eq!(judge_inbound(probe, case(&partner, authorised)), Judged::Deliver);
    }
}

#[test]
fn the_partner_is_judged_first() {
    let disabled = Partner { enabled: false, ..partner(PartnerType::Federated) };
    for partner in [None, Some(&disabled)] {
        for kind in StanzaKind::ALL {
            let case = Inbound { partner, contact: ADDED, has_access: false, exists: false };
            let expected = match kind.is_answered() {
                true => Judged::Answer(Answer::NotAPartner),
                false => Judged::Drop(DropReason::NotAPartner),
            };
            assert_eq!(judge_inbound(kind, case), expected, "{kind:?}");
        }
    }
}

/// Outbound, of a user with access whose contact is closed: what the stanza changes; `-` is refused as not watching.
const OUTBOUND: &str = "
    message chat           writes    writes
    message normal         writes    writes
    message groupchat      writes    writes
    message headline       writes    writes
    message error          none      none
    presence available     none      -
    presence unavailable   none      -
    presence subscribe     adds      adds
    presence subscribed    accepts   accepts
    presence unsubscribe   ends      ends
    presence unsubscribed  declines  declines
    presence probe         none      none
    presence error         none      none
    iq get                 none      none
    iq set                 none      none
    iq result              none      none
    iq error               none      none
";

#[test]
fn an_internal_user_may_always_open_a_contact() {
    let word = |judged| match judged {
        Ok(Effect::None) => "none",
        Ok(Effect::Writes) => "writes",
        Ok(Effect::Adds) => "adds",
        Ok(Effect::EndsAdded) => "ends",
        Ok(Effect::Accepts) => "accepts",
        Ok(Effect::Declines) => "declines",
        Err(Refusal::NotWatching) => "-",
        Err(refusal) => refusal.as_str(),
    };
    let rows: Vec<_> = OUTBOUND.trim().lines().collect();
    assert_eq!(rows.len(), StanzaKind::ALL.len());
    for line in rows {
        let cells: Vec<_> = line.split_whitespace().collect();
        let kind = kind(cells[0], cells[1]);
        for (partner_type, expected) in [
            (PartnerType::Federated, cells[2]),
            (PartnerType::PublicVerified, cells[2]),
            (PartnerType::PublicUnverified, cells[3]),
        ] {
            let partner = partner(partner_type);
            let case = Outbound { partner: Some(&partner), contact: CLOSED, has_access: true };
            assert_eq!(word(judge_outbound(kind, case)), expected, "{kind:?} {partner_type}");
        }
    }
}

#[test]
fn presence_goes_to_an_unverified_partner_only_when_added() {
    let partner = partner(PartnerType::PublicUnverified);
    let available = StanzaKind::Presence(PresenceKind::Available);
    for (contact, permitted) in [(CLOSED, false), (WRITTEN, false), (ADDED, true)] {
        let case = Outbound { partner: Some(&partner), contact, has_access: true };
        assert_eq!(judge_outbound(available, case).is_ok(), permitted, "{contact}");
    }
}

/// The texts of sip-gateway.md, "Refusals to SIP".
#[test]
fn a_refused_internal_user_is_told_why() {
    let enabled = partner(PartnerType::Federated);
    let disabled = Partner { enabled: false, ..enabled.clone() };
    let chat = StanzaKind::Message(MessageKind::Chat);
    let domain = &enabled.primary_domain;
    for (partner, contact, has_access, text) in [
        (None, CLOSED, false, "fabrikam.example is not a federation partner"),
        (Some(&disabled), CLOSED, false, "fabrikam.example is disabled"),
        (Some(&enabled), Contact { blocked: true, ..ADDED }, false, "You have blocked this contact"),
        (Some(&enabled), ADDED, false, "XMPP federation is not enabled for you"),
    ] {
        let refusal = judge_outbound(chat, Outbound { partner, contact, has_access }).unwrap_err();
        assert_eq!(refusal.text(domain).to_string(), text);
    }
}

#[test]
fn what_is_taken_back_passes_a_block_and_a_lost_access() {
    let partner = partner(PartnerType::Federated);
    for (kind, permitted) in [
        (PresenceKind::Unavailable, true),
        (PresenceKind::Unsubscribe, true),
        (PresenceKind::Unsubscribed, true),
        (PresenceKind::Available, false),
        (PresenceKind::Subscribe, false),
    ] {
        let blocked = Contact { blocked: true, ..ADDED };
        for (contact, has_access) in [(blocked, true), (ADDED, false)] {
            let case = Outbound { partner: Some(&partner), contact, has_access };
            assert_eq!(judge_outbound(StanzaKind::Presence(kind), case).is_ok(), permitted, "{kind:?}");
        }
    }
}

/// "Adding opens presence and messages, writing opens messages only; a fetch does neither; unsubscribe ends added."
#[test]
fn the_effects_open_and_end_a_contact() {
    for (contact, effect, opening, widens) in [
        (CLOSED, Effect::None, Opening::Closed, false),
        (CLOSED, Effect::Writes, Opening::Written, true),
        (WRITTEN, Effect::Writes, Opening::Written, false),
        (CLOSED, Effect::Adds, Opening::Added, true),
        (WRITTEN, Effect::Adds, Opening::Added, true),
        (ADDED, Effect::Writes, Opening::Added, false),
        (ADDED, Effect::EndsAdded, Opening::Closed, false),
        (Contact { written: true, ..ADDED }, Effect::EndsAdded, Opening::Written, false),
        (CLOSED, Effect::Accepts, Opening::Added, true),
        (ADDED, Effect::Declines, Opening::Added, false),
    ] {
        assert_eq!(effect.apply(contact).opening(), opening, "{contact} {effect:?}");
        assert_eq!(effect.widens(contact), widens, "{contact} {effect:?}");
    }
}

#[test]
fn accepting_and_declining_answer_the_invitation() {
    let invited = Contact { invited: true, ..CLOSED };
    assert_eq!(invited.accept(), Contact { authorised: true, ..ADDED });
    assert_eq!(invited.decline(), CLOSED);
    assert!(invited.decline().is_stranger());
    assert_eq!(Contact { blocked: true, written: true, ..invited }.end().to_string(), "blocked");
    assert_eq!(Contact { invited: true, ..WRITTEN }.to_string(), "written, invited");
    assert_eq!(CLOSED.to_string(), "none");
}

/// "A change of type re-evaluates existing contacts and says before commit how many it affects."
#[test]
fn a_change_of_type_affects_the_contacts_whose_rights_change() {
    use PartnerType::{Federated, PublicUnverified, PublicVerified};
    let authorised = Contact { authorised: true, ..CLOSED };
    for (contact, before, after, affected) in [
        (ADDED, Federated, Federated, false),
        (ADDED, Federated, PublicVerified, true),
        (ADDED, PublicVerified, PublicUnverified, false),
        (authorised, Federated, PublicUnverified, true),
        (authorised, PublicVerified, PublicUnverified, true),
        (WRITTEN, PublicVerified, PublicUnverified, false),
        (CLOSED, PublicVerified, PublicUnverified, true),
        (Contact { blocked: true, ..ADDED }, Federated, PublicUnverified, false),
    ] {
        assert_eq!(contact.is_affected_by(before, after), affected, "{contact} {before} {after}");
    }
}

#[test]
fn pending_invitations_are_limited() {
    let counts = InvitationCounts { of_user: 49, of_partner: 999, total: 9999 };
    assert_eq!(counts.admit(), Ok(()));
    for (counts, limit) in [
        (InvitationCounts { of_user: 50, ..counts }, InvitationLimit::User),
        (InvitationCounts { of_partner: 1000, ..counts }, InvitationLimit::Partner),
        (InvitationCounts { total: 10_000, ..counts }, InvitationLimit::Total),
    ] {
        assert_eq!(counts.admit(), Err(limit));
    }
    assert_eq!(INVITATION_DAYS_MAX, 30);
}

#[test]
fn an_unknown_type_is_normal_or_none() {
    assert_eq!(MessageKind::from_type(Some("novel")), MessageKind::Normal);
    assert_eq!(MessageKind::from_type(None), MessageKind::Normal);
    assert_eq!(PresenceKind::from_type(Some("novel")), None);
    assert_eq!((IqKind::from_type(None), IqKind::from_type(Some("novel"))), (None, None));
}
