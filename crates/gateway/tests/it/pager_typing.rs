//! Typing outside of sessions: isComposing of endpoints (RFC 3994) and chat states of partners' users (XEP-0085).

use interwork::typing::ChatState;
use sip::{Name, Request, Response, Status};

use crate::{
    phone::Phone,
    scene::{Scene, actor, bare},
};

const JULIET: &str = "sip:juliet@fabrikam.example";
const FROM_JULIET: &str = "juliet@fabrikam.example/balcony";
const ROMEO: &str = "romeo@contoso.example";
const TYPE: &str = "application/im-iscomposing+xml";

fn typing(phone: &mut Phone, state: &str) -> Request {
    let mut request = phone.text_request(JULIET, "");
    let body =
        format!("<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>{state}</state></isComposing>");
    request.set_body(TYPE, body).unwrap();
    request
}

fn state(name: &str) -> String {
    format!(
        "<message xmlns='jabber:server' from='{FROM_JULIET}' to='{ROMEO}' type='chat'>\
         <{name} xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
}

/// Romeo has written to Juliet before.
async fn scene() -> (Scene, Phone) {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin(JULIET, "Hi").await;
    scene.edge.next().await.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    (scene, romeo)
}

#[tokio::test]
async fn a_partners_user_sees_who_is_typing_and_is_told_once() {
    let (mut scene, mut romeo) = scene().await;
    for (told, seen) in [
        ("active", Some(ChatState::Composing)),
        ("active", None),
        ("idle", Some(ChatState::Active)),
        ("idle", None),
        ("active", Some(ChatState::Composing)),
    ] {
        let request = typing(&mut romeo, told);
        assert_eq!(romeo.ask(request).await.status.code(), 200, "{told}");
        match seen {
            None => assert!(scene.edge.is_silent().await, "{told}"),
            seen => {
                let stanza = scene.edge.next().await;
                assert_eq!((stanza.state(), stanza.body.as_deref(), stanza.from.as_str()), (seen, None, ROMEO));
                stanza.written();
            }
        }
    }
    // A text ends the typing, and says that its sender knows chat states.
    romeo.begin(JULIET, "Neither, fair saint").await;
    let text = scene.edge.next().await;
    assert_eq!((text.body.as_deref(), text.state()), (Some("Neither, fair saint"), Some(ChatState::Active)));
    text.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    let request = typing(&mut romeo, "idle");
    romeo.ask(request).await;
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn nothing_is_told_before_a_text_or_to_who_may_not_be_written_to() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let request = typing(&mut romeo, "active");
    assert_eq!(romeo.ask(request).await.status.code(), 200);
    assert_eq!(scene.sip_count("typing_before_text"), 1);
    scene.store.block_contact(&actor(), &bare(ROMEO), &bare("juliet@fabrikam.example")).await.unwrap();
    scene.in_force().await;
    let request = typing(&mut romeo, "active");
    assert_eq!(romeo.ask(request).await.status.code(), 403);
    let mut broken = typing(&mut romeo, "active");
    broken.set_body(TYPE, "<!DOCTYPE x [<!ENTITY y 'z'>]><isComposing/>").unwrap();
    assert_eq!(romeo.ask(broken).await.status.code(), 400);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn an_endpoint_that_tells_of_typing_is_told_until_it_does_not_take_it() {
    let (mut scene, mut romeo) = scene().await;
    // Romeo's endpoint has not shown that it knows typing.
    scene.edge.pass(&state("composing")).await.unwrap();
    assert_eq!(scene.dropped("chat_state"), 1);
    let request = typing(&mut romeo, "active");
    romeo.ask(request).await;
    scene.edge.next().await.written();

    for (told, seen) in [("composing", "active"), ("paused", "idle")] {
        scene.edge.pass(&state(told)).await.unwrap();
        let request = romeo.next_request().await;
        assert_eq!(request.headers.content_type().unwrap().unwrap().essence, TYPE);
        let body = String::from_utf8_lossy(request.body()).into_owned();
        assert!(body.contains(&format!("<state>{seen}</state>")), "{told}: {body}");
        romeo.reply(&request, 200).await;
    }
    // Not typing is no news now, nor is who has left.
    scene.edge.pass(&state("gone")).await.unwrap();
    scene.edge.pass(&state("composing")).await.unwrap();
    let request = romeo.next_request().await;
    assert!(String::from_utf8_lossy(request.body()).contains("<state>active</state>"));
    romeo.reply(&request, 415).await;
    romeo.options().await;
    scene.edge.pass(&state("paused")).await.unwrap();
    assert_eq!(scene.dropped("chat_state"), 2);
    scene.is_well().await;
}

#[tokio::test]
async fn an_answer_that_lists_the_type_is_enough() {
    let (mut scene, mut romeo) = scene().await;
    scene.edge.send(&crate::partner::message(FROM_JULIET, ROMEO, "Art thou not Romeo?"));
    let text = romeo.next_request().await;
    let mut ok = Response::to(&text, Status::OK, "ok");
    ok.headers.push(Name::Accept, "text/plain, application/im-iscomposing+xml").unwrap();
    romeo.write(ok.to_bytes()).await;
    scene.edge.outcome().await.unwrap();
    scene.edge.pass(&state("composing")).await.unwrap();
    let typing = romeo.next_request().await;
    assert_eq!(typing.headers.content_type().unwrap().unwrap().essence, TYPE);
    romeo.reply(&typing, 200).await;
    // A client asks before it tells (XEP-0085 §4).
    let asked = "<iq xmlns='jabber:server' type='get' id='d1' from='juliet@fabrikam.example/balcony' \
                 to='romeo@contoso.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    scene.edge.pass(asked).await.unwrap();
    let info = scene.edge.next().await;
    let xml = info.envelope.batch.element(0).raw().to_owned();
    assert!(xml.contains("http://jabber.org/protocol/chatstates"), "{xml}");
    info.written();
    scene.is_well().await;
}
