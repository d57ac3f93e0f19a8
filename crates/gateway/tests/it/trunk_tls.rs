//! Trunks inside TLS with certificates on both sides (RFC 5922, RFC 5923).

use std::{path::Path, time::Duration};

use gateway::{GatewayConfig, TargetState, TestStage};
use policy::Trunk;
use sip::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    authority::Authority,
    partner::message,
    pbx::Pbx,
    phone::Phone,
    scene::{PATIENCE, Scene, domain},
};

const JULIET: &str = "juliet@fabrikam.example";
const ALICE: &str = "alice@pbx.example";

/// The gateway listens for TLS and shows a certificate of this authority.
async fn scene(authority: &Authority) -> Scene {
    Scene::start_with(|config: &mut GatewayConfig, folder: &Path| {
        config.sip_tls = vec!["127.0.0.1:0".parse().unwrap()];
        config.certificates = vec![authority.issue(folder, &["contoso.example"])];
    })
    .await
}

fn trunk(pbx: &Pbx, authority: &Authority, names: &[&str]) -> Trunk {
    let peer_names = names.iter().map(|name| domain(name)).collect();
    Trunk { peer_names, trust_roots: authority.roots(), sources: Vec::new(), ..Pbx::trunk(&[pbx]) }
}

async fn say(phone: &mut Phone, from: &str) -> u16 {
    let mut request =
        phone.request(Method::Message, "sip:juliet@fabrikam.example", from, "sip:juliet@fabrikam.example");
    request.set_body("text/plain", "x").unwrap();
    phone.ask(request).await.status.code()
}

#[tokio::test]
async fn messages_pass_both_ways_inside_mutual_tls() {
    let authority = Authority::new();
    let tls = authority.tls(&["sip:sip.pbx.example", "unrelated.example"]);
    let mut pbx = Pbx::tls(tls.clone()).await;
    let mut scene = scene(&authority).await;
    scene.add_trunk(&trunk(&pbx, &authority, &["sip.pbx.example"]), "pbx.example").await;
    let status = scene.stand(&[TargetState::Up]).await;
    assert_eq!(status.connections[0].names, ["sip.pbx.example"]);
    assert!(status.connections[0].outgoing);
    scene.edge.send(&message(JULIET, ALICE, "inward"));
    let request = pbx.next().await;
    let via = request.headers.via().unwrap();
    assert_eq!((via.transport.as_str(), via.port), ("TLS", Some(scene.gateway.sip_tls()[0].port())));
    assert!(via.params.has("alias"), "RFC 5923 \u{a7}8.1");
    assert_eq!(scene.edge.outcome().await, Ok(()));

    let mut alice = Phone::tls(scene.gateway.sip_tls()[0], &tls, "alice").await;
    let mut request = alice.request(
        Method::Message,
        "sip:juliet@fabrikam.example",
        "sip:alice@pbx.example",
        "sip:juliet@fabrikam.example",
    );
    request.set_body("text/plain", "outward").unwrap();
    let request = alice.prepared(request);
    alice.write(request.to_bytes()).await;
    let sent = scene.edge.next().await;
    assert_eq!((sent.from.as_str(), sent.body.as_deref()), (ALICE, Some("outward")));
    sent.written();
    assert_eq!(alice.response().await.status.code(), 202);
    assert_eq!(say(&mut alice, "sip:romeo@contoso.example").await, 403, "no address of the trunk");
    assert_eq!(scene.sip_count("sender_not_of_trunk"), 1);
    let status = scene.stand(&[TargetState::Up]).await;
    assert_eq!(status.connections.len(), 2);
    assert_eq!(pbx.accepted(), 1);

    let test = scene.gateway.monitor().test_trunk(&"pbx".parse().unwrap()).await.unwrap();
    let stages: Vec<_> = test.steps.iter().map(|step| (step.stage, step.outcome.is_ok())).collect();
    use TestStage as S;
    assert_eq!(stages, [S::Resolve, S::Connect, S::Tls, S::Options].map(|stage| (stage, true)));
    let shown = test.steps[2].certificate.as_ref().unwrap();
    assert_eq!(shown.names.uri, ["sip:sip.pbx.example"]);
    scene.is_well().await;
}

/// RFC 5922 §7.1–7.3: DNS names count only without a sip URI, no wildcard and no suffix ever; the chain must hold.
#[tokio::test]
async fn a_certificate_that_is_not_the_trunks_is_refused_and_told() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (issuer, names, error) in [
        (&authority, &["pbx.example"][..], None),
        (&authority, &["sip:pbx.example", "other.example"], None),
        (&authority, &["sip:other.example", "pbx.example"], Some("names other.example, and none of the trunk's")),
        (&authority, &["*.example"], Some("names no SIP domain")),
        (&authority, &["sip.pbx.example"], Some("names sip.pbx.example, and none of the trunk's")),
        (&authority, &["sip:alice@pbx.example"], Some("names no SIP domain")),
        (&other, &["pbx.example"], Some("was not issued by a trusted authority")),
    ] {
        let pbx = Pbx::tls(issuer.tls(names)).await;
        let mut scene = scene(&authority).await;
        scene.add_trunk(&trunk(&pbx, &authority, &["pbx.example"]), "pbx.example").await;
        let state = if error.is_none() { TargetState::Up } else { TargetState::Down };
        let status = scene.stand(&[state]).await;
        let told = status.targets[0].last_error.clone().unwrap_or_default();
        assert!(told.contains(error.unwrap_or_default()), "{names:?}: {told}");

        // The other way round, the same certificate proves nothing either.
        let mut alice = Phone::tls(scene.gateway.sip_tls()[0], &issuer.tls(names), "alice").await;
        let mut request = alice.request(
            Method::Message,
            "sip:juliet@fabrikam.example",
            "sip:alice@pbx.example",
            "sip:juliet@fabrikam.example",
        );
        request.set_body("text/plain", "x").unwrap();
        let request = alice.prepared(request);
        alice.write(request.to_bytes()).await;
        if error.is_none() {
            scene.edge.next().await.written();
        }
        let expected = if error.is_none() { 202 } else { 403 };
        assert_eq!(alice.response().await.status.code(), expected, "{names:?}");
        assert_eq!(scene.sip_count("unknown_source"), u64::from(error.is_some()));
        let test = scene.gateway.monitor().test_trunk(&"pbx".parse().unwrap()).await.unwrap();
        assert_eq!(test.passed(), error.is_none());
    }
}

/// Nobody becomes a trunk by its address where the trunk proves itself by a certificate.
#[tokio::test]
async fn a_trunk_with_tls_sends_by_nothing_else() {
    let authority = Authority::new();
    let pbx = Pbx::tls(authority.tls(&["pbx.example"])).await;
    let scene = scene(&authority).await;
    let trunk = Trunk { sources: vec!["127.0.0.1".parse().unwrap()], ..trunk(&pbx, &authority, &["pbx.example"]) };
    scene.add_trunk(&trunk, "pbx.example").await;
    let mut by_udp = scene.phone("alice").await;
    assert_eq!(say(&mut by_udp, "sip:alice@pbx.example").await, 403);
    let mut by_tcp = Phone::tcp(scene.gateway.sip_tcp()[0], "alice").await;
    assert_eq!(say(&mut by_tcp, "sip:alice@pbx.example").await, 403);
    // Without a certificate of its own.
    let bare = net::tls::Tls::new(net::tls::Identities::default()).unwrap();
    let mut without = Phone::tls(scene.gateway.sip_tls()[0], &bare, "alice").await;
    assert_eq!(say(&mut without, "sip:alice@pbx.example").await, 403);
    assert_eq!(scene.sip_count("unknown_source"), 3);
}

#[tokio::test]
async fn a_user_registers_and_writes_over_tls() {
    let authority = Authority::new();
    let mut scene = scene(&authority).await;
    let bare = net::tls::Tls::new(net::tls::Identities::default()).unwrap();
    let mut romeo = Phone::tls(scene.gateway.sip_tls()[0], &bare, "romeo").await;
    assert_eq!(romeo.register(3600).await.status.code(), 200);
    assert_eq!(scene.gateway.registrations().await[0].transport, "TLS");
    scene.edge.send(&message(JULIET, "romeo@contoso.example", "x"));
    let request = romeo.next_request().await;
    assert_eq!(request.headers.via().unwrap().transport, "TLS");
    romeo.reply(&request, 200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// RFC 5923 §8.2: with `alias`, requests to the advertised address go back on the connection; without, on a new one.
#[tokio::test]
async fn a_connection_is_used_back_only_where_its_other_end_says_so() {
    let authority = Authority::new();
    let tls = authority.tls(&["pbx.example"]);
    for alias in [true, false] {
        let mut scene = scene(&authority).await;
        // Nothing listens at the address that is advertised.
        let address = {
            let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            taken.local_addr().unwrap()
        };
        let mut trunk = Trunk::new("pbx".parse().unwrap());
        trunk.targets = vec![address.to_string().parse().unwrap()];
        trunk.peer_names = vec![domain("pbx.example")];
        trunk.trust_roots = authority.roots();
        scene.add_trunk(&trunk, "pbx.example").await;
        scene.stand(&[TargetState::Down]).await;
        let mut pbx = Phone::tls(scene.gateway.sip_tls()[0], &tls, "alice").await.advertising(address);
        let mut request = pbx.request(
            Method::Message,
            "sip:juliet@fabrikam.example",
            "sip:alice@pbx.example",
            "sip:juliet@fabrikam.example",
        );
        request.set_body("text/plain", "x").unwrap();
        let request = pbx.prepared(request);
        let mut text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
        if alias {
            text = text.replacen(";rport", ";rport;alias", 1);
        }
        pbx.write(text).await;
        scene.edge.next().await.written();
        assert_eq!(pbx.response().await.status.code(), 202);
        if alias {
            let options = pbx.next_request().await;
            assert_eq!(options.method, Method::Options);
            pbx.reply(&options, 200).await;
            scene.stand(&[TargetState::Up]).await;
            scene.edge.send(&message(JULIET, ALICE, "back"));
            assert_eq!(pbx.hear(200).await, "back");
            assert_eq!(scene.edge.outcome().await, Ok(()));
        } else {
            assert!(scene.edge.say(JULIET, ALICE, "back").await.is_err());
        }
    }
}

/// A handshake that is never ended holds nobody else up.
#[tokio::test]
async fn half_a_handshake_and_what_is_no_tls_harm_nothing() {
    let authority = Authority::new();
    let mut scene = scene(&authority).await;
    let address = scene.gateway.sip_tls()[0];
    let mut open = Vec::new();
    for _ in 0..500 {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        // The first bytes of a ClientHello, and nothing more.
        let _ = socket.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).await;
        open.push(socket);
    }
    let bare = net::tls::Tls::new(net::tls::Identities::default()).unwrap();
    let mut romeo = Phone::tls(address, &bare, "romeo").await;
    assert_eq!(romeo.register(3600).await.status.code(), 200);
    romeo.begin("sip:juliet@fabrikam.example", "still here").await;
    scene.edge.next().await.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    assert!(scene.sip_count("tls_displaced") >= 300);
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain.write_all(b"OPTIONS sip:contoso.example SIP/2.0\r\n\r\n").await.unwrap();
    let mut buffer = [0; 64];
    let ended = tokio::time::timeout(PATIENCE, plain.read(&mut buffer));
    assert!(ended.await.is_ok(), "it is told so, or closed");
    tokio::time::sleep(Duration::from_millis(50)).await;
    scene.is_well().await;
}
