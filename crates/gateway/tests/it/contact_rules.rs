//! Partner types for messages: partner-policy.md §3.

use std::collections::{BTreeMap, BTreeSet};

use gateway::PartnerRefusals;
use policy::PartnerType;
use xmpp::stanza::Condition;

use crate::{
    partner::message,
    scene::{Scene, actor, bare, domain},
};

const ROMEO: &str = "romeo@contoso.example";
const FRIAR: &str = "friar@litware.example";

#[tokio::test]
async fn an_uninvited_sender_is_refused_alike_whether_the_user_exists_or_not() {
    let mut scene = Scene::start().await;
    let _romeo = scene.registered("romeo").await;
    let mut answers = Vec::new();
    for to in [ROMEO, "nobody@contoso.example"] {
        answers.push(scene.edge.pass(&message(FRIAR, to, "x")).await.unwrap_err());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].condition, Condition::Forbidden);
    assert!(answers[0].text.as_deref().unwrap().contains("must add you"));
    for kind in ["headline", "error"] {
        let xml = format!("<message type='{kind}' from='{FRIAR}' to='{ROMEO}'><body>x</body></message>");
        assert_eq!(scene.edge.pass(&xml).await, Ok(()));
    }
    assert_eq!(scene.dropped("uninvited"), 2);
    scene.is_well().await;
}

#[tokio::test]
async fn writing_first_opens_messages_durably_before_the_message_leaves() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    assert_eq!(scene.edge.say(FRIAR, ROMEO, "x").await, Err(Condition::Forbidden));
    romeo.begin("sip:friar@litware.example", "Good morrow, father").await;
    let sent = scene.edge.next().await;
    let contact = scene.store.contact(&bare(ROMEO), &bare(FRIAR)).await.unwrap().unwrap();
    assert!(contact.state.written && !contact.state.added, "stored before the stanza is on the link");
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);

    scene.edge.send(&message("friar@litware.example/cell", ROMEO, "Benedicite"));
    assert_eq!(romeo.hear(200).await, "Benedicite");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(scene.edge.say("other@litware.example", ROMEO, "x").await, Err(Condition::Forbidden));
    assert_eq!(scene.edge.say(FRIAR, "tybalt@contoso.example", "x").await, Err(Condition::Forbidden));
    scene.is_well().await;
}

#[tokio::test]
async fn a_message_that_was_refused_opens_nothing() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    assert_eq!(romeo.say("sip:a@example.org", "x").await.status.code(), 403);
    let contact = scene.store.contact(&bare(ROMEO), &bare("a@example.org")).await.unwrap();
    assert!(contact.is_none());
    assert!(scene.edge.is_silent().await);
}

/// Blocked wins over every type; the answer is that of a user who does not exist.
#[tokio::test]
async fn a_blocked_sender_is_answered_as_if_the_user_did_not_exist() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let juliet = "juliet@fabrikam.example";
    scene.store.block_contact(&actor(), &bare(ROMEO), &bare(juliet)).await.unwrap();
    scene.in_force().await;
    let blocked = scene.edge.pass(&message(juliet, ROMEO, "x")).await.unwrap_err();
    let absent = scene.edge.pass(&message(juliet, "nobody@contoso.example", "x")).await.unwrap_err();
    assert_eq!(blocked, absent);
    assert_eq!(blocked.condition, Condition::ServiceUnavailable);
    assert_eq!(romeo.say("sip:juliet@fabrikam.example", "x").await.status.code(), 403);
    let counted = scene.gateway.refusals(&domain("fabrikam.example"));
    assert_eq!(counted.from_partner, BTreeMap::from([("service_unavailable", 2)]));
    assert_eq!(counted.to_partner, BTreeMap::from([("blocked", 1)]));
    assert_eq!(scene.gateway.refusals(&domain("example.org")), PartnerRefusals::default());
}

#[tokio::test]
async fn an_added_contact_may_write_and_an_ended_one_no_longer() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    scene.store.add_contact(&actor(), &bare(ROMEO), &bare(FRIAR)).await.unwrap();
    scene.in_force().await;
    scene.edge.send(&message(FRIAR, ROMEO, "x"));
    assert_eq!(romeo.hear(200).await, "x");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.store.end_contact(&actor(), &bare(ROMEO), &bare(FRIAR)).await.unwrap();
    scene.in_force().await;
    assert_eq!(scene.edge.say(FRIAR, ROMEO, "x").await, Err(Condition::Forbidden));
}

#[tokio::test]
async fn an_invitation_is_kept_unanswered_until_it_is_accepted_or_declined() {
    let mut scene = Scene::start().await;
    let subscribe = |from: &str, to: &str| format!("<presence type='subscribe' from='{from}' to='{to}'/>");
    assert_eq!(scene.edge.pass(&subscribe(FRIAR, ROMEO)).await, Ok(()));
    assert_eq!(scene.edge.pass(&subscribe("nurse@litware.example", ROMEO)).await, Ok(()));
    assert_eq!(scene.edge.pass(&subscribe(FRIAR, ROMEO)).await, Ok(()));
    assert_eq!(scene.edge.pass(&subscribe(FRIAR, "nobody@contoso.example")).await, Ok(()));
    assert!(scene.edge.is_silent().await);
    let kept = scene.store.invitations(Some(&bare(ROMEO))).await.unwrap();
    // Both may be of the same millisecond, and then no order is promised.
    let kept: BTreeSet<_> = kept.into_iter().map(|kept| kept.partner.to_string()).collect();
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [FRIAR, "nurse@litware.example"]);
    assert!(scene.store.invitations(Some(&bare("nobody@contoso.example"))).await.unwrap().is_empty());

    scene.store.accept_invitation(&actor(), &bare(ROMEO), &bare(FRIAR)).await.unwrap();
    let answer = scene.edge.next().await;
    assert_eq!((answer.kind.as_deref(), answer.from.as_str(), answer.to.as_str()), (Some("subscribed"), ROMEO, FRIAR));
    let presence = scene.edge.next().await;
    assert_eq!((presence.kind.as_deref(), presence.to.as_str()), (Some("unavailable"), FRIAR), "he is not registered");
    scene.store.decline_invitation(&actor(), &bare(ROMEO), &bare("nurse@litware.example")).await.unwrap();
    let answer = scene.edge.next().await;
    assert_eq!((answer.kind.as_deref(), answer.to.as_str()), (Some("unsubscribed"), "nurse@litware.example"));
}

#[tokio::test]
async fn presence_of_a_stranger_is_dropped_and_counted() {
    let mut scene = Scene::start().await;
    for kind in ["", "type='unavailable'", "type='probe'", "type='subscribed'"] {
        let xml = format!("<presence {kind} from='{FRIAR}' to='{ROMEO}'/>");
        assert_eq!(scene.edge.pass(&xml).await, Ok(()), "{kind}");
    }
    assert_eq!(scene.dropped("uninvited"), 4);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn a_change_of_policy_counts_from_the_next_message_on() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let stored = scene.store.partner(&domain("litware.example")).await.unwrap().unwrap();
    let mut partner = stored.partner.clone();
    partner.partner_type = PartnerType::PublicVerified;
    scene.store.set_partner(&actor(), None, &partner).await.unwrap();
    scene.publish().await;
    scene.edge.send(&message(FRIAR, ROMEO, "x"));
    romeo.hear(200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));

    partner.enabled = false;
    scene.store.set_partner(&actor(), None, &partner).await.unwrap();
    scene.publish().await;
    assert_eq!(scene.edge.say(FRIAR, ROMEO, "x").await, Err(Condition::PolicyViolation));
    assert_eq!(romeo.say("sip:friar@litware.example", "x").await.status.code(), 403);
}

/// Nothing is kept for those who do not exist, whoever asks, and each is counted.
#[tokio::test]
async fn ten_thousand_invented_recipients_leave_nothing_behind() {
    let mut scene = Scene::start().await;
    for number in 0..5000 {
        for from in [FRIAR, "juliet@fabrikam.example"] {
            let xml = format!("<presence type='subscribe' from='{from}' to='x{number}@contoso.example'/>");
            assert_eq!(scene.edge.pass(&xml).await, Ok(()));
        }
    }
    assert!(scene.edge.is_silent().await);
    assert!(scene.store.invitations(None).await.unwrap().is_empty());
    assert!(scene.store.contacts_since(0).await.unwrap().is_empty());
    let ledger = scene.gateway.counters().from_partners;
    assert_eq!((ledger.received, ledger.dropped.values().sum::<u64>()), (10_000, 10_000), "{ledger:?}");
    scene.is_well().await;
}
