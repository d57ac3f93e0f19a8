//! Input of a peer that means harm, named by attack: the right error, nothing interpreted, nothing grown.

use lexicon::Method;
use xmpp::stream::{Condition, Output, StreamFailure, StreamLimits, TlsUse};

use crate::{
    pair::domain,
    script::{ANSWER, AUTH, HEADER, KEY, STARTTLS, Script, rules},
};

const ALL: &[Method] = &Method::ALL;

fn greeted() -> Script {
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, ALL)));
    script.say(HEADER).hear();
    script
}

/// RFC 6120 §5.4.2.3 and the class of CVE-2011-0411: plaintext that would be read as if TLS had carried it.
#[test]
fn bytes_pipelined_after_starttls_are_never_interpreted() {
    let mut script = greeted();
    let heard = script.say(&format!("{STARTTLS}{HEADER}{KEY}")).hear();
    assert_eq!(heard, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
    assert!(matches!(script.failure(), StreamFailure::StarttlsFailed(_)));
    assert!(script.outputs().is_empty());
    let mut script = greeted();
    script.say(STARTTLS).say(KEY).tls(Ok(domain("fabrikam.example")));
    assert!(matches!(&script.outputs()[..], [Output::StartTls { .. }]), "what came before the handshake is gone");
    let mut script = Script::outbound(Ok(rules(TlsUse::Required, ALL)));
    script.say(ANSWER).say("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>");
    script.say(&format!("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{ANSWER}"));
    assert!(matches!(script.failure(), StreamFailure::StarttlsFailed(_)));
    assert!(script.outputs().is_empty(), "no handshake is begun");
}

#[test]
fn what_plaintext_said_is_forgotten_inside_tls() {
    let mut script = greeted();
    script.say(KEY);
    assert!(matches!(&script.outputs()[..], [Output::VerifyDialback(_)]));
    script.say(STARTTLS).tls(Ok(domain("fabrikam.example"))).say(HEADER);
    script.outputs();
    let pair = crate::pair::pair("contoso.example", "fabrikam.example");
    script.input(xmpp::stream::Input::DialbackVerdict(&pair, xmpp::stream::DialbackVerdict::Valid));
    assert!(script.outputs().is_empty(), "a verdict about a key of the plaintext stream authorises nothing");
}

#[test]
fn tls_is_neither_begun_twice_nor_after_authorisation() {
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Optional, ALL)), Ok("fabrikam.example"));
    script.say(STARTTLS);
    assert!(matches!(script.failure(), StreamFailure::StarttlsFailed(_)));
    let mut script = Script::inbound_open();
    script.say(STARTTLS);
    assert!(matches!(script.failure(), StreamFailure::StarttlsFailed(_)));
}

#[test]
fn tls_required_admits_nothing_else_in_plaintext() {
    for text in
        [KEY, "<db:verify from='fabrikam.example' to='contoso.example' id='x'>key</db:verify>", "<x xmlns='y'/>"]
    {
        let mut script = Script::inbound(Ok(rules(TlsUse::Required, ALL)));
        script.say(HEADER).hear();
        let heard = script.say(text).hear();
        assert!(heard.contains("<policy-violation ") && heard.contains("TLS is required"), "{text}: {heard}");
        assert!(script.outputs().is_empty());
    }
}

/// CVE-2018-10847 class: a restarted stream names somebody else.
#[test]
fn the_identity_cannot_change_at_a_restart() {
    for (from, to) in [("tailspin.example", "contoso.example"), ("fabrikam.example", "woodgrove.example")] {
        let switched = HEADER.replace("fabrikam.example", from).replace("contoso.example", to);
        let mut script = greeted();
        script.say(STARTTLS).tls(Ok(domain(from)));
        let heard = script.say(&switched).hear();
        assert!(heard.contains("<improper-addressing "), "{heard}");
        let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, ALL)), Ok("fabrikam.example"));
        let heard = script.say(AUTH).say(&switched).hear();
        assert!(heard.contains("<improper-addressing "), "{heard}");
        assert!(script.outputs().is_empty(), "nobody is authorised");
    }
}

#[test]
fn a_stanza_before_authorisation_is_not_read() {
    let stanza = "<message from='bob@fabrikam.example' to='alice@contoso.example'><body>x</body></message>";
    let mut script = greeted();
    let heard = script.say(stanza).hear();
    assert!(heard.contains("<not-authorized "), "{heard}");
    assert!(script.outputs().is_empty());
    let mut script = greeted();
    script.say(&format!("{KEY}{stanza}"));
    assert!(matches!(script.failure(), StreamFailure::Protocol(Condition::NotAuthorized, _)));
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, ALL)), Ok("fabrikam.example"));
    script.say(&format!("{AUTH}{stanza}"));
    assert!(!script.outputs().iter().any(|output| matches!(output, Output::Stanzas(..))));
    assert!(script.closed.is_some(), "a header was due");
}

/// RFC 6120 §11.1, §11.3, §11.6.
#[test]
fn forbidden_xml_ends_the_stream_with_its_condition() {
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let deep = format!("<message from='b@fabrikam.example' to='a@contoso.example'>{deep}</message>");
    for (bytes, condition) in [
        (b"<!-- x -->".as_slice(), "restricted-xml"),
        (b"<?php x?>", "restricted-xml"),
        (b"<!DOCTYPE lol [<!ENTITY lol 'lol'>]>", "restricted-xml"),
        (b"<message from='b@fabrikam.example' to='a@contoso.example'>&lol;</message>", "restricted-xml"),
        (b"<message></iq>", "not-well-formed"),
        (b"<x:message/>", "not-well-formed"),
        (b"<message>\xff\xfe</message>", "unsupported-encoding"),
        (b"<message>\xc0\xbc</message>", "unsupported-encoding"),
        (deep.as_bytes(), "policy-violation"),
    ] {
        let mut script = Script::inbound_open();
        let heard = script.say_bytes(bytes).hear();
        assert!(heard.contains(&format!("<{condition} ")), "{}: {heard}", String::from_utf8_lossy(bytes));
        assert!(script.outputs().is_empty());
    }
}

#[test]
fn what_came_before_forbidden_xml_still_passes() {
    let mut script = Script::inbound_open();
    script.say("<message from='b@fabrikam.example' to='a@contoso.example'/><!-- x -->");
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(..)]));
    assert!(matches!(script.failure(), StreamFailure::Xml(_)));
}

#[test]
fn an_unauthenticated_peer_cannot_make_us_hold_or_read_much() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, ALL)));
    let long = HEADER.replace("version='1.0'>", &format!("version='1.0' a='{}'>", "x".repeat(9000)));
    let heard = script.say(&long).hear();
    assert!(heard.contains("<policy-violation "), "{heard}");
    let mut script = greeted();
    let unsolicited = "<db:result from='fabrikam.example' to='contoso.example' type='valid'/>";
    for _ in 0..200 {
        if script.closed.is_none() {
            script.say(unsolicited);
        }
    }
    assert!(matches!(script.failure(), StreamFailure::Protocol(Condition::PolicyViolation, _)));
}

#[test]
fn a_stanza_over_the_limit_ends_the_stream() {
    let mut script = Script::inbound_open();
    let open = "<message from='b@fabrikam.example' to='a@contoso.example'><body>";
    script.say(open);
    let mut sent = open.len();
    while script.closed.is_none() {
        script.say(&"x".repeat(10_000));
        sent += 10_000;
        assert!(sent < StreamLimits::default().stanza_bytes_max + 20_000, "refused when the limit is reached");
    }
    assert!(script.hear().contains("<policy-violation "));
}

#[test]
fn nothing_is_heard_of_a_closed_stream() {
    let mut script = greeted();
    script.say("<!-- x -->").hear();
    script.say(KEY).say("</stream:stream>").tls(Ok(domain("fabrikam.example")));
    assert_eq!(script.hear(), "");
}

/// Peers match names, not prefixes: `db` bound to something else is no dialback, dialback bound to something else is.
#[test]
fn prefixes_mean_nothing() {
    let mut script = greeted();
    script
        .say("<q:result xmlns:q='jabber:server:dialback' from='fabrikam.example' to='contoso.example'>key</q:result>");
    assert!(matches!(&script.outputs()[..], [Output::VerifyDialback(_)]));
    let mut script = greeted();
    script.say("<db:result xmlns:db='urn:other' from='fabrikam.example' to='contoso.example'>key</db:result>");
    assert!(matches!(script.failure(), StreamFailure::Protocol(Condition::UnsupportedStanzaType, _)));
}
