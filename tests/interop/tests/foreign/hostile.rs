//! Hostile bytes from the network of SIP users: each gets the answer of its standard, and a partner and a user who mean well
//! go on. What partners' servers may do is in `attacks`.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use interop::loopback::Loopback;
use interop::process::PATIENCE;

use crate::attacks::scene::Scene;
use crate::attacks::villain::Wire;
use crate::world::{CORP, PARTNER};

/// What the flood may leave behind, in KiB: no more than a fraction of what it sent.
const GROWTH_KIB_MAX: u64 = 6 * 1024;

/// Repetitions between the two looks at the memory.
const ROUNDS: usize = 50;

const HEAD: &str = "Max-Forwards: 70\r\nFrom: <sip:romeo@contoso.example>;tag=a\r\nTo: <sip:juliet@fabrikam.example>\r\n\
                    Call-ID: c1\r\nCSeq: 1 MESSAGE\r\n";

/// What no SIP endpoint sends, and the status that it gets, if it can be answered at all (RFC 3261 §8.2, §18.3, §20.14).
fn broken_requests(via: &str) -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let via = format!("Via: SIP/2.0/{via};branch=z9hG4bKx;rport\r\n");
    let request = |head: &str, rest: &str| {
        format!("MESSAGE sip:juliet@fabrikam.example SIP/2.0\r\n{via}{head}{rest}").into_bytes()
    };
    let without = |name: &str| HEAD.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect::<String>();
    let bad = |rest: &[u8]| [request(HEAD, "Subject: ").as_slice(), rest].concat();
    vec![
        ("two Content-Length", request(HEAD, "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Some("400")),
        ("a shorter body", request(HEAD, "Content-Length: 10\r\n\r\nab"), Some("400")),
        ("a huge length", request(HEAD, "Content-Length: 99999999999999999999\r\n\r\n"), Some("413")),
        ("a header that is not UTF-8", bad(b"\xff\r\nContent-Length: 0\r\n\r\n"), Some("400")),
        ("no From", request(&without("From"), "Content-Length: 0\r\n\r\n"), None),
        ("no To", request(&without("To"), "Content-Length: 0\r\n\r\n"), None),
        ("no Call-ID", request(&without("Call-ID"), "Content-Length: 0\r\n\r\n"), None),
        ("no CSeq", request(&without("CSeq"), "Content-Length: 0\r\n\r\n"), None),
        ("no end of the header", request(HEAD, ""), None),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
        ("zeros", vec![0; 4_096], None),
    ]
}

#[test]
fn hostile_sip_is_answered_where_it_can_be_and_harms_nobody_else() {
    let Scene { world, mut honest, prosody: _prosody, .. } = Scene::start();
    let sip = world.server.sip;
    // Another address than alice's: a source that sends rubbish is listened to less.
    let villain = UdpSocket::bind((Loopback::new().ip(), 0)).unwrap();
    villain.set_read_timeout(Some(PATIENCE)).unwrap();
    let via = format!("UDP {}", villain.local_addr().unwrap());
    let attacks = broken_requests(&via);
    for (what, bytes, status) in &attacks {
        villain.send_to(bytes, sip).unwrap();
        if let Some(status) = status {
            let mut answer = [0; 2_048];
            let count = villain.recv(&mut answer).unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
            let answer = String::from_utf8_lossy(&answer[..count]);
            assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{what}: {answer}");
        }
    }
    // On a stream nobody can tell where the next message begins: the connection ends.
    for rest in ["Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Type: text/plain\r\n\r\nno length"] {
        let mut wire = Wire::open(sip);
        let start = format!(
            "MESSAGE sip:juliet@fabrikam.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKx\r\n{HEAD}"
        );
        wire.say(format!("{start}{rest}").as_bytes());
        let heard = wire.end();
        assert!(heard.starts_with("SIP/2.0 400 "), "{heard}");
    }
    honest.exchange();
    let ledger = world.server.settled(honest.exchanged, honest.exchanged);
    let malformed = u64::try_from(attacks.len()).unwrap() + 2;
    assert_eq!(ledger.count("gateway.sip.dropped.malformed"), malformed, "{ledger:#?}");

    let before = world.server.resident_kib();
    for round in 0..ROUNDS * 20 {
        for (_, bytes, _) in &attacks {
            villain.send_to(bytes, sip).unwrap();
        }
        if round % 100 == 0 {
            honest.exchange();
        }
    }
    honest.exchange();
    let after = world.server.resident_kib();
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB before the flood, {after} KiB after it");
    world.server.settled(honest.exchanged, honest.exchanged);
}

/// SUBSCRIBE requests of the flood, each for another user whom nobody knows.
const SUBSCRIPTIONS: usize = 10_000;

/// Subscriptions of one watcher.
const PER_WATCHER_MAX: u64 = 1_000;

/// What [`SUBSCRIPTIONS`] requests may cost: that many transactions are remembered for 32 s (RFC 3261 §17.2.2).
const FLOOD_KIB_MAX: u64 = 32 * 1024;

/// A deployment behind a trunk subscribes to invented users of a partner, and answers no notification.
#[test]
fn a_flood_of_subscriptions_ends_at_the_limit_and_harms_nobody_else() {
    let Scene { world, mut honest, prosody: _prosody, .. } = Scene::start();
    let villain = UdpSocket::bind((Loopback::new().ip(), 0)).unwrap();
    villain.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let here = villain.local_addr().unwrap();
    let (target, source) = (here.to_string(), here.ip().to_string());
    let fields = ["--transport", "udp", "--target", &target, "--source", &source];
    world.server.add_trunk("corp", CORP, &fields);
    let before = world.server.resident_kib();
    let mut answers = BTreeMap::new();
    for number in 0..SUBSCRIPTIONS {
        villain.send_to(subscribe(&target, number).as_bytes(), world.server.sip).unwrap();
        if number % 100 == 0 {
            hear(&villain, &mut answers, Duration::ZERO);
        }
        if number % 2_000 == 0 {
            honest.exchange();
        }
    }
    hear(&villain, &mut answers, Duration::from_secs(2));
    honest.exchange();
    let after = world.server.resident_kib();
    let of = |status: u16| answers.get(&status).copied().unwrap_or_default();
    let accepted = of(200) + of(202);
    assert!(accepted > 0 && accepted <= PER_WATCHER_MAX, "{answers:?}");
    assert!(of(403) + of(480) + of(503) > PER_WATCHER_MAX, "{answers:?}");
    assert!(after < before + FLOOD_KIB_MAX, "{before} KiB before the flood, {after} KiB after it");
    let ledger = world.server.settled(honest.exchanged, honest.exchanged);
    assert!(ledger.count("gateway.sip.dropped.subscription_refused") > PER_WATCHER_MAX, "{ledger:#?}");
}

fn subscribe(here: &str, number: usize) -> String {
    let to = format!("sip:friar{number}@{PARTNER}");
    format!(
        "SUBSCRIBE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKs{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:carol@{CORP}>;tag=t{number}\r\nTo: <{to}>\r\nCall-ID: s{number}\r\nCSeq: 1 SUBSCRIBE\r\n\
         Contact: <sip:{here}>\r\nEvent: presence\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Counts the final answers that come until none has come for `patience`.
fn hear(villain: &UdpSocket, answers: &mut BTreeMap<u16, u64>, patience: Duration) {
    let (mut heard, mut datagram) = (Instant::now(), [0; 4_096]);
    loop {
        match villain.recv(&mut datagram) {
            Ok(count) => {
                let text = String::from_utf8_lossy(&datagram[..count]);
                let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
                if let Some(status) = status.filter(|status| *status >= 200) {
                    *answers.entry(status).or_default() += 1;
                    heard = Instant::now();
                }
            }
            Err(_) if heard.elapsed() >= patience => return,
            Err(_) => {}
        }
    }
}
