//! Hostile bytes from the network of SIP users: each gets the answer of its standard, and a partner and a user who mean well
//! go on. What partners' servers may do is in `attacks`.

use std::net::UdpSocket;

use interop::loopback::Loopback;
use interop::process::PATIENCE;

use crate::attacks::scene::Scene;
use crate::attacks::villain::Wire;

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
