//! MESSAGE of internal users.

use sip::{Method, Name};
use xmpp::stanza::{Condition, StanzaError};

use crate::scene::{Scene, bare};

const JULIET: &str = "sip:juliet@fabrikam.example";

#[tokio::test]
async fn a_message_is_accepted_only_once_it_was_written() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let request = romeo.begin(JULIET, "Neither, fair saint").await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.from.as_str(), sent.to.as_str()), ("romeo@contoso.example", "juliet@fabrikam.example"));
    assert_eq!((sent.kind.as_deref(), sent.body.as_deref()), (Some("chat"), Some("Neither, fair saint")));
    assert_eq!(sent.thread, None);

    // A repetition while it is undecided is neither answered nor sent again.
    romeo.write(request.to_bytes()).await;
    assert_eq!(romeo.options().await.status.code(), 200, "the answer to the message has not come");
    assert!(scene.edge.is_silent().await);
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);

    // A repetition afterwards gets the same answer and makes no second stanza.
    romeo.write(request.to_bytes()).await;
    assert_eq!(romeo.response().await.status.code(), 202);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn messages_keep_their_order() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for n in 0..20 {
        romeo.begin(JULIET, &n.to_string()).await;
    }
    for n in 0..20 {
        let sent = scene.edge.next().await;
        assert_eq!(sent.body, Some(n.to_string()));
        sent.written();
    }
    for _ in 0..20 {
        assert_eq!(romeo.response().await.status.code(), 202);
    }
    scene.is_well().await;
}

/// The mapping of RFC 7247 §7.1 with the gateway's changes, as the sender sees it.
#[tokio::test]
async fn a_refusal_of_the_proxy_is_mapped() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for (condition, text, status, retry_after) in [
        (Condition::RemoteServerTimeout, "no answer", 480, None),
        (Condition::RemoteServerNotFound, "no such server", 404, None),
        (Condition::ResourceConstraint, "the queue is full", 480, Some("60")),
        (Condition::PolicyViolation, "No acceptable security with fabrikam.example", 403, None),
        (Condition::ServiceUnavailable, "no", 403, None),
    ] {
        romeo.begin(JULIET, "x").await;
        scene.edge.next().await.bounced(StanzaError::new(condition).with_text(text));
        let response = romeo.response().await;
        assert_eq!(response.status.code(), status, "{condition}");
        assert_eq!(response.headers.first(Name::RetryAfter), retry_after);
        let warning = response.headers.first(Name::Warning).unwrap();
        assert_eq!(warning, format!("399 fabrikam.example \"{text}\""));
    }
    scene.is_well().await;
}

#[tokio::test]
async fn only_enabled_partners_can_be_written_to() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for (to, status, text) in [
        ("sip:a@example.org", 403, "example.org is not a federation partner"),
        ("sip:a@northwind.example", 403, "northwind.example is disabled"),
        ("sip:fabrikam.example", 404, "the address names no user"),
        ("sip:a%00@fabrikam.example", 400, "an address must not hold control characters"),
    ] {
        let response = romeo.say(to, "x").await;
        assert_eq!(response.status.code(), status, "{to}");
        assert!(response.headers.first(Name::Warning).unwrap().contains(text), "{to}");
    }
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn nobody_sends_without_being_a_user_of_ours() {
    let mut scene = Scene::start().await;
    let mut stranger = scene.phone("romeo").await;
    let mut foreign = stranger.request(Method::Message, JULIET, "sip:mallory@example.org", JULIET);
    foreign.set_body("text/plain", "x").unwrap();
    assert_eq!(stranger.ask(foreign).await.status.code(), 403);
    let mut in_a_partners_name = stranger.request(Method::Message, JULIET, "sip:a@fabrikam.example", JULIET);
    in_a_partners_name.set_body("text/plain", "x").unwrap();
    assert_eq!(stranger.ask(in_a_partners_name).await.status.code(), 403);
    assert_eq!(scene.sip_count("unknown_sender"), 2);
    assert!(scene.edge.is_silent().await);
}

#[tokio::test]
async fn what_has_no_text_is_refused_with_what_we_take() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for (content_type, body, status) in [
        ("application/im-iscomposing+xml", &b"<isComposing/>"[..], 400),
        ("text/rtf", b"{\\rtf1}", 415),
        ("text/plain;charset=koi8-r", b"\xfc", 415),
        ("text/html", b"<p>", 400),
        ("text/plain;charset=UTF-8", b"\xff\xfe", 400),
        ("text/plain", b"", 400),
    ] {
        let mut request = romeo.text_request(JULIET, "");
        request.set_body(content_type, body.to_vec()).unwrap();
        let response = romeo.ask(request).await;
        assert_eq!(response.status.code(), status, "{content_type}");
        let accept = response.headers.first(Name::Accept);
        assert_eq!(
            accept,
            (status == 415).then_some(
                "text/plain, text/html, multipart/alternative, message/cpim, application/im-iscomposing+xml"
            )
        );
    }
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn an_error_after_acceptance_becomes_one_notice() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin(JULIET, "x").await;
    let sent = scene.edge.next().await;
    let id = sent.id.clone();
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    let error = |id: &str| {
        format!(
            "<message type='error' id='{id}' from='juliet@fabrikam.example' to='romeo@contoso.example'>\
             <error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
    };
    assert_eq!(scene.edge.pass(&error(&id)).await, Ok(()));
    let notice = romeo.next_request().await;
    romeo.reply(&notice, 200).await;
    assert_eq!(notice.headers.from().unwrap().uri.to_string(), JULIET);
    assert_eq!(notice.body().as_ref(), b"Not delivered: there is no such address");
    for unmatched in [id.as_str(), "other"] {
        assert_eq!(scene.edge.pass(&error(unmatched)).await, Ok(()));
    }
    assert_eq!(scene.dropped("error_unmatched"), 2);
    scene.is_well().await;
}

#[tokio::test]
async fn internal_users_reach_one_another_directly() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let mut tybalt = scene.registered_by_tcp("tybalt").await;
    romeo.begin("sip:tybalt@contoso.example", "peace").await;
    let request = tybalt.next_request().await;
    assert_eq!(request.headers.from().unwrap().uri.to_string(), "sip:romeo@contoso.example");
    assert_eq!(request.uri.to_string(), tybalt.contact());
    tybalt.reply(&request, 200).await;
    assert_eq!(romeo.response().await.status.code(), 200);

    romeo.begin("sip:tybalt@contoso.example", "peace").await;
    tybalt.hear(486).await;
    assert_eq!(romeo.response().await.status.code(), 486);
    assert_eq!(romeo.say("sip:nobody@contoso.example", "x").await.status.code(), 404);
    tybalt.register(0).await;
    assert_eq!(romeo.say("sip:tybalt@contoso.example", "x").await.status.code(), 480);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn a_call_id_that_repeats_becomes_the_thread() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    for thread in [None, Some("talk@romeo.example".to_owned())] {
        let mut request = romeo.text_request(JULIET, "x");
        request.headers.set(Name::CallId, "talk@romeo.example").unwrap();
        let request = romeo.prepared(request);
        romeo.write(request.to_bytes()).await;
        let sent = scene.edge.next().await;
        assert_eq!(sent.thread, thread);
        sent.written();
        assert_eq!(romeo.response().await.status.code(), 202);
    }
}

#[tokio::test]
async fn the_setting_decides_the_type_of_stanzas() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let stored = scene.store.settings().await.unwrap();
    let settings = stored.settings.with([("pager_message_type", "normal")]).unwrap();
    scene.store.set_settings(&crate::scene::actor(), None, &settings).await.unwrap();
    scene.publish().await;
    romeo.begin(JULIET, "x").await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.kind.as_deref(), Some("normal"));
    sent.written();
    let contact = scene.store.contact(&bare("romeo@contoso.example"), &bare("juliet@fabrikam.example")).await.unwrap();
    assert!(contact.unwrap().state.written, "noted for partners of every type");
}

#[tokio::test]
async fn what_is_undecided_when_the_gateway_stops_is_answered() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin(JULIET, "x").await;
    let _undecided = scene.edge.next().await;
    scene.gateway.stop().await;
    assert_eq!(romeo.response().await.status.code(), 480);
}

/// RFC 3428 §7: 202 is due when the stanza has left, not when the partner acknowledges it. What the partner never
/// acknowledged is told afterwards, once (sip-gateway.md, "MESSAGE from SIP").
#[tokio::test]
async fn a_message_that_left_is_accepted_and_what_became_of_it_is_told_afterwards() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let left = |scene: &Scene| scene.gateway.counters().from_users;
    for (body, error) in [("one", None), ("two", Some("the link broke")), ("three", None)] {
        romeo.begin(JULIET, body).await;
        let receipt = scene.edge.next().await.envelope.receipts.whole();
        assert_eq!(left(&scene).queued, 1);
        receipt.written();
        assert_eq!(romeo.response().await.status.code(), 202, "{body}");
        assert_eq!(left(&scene).queued, 1, "accepted, but not at its end");
        match error {
            None => receipt.done(),
            Some(text) => receipt.unknown(StanzaError::new(Condition::RemoteServerTimeout).with_text(text)),
        }
        if let Some(text) = error {
            assert_eq!(romeo.hear(200).await, format!("Perhaps not delivered: {text}"));
        }
    }
    scene.is_well().await;
    let ledger = left(&scene);
    assert_eq!((ledger.delivered, ledger.answered, ledger.delivery_unknown), (2, 0, 1));
}

/// The partner's own error for the message came first: its sender is not told a second time.
#[tokio::test]
async fn a_message_that_the_partner_has_bounced_is_not_bounced_again() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin(JULIET, "one").await;
    let sent = scene.edge.next().await;
    let receipt = sent.envelope.receipts.whole();
    receipt.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    let id = sent.id;
    let error = format!(
        "<message from='juliet@fabrikam.example' to='romeo@contoso.example' id='{id}' type='error'><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    );
    assert_eq!(scene.edge.pass(&error).await, Ok(()));
    assert_eq!(romeo.hear(200).await, "Not delivered: there is no such address");
    receipt.unknown(StanzaError::new(Condition::RemoteServerTimeout));
    scene.is_well().await;
    assert_eq!(romeo.options().await.status.code(), 200, "nothing else has come");
}
