//! What nobody may do to a session, and how many there may be.

use sip::{Method, Name};

use crate::{
    party::{Party, SDP},
    scene::{Scene, actor, domain},
    sessions::{ALICE, FROM_ALICE, JULIET, TO_JULIET, scene_with, standing},
};

/// RFC 3261 §12.2.2: to whoever is not its other end a dialog does not exist.
#[tokio::test]
async fn a_dialog_exists_for_its_two_ends_alone() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let gateway = scene.gateway.sip_udp()[0];
    let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
    // From elsewhere, with everything right.
    let mut elsewhere = Party::udp("127.0.0.2:0", gateway).await;
    let mut stolen = dialog.clone();
    for (method, body) in [(Method::Message, "x"), (Method::Info, ""), (Method::Invite, SDP), (Method::Bye, "")] {
        let request = elsewhere.inside(&mut stolen, method.clone(), "text/plain", body);
        assert_eq!(elsewhere.ask(&request).await.status.code(), 481, "{method}");
    }
    assert_eq!(scene.sip_count("session_stranger"), 4);
    // Another trunk, which may send for its own users.
    let mut other = elsewhere.trunk();
    other.name = "other".parse().unwrap();
    other.sources = vec!["127.0.0.2".parse().unwrap()];
    scene.store.add_trunk(&actor(), &other).await.unwrap();
    let backend = store::Backend::Trunk(other.name.clone());
    scene.store.add_domain(&actor(), &domain("other.example"), &[backend]).await.unwrap();
    scene.publish().await;
    scene.in_force().await;
    let request = elsewhere.inside(&mut stolen, Method::Message, "text/plain", "x");
    assert_eq!(elsewhere.ask(&request).await.status.code(), 481);
    // Its own end with forged tags.
    for (name, value) in
        [(Name::To, format!("<{TO_JULIET}>;tag=guess")), (Name::From, format!("<{FROM_ALICE}>;tag=guess"))]
    {
        let mut forged = party.inside(&mut dialog.clone(), Method::Bye, "", "");
        forged.headers.set(name, value).unwrap();
        assert_eq!(party.ask(&forged).await.status.code(), 481);
    }
    assert!(scene.edge.is_silent().await);
    assert_eq!(standing(&scene).await, 1);
    party.say(&mut dialog, "mine").await;
    scene.edge.next().await.written();
    assert_eq!(party.response().await.status.code(), 202);
    scene.is_well().await;
}

/// A Contact leads nowhere but to the trunk: we never send where a message says alone.
#[tokio::test]
async fn a_contact_elsewhere_is_not_followed() {
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let mut victim = Party::udp("127.0.0.3:0", scene.gateway.sip_udp()[0]).await;
    let mut invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
    invite.headers.set(Name::Contact, victim.contact()).unwrap();
    let accepted = party.ask(&invite).await;
    party.acknowledge(&invite, &accepted).await;
    scene.edge.send(&crate::partner::message(JULIET, ALICE, "x"));
    assert_eq!(party.hear(200).await, "x");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    assert!(victim.has_heard_nothing());
    scene.is_well().await;
}

#[tokio::test]
async fn hostile_invites_are_refused_and_the_gateway_lives() {
    let (scene, mut party) = scene_with(|_| {}).await;
    let lines = |line: &str, times: usize| format!("{SDP}{}", line.repeat(times));
    for (body, status) in [
        (String::from("v=0\r\n"), 400),
        (lines("m=message 1 sip null\r\n", 2000), 400),
        (lines(&format!("a={}\r\n", "x".repeat(1000)), 40), 400),
        (SDP.replace("text/plain", "image/gif"), 488),
        (SDP.replace("5060", "99999"), 400),
        ("\u{0}".repeat(500), 400),
    ] {
        let mut invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
        invite.set_body("application/sdp", body.clone()).unwrap();
        let answer = party.ask(&invite).await;
        assert_eq!(answer.status.code(), status, "{:?}", body.chars().take(80).collect::<String>());
    }
    for (name, value, status) in [
        ("Session-Expires", "10", 422),
        ("Contact", "*", 400),
        ("Record-Route", "<sip:", 400),
        ("Content-Encoding", "gzip", 415),
    ] {
        let mut invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
        if name == "Contact" {
            invite.headers.remove(Name::Contact);
        }
        invite.headers.push_named(name, value).unwrap();
        // RFC 4028 §9: without it nobody is told 422.
        invite.headers.push(Name::Supported, "timer").unwrap();
        let answer = party.ask(&invite).await;
        assert_eq!(answer.status.code(), status, "{name}: {value}");
    }
    assert_eq!(standing(&scene).await, 0);
    scene.is_well().await;
}

/// A message of a stream that lies about its length inside a session, and one of 1 MB, end the connection and not the
/// gateway.
#[tokio::test]
async fn broken_frames_in_a_session_end_its_connection_alone() {
    for broken in ["Content-Length: nine", "X-Large: "] {
        let mut scene = Scene::start().await;
        let mut party = Party::tcp().await;
        scene.add_trunk(&party.trunk(), "pbx.example").await;
        scene.stand(&[gateway::TargetState::Up]).await;
        let mut dialog = party.open(FROM_ALICE, TO_JULIET).await;
        let request = party.inside(&mut dialog, Method::Message, "text/plain", "x");
        let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
        let text = match broken {
            "X-Large: " => {
                text.replace("Content-Length: 1", &format!("X-Large: {}\r\nContent-Length: 1", "x".repeat(1 << 20)))
            }
            other => text.replace("Content-Length: 1", other),
        };
        party.send(text.into()).await;
        let refused = party.response().await;
        assert!(matches!(refused.status.code(), 400 | 513), "{refused:?}");
        party.hang_up();
        scene.edge.send(&crate::partner::message(JULIET, ALICE, "after"));
        assert_eq!(party.hear(200).await, "after");
        assert_eq!(scene.edge.outcome().await, Ok(()));
        scene.is_well().await;
    }
}

/// More than ten thousand sessions at once, and what they cost, their transactions still remembered; beyond the limit 503 with Retry-After (RFC 3261 §21.5.4).
#[tokio::test]
async fn ten_thousand_sessions_are_held() {
    const SESSIONS: usize = 16_384;
    const BYTES_EACH_MAX: usize = 16 * 1024;
    let (mut scene, mut party) = scene_with(|_| {}).await;
    let before = resident_bytes();
    let (mut first, mut last) = (None, None);
    for n in 0..SESSIONS {
        let dialog = party.open(&format!("sip:user{n}@pbx.example"), TO_JULIET).await;
        first = first.or_else(|| Some(dialog.clone()));
        last = Some(dialog);
    }
    assert_eq!(standing(&scene).await, SESSIONS);
    let each = resident_bytes().saturating_sub(before) / SESSIONS;
    assert!(each < BYTES_EACH_MAX, "{each} bytes each");
    let invite = party.invite(FROM_ALICE, TO_JULIET, &[]);
    let refused = party.ask(&invite).await;
    assert!(refused.status.code() == 503 && refused.headers.retry_after().is_some(), "{refused:?}");
    let mut dialog = last.unwrap();
    assert_eq!(party.bye(&mut dialog).await.status.code(), 200);
    let mut dialog = first.unwrap();
    party.say(&mut dialog, "the first one works").await;
    scene.edge.next().await.written();
    assert_eq!(party.response().await.status.code(), 202);
    scene.is_well().await;
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
