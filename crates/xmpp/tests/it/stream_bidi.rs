//! Stanzas both ways on one connection (XEP-0288): exactly the inverse of each authorised pair.

use lexicon::{DomainPair, Method};
use xmpp::stream::{
    Anomaly, DialbackVerdict, Extensions, Input, KeyStatus, Output, PairRules, Purpose, Refusal, Secret, Stanzas,
    StreamLimits, TlsUse, UnsentReason,
};

use crate::{
    pair::{ACCEPTOR, OPENER, Pair, Server, domain, pair},
    script::{ANSWER, AUTH, HEADER, KEY, STARTTLS, Script, rules},
};

const ON: Extensions = Extensions { bidi: true, stream_management: false };
const FEATURE: &str = "<bidi xmlns='urn:xmpp:features:bidi'/>";
const REQUEST: &str = "<bidi xmlns='urn:xmpp:bidi'/>";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
const THERE: &str = "<message from='alice@contoso.example' to='bob@fabrikam.example'/>";
const BACK: &str = "<message from='bob@fabrikam.example' to='alice@contoso.example'/>";

fn ours() -> DomainPair {
    pair("contoso.example", "fabrikam.example")
}

fn theirs() -> DomainPair {
    pair("fabrikam.example", "contoso.example")
}

fn dialback() -> PairRules {
    rules(TlsUse::Optional, &[Method::TlsDialback, Method::TcpDialback])
}

fn inbound(extensions: Extensions) -> Script {
    Script::inbound_with(Ok(dialback()), StreamLimits::default(), extensions)
}

/// An inbound stream with one pair authorised by TCP dialback, after the peer asked for both ways.
fn inbound_open(request: &str) -> Script {
    let (mut script, pair) = (inbound(ON), ours());
    script.say(HEADER).say(request).say(KEY);
    script.input(Input::DialbackVerdict(&pair, DialbackVerdict::Valid)).hear();
    script
}

fn outbound(extensions: Extensions, features: &str) -> Script {
    let mut script = Script::outbound_with(Ok(dialback()), Purpose::Stanzas(ours()), true, extensions);
    script.hear();
    script.say(ANSWER).say(&format!("<stream:features>{features}</stream:features>"));
    script
}

fn outbound_open() -> Script {
    let mut script = outbound(ON, &format!("{FEATURE}{DIALBACK}"));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    script
}

#[test]
fn each_method_lets_stanzas_pass_both_ways_on_one_connection() {
    for (tls, method) in [
        (TlsUse::Required, Method::SaslOverTls),
        (TlsUse::Required, Method::TlsDialback),
        (TlsUse::NotSupported, Method::TcpDialback),
    ] {
        let server = |name: &str| {
            let mut server = Server::new(name, rules(tls, &[method]));
            server.tls_available = tls != TlsUse::NotSupported;
            server
        };
        let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
        sim.extensions = ON;
        let connection = sim.connect(0);
        sim.run();
        assert_eq!(sim.end(connection, OPENER).inverse, [(ours(), method)]);
        assert_eq!(sim.end(connection, ACCEPTOR).inverse, [(theirs(), method)]);
        sim.input(connection, OPENER, Input::Send(&ours(), Stanzas::one(THERE)));
        sim.input(connection, ACCEPTOR, Input::Send(&theirs(), Stanzas::one(BACK)));
        for (side, pair) in [(OPENER, ours()), (ACCEPTOR, theirs())] {
            let stanzas = &sim.end(connection, side).stanzas;
            assert!(matches!(&stanzas[..], [(of, batch)] if *of == pair && batch.len() == 1), "{method}: {stanzas:?}");
        }
        // A key is never verified on the connection that it came on (§2.2).
        let connections = if method == Method::SaslOverTls { 1 } else { 2 };
        assert_eq!(sim.connections(), connections, "{method}");
    }
}

#[test]
fn it_is_offered_and_asked_for_only_where_it_is_on() {
    assert!(inbound(ON).say(HEADER).hear().contains(FEATURE));
    assert!(!inbound(Extensions::default()).say(HEADER).hear().contains("bidi"));
    let heard = inbound(Extensions::default()).say(HEADER).say(REQUEST).hear();
    assert!(heard.contains("<unsupported-stanza-type "), "{heard}");
    assert!(!outbound(Extensions::default(), &format!("{FEATURE}{DIALBACK}")).hear().contains("bidi"));
    assert!(!outbound(ON, DIALBACK).hear().contains("bidi"), "not offered");
    let confused = FEATURE.replace("features:", "");
    assert!(!outbound(ON, &format!("{confused}{DIALBACK}")).hear().contains("bidi"), "the other namespace");
}

/// The request comes before the key and says what we accept (XEP-0478 §3.2).
#[test]
fn the_request_comes_before_authentication_and_holds_our_limits() {
    let heard = outbound(ON, &format!("{FEATURE}{DIALBACK}")).hear();
    let limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes>\
         <idle-seconds>600</idle-seconds></limits>";
    let expected = format!("<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi><db:result ");
    assert!(heard.starts_with(&expected), "{heard}");
}

/// §2.2: by dialback only with a peer that understands its errors.
#[test]
fn a_peer_without_dialback_errors_is_not_asked() {
    let old = DIALBACK.replace("<errors/>", "");
    assert!(outbound(ON, &format!("{FEATURE}{old}")).hear().starts_with("<db:result "));
}

#[test]
fn nothing_goes_back_before_the_peer_is_authorised_or_for_another_pair() {
    let mut script = inbound(ON);
    script.say(HEADER).say(REQUEST).say(KEY).hear();
    let ours = ours();
    script.input(Input::Send(&ours, Stanzas::one(THERE)));
    assert!(matches!(script.outputs().last(), Some(Output::Unsent(_, _, UnsentReason::NotOpen))));
    script.input(Input::DialbackVerdict(&ours, DialbackVerdict::Valid)).hear();
    script.outputs();
    let other = pair("rooms.contoso.example", "fabrikam.example");
    script.input(Input::Send(&other, Stanzas::one(THERE)));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(_, _, UnsentReason::NotOpen)]));
    assert_eq!(script.input(Input::Send(&ours, Stanzas::one(THERE))).hear(), THERE);
}

#[test]
fn without_the_request_nothing_goes_back() {
    let (mut script, ours) = (inbound_open(""), ours());
    assert!(!script.outputs().iter().any(|output| matches!(output, Output::Inverse(..))));
    script.input(Input::Send(&ours, Stanzas::one(THERE)));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(..)]));
}

#[test]
fn a_late_request_leaves_the_stream_one_way() {
    let (mut script, ours) = (inbound_open(""), ours());
    script.outputs();
    script.say(REQUEST);
    assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::UnknownElement)]));
    script.input(Input::Send(&ours, Stanzas::one(THERE)));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(..)]));
}

/// What was asked in plaintext is forgotten inside TLS (RFC 6120 §5.4.3.3).
#[test]
fn a_request_in_plaintext_does_not_count_inside_tls() {
    let rules = rules(TlsUse::Optional, &[Method::SaslOverTls, Method::TcpDialback]);
    let mut script = Script::inbound_with(Ok(rules), StreamLimits::default(), ON);
    script.say(HEADER).say(REQUEST).say(STARTTLS).tls(Ok(domain("fabrikam.example"))).say(HEADER).say(AUTH).say(HEADER);
    let outputs = script.outputs();
    assert!(matches!(outputs.last(), Some(Output::Authorised(..))), "{outputs:?}");
}

/// The rules are asked again for the other way, and an answer that refuses leaves the stream one way.
#[test]
fn the_other_way_is_judged_by_itself() {
    let mut script = inbound(ON);
    script.answers = false;
    let (ours, answer) = (ours(), Ok(dialback()));
    script.say(HEADER).input(Input::PairRules(&ours, answer.clone()));
    script.say(REQUEST).say(KEY).input(Input::PairRules(&ours, answer.clone()));
    script.input(Input::DialbackVerdict(&ours, DialbackVerdict::Valid));
    script.outputs();
    script.input(Input::PairRules(&ours, answer));
    let outputs = script.outputs();
    assert!(
        matches!(&outputs[..], [
            Output::Authorised(..),
            Output::AskPair { pair, method: Some(Method::TcpDialback), inverse: true },
        ] if *pair == ours),
        "{outputs:?}"
    );
    script.input(Input::PairRules(&ours, Err(Refusal::ConnectionLimit)));
    assert!(script.outputs().is_empty() && script.closed.is_none());
    script.say(BACK);
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(..)]));
    script.input(Input::Send(&ours, Stanzas::one(THERE)));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(..)]));
}

#[test]
fn the_peers_limits_in_the_request_are_kept_to() {
    let limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20</max-bytes></limits>";
    let (mut script, ours) = (inbound_open(&format!("<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi>")), ours());
    script.outputs();
    script.input(Input::Send(&ours, Stanzas::one(THERE)));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(_, _, UnsentReason::TooLong { bytes_max: 20 })]));
}

#[test]
fn stanzas_of_other_pairs_are_refused_on_a_stream_that_we_opened() {
    let mut script = outbound_open();
    script.outputs();
    script.say(BACK);
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(of, _)] if *of == ours()));
    let heard = script.say("<message from='eve@tailspin.example' to='alice@contoso.example'/>").hear();
    assert!(heard.contains("<invalid-from "), "{heard}");
    let mut script = outbound(ON, &format!("{FEATURE}{DIALBACK}"));
    let heard = script.say(BACK).hear();
    assert!(heard.contains("<not-authorized "), "before the pair is authorised: {heard}");
}

/// A server that reuses what it has open asks there after keys of ours for other streams.
#[test]
fn a_question_about_a_key_of_ours_is_answered_on_a_stream_that_we_opened() {
    let id = "another";
    let (remote, local) = (domain("fabrikam.example"), domain("it.contoso.example"));
    let key = Secret::new("s3cr3tf0rd14lb4ck").key(&remote, &local, id);
    let question = format!("<db:verify from='fabrikam.example' to='it.contoso.example' id='{id}'>{key}</db:verify>");
    for (status, verdict) in [(KeyStatus::InFlight, "type='valid'"), (KeyStatus::NotIssued, "type='invalid'")] {
        let mut script = outbound_open();
        script.outputs();
        script.say(&question);
        let outputs = script.outputs();
        let [Output::AskKey(request)] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!((request.pair.local.as_unicode(), &*request.id), ("it.contoso.example", id));
        let heard = script.input(Input::KeyStatus(request, status)).hear();
        assert!(heard.starts_with("<db:verify ") && heard.contains(verdict), "{heard}");
    }
    let mut one_way = outbound(Extensions::default(), DIALBACK);
    one_way.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    one_way.outputs();
    one_way.say(&question);
    assert!(matches!(&one_way.outputs()[..], [Output::Anomaly(Anomaly::DialbackInWrongDirection)]));
}

/// Exactly the inverse pairs: the peer's keys for more are answered, and never believed.
#[test]
fn keys_on_a_stream_that_we_opened_are_declined() {
    let mut script = outbound_open();
    script.outputs();
    let heard = script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>").hear();
    assert!(heard.contains("type='error'") && heard.contains("<resource-constraint "), "{heard}");
    assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::DialbackInWrongDirection)]));
}

#[test]
fn new_rules_end_both_ways() {
    let (mut script, ours) = (inbound_open(REQUEST), ours());
    script.outputs();
    script.input(Input::PairRules(&ours, Err(Refusal::PartnerDisabled)));
    assert!(script.facts().inverse.is_empty() && script.closed.is_some());
}

/// We send on it, so its silence is not taken for life (partner-policy §4).
#[test]
fn the_accepting_side_asks_for_life_too() {
    let rules = PairRules { keep_alive: true, ..dialback() };
    let mut script = Script::inbound_with(Ok(rules), StreamLimits::default(), ON);
    let ours = ours();
    script.say(HEADER).say(REQUEST).say(KEY);
    script.input(Input::DialbackVerdict(&ours, DialbackVerdict::Valid)).hear();
    assert!(script.wait().hear().contains("<ping "));
    assert!(script.wait().hear().contains("<connection-timeout "));
}
