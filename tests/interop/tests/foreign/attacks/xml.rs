//! Rows about XML: what a strict reader refuses, and what a careful writer escapes.

use std::sync::Mutex;
use std::sync::mpsc;

use super::scene::{HALF_OPEN_LIMIT, JULIET, Scene, Stage};
use super::villain::{DIALBACK, Wire, answer_header, authorised, header};
use crate::world::{ALICE, OURS, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(|scene| {
        scene.villain_has(ROW_17);
        attack(scene);
    });
}

fn message(inner: &str) -> Vec<u8> {
    format!("<message from='iago@{STRANGER}' to='{ALICE}'>{inner}</message>").into_bytes()
}

fn body(inner: &[u8]) -> Vec<u8> {
    let [start, end] = [message("<body>\u{0}</body>"), Vec::new()];
    let place = start.iter().position(|byte| *byte == 0).expect("it was put there");
    [&start[..place], inner, &start[place + 1..], &end].concat()
}

/// A stranger says `bytes` and is told `condition` before its connection ends.
fn stranger(scene: &Scene, what: &str, bytes: impl AsRef<[u8]>, condition: &str) {
    let mut wire = Wire::open(scene.xmpp());
    wire.say(bytes);
    let heard = wire.end();
    assert!(heard.contains(&format!("<{condition} ")), "{what}, of a stranger: {heard}");
}

/// The same of a partner that is authorised.
fn partner(scene: &Scene, what: &str, bytes: impl AsRef<[u8]>, condition: &str) {
    let mut wire = authorised(scene.xmpp());
    wire.say(bytes);
    let heard = wire.end();
    assert!(heard.contains(&format!("<{condition} ")), "{what}, of a partner: {heard}");
}

/// RFC 6120 §11.1: no DTD, no entity but the five.
#[test]
fn row_01_entity_expansion_dtd_and_external_entities() {
    let laughs: String = (0..10).fold("<!ENTITY l0 'lol'>".to_owned(), |text, number| {
        format!("{text}<!ENTITY l{} '{}'>", number + 1, format!("&l{number};").repeat(10))
    });
    row(|scene| {
        for _ in 0..20 {
            let dtd = format!("<!DOCTYPE lolz [{laughs}]>");
            stranger(
                scene,
                "a billion laughs",
                format!("<?xml version='1.0'?>{dtd}<lolz>&l9;</lolz>"),
                "restricted-xml",
            );
            let outside = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>";
            stranger(scene, "an external DTD", outside, "restricted-xml");
            stranger(scene, "an entity", header(STRANGER).replace(STRANGER, "&lol;"), "restricted-xml");
            partner(scene, "a billion laughs", dtd, "restricted-xml");
            partner(scene, "an entity", message("<body>&l9;</body>"), "restricted-xml");
            partner(scene, "an entity in an attribute", b"<message from='&l9;'/>", "restricted-xml");
            partner(scene, "a parameter entity", b"<!ENTITY % x SYSTEM 'http://elsewhere.example/'>", "restricted-xml");
        }
    });
}

/// XEP-0205 §4.3, RFC 6120 §13.12: the budget before authorisation, in bytes, elements, attributes and depth, and nothing
/// kept of a connection that is gone.
#[test]
fn row_02_memory_growth_before_authentication() {
    let after = |text: &str| format!("{}{text}", header(STRANGER));
    let attributes: String = (0..100).map(|number| format!(" a{number}='x'")).collect();
    let unsolicited = format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>");
    let attacks = [
        ("a huge header", header(STRANGER).replace("version='1.0'>", &format!("a='{}'>", "x".repeat(50_000)))),
        ("a header of many attributes", header(STRANGER).replace("version='1.0'>", &format!("{attributes}>"))),
        ("a header without end", format!("<stream:stream {}", " ".repeat(50_000))),
        ("an element without end", after(&format!("<x xmlns='urn:x'>{}", "a".repeat(50_000)))),
        ("a deep element", after(&"<x xmlns='urn:x'>".repeat(100))),
        ("an element of many", after(&format!("<x xmlns='urn:x'>{}", "<y/>".repeat(1_000)))),
        ("many small elements", after(&unsolicited.repeat(1_000))),
    ];
    row(|scene| {
        for _ in 0..20 {
            for (what, bytes) in &attacks {
                stranger(scene, what, bytes, "policy-violation");
            }
        }
        scene.until_it_costs_nothing(|scene| {
            // All places at once, so that every peak is the same.
            let open = |number| {
                let mut wire = Wire::open(scene.xmpp());
                if number % 2 == 0 {
                    wire.say(header(STRANGER));
                }
                wire
            };
            drop((0..HALF_OPEN_LIMIT + 100).map(open).collect::<Vec<_>>());
        });
    });
}

/// Compression is not spoken (XEP-0138 is neither offered nor begun), so there is nothing to expand.
#[test]
fn row_03_compression_bomb() {
    let compress = "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>";
    // What 10 MB of zeros begin with in zlib's format.
    let bomb = [&[0x78, 0x9c, 0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe][..], &[0; 10_000]].concat();
    row(|scene| {
        let mut wire = Wire::open(scene.xmpp());
        wire.say(header(STRANGER));
        wire.wait_for("</stream:features>");
        assert!(!wire.heard.contains("compress"), "{}", wire.heard);
        wire.say(compress);
        wire.say(&bomb);
        let heard = wire.end();
        assert!(heard.contains("<unsupported-stanza-type "), "{heard}");
        let mut wire = authorised(scene.xmpp());
        wire.say(compress);
        wire.say(&bomb);
        let heard = wire.end();
        assert!(heard.contains("<unsupported-stanza-type ") && !heard.contains("<compressed"), "{heard}");
    });
}

/// RFC 6120 §11.3, §11.6: what two readers could read differently is read by none.
#[test]
fn row_17_stanza_smuggling_through_parser_differences() {
    let twice = format!("<message from='iago@{STRANGER}' to='{ALICE}' from='{JULIET}'/>");
    let prefixed =
        format!("<message xmlns:a='urn:x' xmlns:b='urn:x' a:y='1' b:y='2' from='iago@{STRANGER}' to='{ALICE}'/>");
    let attacks: Vec<(&str, Vec<u8>, &str)> = vec![
        ("bad UTF-8", body(b"\xff\xfe"), "unsupported-encoding"),
        ("an overlong form", body(b"\xc0\xbc"), "unsupported-encoding"),
        ("an overlong end of the element", body(b"\xe0\x80\xbc/body>"), "unsupported-encoding"),
        ("half a surrogate pair", body(b"\xed\xa0\x80"), "unsupported-encoding"),
        ("beyond Unicode", body(b"\xf4\x90\x80\x80"), "unsupported-encoding"),
        ("a NUL", body(b"a\0b"), "not-well-formed"),
        ("a reference to NUL", body(b"&#0;"), "not-well-formed"),
        ("a reference to no character", body(b"&#xFFFE;"), "not-well-formed"),
        ("an escape", body(b"\x1b[2J"), "not-well-formed"),
        ("an attribute twice", twice.into_bytes(), "not-well-formed"),
        ("an attribute twice by two prefixes", prefixed.into_bytes(), "not-well-formed"),
        ("two colons", message("<a:b:c xmlns:a='urn:x'/>"), "not-well-formed"),
        ("an unbound prefix", message("<x:body/>"), "not-well-formed"),
        ("a prefix bound to nothing", message("<x:y xmlns:x=''/>"), "not-well-formed"),
        ("the prefix xml bound anew", message("<y xmlns:xml='urn:x'/>"), "not-well-formed"),
        ("unbalanced tags", message("</body>"), "not-well-formed"),
        ("other case", b"<message></MESSAGE>".to_vec(), "not-well-formed"),
        ("an end of CDATA in text", message("<body>]]></body>"), "not-well-formed"),
        ("a comment", message("<body><!-- </body> --></body>"), "restricted-xml"),
        ("a processing instruction", b"<?php boo?>".to_vec(), "restricted-xml"),
        ("an XML declaration amid the stream", b"<?xml version='1.0'?>".to_vec(), "restricted-xml"),
        (
            "a namespace with a separator",
            b"<message xmlns='jabber:server message'/>".to_vec(),
            "unsupported-stanza-type",
        ),
    ];
    row(|scene| {
        for (what, bytes, condition) in &attacks {
            partner(scene, what, bytes, condition);
        }
        let encoded = header(STRANGER).replace("'?>", "' encoding='UTF-16'?>");
        stranger(scene, "another encoding", encoded, "unsupported-encoding");
        stranger(scene, "another protocol", "GET / HTTP/1.1\r\nHost: contoso.example\r\n\r\n", "not-well-formed");
    });
}

/// Markup in names and ids comes back escaped, in answers on the stream and in errors on a stream of ours.
#[test]
fn row_18_xml_injection_into_what_we_answer() {
    let evil = "&apos;/&gt;&lt;evil xmlns=&apos;urn:evil&apos;/&gt;&quot;";
    row(|scene| {
        let mut wire = Wire::open(scene.xmpp());
        wire.say(header(STRANGER));
        wire.wait_for("</stream:features>");
        wire.say(format!("<db:verify from='{STRANGER}' to='{OURS}' id='{evil}'>key</db:verify>"));
        wire.wait_for("type='invalid'");
        assert!(!wire.heard.contains("<evil") && wire.heard.contains("&lt;evil"), "{}", wire.heard);

        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        scene.den.behave(move |mut wire| {
            answer_header(&mut wire, "villain", DIALBACK);
            if !wire.wait_for_any(&["</db:result>", "</db:verify>"]).contains("</db:result>") {
                return super::villain::answer_question(&mut wire, "valid");
            }
            wire.say(format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>"));
            wire.wait_for("</iq>");
            let _ = tell.lock().expect("no thread panics while it holds this").send(wire.heard.clone());
            wire.end();
        });
        let mut wire = authorised(scene.xmpp());
        let from = format!("iago@{STRANGER}/{evil}");
        wire.say(format!("<iq type='get' id='{evil}' from='{from}' to='nobody@{OURS}'><q xmlns='urn:q'/></iq>"));
        let heard = told.recv_timeout(interop::process::PATIENCE).expect("the error comes to the villain's server");
        assert!(heard.contains("type='error'") && heard.contains("service-unavailable"), "{heard}");
        assert!(!heard.contains("<evil") && heard.contains("&lt;evil"), "{heard}");
    });
}

/// RFC 6120 §8.4, XEP-0220: names are compared expanded; a prefix means nothing.
#[test]
fn row_19_namespace_confusion() {
    row(|scene| {
        let stanza = format!("<message xmlns='urn:boo' from='iago@{STRANGER}' to='{ALICE}'><body>Boo</body></message>");
        partner(scene, "a message of another namespace", &stanza, "unsupported-stanza-type");
        let client = stanza.replace("urn:boo", "jabber:client");
        partner(scene, "a message of the clients' namespace", client, "unsupported-stanza-type");
        let other = format!("<db:result xmlns:db='urn:boo' from='{STRANGER}' to='{OURS}'>key</db:result>");
        partner(scene, "the prefix of dialback bound elsewhere", &other, "unsupported-stanza-type");
        let header_of_clients = header(STRANGER).replacen("jabber:server", "jabber:client", 1);
        stranger(scene, "the clients' namespace", header_of_clients, "invalid-namespace");
        let other_root = header(STRANGER).replace("http://etherx.jabber.org/streams", "urn:boo");
        let mut wire = Wire::open(scene.xmpp());
        wire.say(other_root);
        let heard = wire.end();
        assert!(heard.contains("<invalid-namespace ") || heard.contains("<bad-format "), "{heard}");

        let mut wire = Wire::open(scene.xmpp());
        wire.say(header(STRANGER));
        wire.wait_for("</stream:features>");
        let own = format!("<q:result xmlns:q='jabber:server:dialback' from='{STRANGER}' to='{OURS}'>key</q:result>");
        wire.say(own);
        wire.wait_for("type='valid'");
    });
}

/// RFC 7622 and its lengths: what is no address ends the stream, and nothing else.
#[test]
fn row_20_invalid_unicode_in_addresses() {
    let long = "x".repeat(1_100);
    let locals =
        ["\u{378}", "\u{e0001}", "\u{2028}", "a\u{202e}b", "\u{d7fb}\u{200d}", "a b", "a\"b", long.as_str(), ""];
    let domains = ["lit ware.example", "-.example", "litware..example", "xn--\u{fc}.example", long.as_str()];
    row(|scene| {
        let senders = locals.iter().map(|local| format!("{local}@{STRANGER}"));
        for sender in senders.chain(domains.iter().map(|domain| format!("iago@{domain}"))) {
            let mut wire = authorised(scene.xmpp());
            let sender = sender.replace('"', "&quot;");
            wire.say(format!("<message from='{sender}' to='{ALICE}'><body>Boo</body></message>"));
            let heard = wire.end();
            let refused = heard.contains("<improper-addressing ") || heard.contains("<invalid-from ");
            assert!(refused, "{sender:?}: {heard}");
        }
        for domain in domains {
            stranger(scene, domain, header(domain), "improper-addressing");
            let mut wire = authorised(scene.xmpp());
            wire.say(format!("<db:result from='{domain}' to='{OURS}'>key</db:result>"));
            let heard = wire.wait_for_any(&["</stream:stream>", "type='error'"]);
            assert!(!heard.contains("type='valid'"), "{domain:?}: {heard}");
        }
    });
}
