//! Hostile bytes from the network: each gets the error of its standard, and a partner and a user who mean well go on.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use interop::baresip::{Baresip, Transport};
use interop::loopback::Loopback;
use interop::process::PATIENCE;
use interop::prosody::Demands;
use interop::slixmpp::Client;

use crate::villain::{Wire, authorised, header, vouch};
use crate::world::{ALICE, OURS, PARTNER, ROW_2, ROW_17, STRANGER, World};

const JULIET: &str = "juliet@fabrikam.example";

/// What one attack may leave behind, in KiB: no more than a fraction of what it sent.
const GROWTH_KIB_MAX: u64 = 6 * 1024;

/// Repetitions between the two looks at the memory.
const ROUNDS: usize = 50;

/// juliet and alice, who mean well, and what they have exchanged.
struct Honest {
    alice: Baresip,
    juliet: Client,
    exchanged: u64,
}

impl Honest {
    /// A message each way.
    fn exchange(&mut self) {
        self.exchanged += 1;
        let text = format!("Still there? {}", self.exchanged);
        self.juliet.send(ALICE, &text, &text);
        self.alice.receive(0, JULIET, &text);
        self.alice.send(&text);
        self.juliet.receive("alice's message", 0, |m| m.body == text);
    }
}

/// A world with an honest partner, and with a villain that is a partner too.
fn world() -> (World, interop::prosody::Prosody, Honest) {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    world.server.add_partner(STRANGER, "federated", ROW_17, None);
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let alice = world.alice(Transport::Udp, JULIET);
    let juliet = Client::login(&prosody, JULIET);
    let mut honest = Honest { alice, juliet, exchanged: 0 };
    honest.exchange();
    (world, prosody, honest)
}

fn message(inner: &str) -> Vec<u8> {
    format!("<message from='iago@{STRANGER}' to='{ALICE}'>{inner}</message>").into_bytes()
}

/// What an authorised partner must not send, and the stream error that it gets (RFC 6120 §4.9.3, §11).
fn from_an_authorised_partner() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = format!("{}{}", "<a>".repeat(1_000), "</a>".repeat(1_000));
    let body = |inner: &[u8]| [b"<message><body>".as_slice(), inner, b"</body></message>"].concat();
    vec![
        ("oversized", message(&format!("<body>{}</body>", "x".repeat(300_000))), "policy-violation"),
        ("too deep", message(&deep), "policy-violation"),
        ("a DTD", b"<!DOCTYPE lol [<!ENTITY lol 'lol'>]>".to_vec(), "restricted-xml"),
        ("an entity", message("<body>&lol;</body>"), "restricted-xml"),
        ("a comment", message("<!-- boo -->"), "restricted-xml"),
        ("a processing instruction", b"<?php boo?>".to_vec(), "restricted-xml"),
        ("bad UTF-8", body(b"\xff\xfe"), "unsupported-encoding"),
        ("an overlong form", body(b"\xc0\xbc"), "unsupported-encoding"),
        ("unbalanced tags", message("</body>"), "not-well-formed"),
        ("an unbound prefix", message("<x:body/>"), "not-well-formed"),
        ("an unknown namespace", b"<message xmlns='urn:boo'/>".to_vec(), "unsupported-stanza-type"),
        ("an unknown element", b"<boo/>".to_vec(), "unsupported-stanza-type"),
        ("somebody else's sender", format!("<message from='{JULIET}' to='{ALICE}'/>").into_bytes(), "invalid-from"),
    ]
}

/// What a stranger must not send, and what it gets.
fn from_a_stranger() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let after = |text: &str| format!("{}{text}", header(STRANGER)).into_bytes();
    let stanza = String::from_utf8(message("<body>Boo</body>")).expect("it was text");
    let starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let valid = format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>");
    let verified = format!("<db:verify from='{STRANGER}' to='{OURS}' id='1' type='valid'/>");
    vec![
        ("another protocol", b"GET / HTTP/1.1\r\nHost: contoso.example\r\n\r\n".to_vec(), "<not-well-formed"),
        ("a DTD", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>".to_vec(), "<restricted-xml"),
        ("bad UTF-8", b"<stream:stream from='\xff'>".to_vec(), "<unsupported-encoding"),
        ("clients' namespace", after("").escape("jabber:server", "jabber:client"), "<invalid-namespace"),
        ("no end", after(&format!("<x xmlns='urn:x'>{}", "a".repeat(20_000))), "<policy-violation"),
        ("a stanza", after(&stanza), "<not-authorized"),
        ("an unsolicited verdict", after(&format!("{valid}{stanza}")), "<not-authorized"),
        ("an unsolicited verification", after(&format!("{verified}{stanza}")), "<not-authorized"),
        ("a domain that is no partner", header("nobody.example").into_bytes(), "<policy-violation"),
        (
            "bytes pipelined after STARTTLS",
            format!("{}{starttls}{}{stanza}", header(PARTNER), header(PARTNER)).into_bytes(),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'",
        ),
    ]
}

trait Escape {
    fn escape(self, from: &str, to: &str) -> Self;
}

impl Escape for Vec<u8> {
    /// The first `from` becomes `to`.
    fn escape(self, from: &str, to: &str) -> Self {
        String::from_utf8(self).expect("it was text").replacen(from, to, 1).into_bytes()
    }
}

#[test]
fn hostile_xml_is_answered_and_harms_nobody_else() {
    let (world, _prosody, mut honest) = world();
    let xmpp = world.server.xmpp;
    vouch(world.server_of(STRANGER));
    let attack = || {
        for (what, bytes, condition) in from_an_authorised_partner() {
            let mut wire = authorised(xmpp);
            wire.say(&bytes);
            let heard = wire.end();
            assert!(heard.contains(&format!("<{condition} ")), "{what}: {heard}");
        }
        for (what, bytes, answer) in from_a_stranger() {
            let mut wire = Wire::open(xmpp);
            wire.say(&bytes);
            let heard = wire.end();
            assert!(heard.contains(answer), "{what}: {heard}");
        }
    };
    // The villain's server keeps its side of the connection open; a verdict does not wait for that.
    let begun = Instant::now();
    drop(authorised(xmpp));
    assert!(begun.elapsed() < Duration::from_secs(3), "a verdict took {:?}", begun.elapsed());
    attack();
    honest.exchange();
    let before = world.server.resident_kib();
    for round in 0..ROUNDS {
        attack();
        if round % 10 == 0 {
            honest.exchange();
        }
    }
    honest.exchange();
    let after = world.server.resident_kib();
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB before {ROUNDS} rounds, {after} KiB after them");
    world.server.wait_for_methods(STRANGER, &[]);
    world.server.settled(honest.exchanged, honest.exchanged);
}

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
    let (world, _prosody, mut honest) = world();
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
