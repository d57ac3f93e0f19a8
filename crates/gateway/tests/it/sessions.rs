//! Sessions that users of a deployment open: judged like a first MESSAGE, accepted, and carried until BYE (RFC 3261 §13–15,
//! RFC 7573).

use interwork::typing::{ChatState, Form};
use policy::trunk::SessionMode;
use sip::{Method, Name, Request, Uri};
use xmpp::stanza::{Condition, StanzaError};

use crate::{
    partner::message,
    party::{Party, SDP},
    scene::{Scene, actor, bare},
};

pub(crate) const JULIET: &str = "juliet@fabrikam.example";
pub(crate) const ALICE: &str = "alice@pbx.example";
pub(crate) const TO_JULIET: &str = "sip:juliet@fabrikam.example";
pub(crate) const FROM_ALICE: &str = "sip:alice@pbx.example";

/// A deployment over UDP behind a trunk.
pub(crate) async fn scene_with(change: impl FnOnce(&mut policy::Trunk)) -> (Scene, Party) {
    let scene = Scene::start().await;
    let party = Party::udp("127.0.0.1:0", scene.gateway.sip_udp()[0]).await;
    let mut trunk = party.trunk();
    change(&mut trunk);
    scene.add_trunk(&trunk, "pbx.example").await;
    (scene, party)
}

/// How many sessions stand.
pub(crate) async fn standing(scene: &Scene) -> usize {
    scene.gateway.monitor().sessions().await.total
}

/// A message of a client that knows chat states.
pub(crate) fn chat(body: &str) -> String {
    format!(
        "<message from='{JULIET}/balcony' to='{ALICE}' type='chat' id='c1'><body>{body}</body><active \
         xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
}

fn state(state: &str) -> String {
    format!(
        "<message from='{JULIET}/balcony' to='{ALICE}' type='chat'><{state} \
         xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
}

#[tokio::test]
async fn a_session_carries_texts_and_typing_both_ways_until_bye() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
    let accepted = party.ask(&invite).await;
    assert_eq!(accepted.status.code(), 200);
    assert_eq!(accepted.headers.content_type().unwrap().unwrap().essence, "application/sdp");
    let description = String::from_utf8(accepted.body().to_vec()).unwrap();
    assert!(description.contains("m=message ") && description.contains(" sip null"), "{description}");
    let mut dialog = party.acknowledge(&invite, &accepted).await;
    let call_id = invite.headers.call_id().unwrap().to_owned();

    party.say(&mut dialog, "Art thou there?").await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.from.as_str(), sent.to.as_str(), sent.kind.as_deref()), (ALICE, JULIET, Some("chat")));
    assert_eq!((sent.body.as_deref(), sent.thread.as_deref()), (Some("Art thou there?"), Some(call_id.as_str())));
    assert_eq!(sent.state(), Some(ChatState::Active));
    sent.written();
    assert_eq!(party.response().await.status.code(), 202);
    let contact = scene.store.contact(&bare(ALICE), &bare(JULIET)).await.unwrap();
    assert!(contact.unwrap().state.written);

    // The reply of a client that knows chat states.
    scene.edge.send(&chat("Here"));
    let reply = party.expect(Method::Message).await;
    assert!(dialog.is_of(&reply) && reply.body().as_ref() == b"Here");
    party.take(&reply, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(standing(&scene).await, 1);

    // Typing, in the forms of a deployment that follows the standards.
    let composing = r#"<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state></isComposing>"#;
    let typing = party.inside(&mut dialog, Method::Message, Form::IsComposing.content_type(), composing);
    assert_eq!(party.ask(&typing).await.status.code(), 200);
    let told = scene.edge.next().await;
    assert_eq!((told.state(), told.body.as_deref()), (Some(ChatState::Composing), None));
    assert_eq!(told.thread.as_deref(), Some(call_id.as_str()));
    told.written();
    scene.edge.send(&state("composing"));
    let typing = party.expect(Method::Message).await;
    assert_eq!(typing.headers.content_type().unwrap().unwrap().essence, "application/im-iscomposing+xml");
    assert!(String::from_utf8_lossy(typing.body()).contains("<state>active</state>"));
    party.take(&typing, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));

    assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
    let gone = scene.edge.next().await;
    assert_eq!((gone.state(), gone.body.as_deref()), (Some(ChatState::Gone), None));
    gone.written();
    assert_eq!(standing(&scene).await, 0);
    assert_eq!(scene.edge.pass(&state("composing")).await, Ok(()));
    assert_eq!(scene.dropped("chat_state"), 1, "typing opens no session");
    assert!(party.has_heard_nothing());
    let after = party.say(&mut dialog, "x").await;
    assert_eq!(party.response().await.status.code(), 481, "{after:?}");
    scene.is_well().await;
}

/// XEP-0085 §5.5 and RFC 7573 §6.1: `gone` ends the session.
#[tokio::test]
async fn a_partners_user_who_leaves_ends_the_session() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
    party.say(&mut dialog, "x").await;
    scene.edge.next().await.written();
    assert_eq!(party.response().await.status.code(), 202);
    scene.edge.send(&state("gone"));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    let bye = party.expect(Method::Bye).await;
    assert!(dialog.is_of(&bye));
    party.take(&bye, 200).await;
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// RFC 3261 §8.2, §20.43 and §21.4.26; the texts are those of a first MESSAGE.
#[tokio::test]
async fn an_invite_that_may_not_open_a_session_is_refused() {
    let (mut scene, mut party) = scene_with(|trunk| trunk.dialect = policy::trunk::Dialect::Lync).await;
    for (from, to, status) in [
        (FROM_ALICE, "sip:a@example.org", 403),
        (FROM_ALICE, "sip:a@northwind.example", 403),
        ("sip:mallory@example.org", TO_JULIET, 403),
        (FROM_ALICE, "sip:bob@pbx.example", 482),
        (FROM_ALICE, "sip:nobody@contoso.example", 404),
    ] {
        let invite = party.invite(from, to, &[]);
        let refused = party.ask(&invite).await;
        assert_eq!(refused.status.code(), status, "{from} {to}");
        if status == 403 {
            assert!(refused.headers.first(Name::Warning).is_some(), "{refused:?}");
            assert_eq!(refused.headers.named("ms-diagnostics").is_some(), from == FROM_ALICE, "{refused:?}");
        }
        acknowledge_refusal(&mut party, &invite, &refused).await;
    }
    let audio = SDP.replace("m=message 5060 sip null", "m=audio 4000 RTP/AVP 0");
    let msrp = SDP.replace("m=message 5060 sip null", "m=message 4000 TCP/MSRP *");
    for (kind, body, status, warning) in [
        ("application/sdp", audio.as_str(), 488, "304"),
        ("application/sdp", msrp.as_str(), 488, "302"),
        ("application/sdp", "m=message", 400, "399"),
        ("text/plain", SDP, 415, "399"),
    ] {
        let mut invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
        invite.set_body(kind, body.to_owned()).unwrap();
        let refused = party.ask(&invite).await;
        assert_eq!(refused.status.code(), status, "{body}");
        assert!(refused.headers.first(Name::Warning).unwrap().starts_with(warning), "{refused:?}");
        acknowledge_refusal(&mut party, &invite, &refused).await;
    }
    let mut demanding = party.invite(FROM_ALICE, TO_JULIET, &[]);
    demanding.headers.push(Name::Require, "100rel").unwrap();
    assert_eq!(party.ask(&demanding).await.status.code(), 420);
    assert_eq!(standing(&scene).await, 0);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

/// RFC 3261 §17.1.1.3.
async fn acknowledge_refusal(party: &mut Party, invite: &Request, refused: &sip::Response) {
    let mut ack = invite.clone();
    ack.method = Method::Ack;
    let number = invite.headers.cseq().unwrap().number;
    ack.headers.set(Name::CSeq, format!("{number} ACK")).unwrap();
    ack.headers.set(Name::To, refused.headers.first(Name::To).unwrap()).unwrap();
    ack.set_body("application/sdp", "").unwrap();
    party.send(ack.to_bytes()).await;
}

/// RFC 3261 §13.3.1.4 and §17.2.1: however often it comes, it is one INVITE.
#[tokio::test]
async fn a_repeated_invite_opens_one_session() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
    party.send(invite.to_bytes()).await;
    party.send(invite.to_bytes()).await;
    let first = party.response().await;
    // Without an ACK the 2xx comes again.
    let again = party.response().await;
    assert_eq!((first.status.code(), first.headers.first(Name::To)), (200, again.headers.first(Name::To)));
    assert_eq!(standing(&scene).await, 1);
    let mut dialog = party.acknowledge(&invite, &first).await;
    assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
    assert!(scene.edge.is_silent().await, "nobody was told of a session without a text");
    scene.is_well().await;
}

/// RFC 3261 §14.2; RFC 3264 §8.
#[tokio::test]
async fn a_reinvite_is_answered_with_the_same_description() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
    let again = party.inside(&mut dialog, Method::Invite, "application/sdp", SDP);
    let answer = party.ask(&again).await;
    assert_eq!(answer.status.code(), 200);
    assert!(String::from_utf8_lossy(answer.body()).contains(" sip null"));
    let ack = party.with_via(dialog.ack(again.headers.cseq().unwrap().number).unwrap());
    party.send(ack.to_bytes()).await;
    let audio = SDP.replace("m=message 5060 sip null", "m=audio 4000 RTP/AVP 0");
    let audio = party.inside(&mut dialog, Method::Invite, "application/sdp", &audio);
    assert_eq!(party.ask(&audio).await.status.code(), 488);
    // Whoever asks for ours is offered it, and answers in the ACK.
    let asking = party.inside(&mut dialog, Method::Invite, "", "");
    let offer = party.ask(&asking).await;
    assert!(offer.status.code() == 200 && String::from_utf8_lossy(offer.body()).contains(" sip null"));
    let mut ack = dialog.ack(asking.headers.cseq().unwrap().number).unwrap();
    ack.set_body("application/sdp", SDP).unwrap();
    let ack = party.with_via(ack);
    party.send(ack.to_bytes()).await;
    party.say(&mut dialog, "still here").await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.body.as_deref(), Some("still here"));
    sent.written();
    assert_eq!(party.response().await.status.code(), 202);
    scene.is_well().await;
}

/// RFC 3261 §13.2.1, §13.3.1: an INVITE without an offer is accepted with ours; the ACK has the answer.
#[tokio::test]
async fn an_invite_without_a_description_is_given_ours() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    for answers in [true, false] {
        let mut invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
        invite.headers.remove(Name::ContentType);
        invite = without_body(&invite);
        let offer = party.ask(&invite).await;
        assert!(offer.status.code() == 200 && String::from_utf8_lossy(offer.body()).contains(" sip null"), "{offer:?}");
        let mut dialog = sip::dialog::Dialog::as_uac(&invite, &offer).unwrap();
        let mut ack = dialog.ack(invite.headers.cseq().unwrap().number).unwrap();
        if answers {
            ack.set_body("application/sdp", SDP).unwrap();
        }
        let ack = party.with_via(ack);
        party.send(ack.to_bytes()).await;
        if answers {
            party.say(&mut dialog, "x").await;
            scene.edge.next().await.written();
            assert_eq!(party.response().await.status.code(), 202);
            assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
        } else {
            let bye = party.expect(Method::Bye).await;
            party.take(&bye, 200).await;
        }
    }
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

fn without_body(request: &Request) -> Request {
    let mut plain = Request::new(Method::Invite, Uri::parse(TO_JULIET).unwrap());
    for (name, value) in request.headers.iter().filter(|(name, _)| !name.starts_with("Content")) {
        plain.headers.push_named(name, value).unwrap();
    }
    plain
}

/// A text in a dialog is judged and answered as outside of one.
#[tokio::test]
async fn a_text_that_its_partner_refuses_is_answered_so() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
    party.say(&mut dialog, "x").await;
    scene.edge.next().await.bounced(StanzaError::new(Condition::ItemNotFound));
    assert_eq!(party.response().await.status.code(), 604);
    let rtf = party.inside(&mut dialog, Method::Message, "text/rtf", "{\\rtf1 x}");
    assert_eq!(party.ask(&rtf).await.status.code(), 415);
    let info = party.inside(&mut dialog, Method::Info, "application/dtmf-relay", "Signal=1");
    assert_eq!(party.ask(&info).await.status.code(), 415);
    let refer = party.inside(&mut dialog, Method::Other("REFER".into()), "", "");
    assert_eq!(party.ask(&refer).await.status.code(), 501);
    let options = party.inside(&mut dialog, Method::Options, "", "");
    assert_eq!(party.ask(&options).await.status.code(), 200);
    let mut broken = Form::KeyboardActivity.content_type().to_owned();
    broken.push_str(";charset=UTF-8");
    let broken = party.inside(&mut dialog, Method::Info, &broken, "<KeyboardActivity>");
    assert_eq!(party.ask(&broken).await.status.code(), 400);

    // The partner is switched off while the session stands.
    let mut partner = policy::Partner::new(crate::scene::domain("fabrikam.example"));
    partner.enabled = false;
    scene.store.set_partner(&actor(), None, &partner).await.unwrap();
    scene.publish().await;
    party.say(&mut dialog, "x").await;
    let refused = party.response().await;
    assert!(refused.status.code() == 403 && refused.headers.first(Name::Warning).is_some(), "{refused:?}");
    scene.is_well().await;
}

/// A session that a deployment opens is always taken, and replies go in it while it stands.
#[tokio::test]
async fn a_pager_trunk_may_open_a_session() {
    let (mut scene, mut party) = scene_with(|trunk| trunk.session_mode = SessionMode::Pager).await;
    scene.edge.send(&message(JULIET, ALICE, "before"));
    let outside = party.expect(Method::Message).await;
    assert!(outside.headers.to().unwrap().tag().is_none());
    party.take(&outside, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
    scene.edge.send(&message(JULIET, ALICE, "inside"));
    let inside = party.expect(Method::Message).await;
    assert!(dialog.is_of(&inside));
    // The deployment has forgotten it: the text is not lost, and goes as before.
    party.take(&inside, 481).await;
    let again = party.expect(Method::Message).await;
    assert!(again.headers.to().unwrap().tag().is_none() && again.body().as_ref() == b"inside");
    party.take(&again, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    party.say(&mut dialog, "x").await;
    assert_eq!(party.response().await.status.code(), 481);
    scene.is_well().await;
}

/// The registrar's users may use INVITE, too: by digest, and with their endpoint's messages in the dialog.
#[tokio::test]
async fn a_user_of_the_registrar_opens_a_session() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let from = romeo.address();
    let mut invite = romeo.request(Method::Invite, TO_JULIET, &from, TO_JULIET);
    let contact = format!("<{}>", romeo.contact());
    invite.headers.push(Name::Contact, contact).unwrap();
    invite.set_body("application/sdp", SDP).unwrap();
    let mut unknown = scene.phone("romeo").await.with_password("wrong");
    assert_eq!(unknown.ask(invite.clone()).await.status.code(), 401);
    let accepted = romeo.ask(invite.clone()).await;
    assert_eq!(accepted.status.code(), 200, "{accepted:?}");
    let dialog = sip::dialog::Dialog::as_uac(&invite, &accepted).unwrap();
    let ack = dialog.ack(accepted.headers.cseq().unwrap().number).unwrap();
    let ack = romeo.prepared(ack);
    romeo.write(ack.to_bytes()).await;
    while standing(&scene).await == 0 {
        tokio::task::yield_now().await;
    }
    scene.edge.send(&message(JULIET, "romeo@contoso.example", "Here"));
    let reply = romeo.next_request().await;
    assert!(dialog.is_of(&reply), "{reply:?}");
    romeo.reply(&reply, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(scene.gateway.monitor().sessions().await.registrar, 1);
    // An account that is gone has no sessions.
    scene.store.remove_user(&actor(), &bare("romeo@contoso.example")).await.unwrap();
    let bye = romeo.next_request().await;
    assert!(bye.method == Method::Bye && dialog.is_of(&bye), "{bye:?}");
    romeo.reply(&bye, 200).await;
    scene.is_well().await;
}

/// A session permits nothing by itself: a stranger of a public domain may write once the internal user has.
#[tokio::test]
async fn a_session_without_a_text_opens_no_contact() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let friar = "friar@litware.example";
    let mut dialog = party.open(FROM_ALICE, "sip:friar@litware.example").await;
    assert!(scene.edge.say(friar, ALICE, "x").await.is_err());
    assert!(party.has_heard_nothing());
    party.say(&mut dialog, "Good morrow").await;
    scene.edge.next().await.written();
    assert_eq!(party.response().await.status.code(), 202);
    scene.edge.send(&message(friar, ALICE, "Benedicite"));
    assert_eq!(party.hear(200).await, "Benedicite");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}
