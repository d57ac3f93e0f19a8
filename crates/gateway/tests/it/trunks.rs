//! Trunks over UDP and TCP: what goes to a deployment, what it may send, and which target is used (RFC 3263 §4.3).

use std::time::{Duration, Instant};

use gateway::{TargetState, TestStage};
use interwork::message::PAGE_BYTES_MAX;
use policy::Trunk;
use sip::{Method, Name};
use store::Backend;
use xmpp::stanza::Condition;

use crate::{
    partner::message,
    pbx::Pbx,
    phone::Phone,
    scene::{Scene, actor, bare, domain},
};

const JULIET: &str = "juliet@fabrikam.example";
const ALICE: &str = "alice@pbx.example";

/// Two seconds for all of it, and what a loaded machine adds.
const FAILOVER_MAX: Duration = Duration::from_secs(4);

async fn with(trunk: &Trunk) -> Scene {
    let scene = Scene::start().await;
    scene.add_trunk(trunk, "pbx.example").await;
    scene
}

/// A request of a user of the deployment.
fn text(phone: &mut Phone, from: &str, to: &str, body: &str) -> sip::Request {
    let mut request = phone.request(Method::Message, to, from, to);
    request.set_body("text/plain;charset=UTF-8", body.to_owned()).unwrap();
    request
}

#[tokio::test]
async fn a_message_goes_to_the_trunk_that_serves_the_address() {
    for mut pbx in [Pbx::udp().await, Pbx::tcp().await] {
        let mut scene = with(&Pbx::trunk(&[&pbx])).await;
        scene.stand(&[TargetState::Up]).await;
        scene.edge.send(&message("juliet@fabrikam.example/balcony", ALICE, "Art thou there?"));
        let request = pbx.next().await;
        assert_eq!(request.uri.to_string(), "sip:alice@pbx.example");
        assert_eq!(request.headers.to().unwrap().uri.to_string(), "sip:alice@pbx.example");
        assert_eq!(request.headers.from().unwrap().uri.to_string(), "sip:juliet@fabrikam.example");
        assert_eq!(request.headers.max_forwards(), Some(70));
        assert_eq!(request.body().as_ref(), b"Art thou there?");
        assert_eq!(scene.edge.outcome().await, Ok(()));
        for (status, condition) in [
            (404, Condition::ItemNotFound),
            (480, Condition::RecipientUnavailable),
            (403, Condition::Forbidden),
            (503, Condition::InternalServerError),
        ] {
            pbx.answers(status);
            assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(condition), "{status}");
        }
        scene.is_well().await;
    }
}

/// RFC 3428 §8.
#[tokio::test]
async fn a_long_text_is_whole_only_where_every_hop_has_congestion_control() {
    let mut pbx = Pbx::tcp().await;
    let long = "\u{fc}".repeat(1400);
    for safe in [false, true] {
        let trunk = Trunk { congestion_safe: safe, ..Pbx::trunk(&[&pbx]) };
        let mut scene = with(&trunk).await;
        scene.edge.send(&message(JULIET, ALICE, &long));
        let first = pbx.next().await;
        assert_eq!(first.body().as_ref() == long.as_bytes(), safe);
        assert!(safe || first.to_bytes().len() <= PAGE_BYTES_MAX);
        assert_eq!(scene.edge.outcome().await, Ok(()));
        while !pbx.has_heard_nothing() {}
    }
}

#[tokio::test]
async fn one_message_at_a_time_goes_to_an_address_in_order() {
    let mut pbx = Pbx::udp().await;
    let mut scene = with(&Pbx::trunk(&[&pbx])).await;
    for n in 0..20 {
        scene.edge.send(&message(JULIET, ALICE, &n.to_string()));
    }
    for n in 0..20 {
        assert_eq!(pbx.hear().await, n.to_string());
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
}

#[tokio::test]
async fn a_user_of_the_deployment_writes_to_a_partner() {
    let pbx = Pbx::tcp().await;
    let mut scene = with(&Pbx::trunk(&[&pbx])).await;
    let mut alice = Phone::tcp(scene.gateway.sip_tcp()[0], "alice").await;
    let mut request = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "Hello");
    // RFC 3261 §8.2.2.3: for proxies alone. A Route to us ends here.
    request.headers.push_named("Proxy-Require", "ms-benotify").unwrap();
    let route = format!("<sip:{};transport=tcp;lr>", scene.gateway.sip_tcp()[0]);
    request.headers.push_named("Route", route).unwrap();
    request.headers.push_named("Record-Route", "<sip:proxy.pbx.example;lr>").unwrap();
    let request = alice.prepared(request);
    alice.write(request.to_bytes()).await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.from.as_str(), sent.to.as_str(), sent.body.as_deref()), (ALICE, JULIET, Some("Hello")));
    sent.written();
    assert_eq!(alice.response().await.status.code(), 202);
    let contact = scene.store.contact(&bare(ALICE), &bare(JULIET)).await.unwrap();
    assert!(contact.unwrap().state.written);
    scene.is_well().await;
}

/// Never an open relay, and nobody's word but the trunk's for its addresses.
#[tokio::test]
async fn what_a_trunk_may_not_send_is_refused() {
    let pbx = Pbx::udp().await;
    let mut trunk = Pbx::trunk(&[&pbx]);
    trunk.dialect = policy::trunk::Dialect::Lync;
    let mut scene = with(&trunk).await;
    let (alice, juliet) = ("sip:alice@pbx.example", "sip:juliet@fabrikam.example");
    let mut phone = scene.phone("alice").await;
    for (from, to, status) in [
        ("sip:mallory@example.org", juliet, 403),
        (juliet, "sip:romeo@contoso.example", 403),
        // An account: its password is asked for, whatever the source.
        ("sip:romeo@contoso.example", juliet, 401),
        (alice, "sip:a@example.org", 403),
        (alice, "sip:a@northwind.example", 403),
        (alice, "sips:juliet@fabrikam.example", 416),
        (alice, "sip:bob@pbx.example", 482),
    ] {
        let request = text(&mut phone, from, to, "x");
        let request = phone.prepared(request);
        phone.write(request.to_bytes()).await;
        let response = phone.response().await;
        assert_eq!(response.status.code(), status, "{from} {to}");
        let told = response.headers.named("ms-diagnostics");
        assert_eq!(told.is_some(), from == alice && status != 416, "{from} {to} {told:?}");
        if told.is_some() {
            assert!(response.headers.first(Name::Warning).is_some());
        }
    }
    let mut foreign_to = text(&mut phone, alice, juliet, "x");
    foreign_to.headers.set(Name::To, "<sip:a@example.org>").unwrap();
    assert_eq!(phone.ask(foreign_to).await.status.code(), 403);
    let mut demanding = text(&mut phone, alice, juliet, "x");
    demanding.headers.push(Name::Require, "100rel").unwrap();
    assert_eq!(phone.ask(demanding).await.status.code(), 420);
    let register = phone.request(Method::Register, "sip:pbx.example", alice, alice);
    assert_eq!(phone.ask(register).await.status.code(), 403);
    assert_eq!(scene.sip_count("foreign_recipient"), 3);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;

    // From elsewhere the same request is nobody's.
    let elsewhere = Trunk { sources: vec!["192.0.2.0/24".parse().unwrap()], ..trunk };
    scene.store.set_trunk(&actor(), &elsewhere, None).await.unwrap();
    scene.in_force().await;
    let spoofed = text(&mut phone, alice, juliet, "x");
    assert_eq!(phone.ask(spoofed).await.status.code(), 403);
    assert_eq!(scene.sip_count("unknown_source"), 1);
}

#[tokio::test]
async fn addresses_of_one_domain_reach_one_another_across_backends() {
    let mut pbx = Pbx::udp().await;
    let mut scene = Scene::start().await;
    let trunk = Pbx::trunk(&[&pbx]);
    scene.store.add_trunk(&actor(), &trunk).await.unwrap();
    let both = [Backend::Registrar, Backend::Trunk(trunk.name.clone())];
    scene.store.set_domain(&actor(), &domain("contoso.example"), &both, None).await.unwrap();
    scene.store.assign_backend(&actor(), &bare("alice@contoso.example"), Some(&both[1])).await.unwrap();
    scene.in_force().await;
    let mut romeo = scene.registered("romeo").await;
    romeo.begin("sip:alice@contoso.example", "from romeo").await;
    assert_eq!(pbx.hear().await, "from romeo");
    assert_eq!(romeo.response().await.status.code(), 200);
    pbx.answers(404);
    assert_eq!(romeo.say("sip:alice@contoso.example", "x").await.status.code(), 404, "and no other backend is tried");

    let mut alice = scene.phone("alice").await;
    let request = text(&mut alice, "sip:alice@contoso.example", "sip:romeo@contoso.example", "from alice");
    let request = alice.prepared(request);
    alice.write(request.to_bytes()).await;
    assert_eq!(romeo.hear(200).await, "from alice");
    assert_eq!(alice.response().await.status.code(), 200);
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}

/// A stranger's wish to see presence is kept for addresses that have been used: all others may not exist.
#[tokio::test]
async fn invitations_are_kept_for_addresses_that_have_been_seen() {
    let pbx = Pbx::udp().await;
    let mut scene = with(&Pbx::trunk(&[&pbx])).await;
    let subscribe = |to: &str| format!("<presence type='subscribe' from='friar@litware.example' to='{to}'/>");
    assert_eq!(scene.edge.pass(&subscribe(ALICE)).await, Ok(()));
    assert!(scene.store.invitations(None).await.unwrap().is_empty());
    let mut alice = scene.phone("alice").await;
    let request = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "x");
    let request = alice.prepared(request);
    alice.write(request.to_bytes()).await;
    scene.edge.next().await.written();
    assert_eq!(alice.response().await.status.code(), 202);
    assert_eq!(scene.edge.pass(&subscribe(ALICE)).await, Ok(()));
    assert_eq!(scene.store.invitations(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_next_target_takes_over_when_one_ends() {
    let (first, mut second) = (Pbx::tcp().await, Pbx::tcp().await);
    let address = first.address;
    let mut scene = with(&Pbx::trunk(&[&first, &second])).await;
    let status = scene.stand(&[TargetState::Up, TargetState::Up]).await;
    assert!(status.targets.iter().all(|target| target.round_trip_ms.is_some()) && status.is_up());
    assert_eq!((status.connections.len(), status.connections[0].transport), (2, "TCP"));
    first.kill().await;
    let started = Instant::now();
    for n in 0..10 {
        scene.edge.send(&message(JULIET, ALICE, &n.to_string()));
    }
    for n in 0..10 {
        assert_eq!(second.hear().await, n.to_string());
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    assert!(started.elapsed() < FAILOVER_MAX, "{:?}", started.elapsed());
    let status = scene.stand(&[TargetState::Down, TargetState::Up]).await;
    assert!(status.targets[0].last_error.as_deref().unwrap().contains("refused the connection"), "{status:#?}");
    let mut again = Pbx::tcp_at(address).await;
    scene.stand(&[TargetState::Up, TargetState::Up]).await;
    scene.edge.send(&message(JULIET, ALICE, "back"));
    assert_eq!(again.hear().await, "back", "the first choice is used again");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// A request without an answer goes to the next target once OPTIONS shows that its target is dead.
#[tokio::test]
async fn a_target_that_falls_silent_loses_its_requests_within_two_seconds() {
    let (mut first, mut second) = (Pbx::udp().await, Pbx::udp().await);
    let mut scene = with(&Pbx::trunk(&[&first, &second])).await;
    scene.stand(&[TargetState::Up, TargetState::Up]).await;
    first.answers(0);
    first.answers_options(0);
    let started = Instant::now();
    for n in 0..5 {
        scene.edge.send(&message(JULIET, ALICE, &n.to_string()));
    }
    assert_eq!(first.hear().await, "0");
    for n in 0..5 {
        assert_eq!(second.hear().await, n.to_string(), "in their order");
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    assert!(started.elapsed() < FAILOVER_MAX, "{:?}", started.elapsed());
    let status = scene.stand(&[TargetState::Down, TargetState::Up]).await;
    assert_eq!(status.targets[0].last_error.as_deref(), Some("no answer to OPTIONS came in time"));
    let before = Instant::now();
    assert_eq!(scene.edge.say(JULIET, ALICE, "at once").await, Ok(()));
    assert!(before.elapsed() < Duration::from_secs(1), "the dead one is avoided");
    scene.is_well().await;
}

/// A slow answer is no death: the request is not sent twice.
#[tokio::test]
async fn a_target_that_answers_options_keeps_its_requests() {
    let (mut first, mut second) = (Pbx::udp().await, Pbx::udp().await);
    let mut scene = with(&Pbx::trunk(&[&first, &second])).await;
    scene.stand(&[TargetState::Up, TargetState::Up]).await;
    first.answers(0);
    let asked = first.asked();
    scene.edge.send(&message(JULIET, ALICE, "slow"));
    first.next().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(first.asked() > asked, "it was asked");
    first.answers(200);
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert!(second.has_heard_nothing());
}

/// RFC 3263 §4.3, and RFC 3261 §21.5.4 for Retry-After.
#[tokio::test]
async fn a_target_that_answers_503_is_left_alone_for_the_time_it_asks_for() {
    let (mut first, mut second) = (Pbx::tcp().await, Pbx::tcp().await);
    let mut scene = with(&Pbx::trunk(&[&first, &second])).await;
    scene.stand(&[TargetState::Up, TargetState::Up]).await;
    first.answers(503);
    for body in ["one", "two"] {
        scene.edge.send(&message(JULIET, ALICE, body));
        assert_eq!(second.hear().await, body);
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    assert_eq!(first.hear().await, "one");
    assert!(first.has_heard_nothing());
    second.answers(503);
    assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(Condition::InternalServerError));
    assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(Condition::ResourceConstraint));
    scene.is_well().await;
}

#[tokio::test]
async fn without_any_target_the_sender_is_told_soon() {
    let pbx = Pbx::tcp().await;
    let (trunk, address) = (Pbx::trunk(&[&pbx]), pbx.address);
    pbx.kill().await;
    let mut scene = with(&trunk).await;
    let status = scene.stand(&[TargetState::Down]).await;
    assert!(!status.is_up());
    let started = Instant::now();
    assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(Condition::RemoteServerTimeout));
    assert!(started.elapsed() < FAILOVER_MAX);
    // One that comes back while a message waits gets it.
    scene.edge.send(&message(JULIET, ALICE, "just in time"));
    let mut pbx = Pbx::tcp_at(address).await;
    let heard = tokio::select! {
        body = pbx.hear() => Some(body),
        outcome = scene.edge.outcome() => { assert!(outcome.is_err()); None }
    };
    if heard.is_some() {
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    scene.stand(&[TargetState::Up]).await;
    assert_eq!(scene.edge.say(JULIET, ALICE, "again").await, Ok(()));
    assert_eq!(pbx.accepted(), 1, "one connection is used again and again");
    scene.is_well().await;
}

#[tokio::test]
async fn a_trunk_that_is_switched_off_carries_nothing() {
    let pbx = Pbx::tcp().await;
    let trunk = Pbx::trunk(&[&pbx]);
    let mut scene = with(&trunk).await;
    scene.stand(&[TargetState::Up]).await;
    scene.store.set_trunk(&actor(), &Trunk { enabled: false, ..trunk }, None).await.unwrap();
    scene.in_force().await;
    assert_eq!(scene.edge.say(JULIET, ALICE, "x").await, Err(Condition::ServiceUnavailable));
    let mut alice = Phone::tcp(scene.gateway.sip_tcp()[0], "alice").await;
    let request = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "x");
    assert_eq!(alice.ask(request).await.status.code(), 403);
    let status = scene.stand(&[TargetState::Unknown]).await;
    assert!(!status.enabled && status.connections.is_empty());
}

#[tokio::test]
async fn a_test_of_a_trunk_tells_each_step() {
    let (pbx, gone) = (Pbx::tcp().await, Pbx::tcp().await);
    let trunk = Pbx::trunk(&[&pbx, &gone]);
    let at = gone.address;
    gone.kill().await;
    let scene = with(&trunk).await;
    let test = scene.gateway.monitor().test_trunk(&trunk.name).await.unwrap();
    assert!(test.passed());
    let told: Vec<_> = test.steps.iter().map(|step| (step.stage, step.outcome.clone())).collect();
    let good = |stage, words: &str| (stage, Ok(words.to_owned()));
    let expected = [
        good(TestStage::Resolve, &pbx.address.to_string()),
        good(TestStage::Connect, "connected"),
        good(TestStage::Options, "200 OK"),
        good(TestStage::Resolve, &at.to_string()),
        (TestStage::Connect, Err(format!("{at} refused the connection"))),
    ];
    assert_eq!(told, expected);
    assert!(scene.gateway.monitor().test_trunk(&"other".parse().unwrap()).await.is_none());

    let (udp, silent) = (Pbx::udp().await, Pbx::udp().await);
    silent.answers_options(0);
    let scene = with(&Pbx::trunk(&[&udp, &silent])).await;
    let test = scene.gateway.monitor().test_trunk(&trunk.name).await.unwrap();
    let outcomes: Vec<_> = test.steps.iter().map(|step| step.outcome.is_ok()).collect();
    assert_eq!(outcomes, [true, true, true, false]);
}

/// RFC 3261 §18.2.2: an answer whose connection is gone goes to the sent-by of Via, for a trunk's own addresses alone.
#[tokio::test]
async fn an_answer_finds_its_way_when_the_connection_of_its_request_is_gone() {
    let mut scene = Scene::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut trunk = Trunk::new("pbx".parse().unwrap());
    trunk.targets = vec![at.to_string().parse().unwrap()];
    trunk.transport = policy::trunk::TrunkTransport::Tcp;
    trunk.sources = vec!["127.0.0.1".parse().unwrap()];
    scene.add_trunk(&trunk, "pbx.example").await;
    let gateway = scene.gateway.sip_tcp()[0];
    let (mut back, _) = listener.accept().await.unwrap();
    let mut alice = Phone::tcp(gateway, "alice").await.advertising(at);
    let request = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "x");
    let request = alice.prepared(request);
    alice.write(request.to_bytes()).await;
    let sent = scene.edge.next().await;
    drop(alice);
    // The gateway has seen the end of the connection once it no longer lists it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    sent.written();
    let mut seen = String::new();
    let answer = async {
        while !seen.contains("202 Accepted") {
            let mut buffer = [0; 4096];
            let length = tokio::io::AsyncReadExt::read(&mut back, &mut buffer).await.unwrap();
            assert_ne!(length, 0);
            seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    tokio::time::timeout(crate::scene::PATIENCE, answer).await.expect("the answer comes on the trunk's connection");
    let branch = request.headers.via().unwrap().branch().to_owned();
    assert!(seen.contains(&branch));
}

/// A target that takes the connection and never ends the handshake: what waits for it goes to the next.
#[tokio::test]
async fn a_connection_that_is_never_made_holds_requests_for_less_than_a_second() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = crate::authority::Authority::new();
    let mut second = Pbx::tls(authority.tls(&["pbx.example"])).await;
    let mut trunk = Pbx::trunk(&[&second]);
    trunk.targets.insert(0, silent.local_addr().unwrap().to_string().parse().unwrap());
    trunk.peer_names = vec![domain("pbx.example")];
    trunk.trust_roots = authority.roots();
    let mut scene = with(&trunk).await;
    scene.stand(&[TargetState::Unknown, TargetState::Up]).await;
    let started = Instant::now();
    for n in 0..5 {
        scene.edge.send(&message(JULIET, ALICE, &n.to_string()));
    }
    for n in 0..5 {
        assert_eq!(second.hear().await, n.to_string(), "in their order");
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    assert!(started.elapsed() < FAILOVER_MAX, "{:?}", started.elapsed());
    let status = scene.stand(&[TargetState::Down, TargetState::Up]).await;
    assert_eq!(status.targets[0].last_error.as_deref(), Some("the TLS handshake did not end in time"));
}

#[tokio::test]
async fn addresses_of_ipv6_are_as_good() {
    let tcp = Pbx::tcp_at("[::1]:0".parse().unwrap()).await;
    for mut pbx in [Pbx::udp_at("[::1]:0").await, tcp] {
        let six = vec!["[::1]:0".parse().unwrap()];
        let mut scene = Scene::start_with(|config, _| {
            config.sip_udp.extend(&six);
            config.sip_tcp.clone_from(&six);
        })
        .await;
        scene.add_trunk(&Pbx::trunk(&[&pbx]), "pbx.example").await;
        scene.stand(&[TargetState::Up]).await;
        scene.edge.send(&message(JULIET, ALICE, "over IPv6"));
        let request = pbx.next().await;
        let via = request.headers.via().unwrap();
        assert_eq!(via.host, "[::1]");
        assert_eq!(scene.edge.outcome().await, Ok(()));
        let mut alice = match pbx.transport {
            policy::trunk::TrunkTransport::Udp => Phone::udp(scene.gateway.sip_udp()[1], "alice").await,
            _ => Phone::tcp(scene.gateway.sip_tcp()[0], "alice").await,
        };
        let request = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "back");
        let request = alice.prepared(request);
        alice.write(request.to_bytes()).await;
        scene.edge.next().await.written();
        assert_eq!(alice.response().await.status.code(), 202);
        scene.is_well().await;
    }
}

/// RFC 3261 §16.3: own Via, no hops left.
#[tokio::test]
async fn a_request_of_a_trunk_that_goes_in_circles_ends() {
    let pbx = Pbx::udp().await;
    let mut scene = with(&Pbx::trunk(&[&pbx])).await;
    let mut alice = scene.phone("alice").await;
    let mut looped = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "x");
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKours", scene.gateway.sip_udp()[0]);
    looped.headers.push_front(Name::Via, via).unwrap();
    let mut exhausted = text(&mut alice, "sip:alice@pbx.example", "sip:juliet@fabrikam.example", "x");
    exhausted.headers.set(Name::MaxForwards, 0).unwrap();
    for (request, status) in [(looped, 482), (exhausted, 483)] {
        assert_eq!(alice.ask(request).await.status.code(), status);
    }
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}
