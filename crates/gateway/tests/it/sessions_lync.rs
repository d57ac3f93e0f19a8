//! A conversation in the dialect of Lync and Skype for Business, message by message.
//!
//! No real server was at hand: the messages are written from the gateway's reference (§2 there, which names what an
//! interoperating client sends and takes). Over TCP here; a real pool uses TLS.

use bytes::Bytes;
use interwork::typing::{self, Activity, ChatState};
use policy::trunk::Dialect;
use sip::{
    Message, Method, Name, Request,
    dialog::Dialog,
    message::{Limits, datagram},
};
use xmpp::stanza::{Condition, StanzaError};

use crate::{
    party::Party,
    scene::Scene,
    sessions::{chat, standing},
};

const ACCEPT_TYPES: &str = "text/plain multipart/alternative image/gif text/rtf text/html application/im-iscomposing+xml \
     application/ms-imdn+xml text/x-msmsgsinvite";

async fn pool() -> (Scene, Party) {
    let scene = Scene::start().await;
    let party = Party::tcp().await;
    let mut trunk = party.trunk();
    (trunk.dialect, trunk.congestion_safe) = (Dialect::Lync, true);
    scene.add_trunk(&trunk, "pbx.example").await;
    scene.stand(&[gateway::TargetState::Up]).await;
    (scene, party)
}

/// A request as it is written on the wire.
fn written(party: &mut Party, start: &str, method: &str, number: u32, lines: &str) -> Bytes {
    let (fields, body) = lines.split_once("\n\n").unwrap_or((lines, ""));
    let body = body.replace('\n', "\r\n");
    let (address, branch) = (party.address, party.token());
    format!(
        "{method} {start} SIP/2.0\r\nVia: SIP/2.0/TCP {address};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@pbx.example>;tag=1928301774;epid=63fe4dc9bb\r\nCall-ID: a84b4c76e66710\r\n\
         CSeq: {number} {method}\r\nUser-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)\r\n\
         {}\r\nContent-Length: {}\r\n\r\n{body}",
        fields.replace('\n', "\r\n"),
        body.len()
    )
    .into()
}

fn parsed(bytes: &Bytes) -> Request {
    match datagram(bytes.clone(), &Limits::default()).unwrap().unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

/// The INVITE of a client whose first text, "Art thou not Romeo?", rides in it.
fn invite(party: &mut Party) -> Bytes {
    let contact = party.contact().replace('>', ";ms-opaque=d3470f2e1d>");
    let lines = format!(
        "To: <sip:juliet@fabrikam.example>\n\
         Contact: {contact};+sip.instance=\"<urn:uuid:5d8d9e5c-0000-5000-8000-000000000000>\"\n\
         Supported: ms-dialog-route-set-update\nSupported: timer\nSupported: ms-sender\n\
         Ms-Conversation-ID: Ac3hV9kmYlZB+VI1TdqgQ0Mrj1HBxA==\n\
         ms-text-format: text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAA0ACgA=;ms-body=QXJ0IHRob3Ugbm90IFJvbWVvPw==\n\
         Roster-Manager: sip:alice@pbx.example\nEndPoints: <sip:alice@pbx.example>, <sip:juliet@fabrikam.example>\n\
         Content-Type: application/sdp\n\n\
         v=0\no=- 0 0 IN IP4 192.0.2.7\ns=session\nc=IN IP4 192.0.2.7\nt=0 0\nm=message 5060 sip null\n\
         a=accept-types:{ACCEPT_TYPES}\n"
    );
    written(party, "sip:juliet@fabrikam.example", "INVITE", 1, &lines)
}

/// A text with its format, and one in HTML.
async fn texts_of_the_client(scene: &mut Scene, party: &mut Party, target: &str, to: &str) {
    for (number, kind, body, text) in [
        (
            3,
            "text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAEYATgA9AE0AUwA=",
            "Yes",
            "Yes",
        ),
        (4, "text/html; charset=UTF-8", "<DIV style=\"font-size:10pt\">Fair&nbsp;saint</DIV>", "Fair saint"),
    ] {
        let lines = format!("{to}Content-Type: {kind}\n\n{body}");
        let bytes = written(party, target, "MESSAGE", number, &lines);
        party.send(bytes).await;
        let sent = scene.edge.next().await;
        assert_eq!(sent.body.as_deref(), Some(text));
        sent.written();
        assert_eq!(party.response().await.status.code(), 202);
    }
}

#[tokio::test]
async fn a_conversation_goes_from_invite_to_bye() {
    let (mut scene, mut party) = pool().await;
    let bytes = invite(&mut party);
    party.send(bytes.clone()).await;
    let first = scene.edge.next().await;
    assert_eq!((first.body.as_deref(), first.thread.as_deref()), (Some("Art thou not Romeo?"), Some("a84b4c76e66710")));
    assert_eq!(first.state(), Some(ChatState::Active));
    first.written();
    let accepted = party.response().await;
    assert_eq!(accepted.status.code(), 200);
    assert!(accepted.headers.values(Name::Supported).any(|tag| tag == "ms-text-format"), "{accepted:?}");
    let invite = parsed(&bytes);
    let mut dialog = party.acknowledge(&invite, &accepted).await;
    let (target, tag) =
        (dialog.target().unwrap().to_string(), accepted.headers.to().unwrap().tag().unwrap().to_owned());
    let to = format!("To: <sip:juliet@fabrikam.example>;tag={tag}\n");

    // The reply, as an in-dialog MESSAGE in plain text.
    scene.edge.send(&chat("Neither, fair saint"));
    let reply = party.expect(Method::Message).await;
    assert!(dialog.is_of(&reply), "{reply:?}");
    assert_eq!(reply.headers.content_type().unwrap().unwrap().essence, "text/plain");
    party.take(&reply, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));

    // Typing, which is answered 200 and told.
    let keyboard = "<?xml version=\"1.0\"?>\n<KeyboardActivity>\n  <status status=\"type\" />\n</KeyboardActivity>";
    let lines = format!("{to}Content-Type: application/xml\n\n{keyboard}");
    let info = written(&mut party, &target, "INFO", 2, &lines);
    assert_eq!(party.ask(&parsed(&info)).await.status.code(), 200);
    let told = scene.edge.next().await;
    assert_eq!(told.state(), Some(ChatState::Composing));
    told.written();

    texts_of_the_client(&mut scene, &mut party, &target, &to).await;

    // Typing of the partner's user goes as INFO.
    scene.edge.send(
        "<message from='juliet@fabrikam.example/balcony' to='alice@pbx.example' type='chat'><composing \
         xmlns='http://jabber.org/protocol/chatstates'/></message>",
    );
    let info = party.expect(Method::Info).await;
    assert_eq!(info.headers.content_type().unwrap().unwrap().essence, "application/xml");
    let told = typing::read("application/xml", info.body());
    assert!(matches!(told, Some(Ok(Activity::Active { .. }))), "{info:?}");
    party.take(&info, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    for _ in 0..3 {
        dialog.request(Method::Info).unwrap();
    }
    assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
    let gone = scene.edge.next().await;
    assert_eq!(gone.state(), Some(ChatState::Gone));
    gone.written();
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// What becomes of the first text is the answer to the INVITE.
#[tokio::test]
async fn a_first_text_that_is_refused_refuses_the_invite() {
    let (mut scene, mut party) = pool().await;
    let bytes = invite(&mut party);
    party.send(bytes).await;
    let first = scene.edge.next().await;
    let error = StanzaError::new(Condition::ItemNotFound).with_text("There is no Juliet");
    first.bounced(error);
    let refused = party.response().await;
    assert_eq!(refused.status.code(), 604);
    assert!(refused.headers.named("ms-diagnostics").unwrap().contains("There is no Juliet"), "{refused:?}");
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// RFC 3261 §9.2: 487 while the text is on its way; the text cannot be taken back.
#[tokio::test]
async fn an_invite_may_be_cancelled_while_its_text_is_on_the_way() {
    let (mut scene, mut party) = pool().await;
    let bytes = invite(&mut party);
    let request = parsed(&bytes);
    party.send(bytes).await;
    let first = scene.edge.next().await;
    let mut cancel = Request::new(Method::Cancel, request.uri.clone());
    for name in [Name::Via, Name::From, Name::To, Name::CallId] {
        cancel.headers.push(name, request.headers.first(name).unwrap()).unwrap();
    }
    cancel.headers.push(Name::CSeq, "1 CANCEL").unwrap();
    cancel.headers.push(Name::MaxForwards, 70).unwrap();
    party.send(cancel.to_bytes()).await;
    let mut answers = [party.response().await, party.response().await];
    answers.sort_by_key(|answer| answer.status.code());
    assert_eq!(answers.each_ref().map(|answer| answer.status.code()), [200, 487]);
    first.written();
    assert_eq!(standing(&scene).await, 0);
    while scene.gateway.counters().from_users.queued > 0 {
        tokio::task::yield_now().await;
    }
    scene.is_well().await;
}

/// Our first text rides in the INVITE: shown once, whether the other side takes it there or not.
#[tokio::test]
async fn a_first_text_rides_in_our_invite() {
    for takes in [true, false] {
        let (mut scene, mut party) = pool().await;
        scene.edge.send(&chat("Art thou not Romeo?"));
        let invite = party.expect(Method::Invite).await;
        let value = invite.headers.named("ms-text-format").unwrap();
        assert!(value.ends_with(";ms-body=QXJ0IHRob3Ugbm90IFJvbWVvPw=="), "{value}");
        let fields: &[_] = if takes { &[("Supported", "ms-text-format")] } else { &[("Supported", "ms-sender")] };
        let _dialog: Dialog = party.accept(&invite, fields).await;
        if !takes {
            assert_eq!(party.hear(200).await, "Art thou not Romeo?");
        }
        assert_eq!(scene.edge.outcome().await, Ok(()));
        scene.edge.send(&chat("two"));
        assert_eq!(party.hear(200).await, "two");
        assert_eq!(scene.edge.outcome().await, Ok(()));
        scene.is_well().await;
    }
}

/// The server says why a session or a text failed.
#[tokio::test]
async fn the_reason_of_a_failure_is_told() {
    let (mut scene, mut party) = pool().await;
    scene.edge.send(&chat("one"));
    let invite = party.expect(Method::Invite).await;
    let why = ("ms-diagnostics", "15030;reason=\"Failed to route to peer\";source=\"fe.pbx.example\"".to_owned());
    party.reply(&invite, 480, "t", &[why], None).await;
    party.expect(Method::Ack).await;
    let error = scene.edge.outcome().await.unwrap_err();
    let told = (error.condition, error.text.as_deref());
    assert_eq!(told, (Condition::RecipientUnavailable, Some("Failed to route to peer")));
    scene.is_well().await;
}

/// The connection of an INVITE ends while its text is on the way: nobody is told of a session that nobody asked for.
#[tokio::test]
async fn an_invite_whose_connection_is_gone_opens_nothing() {
    let (mut scene, mut party) = pool().await;
    let bytes = invite(&mut party);
    party.send(bytes).await;
    let first = scene.edge.next().await;
    party.hang_up();
    while standing(&scene).await > 0 {
        tokio::task::yield_now().await;
    }
    first.written();
    while scene.gateway.counters().from_users.queued > 0 {
        tokio::task::yield_now().await;
    }
    // What is sent to the pool next is a session of its own, and not an answer to that INVITE.
    scene.edge.send(&chat("one"));
    let invite = party.expect(Method::Invite).await;
    let _dialog = party.accept(&invite, &[("Supported", "ms-text-format")]).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert!(party.has_no_answer());
    scene.is_well().await;
}
