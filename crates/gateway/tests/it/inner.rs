//! A domain that an inner XMPP server serves: its stanzas come and go over a second link.

use link::Settled;
use policy::InnerServer;
use store::{Backend, Service};
use xmpp::stanza::{Condition, StanzaError};

use crate::{
    partner::message,
    scene::{BOTS, SECRET, Scene, actor, bare, domain},
};

/// Its domain, and another one with a server of its own.
const OFFICE: &str = "office.example";
const HR: &str = "hr.example";
const NURSE: &str = "nurse@office.example";
const JULIET: &str = "juliet@fabrikam.example";
const FRIAR: &str = "friar@litware.example";

/// The usual scene with both domains; [`Scene::inner`] plays their servers.
async fn scene() -> Scene {
    let scene = Scene::start().await;
    for name in [OFFICE, HR] {
        let server = InnerServer::new(vec!["192.0.2.7".parse().unwrap()]);
        let service = Service { backends: &[Backend::Xmpp], server: Some(&server), ..Service::default() };
        scene.store.add_domain_with(&actor(), &domain(name), &service).await.unwrap();
    }
    scene.publish().await;
    scene.in_force().await;
    scene
}

fn presence(kind: &str, from: &str, to: &str) -> String {
    format!("<presence type='{kind}' from='{from}' to='{to}' id='p1'/>")
}

#[tokio::test]
async fn messages_pass_both_ways_in_order_and_end_on_the_other_link() {
    let mut scene = scene().await;
    for number in 0..40 {
        scene.edge.send_in_turn(&message(JULIET, NURSE, &format!("in {number}"))).await;
        scene.inner.send_in_turn(&message(NURSE, JULIET, &format!("out {number}"))).await;
    }
    for number in 0..40 {
        let sent = scene.inner.next().await;
        let pair = &sent.envelope.pair;
        assert_eq!((pair.local.as_ascii(), pair.remote.as_ascii()), ("fabrikam.example", OFFICE), "as the leg sees it");
        assert_eq!((sent.from.as_str(), sent.body.as_deref()), (JULIET, Some(format!("in {number}").as_str())));
        sent.written();
        assert_eq!(scene.edge.outcome().await, Ok(()));
        let sent = scene.edge.next().await;
        assert_eq!((sent.from.as_str(), sent.body.as_deref()), (NURSE, Some(format!("out {number}").as_str())));
        sent.written();
        assert_eq!(scene.inner.outcome().await, Ok(()));
    }
    scene.is_well().await;
    let counters = scene.gateway.counters();
    assert_eq!((counters.from_users.delivered, counters.from_partners.delivered), (40, 40));
}

#[tokio::test]
async fn an_uninvited_sender_is_refused_until_the_address_has_written_or_subscribed() {
    let mut scene = scene().await;
    assert_eq!(scene.edge.say(FRIAR, NURSE, "x").await, Err(Condition::Forbidden));
    assert!(scene.inner.is_silent().await);
    for (stanza, added) in [
        (message(NURSE, FRIAR, "Good morrow"), false),
        (presence("subscribe", NURSE, FRIAR), true),
        (presence("unsubscribe", NURSE, FRIAR), false),
    ] {
        scene.inner.send(&stanza);
        let sent = scene.edge.next().await;
        let state = scene.store.contact(&bare(NURSE), &bare(FRIAR)).await.unwrap().unwrap().state;
        assert_eq!((state.written, state.added), (true, added), "stored before the stanza is on the link");
        sent.written();
        assert_eq!(scene.inner.outcome().await, Ok(()));
    }
    scene.edge.send(&message(FRIAR, NURSE, "Benedicite"));
    scene.inner.next().await.written();
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// A probe of somebody without permission becomes a request, which is the server's to answer (RFC 6121 §4.3.2).
#[tokio::test]
async fn presence_and_iq_are_the_servers_to_answer() {
    let mut scene = scene().await;
    scene.edge.send(&presence("probe", JULIET, NURSE));
    let sent = scene.inner.next().await;
    assert_eq!(sent.kind.as_deref(), Some("subscribe"));
    sent.written();
    assert_eq!(scene.edge.outcome().await, Ok(()));
    let ask =
        |to: &str| format!("<iq type='get' id='q' from='{JULIET}/r' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>");
    for to in [NURSE, OFFICE] {
        scene.edge.send(&ask(to));
        let sent = scene.inner.next().await;
        assert_eq!((sent.to.as_str(), sent.kind.as_deref()), (to, Some("get")));
        sent.written();
        assert_eq!(scene.edge.outcome().await, Ok(()));
        scene.inner.send(&format!("<iq type='result' id='q' from='{to}' to='{JULIET}/r'/>"));
        scene.edge.next().await.written();
        assert_eq!(scene.inner.outcome().await, Ok(()));
    }
    scene.is_well().await;
}

#[tokio::test]
async fn what_policy_does_not_permit_is_refused_with_its_text() {
    let mut scene = scene().await;
    scene.store.block_contact(&actor(), &bare(NURSE), &bare(JULIET)).await.unwrap();
    scene.in_force().await;
    for (to, condition, text) in [
        ("a@example.org", Condition::NotAllowed, "example.org is not a federation partner"),
        ("a@northwind.example", Condition::NotAllowed, "northwind.example is disabled"),
        (JULIET, Condition::NotAcceptable, "You have blocked this contact"),
        ("nurse@hr.example", Condition::NotAllowed, "are both served by inner XMPP servers and are not connected here"),
    ] {
        let error = scene.inner.pass(&message(NURSE, to, "x")).await.unwrap_err();
        assert_eq!(error.condition, condition, "{to}");
        assert!(error.text.as_deref().unwrap().contains(text), "{error:?}");
    }
    assert!(scene.edge.is_silent().await && scene.inner.is_silent().await);
    scene.is_well().await;
}

/// Why there is no way is for our own side; and doubt stays doubt.
#[tokio::test]
async fn a_partners_user_learns_only_that_the_server_was_not_reached() {
    let mut scene = scene().await;
    let detail = "The server of office.example did not accept the certificate of fabrikam.example.";
    for (found, told) in [
        (Condition::RemoteServerNotFound, Condition::RemoteServerTimeout),
        (Condition::PolicyViolation, Condition::PolicyViolation),
        (Condition::ResourceConstraint, Condition::ResourceConstraint),
    ] {
        scene.edge.send(&message(JULIET, NURSE, "x"));
        scene.inner.next().await.bounced(StanzaError::new(found).with_text(detail));
        let error = scene.edge.outcome().await.unwrap_err();
        assert_eq!(error.condition, told);
        assert!(!error.text.unwrap_or_default().contains("certificate"));
    }
    scene.edge.send(&message(JULIET, NURSE, "x"));
    let sent = scene.inner.next().await;
    sent.envelope.receipts.settle_all(&Settled::Unknown(Box::new(Condition::RemoteServerTimeout.into())));
    assert!(scene.edge.outcome().await.unwrap_err().text.unwrap().contains("not known whether this arrived"));
    assert_eq!(scene.gateway.counters().from_partners.delivery_unknown, 1);
    scene.edge.send(&presence("unavailable", JULIET, NURSE));
    scene.inner.next().await.bounced(Condition::RemoteServerTimeout.into());
    assert_eq!(scene.edge.outcome().await, Ok(()), "an error must not answer it");
    assert_eq!(scene.dropped("inner_server_absent"), 1);
    scene.is_well().await;
}

/// What could not be delivered to a partner comes back to the inner user with its reason.
#[tokio::test]
async fn an_inner_user_is_told_why_a_partner_was_not_reached() {
    let mut scene = scene().await;
    scene.inner.send(&message(NURSE, JULIET, "x"));
    let error = StanzaError::new(Condition::RemoteServerNotFound).with_text("No server was found.");
    scene.edge.next().await.bounced(error.clone());
    assert_eq!(scene.inner.outcome().await, Err(error));
    scene.is_well().await;
}

#[tokio::test]
async fn sip_users_and_components_of_other_domains_are_reached_and_reach_it() {
    let mut scene = scene().await;
    let mut romeo = scene.registered("romeo").await;
    scene.inner.send(&message(NURSE, "romeo@contoso.example", "Where art thou?"));
    assert_eq!(romeo.hear(200).await, "Where art thou?");
    assert_eq!(scene.inner.outcome().await, Ok(()));
    romeo.begin(&format!("sip:{NURSE}"), "Here").await;
    let sent = scene.inner.next().await;
    assert_eq!((sent.from.as_str(), sent.body.as_deref()), ("romeo@contoso.example", Some("Here")));
    assert_eq!(sent.envelope.pair.local.as_ascii(), "contoso.example");
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    romeo.begin(&format!("sip:{NURSE}"), "Still here").await;
    scene.inner.next().await.bounced(Condition::RemoteServerTimeout.into());
    assert_eq!(romeo.response().await.status.code(), 480);

    let mut bot = scene.bot().await;
    scene.inner.send(&message(NURSE, "echo@bots.contoso.example", "Hello"));
    assert!(bot.hear("</message>").await.contains("Hello"));
    assert_eq!(scene.inner.outcome().await, Ok(()));
    bot.say(&message("echo@bots.contoso.example", NURSE, "Hello yourself")).await;
    scene.inner.next().await.written();
    scene.is_well().await;
}

/// One domain, two servers: each address belongs to one of them.
#[tokio::test]
async fn an_address_belongs_to_the_backend_that_it_was_assigned_to() {
    let mut scene = scene().await;
    let server = InnerServer::new(vec!["192.0.2.7".parse().unwrap()]);
    let (backends, secret) = ([Backend::Component, Backend::Xmpp], SECRET.parse().unwrap());
    let service = Service { backends: &backends, secret: Some(&secret), server: Some(&server) };
    scene.store.set_domain_with(&actor(), &domain(BOTS), &service, None).await.unwrap();
    let (echo, anna) = ("echo@bots.contoso.example", "anna@bots.contoso.example");
    scene.store.assign_backend(&actor(), &bare(anna), Some(&Backend::Xmpp)).await.unwrap();
    scene.publish().await;
    scene.in_force().await;
    let mut bot = scene.bot().await;
    for number in 0..3 {
        scene.edge.send(&message(JULIET, echo, &format!("echo {number}")));
        scene.edge.send(&message(JULIET, anna, &format!("anna {number}")));
        assert!(bot.hear("</message>").await.contains(&format!("echo {number}")));
        let sent = scene.inner.next().await;
        assert_eq!(sent.body, Some(format!("anna {number}")));
        sent.written();
        assert_eq!((scene.edge.outcome().await, scene.edge.outcome().await), (Ok(()), Ok(())));
    }
    let error = scene.inner.pass(&message(echo, JULIET, "x")).await.unwrap_err();
    assert_eq!(error.condition, Condition::NotAllowed);
    assert!(error.text.unwrap().contains("is served by another server"));
    bot.say(&message(anna, JULIET, "x")).await;
    assert!(bot.hear("</message>").await.contains("<not-allowed "));
    for (stanza, from) in [(message(anna, JULIET, "y"), anna), (message(BOTS, JULIET, "z"), BOTS)] {
        scene.inner.send(&stanza);
        let sent = scene.edge.next().await;
        assert_eq!(sent.from, from);
        sent.written();
        assert_eq!(scene.inner.outcome().await, Ok(()));
    }
    scene.is_well().await;
}
