//! A domain that a component serves: XEP-0114, and partner-policy.md §3 for its addresses.

use store::{Backend, Contact};
use xmpp::stanza::Condition;

use crate::{
    bot::Bot,
    partner::message,
    scene::{BOTS, SECRET, Scene, actor, bare, domain},
};

const ECHO: &str = "echo@bots.contoso.example";
const JULIET: &str = "juliet@fabrikam.example";
const FRIAR: &str = "friar@litware.example";

fn presence(kind: &str, from: &str, to: &str) -> String {
    format!("<presence type='{kind}' from='{from}' to='{to}' id='p1'/>")
}

async fn contact(scene: &Scene, partner: &str) -> Option<Contact> {
    scene.store.contact(&bare(ECHO), &bare(partner)).await.unwrap()
}

#[tokio::test]
async fn messages_pass_both_ways_in_order() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    for number in 0..200 {
        scene.edge.send_in_turn(&message(JULIET, ECHO, &format!("in {number}."))).await;
        bot.say(&message(ECHO, JULIET, &format!("out {number}."))).await;
    }
    for number in 0..200 {
        let heard = bot.hear("</message>").await;
        assert_eq!(heard, message(JULIET, ECHO, &format!("in {number}.")));
        assert_eq!(scene.edge.outcome().await, Ok(()));
        let sent = scene.edge.next().await;
        assert_eq!((sent.from.as_str(), sent.body.as_deref()), (ECHO, Some(format!("out {number}.").as_str())));
        sent.written();
    }
    scene.is_well().await;
    let counters = scene.gateway.counters();
    assert_eq!((counters.from_users.delivered, counters.from_partners.delivered), (200, 200));
}

#[tokio::test]
async fn an_uninvited_sender_is_refused_until_the_address_has_written() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    assert_eq!(scene.edge.say(FRIAR, ECHO, "x").await, Err(Condition::Forbidden));
    bot.say(&message(ECHO, FRIAR, "Good morrow")).await;
    let sent = scene.edge.next().await;
    let state = contact(&scene, FRIAR).await.unwrap().state;
    assert!(state.written && !state.added, "stored before the stanza is on the link");
    sent.written();
    scene.edge.send(&message(FRIAR, ECHO, "Benedicite"));
    assert!(bot.hear("</message>").await.contains("Benedicite"));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert_eq!(scene.edge.say(FRIAR, "other@bots.contoso.example", "x").await, Err(Condition::Forbidden));
    assert_eq!(scene.edge.say(FRIAR, BOTS, "x").await, Err(Condition::Forbidden), "its domain is an address too");
    scene.is_well().await;
}

#[tokio::test]
async fn subscribe_opens_added_and_unsubscribe_ends_it_before_either_leaves() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    for (kind, added) in [("subscribe", true), ("unsubscribe", false)] {
        bot.say(&presence(kind, ECHO, FRIAR)).await;
        let sent = scene.edge.next().await;
        assert_eq!(sent.kind.as_deref(), Some(kind));
        assert_eq!(contact(&scene, FRIAR).await.unwrap().state.added, added);
        sent.written();
        let outcome = scene.edge.say(FRIAR, ECHO, "x").await;
        assert_eq!(outcome, if added { Ok(()) } else { Err(Condition::Forbidden) });
    }
    assert!(scene.edge.is_silent().await, "the component has said it all");
    scene.is_well().await;
}

#[tokio::test]
async fn what_two_users_exchange_keeps_its_order_behind_a_first_message() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let mut all = String::new();
    for number in 0..10 {
        all.push_str(&message(ECHO, FRIAR, &number.to_string()));
        all.push_str(&presence("subscribe", ECHO, FRIAR));
    }
    bot.say(&all).await;
    for number in 0..10 {
        let sent = scene.edge.next().await;
        assert_eq!(sent.body, Some(number.to_string()));
        sent.written();
        let sent = scene.edge.next().await;
        assert_eq!(sent.kind.as_deref(), Some("subscribe"));
        sent.written();
    }
    scene.is_well().await;
}

#[tokio::test]
async fn what_policy_does_not_permit_is_answered_with_its_error_and_an_error_never() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    scene.store.block_contact(&actor(), &bare(ECHO), &bare(JULIET)).await.unwrap();
    scene.in_force().await;
    for (to, condition, text) in [
        ("a@example.org", "not-allowed", "example.org is not a federation partner"),
        ("a@northwind.example", "not-allowed", "northwind.example is disabled"),
        (JULIET, "not-acceptable", "You have blocked this contact"),
        ("nobody@contoso.example", "service-unavailable", ""),
    ] {
        bot.say(&format!("<message type='error' from='{ECHO}' to='{to}'/>")).await;
        bot.say(&message(ECHO, to, "x")).await;
        let error = bot.hear("</message>").await;
        assert!(error.starts_with(&format!("<message from='{to}' to='{ECHO}' id='x1' type='error'>")), "{error}");
        assert!(error.contains(&format!("<{condition} ")) && error.contains(text), "{error}");
    }
    bot.say(&format!("<iq from='{ECHO}' to='{JULIET}' id='q'/>")).await;
    assert!(bot.hear("</iq>").await.contains("<bad-request "));
    assert!(scene.edge.is_silent().await && contact(&scene, "a@example.org").await.is_none());
    scene.is_well().await;
    assert_eq!(scene.gateway.counters().from_users.dropped["unanswerable"], 4);
}

#[tokio::test]
async fn a_stanza_that_the_proxy_could_not_deliver_comes_back_once() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    for kind in ["", "type='error'"] {
        bot.say(&format!("<message {kind} from='{ECHO}' to='{JULIET}' id='m1'><body>x</body></message>")).await;
        scene.edge.next().await.bounced(Condition::RemoteServerNotFound.into());
    }
    let error = bot.hear("</message>").await;
    assert!(error.contains("<remote-server-not-found ") && error.contains("id='m1'"), "{error}");
    scene.edge.send(&message(JULIET, ECHO, "next"));
    assert!(bot.hear("</message>").await.contains("next"), "nothing else came before");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// What the partner never acknowledged is told once, and counted for what it is.
#[tokio::test]
async fn a_stanza_that_may_have_arrived_is_told_as_such() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    for id in ["lost", "taken"] {
        bot.say(&format!("<message from='{ECHO}' to='{JULIET}' id='{id}'><body>x</body></message>")).await;
        let receipt = scene.edge.next().await.envelope.receipts.whole();
        receipt.written();
        if id == "lost" {
            receipt.unknown(Condition::RemoteServerTimeout.into());
        } else {
            receipt.done();
        }
    }
    assert!(bot.hear("</message>").await.contains("id='lost' type='error'"));
    scene.is_well().await;
    let ledger = scene.gateway.counters().from_users;
    assert_eq!((ledger.delivered, ledger.answered, ledger.delivery_unknown), (1, 0, 1));
}

#[tokio::test]
async fn presence_of_trusted_partners_reaches_the_component_which_answers_itself() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    scene.edge.send(&presence("subscribe", JULIET, ECHO));
    assert_eq!(bot.hear("/>").await, presence("subscribe", JULIET, ECHO));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    bot.say(&presence("subscribed", ECHO, JULIET)).await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.kind.as_deref(), Some("subscribed"));
    assert!(contact(&scene, JULIET).await.unwrap().state.authorised);
    sent.written();
    scene.edge.send(&presence("probe", JULIET, ECHO));
    assert_eq!(bot.hear("/>").await, presence("probe", JULIET, ECHO));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    bot.say(&format!("<presence from='{ECHO}/bot' to='{JULIET}'><status>here</status></presence>")).await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.kind.clone(), sent.from.as_str()), (None, "echo@bots.contoso.example/bot"));
    sent.written();
    assert!(scene.edge.is_silent().await, "the gateway says nothing in its name");
    scene.is_well().await;
}

/// Partners' rosters survive a migration.
#[tokio::test]
async fn a_probe_without_permission_counts_as_a_request_for_it() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    scene.edge.send(&presence("probe", "juliet@fabrikam.example/b", ECHO));
    let heard = bot.hear("/>").await;
    for part in ["from='juliet@fabrikam.example'", "type='subscribe'", "id='p1'"] {
        assert!(heard.contains(part), "{heard}");
    }
    assert_eq!(scene.edge.outcome().await, Ok(()));
    // "It is never answered unsubscribed"; a real request may be declined.
    bot.say(&presence("unsubscribed", ECHO, JULIET)).await;
    bot.say(&message(ECHO, "a@example.org", "Have you taken that?")).await;
    bot.hear("</message>").await;
    scene.edge.send(&presence("subscribe", JULIET, ECHO));
    assert_eq!(bot.hear("/>").await, presence("subscribe", JULIET, ECHO));
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert!(scene.edge.is_silent().await);
    bot.say(&presence("unsubscribed", ECHO, JULIET)).await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.kind.as_deref(), Some("unsubscribed"));
    sent.written();
    scene.is_well().await;
    assert_eq!(scene.gateway.counters().from_users.dropped["probe_not_answered"], 1);
}

#[tokio::test]
async fn an_invitation_of_a_stranger_is_kept_for_addresses_that_were_used() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    assert_eq!(scene.edge.pass(&presence("subscribe", FRIAR, ECHO)).await, Ok(()));
    assert_eq!(scene.dropped("no_such_user"), 1);
    bot.say(&message(ECHO, JULIET, "x")).await;
    scene.edge.next().await.written();
    assert_eq!(scene.edge.pass(&presence("subscribe", FRIAR, ECHO)).await, Ok(()));
    let kept = scene.store.invitations(Some(&bare(ECHO))).await.unwrap();
    assert_eq!(kept.len(), 1);
    // The component accepts by itself: no other answer than its own.
    bot.say(&presence("subscribed", ECHO, FRIAR)).await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.kind.as_deref(), Some("subscribed"));
    sent.written();
    assert!(scene.store.invitations(Some(&bare(ECHO))).await.unwrap().is_empty());
    scene.in_force().await;
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn a_stranger_who_takes_the_invitation_back_is_forgotten_without_an_answer() {
    let mut scene = Scene::start().await;
    let romeo = "romeo@contoso.example";
    assert_eq!(scene.edge.pass(&presence("subscribe", FRIAR, romeo)).await, Ok(()));
    assert_eq!(scene.edge.pass(&presence("unsubscribe", FRIAR, romeo)).await, Ok(()));
    assert_eq!(scene.dropped("invitation_withdrawn"), 1);
    // What is written in order is durable in order.
    scene.store.contact_written(&bare(romeo), &bare(FRIAR)).await.unwrap();
    assert!(scene.store.invitations(Some(&bare(romeo))).await.unwrap().is_empty());
    scene.in_force().await;
    assert!(scene.edge.is_silent().await);
}

#[tokio::test]
async fn the_component_answers_for_its_domain_also_to_strangers() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let ask = |payload: &str| format!("<iq type='get' id='q1' from='{FRIAR}' to='{BOTS}'>{payload}</iq>");
    for payload in [
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<ping xmlns='urn:xmpp:ping'/>",
        "<x xmlns='urn:x'/>",
    ] {
        scene.edge.send(&ask(payload));
        assert_eq!(bot.hear("</iq>").await, ask(payload));
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    bot.say(&format!("<iq type='result' id='q1' from='{BOTS}' to='{FRIAR}'/>")).await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.kind.as_deref(), sent.id.as_str()), (Some("result"), "q1"));
    sent.written();
    scene.is_well().await;
}

#[tokio::test]
async fn without_a_component_messages_are_answered_and_presence_is_not() {
    let mut scene = Scene::start().await;
    assert_eq!(scene.edge.say(JULIET, ECHO, "x").await, Err(Condition::RemoteServerTimeout));
    assert_eq!(scene.edge.pass(&presence("subscribe", JULIET, ECHO)).await, Ok(()));
    assert_eq!(scene.edge.pass(&format!("<iq type='result' id='1' from='{JULIET}' to='{ECHO}'/>")).await, Ok(()));
    assert_eq!(scene.dropped("component_absent"), 2);
    let bot = scene.bot().await;
    drop(bot);
    while !scene.gateway.monitor().components().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.edge.say(JULIET, ECHO, "x").await, Err(Condition::RemoteServerTimeout));
    scene.is_well().await;
}

#[tokio::test]
async fn who_may_not_serve_a_domain_is_told_why() {
    let scene = Scene::start().await;
    let address = scene.gateway.components()[0];
    for (name, condition) in
        [("contoso.example", "host-unknown"), ("other.example", "host-unknown"), ("fabrikam.example", "host-unknown")]
    {
        let heard = Bot::open(address, name).await.end().await;
        assert!(heard.contains(&format!("<{condition} ")), "{heard}");
    }
    let heard = Bot::handshake(address, BOTS, "another secret").await.end().await;
    assert!(heard.contains("<not-authorized "), "{heard}");
    let _bot = scene.bot().await;
    let heard = Bot::open(address, BOTS).await.end().await;
    assert!(heard.contains("<conflict "), "{heard}");
    let connected = scene.gateway.monitor().components().await;
    assert_eq!((connected.len(), connected[0].domain.as_ascii()), (1, BOTS));
}

/// XEP-0114 §3.
#[tokio::test]
async fn a_component_that_speaks_for_another_domain_is_let_go() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    bot.say(&message("romeo@contoso.example", JULIET, "x")).await;
    assert!(bot.end().await.contains("<invalid-from "));
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

#[tokio::test]
async fn of_two_that_prove_the_secret_one_serves_the_domain() {
    let scene = Scene::start().await;
    let address = scene.gateway.components()[0];
    let mut late = Bot::open(address, BOTS).await;
    let header = late.hear("'>").await;
    let mut bot = scene.bot().await;
    late.prove(&header, SECRET).await;
    let heard = late.end().await;
    assert!(heard.contains("<conflict "), "{heard}");
    bot.say(&message(ECHO, "a@example.org", "x")).await;
    assert!(bot.hear("</message>").await.contains("<not-allowed "));
}

#[tokio::test]
async fn a_changed_secret_or_backend_ends_the_connection() {
    let scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let (bots, new) = (domain(BOTS), "another secret of bots".parse().unwrap());
    scene.store.set_domain(&actor(), &bots, &[Backend::Component], Some(&new)).await.unwrap();
    assert!(bot.end().await.contains("<reset "));
    let address = scene.gateway.components()[0];
    assert!(Bot::handshake(address, BOTS, SECRET).await.end().await.contains("<not-authorized "));
    let mut bot = Bot::connect(address, BOTS, "another secret of bots").await;
    scene.store.set_domain(&actor(), &bots, &[Backend::Registrar], None).await.unwrap();
    assert!(bot.end().await.contains("<host-gone "));
    assert!(Bot::open(address, BOTS).await.end().await.contains("<host-unknown "));
}

#[tokio::test]
async fn a_component_is_told_that_the_gateway_stops() {
    let scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let mut half_open = Bot::open(scene.gateway.components()[0], BOTS).await;
    half_open.hear("<conflict ").await;
    let (heard, ()) = tokio::join!(bot.end(), scene.gateway.stop());
    assert!(heard.contains("<system-shutdown ") && heard.ends_with("</stream:stream>"), "{heard}");
}

#[tokio::test]
async fn messages_pass_between_sip_users_and_components() {
    let scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin("sip:echo@bots.contoso.example", "Say it again").await;
    let heard = bot.hear("</message>").await;
    assert!(heard.contains("from='romeo@contoso.example'") && heard.contains("<body>Say it again</body>"), "{heard}");
    assert_eq!(romeo.response().await.status.code(), 202);
    bot.say(&message(ECHO, "romeo@contoso.example", "Again")).await;
    assert_eq!(romeo.hear(200).await, "Again");
    bot.say(&message(ECHO, "tybalt@contoso.example", "Offline")).await;
    assert!(bot.hear("</message>").await.contains("<recipient-unavailable "));
    bot.say(&format!("<iq type='get' id='1' from='{ECHO}' to='romeo@contoso.example'><x xmlns='y'/></iq>")).await;
    assert!(bot.hear("</iq>").await.contains("<service-unavailable "));
    bot.say(&message(ECHO, "me@bots.contoso.example", "to myself")).await;
    assert!(bot.hear("</message>").await.contains("to myself"));
    drop(bot);
    while !scene.gateway.monitor().components().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(romeo.say("sip:echo@bots.contoso.example", "Gone?").await.status.code(), 480);
    scene.is_well().await;
}
