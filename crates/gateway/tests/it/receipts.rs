//! What became of a message: notifications of endpoints (RFC 5438) and receipts of partners' clients (XEP-0184, XEP-0333).

use sip::{Name, Request, Response, Status};
use xmpp::stanza::{Condition, StanzaError};

use crate::{
    partner::{Sent, message},
    phone::Phone,
    scene::{Scene, actor, bare},
};

const JULIET: &str = "sip:juliet@fabrikam.example";
const FROM_JULIET: &str = "juliet@fabrikam.example/balcony";
const ROMEO: &str = "romeo@contoso.example";
const CPIM: &str = "message/cpim";
const RECEIPTS: &str = "urn:xmpp:receipts";

/// A text as Linphone writes it, or another content.
fn enclosed(phone: &mut Phone, message_id: &str, asked: &str, content_type: &str, content: &str) -> Request {
    let mut request = phone.text_request(JULIET, "");
    let envelope = format!(
        "From: <sip:romeo@contoso.example>\r\nTo: <{JULIET}>\r\nDateTime: 2026-11-27T12:00:00Z\r\n\
         NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {message_id}\r\n\
         imdn.Disposition-Notification: {asked}\r\n\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n{content}",
        content.len()
    );
    request.set_body(CPIM, envelope).unwrap();
    request
}

fn imdn(message_id: &str, kind: &str, status: &str) -> String {
    format!(
        "<?xml version='1.0'?><imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>{message_id}</message-id>\
         <datetime>2026-11-27T12:00:01Z</datetime><{kind}-notification><status><{status}/></status>\
         </{kind}-notification></imdn>"
    )
}

fn tells(name: &str, namespace: &str, id: &str) -> String {
    format!(
        "<message xmlns='jabber:server' from='{FROM_JULIET}' to='{ROMEO}' type='chat' id='r'>\
         <{name} xmlns='{namespace}' id='{id}'/></message>"
    )
}

fn has(sent: &Sent, name: &str, namespace: &str) -> bool {
    sent.envelope.batch.element(0).child(name, namespace).is_some()
}

/// Romeo's endpoint writes and asks; the text as it left.
async fn asked(scene: &mut Scene, romeo: &mut Phone, asked: &str) -> Sent {
    let request = enclosed(romeo, "m1", asked, "text/plain", "Neither, fair saint");
    let request = romeo.prepared(request);
    romeo.write(request.to_bytes()).await;
    scene.edge.next().await
}

fn text(request: &Request) -> String {
    String::from_utf8(request.body().to_vec()).unwrap()
}

#[tokio::test]
async fn an_endpoint_is_told_that_its_message_was_delivered_and_shown() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let sent = asked(&mut scene, &mut romeo, "positive-delivery, display").await;
    assert_eq!(sent.body.as_deref(), Some("Neither, fair saint"));
    assert!(has(&sent, "request", RECEIPTS) && has(&sent, "markable", "urn:xmpp:chat-markers:0"));
    let id = sent.id.clone();
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);

    // Of others' messages and from others nothing is told.
    scene.edge.pass(&tells("received", RECEIPTS, "other")).await.unwrap();
    scene.edge.pass(&tells("received", RECEIPTS, &id).replace("juliet", "nurse")).await.unwrap();
    assert_eq!(scene.dropped("receipt"), 2);
    for (name, namespace, status) in
        [("received", RECEIPTS, "<delivered"), ("displayed", "urn:xmpp:chat-markers:0", "<displayed")]
    {
        scene.edge.pass(&tells(name, namespace, &id)).await.unwrap();
        let told = romeo.next_request().await;
        let body = text(&told);
        assert_eq!(told.headers.content_type().unwrap().unwrap().essence, CPIM);
        assert!(body.contains("message/imdn+xml") && body.contains("<message-id>m1</message-id>"), "{body}");
        assert!(body.contains(status) && body.contains("<recipient-uri>sip:juliet@fabrikam.example"), "{body}");
        romeo.reply(&told, 200).await;
    }
    scene.is_well().await;
}

#[tokio::test]
async fn a_failure_is_a_notification_where_one_was_asked_for() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for (wanted, status) in [("negative-delivery", "<failed"), ("positive-delivery", "Not delivered: ")] {
        let sent = asked(&mut scene, &mut romeo, wanted).await;
        let id = sent.id.clone();
        sent.written();
        assert_eq!(romeo.response().await.status.code(), 202);
        let error = StanzaError::new(Condition::ItemNotFound);
        let bounce = format!(
            "<message xmlns='jabber:server' from='{FROM_JULIET}' to='{ROMEO}' type='error' id='{id}'>\
             <error type='cancel'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
            error.condition.as_str()
        );
        scene.edge.pass(&bounce).await.unwrap();
        let told = romeo.next_request().await;
        assert!(text(&told).contains(status), "{wanted}: {}", text(&told));
        romeo.reply(&told, 200).await;
    }
    scene.is_well().await;
}

#[tokio::test]
async fn a_partners_user_gets_receipts_from_an_endpoint_that_knows_notifications() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let ask = |id: &str| {
        message(FROM_JULIET, ROMEO, "Art thou not Romeo?")
            .replace("id='x1'", &format!("id='{id}'"))
            .replace("</message>", &format!("<request xmlns='{RECEIPTS}'/></message>"))
    };
    // One that has not shown that it knows them gets plain text; its answer shows it.
    scene.edge.send(&ask("x0"));
    let plain = romeo.next_request().await;
    assert_eq!(plain.headers.content_type().unwrap().unwrap().essence, "text/plain");
    let mut ok = Response::to(&plain, Status::OK, "ok");
    ok.headers.push(Name::Accept, "text/plain, message/cpim").unwrap();
    romeo.write(ok.to_bytes()).await;
    scene.edge.outcome().await.unwrap();

    scene.edge.send(&ask("x1"));
    let enclosed_text = romeo.next_request().await;
    let body = text(&enclosed_text);
    assert_eq!(enclosed_text.headers.content_type().unwrap().unwrap().essence, CPIM);
    assert!(body.contains("imdn.Disposition-Notification: positive-delivery\r\n"), "{body}");
    assert!(body.ends_with("\r\n\r\nArt thou not Romeo?"), "{body}");
    romeo.reply(&enclosed_text, 200).await;
    scene.edge.outcome().await.unwrap();

    let message_id = body.split("imdn.Message-ID: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    for (id, kind, status) in [("unknown", "delivery", "delivered"), (message_id, "processing", "processed")] {
        let request = enclosed(&mut romeo, "n0", "", "message/imdn+xml", &imdn(id, kind, status));
        assert_eq!(romeo.ask(request).await.status.code(), 200, "{id}");
        assert!(scene.edge.is_silent().await, "{id} {status}");
    }
    scene.edge.send(&ask("x2"));
    let second = romeo.next_request().await;
    romeo.reply(&second, 200).await;
    scene.edge.outcome().await.unwrap();
    let body = text(&second);
    let message_id = body.split("imdn.Message-ID: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    let request = enclosed(&mut romeo, "n1", "", "message/imdn+xml", &imdn(message_id, "delivery", "delivered"));
    assert_eq!(romeo.ask(request).await.status.code(), 200);
    let told = scene.edge.next().await;
    assert_eq!((told.from.as_str(), told.to.as_str(), told.body.as_deref()), (ROMEO, FROM_JULIET, None));
    let element = told.envelope.batch.element(0);
    assert_eq!(element.child("received", RECEIPTS).unwrap().attribute("id").as_deref(), Some("x2"));
    told.written();

    // Blocked meanwhile: nothing more is told.
    scene.store.block_contact(&actor(), &bare(ROMEO), &bare("juliet@fabrikam.example")).await.unwrap();
    scene.in_force().await;
    let request = enclosed(&mut romeo, "n2", "", "message/imdn+xml", &imdn(message_id, "display", "displayed"));
    assert_eq!(romeo.ask(request).await.status.code(), 200);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn an_envelope_that_cannot_be_read_is_refused() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for (content_type, content, status) in
        [("message/imdn+xml", "<imdn", 400), ("image/png", "x", 415), ("text/plain", "", 400)]
    {
        let request = enclosed(&mut romeo, "m1", "positive-delivery", content_type, content);
        let answer = romeo.ask(request).await;
        assert_eq!(answer.status.code(), status, "{content_type}");
    }
    let mut broken = romeo.text_request(JULIET, "");
    broken.set_body(CPIM, "From: x").unwrap();
    assert_eq!(romeo.ask(broken).await.status.code(), 400);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}
