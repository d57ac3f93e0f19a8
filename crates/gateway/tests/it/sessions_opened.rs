//! Sessions that a text of a partner's user opens (RFC 3261 §9, §13.2, §14.1).

use std::time::Duration;

use policy::trunk::Dialect;
use sip::{Method, Response};
use xmpp::stanza::Condition;

use crate::{
    partner::message,
    party::{Party, SDP},
    scene::Scene,
    sessions::{ALICE, FROM_ALICE, JULIET, TO_JULIET, chat, scene_with, standing},
};

/// A session that a text has opened, with that text taken.
async fn opened(scene: &mut Scene, party: &mut Party) -> sip::dialog::Dialog {
    scene.edge.send(&chat("one"));
    let invite = party.expect(Method::Invite).await;
    let dialog = party.accept(&invite, &[]).await;
    assert_eq!(party.hear(200).await, "one");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    dialog
}

#[tokio::test]
async fn a_text_opens_a_session_and_others_follow_in_it() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send(&chat("one"));
    scene.edge.send(&chat("two"));
    let invite = party.expect(Method::Invite).await;
    assert_eq!(invite.uri.to_string(), FROM_ALICE);
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), TO_JULIET);
    assert!(String::from_utf8_lossy(invite.body()).contains(" sip null"));
    assert!(invite.headers.named("ms-text-format").is_none(), "that is Lync's");
    let mut dialog = party.accept(&invite, &[]).await;
    for text in ["one", "two"] {
        let request = party.expect(Method::Message).await;
        assert!(dialog.is_of(&request) && request.body().as_ref() == text.as_bytes());
        party.take(&request, 200).await;
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    assert_eq!(standing(&scene).await, 1);
    // RFC 7247 table 3, with the words of ms-diagnostics where they are said.
    scene.edge.send(&chat("three"));
    let request = party.expect(Method::Message).await;
    let diagnostics = ("ms-diagnostics", "15030;reason=\"Failed to route\"".to_owned());
    party.reply(&request, 480, "none", &[diagnostics], None).await;
    let error = scene.edge.outcome().await.unwrap_err();
    assert_eq!((error.condition, error.text.as_deref()), (Condition::RecipientUnavailable, Some("Failed to route")));
    assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
    scene.edge.next().await.written();
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// A long text is sent in parts, one after the other, and ends once.
#[tokio::test]
async fn a_long_text_goes_in_parts() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let _dialog = opened(&mut scene, &mut party).await;
    scene.edge.send(&message(JULIET, ALICE, &"x".repeat(1000)));
    assert!(party.hear(200).await.starts_with("(1/2) "));
    assert!(party.hear(200).await.starts_with("(2/2) "));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.edge.send(&message(JULIET, ALICE, &"x".repeat(1000)));
    assert!(party.hear(480).await.starts_with("(1/2) "));
    assert_eq!(scene.edge.outcome().await.unwrap_err().condition, Condition::RecipientUnavailable);
    let long = scene.edge.say(JULIET, ALICE, &"x".repeat(6000)).await;
    assert_eq!(long, Err(Condition::PolicyViolation));
    scene.edge.send(&message(JULIET, ALICE, "short"));
    assert_eq!(party.hear(200).await, "short", "what was left of the failed text is not sent");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// A deployment that knows no sessions gets the text as a MESSAGE, and the next ones without an INVITE.
#[tokio::test]
async fn texts_go_outside_where_sessions_are_not_known() {
    for status in [405, 415, 488, 501, 606] {
        let (mut scene, mut party) = scene_with(|_| {}).await;
        for text in ["one", "two"] {
            scene.edge.send(&message(JULIET, ALICE, text));
        }
        let invite = party.expect(Method::Invite).await;
        party.reply(&invite, status, "t", &[], None).await;
        party.expect(Method::Ack).await;
        for text in ["one", "two", "three"] {
            if text == "three" {
                scene.edge.send(&message(JULIET, ALICE, text));
            }
            let request = party.expect(Method::Message).await;
            assert!(request.headers.to().unwrap().tag().is_none() && request.body().as_ref() == text.as_bytes());
            party.take(&request, 200).await;
            assert_eq!(scene.edge.outcome().await, Ok(()));
        }
        assert_eq!(scene.sip_count("sessions_refused"), 1);
        scene.is_well().await;
    }
}

/// So does one that accepts without a description of messages.
#[tokio::test]
async fn an_acceptance_without_messages_is_ended() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send(&message(JULIET, ALICE, "one"));
    let invite = party.expect(Method::Invite).await;
    party.reply(&invite, 200, "t", &[("Contact", party.contact())], None).await;
    party.expect(Method::Ack).await;
    let (mut bye, mut text) = (None, None);
    while bye.is_none() || text.is_none() {
        let request = party.request().await;
        party.take(&request, 200).await;
        match request.method {
            Method::Bye => bye = Some(request),
            _ => text = Some(request),
        }
    }
    assert_eq!(text.unwrap().body().as_ref(), b"one");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

#[tokio::test]
async fn any_other_refusal_is_the_senders() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    for (status, condition) in [
        (404, Condition::ItemNotFound),
        (403, Condition::Forbidden),
        (480, Condition::RecipientUnavailable),
        (486, Condition::RecipientUnavailable),
        (603, Condition::RecipientUnavailable),
        (500, Condition::InternalServerError),
    ] {
        scene.edge.send(&message(JULIET, ALICE, "one"));
        let invite = party.expect(Method::Invite).await;
        party.reply(&invite, status, "t", &[], None).await;
        party.expect(Method::Ack).await;
        assert_eq!(scene.edge.outcome().await.unwrap_err().condition, condition, "{status}");
    }
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// RFC 3261 §12.2.1.2: the deployment has forgotten the dialog.
#[tokio::test]
async fn a_text_whose_dialog_is_not_known_opens_another() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let old = opened(&mut scene, &mut party).await;
    scene.edge.send(&chat("two"));
    assert_eq!(party.hear(481).await, "two");
    let invite = party.expect(Method::Invite).await;
    let new = party.accept(&invite, &[]).await;
    assert_ne!(new.call_id(), old.call_id());
    assert_eq!(party.hear(200).await, "two");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 1);
    scene.is_well().await;
}

/// Both sides invite: ours gives way, and the text goes in theirs.
#[tokio::test]
async fn of_two_invites_that_meet_theirs_stands() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send(&chat("one"));
    let ours = party.expect(Method::Invite).await;
    party.reply(&ours, 180, "t", &[], None).await;
    let theirs = party.open(FROM_ALICE, TO_JULIET).await;
    let cancel = party.expect(Method::Cancel).await;
    assert_eq!(cancel.headers.via().unwrap().branch(), ours.headers.via().unwrap().branch());
    party.take(&cancel, 200).await;
    party.reply(&ours, 487, "t", &[], None).await;
    party.expect(Method::Ack).await;
    let text = party.expect(Method::Message).await;
    assert!(theirs.is_of(&text) && text.body().as_ref() == b"one");
    party.take(&text, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 1);
    scene.is_well().await;
}

/// RFC 3261 §9.1: a 2xx that crosses the CANCEL is acknowledged and ended by BYE.
#[tokio::test]
async fn an_acceptance_that_crosses_our_cancel_is_ended() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send(&chat("one"));
    let ours = party.expect(Method::Invite).await;
    party.reply(&ours, 180, "t", &[], None).await;
    let theirs = party.open(FROM_ALICE, TO_JULIET).await;
    let cancel = party.expect(Method::Cancel).await;
    party.take(&cancel, 200).await;
    party.reply(&ours, 200, "t", &[("Contact", party.contact())], Some(("application/sdp", SDP))).await;
    let (mut methods, mut in_theirs) = (Vec::new(), false);
    while methods.len() < 3 {
        let request = party.request().await;
        in_theirs |= request.method == Method::Message && theirs.is_of(&request);
        if request.method != Method::Ack {
            party.take(&request, 200).await;
        }
        methods.push(request.method);
    }
    methods.sort();
    assert_eq!((methods, in_theirs), (vec![Method::Ack, Method::Bye, Method::Message], true));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 1);
    scene.is_well().await;
}

/// An INVITE that is not answered is cancelled when its text is of no use any more; a 2xx that comes all the same is a
/// session.
#[tokio::test]
async fn a_late_acceptance_is_a_session_for_the_next_text() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send_for(&chat("one"), Duration::from_secs(1));
    let invite = party.expect(Method::Invite).await;
    party.reply(&invite, 180, "t", &[], None).await;
    let cancel = party.expect(Method::Cancel).await;
    party.take(&cancel, 200).await;
    let _dialog = party.accept(&invite, &[]).await;
    assert_eq!(scene.edge.outcome().await.unwrap_err().condition, Condition::RemoteServerTimeout);
    scene.edge.send(&chat("two"));
    assert_eq!(party.hear(200).await, "two");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 1);
    scene.is_well().await;
}

/// RFC 3261 §13.2.2.4: the first branch of a fork that accepts is the session; the other is acknowledged and ended.
#[tokio::test]
async fn a_forked_acceptance_leaves_one_session() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    scene.edge.send(&chat("one"));
    let invite = party.expect(Method::Invite).await;
    let dialog = party.accept(&invite, &[]).await;
    assert_eq!(party.hear(200).await, "one");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    party.reply(&invite, 200, "other", &[("Contact", party.contact())], Some(("application/sdp", SDP))).await;
    let ack = party.expect(Method::Ack).await;
    assert_eq!(ack.headers.to().unwrap().tag(), Some("other"));
    let bye = party.expect(Method::Bye).await;
    assert_eq!(bye.headers.to().unwrap().tag(), Some("other"));
    party.take(&bye, 200).await;
    scene.edge.send(&chat("two"));
    let text = party.expect(Method::Message).await;
    assert!(dialog.is_of(&text));
    party.take(&text, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// The connection ends while a session stands, also with a text on its way: the text goes on the next connection, once.
#[tokio::test]
async fn a_session_outlives_its_connection() {
    let mut scene = Scene::start().await;
    let mut party = Party::tcp().await;
    scene.add_trunk(&party.trunk(), "pbx.example").await;
    scene.stand(&[gateway::TargetState::Up]).await;
    let dialog = opened(&mut scene, &mut party).await;
    party.hang_up();
    scene.edge.send(&chat("two"));
    assert_eq!(party.hear(200).await, "two");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.edge.send(&chat("three"));
    let lost = party.expect(Method::Message).await;
    party.hang_up();
    let again = party.expect(Method::Message).await;
    assert_eq!(
        (again.headers.first(sip::Name::CSeq), again.body()),
        (lost.headers.first(sip::Name::CSeq), lost.body())
    );
    assert!(dialog.is_of(&again));
    party.take(&again, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// XEP-0085 §4: a client asks before it tells of typing.
#[tokio::test]
async fn discovery_of_a_user_lists_chat_states_where_typing_is_taken() {
    let ask = format!(
        "<iq type='get' id='d1' from='{JULIET}/balcony' to='{ALICE}'><query \
         xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    );
    let (mut scene, mut party) = scene_with(|trunk| trunk.dialect = Dialect::Lync).await;
    assert_eq!(scene.edge.pass(&ask).await, Ok(()));
    let answer = scene.edge.next().await;
    let element = answer.envelope.batch.element(0);
    let query = element.child("query", "http://jabber.org/protocol/disco#info").unwrap();
    let features: Vec<_> =
        query.children().filter_map(|child| child.attribute("var").map(|var| var.into_owned())).collect();
    assert!(features.iter().any(|feature| feature == "http://jabber.org/protocol/chatstates"), "{features:?}");
    answer.written();
    // Where sessions are refused, typing is, too.
    scene.edge.send(&message(JULIET, ALICE, "one"));
    let invite = party.expect(Method::Invite).await;
    party.reply(&invite, 488, "t", &[], None).await;
    party.expect(Method::Ack).await;
    assert_eq!(party.hear(200).await, "one");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(scene.edge.pass(&ask).await, Ok(()));
    let answer = scene.edge.next().await;
    assert!(!answer.envelope.batch.element(0).raw().contains("chatstates"));
    answer.written();
    scene.is_well().await;
}

/// A change of the configuration ends what it forbids.
#[tokio::test]
async fn a_trunk_that_is_switched_off_loses_its_sessions() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let mut dialog = opened(&mut scene, &mut party).await;
    let trunk = policy::Trunk { enabled: false, ..party.trunk() };
    scene.store.set_trunk(&crate::scene::actor(), &trunk, None).await.unwrap();
    scene.in_force().await;
    assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(Condition::ServiceUnavailable));
    assert_eq!(standing(&scene).await, 0);
    party.say(&mut dialog, "x").await;
    let refused: Response = party.response().await;
    assert_eq!(refused.status.code(), 481, "{refused:?}");
    scene.is_well().await;
}
