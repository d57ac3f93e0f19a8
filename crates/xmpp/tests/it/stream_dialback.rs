//! Dialback in its three roles (XEP-0220), and the attacks of §3.

use lexicon::Method;
use xmpp::stream::{
    Anomaly, DialbackError, DialbackVerdict, Input, KeyStatus, Output, Purpose, Refusal, Stage, StreamFailure, TlsUse,
    VerifyRequest, dialback::DialbackCondition,
};

use crate::{
    pair::{ACCEPTOR, OPENER, Pair, Server, pair},
    script::{ANSWER, HEADER, KEY, Script, rules},
};

const DIALBACK: &[Method] = &[Method::TlsDialback, Method::TcpDialback];

fn plaintext() -> Script {
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
    script.say(HEADER).hear();
    script
}

fn outbound() -> Script {
    let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    script.hear();
    script.say(ANSWER).say("<stream:features/>");
    script
}

/// XEP-0220 §2.1.1 with the key of XEP-0185: contoso.example asks fabrikam.example on the stream D60000229F.
#[test]
fn the_key_is_made_for_the_pair_and_the_peers_stream_id() {
    let mut script = outbound();
    let key = xmpp::stream::Secret::new("s3cr3tf0rd14lb4ck").key(
        &crate::pair::domain("fabrikam.example"),
        &crate::pair::domain("contoso.example"),
        "D60000229F",
    );
    assert_eq!(script.hear(), format!("<db:result from='contoso.example' to='fabrikam.example'>{key}</db:result>"));
    assert!(matches!(&script.outputs()[..], [Output::KeySent(_, id)] if &**id == "D60000229F"));
}

#[test]
fn an_answer_counts_only_for_the_pair_that_was_asked() {
    for unsolicited in [
        "<db:result from='tailspin.example' to='contoso.example' type='valid'/>",
        "<db:result from='fabrikam.example' to='rooms.contoso.example' type='valid'/>",
        "<db:result from='contoso.example' to='fabrikam.example' type='valid'/>",
        "<db:verify from='fabrikam.example' to='contoso.example' id='D60000229F' type='valid'/>",
    ] {
        let mut script = outbound();
        script.outputs();
        script.say(unsolicited);
        let outputs = script.outputs();
        assert!(matches!(&outputs[..], [Output::Anomaly(Anomaly::UnsolicitedDialback)]), "{unsolicited}: {outputs:?}");
    }
    let mut script = outbound();
    script.outputs();
    script.say(KEY);
    assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::DialbackInWrongDirection)]));
    assert_eq!(script.room(), 0);
}

#[test]
fn an_answer_counts_once() {
    let mut script = outbound();
    let valid = "<db:result from='fabrikam.example' to='contoso.example' type='valid'/>";
    script.outputs();
    script.say(valid).say(valid);
    let outputs = script.outputs();
    assert!(matches!(
        &outputs[..],
        [Output::Authorised(_, Method::TcpDialback), Output::Anomaly(Anomaly::UnsolicitedDialback)]
    ));
}

#[test]
fn an_invalid_or_failed_key_says_so() {
    let mut script = outbound();
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='invalid'/>");
    assert_eq!(script.failure(), &StreamFailure::DialbackInvalid);
    let mut script = outbound();
    script.say(
        "<db:result from='fabrikam.example' to='contoso.example' type='error'><error type='cancel'>\
         <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no SRV</text></error></db:result>",
    );
    assert_eq!(script.failure().to_string(), "server dialback failed: remote-server-not-found (no SRV)");
}

#[test]
fn no_answer_on_an_inbound_stream_authorises_anything() {
    for unsolicited in [
        "<db:result from='fabrikam.example' to='contoso.example' type='valid'/>",
        "<db:verify from='fabrikam.example' to='contoso.example' id='x' type='valid'/>",
        "<db:result from='fabrikam.example' to='contoso.example' type='splendid'/>",
    ] {
        let mut script = plaintext();
        script.say(unsolicited);
        assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::UnsolicitedDialback)]));
        assert_eq!(script.hear(), "");
        script.say("<message from='bob@fabrikam.example' to='alice@contoso.example'/>");
        assert!(script.hear().contains("<not-authorized "));
    }
}

#[test]
fn a_key_is_verified_with_the_id_of_the_stream_it_came_on() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
    let id = script.say(HEADER).hear().split(" id='").nth(1).map(|rest| rest[..32].to_owned()).unwrap();
    script.say("<db:result from='fabrikam.example' to='contoso.example'>\n  key\n</db:result>");
    let expected =
        VerifyRequest { pair: pair("contoso.example", "fabrikam.example"), id: id.into(), key: "key".into() };
    assert!(matches!(&script.outputs()[..], [Output::VerifyDialback(request)] if *request == expected));
    script.say(KEY);
    assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::DialbackRepeated)]));
    script.input(Input::DialbackVerdict(&expected.pair, DialbackVerdict::Valid));
    assert_eq!(script.hear(), "<db:result from='contoso.example' to='fabrikam.example' type='valid'/>");
    script.outputs();
    script.input(Input::DialbackVerdict(&expected.pair, DialbackVerdict::Valid));
    assert!(script.outputs().is_empty(), "a verdict counts once");
    assert_eq!(script.say(KEY).hear(), "<db:result from='contoso.example' to='fabrikam.example' type='valid'/>");
}

/// XEP-0220 §2.2.1.
#[test]
fn an_invalid_key_ends_a_stream_without_other_pairs() {
    let mut script = plaintext();
    let asked = pair("contoso.example", "fabrikam.example");
    script.say(KEY).input(Input::DialbackVerdict(&asked, DialbackVerdict::Invalid));
    let heard = script.hear();
    assert_eq!(heard, "<db:result from='contoso.example' to='fabrikam.example' type='invalid'/></stream:stream>");
    let mut script = Script::inbound_open();
    let asked = pair("contoso.example", "rooms.fabrikam.example");
    script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>");
    let heard = script.input(Input::DialbackVerdict(&asked, DialbackVerdict::Invalid)).hear();
    assert!(heard.contains("type='error'") && heard.contains("<forbidden "), "{heard}");
    assert!(script.closed.is_none());
}

#[test]
fn a_key_that_nobody_can_judge_leaves_the_stream_alive() {
    let mut script = plaintext();
    let asked = pair("contoso.example", "fabrikam.example");
    let error = DialbackError::new(DialbackCondition::RemoteServerTimeout, "");
    let heard = script.say(KEY).input(Input::DialbackVerdict(&asked, DialbackVerdict::Error(error))).hear();
    assert_eq!(
        heard,
        "<db:result from='contoso.example' to='fabrikam.example' type='error'><error type='wait'>\
         <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
    );
    assert!(script.closed.is_none());
}

/// XEP-0220 §2.2.1: an unknown target is a dialback error, never a stream error.
#[test]
fn an_unknown_target_is_a_dialback_error() {
    let mut script = plaintext();
    script.answer = Err(Refusal::HostUnknown);
    let heard = script.say("<db:result from='fabrikam.example' to='woodgrove.example'>key</db:result>").hear();
    assert!(heard.contains("from='woodgrove.example' to='fabrikam.example' type='error'"), "{heard}");
    assert!(heard.contains("<item-not-found ") && script.closed.is_none(), "{heard}");
}

/// Partner policy §1, row `dialback`: a key is never verified.
#[test]
fn a_key_of_a_partner_without_dialback_is_not_verified() {
    let sasl = rules(TlsUse::Optional, &[Method::SaslOverTls]);
    let mut script = Script::inbound_open();
    script.answer = Ok(sasl.clone());
    let heard = script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>").hear();
    assert!(heard.contains("type='error'") && heard.contains("<not-authorized "), "{heard}");
    assert!(script.outputs().is_empty() && script.closed.is_none());
    let mut script = Script::inbound_in_tls(Ok(sasl), Ok("fabrikam.example"));
    script.hear();
    let heard = script.say(KEY).hear();
    assert!(heard.contains("<policy-violation "), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::MethodNotPermitted(Method::TlsDialback));
}

#[test]
fn the_pairs_of_one_stream_are_bounded() {
    let limits = xmpp::stream::StreamLimits { pairs_max: 2, ..Default::default() };
    let mut script = Script::inbound_within(Ok(rules(TlsUse::Optional, DIALBACK)), limits);
    script.say(HEADER);
    for sender in ["a", "b", "c"] {
        script.say(&format!("<db:result from='{sender}.example' to='contoso.example'>key</db:result>"));
    }
    assert_eq!(script.outputs().len(), 2);
    assert!(script.hear().contains("<resource-constraint "));
}

/// The wrong number attack: a right key is called valid only while our stream with that id has the pair in flight.
#[test]
fn a_key_is_valid_only_while_its_stream_lives() {
    let right = xmpp::stream::Secret::new("s3cr3tf0rd14lb4ck").key(
        &crate::pair::domain("fabrikam.example"),
        &crate::pair::domain("contoso.example"),
        "D60000229F",
    );
    for (key, status, answer) in [
        (right.as_str(), KeyStatus::InFlight, "type='valid'/>"),
        (right.as_str(), KeyStatus::NotIssued, "type='invalid'/>"),
        ("wrong", KeyStatus::InFlight, "type='invalid'/>"),
        (right.as_str(), KeyStatus::HostUnknown, "type='error'><error type='cancel'><item-not-found "),
    ] {
        let mut script = plaintext();
        script
            .say(&format!("<db:verify from='fabrikam.example' to='contoso.example' id='D60000229F'>{key}</db:verify>"));
        let outputs = script.outputs();
        let [Output::AskKey(request)] = &outputs[..] else { panic!("{outputs:?}") };
        let heard = script.input(Input::KeyStatus(request, status)).hear();
        let head = "<db:verify from='contoso.example' to='fabrikam.example' id='D60000229F' ";
        assert!(heard.starts_with(&format!("{head}{answer}")), "{heard}");
        script.input(Input::KeyStatus(request, status));
        assert_eq!(script.hear(), "", "a question is answered once");
    }
}

#[test]
fn a_stream_that_only_asked_after_keys_ends_without_an_error() {
    let mut script = plaintext();
    script.say("<db:verify from='fabrikam.example' to='contoso.example' id='x'>key</db:verify>");
    assert_eq!(script.wait().hear(), "</stream:stream>");
    script.say("</stream:stream>");
    assert_eq!(script.closed, Some(None));
}

fn question() -> VerifyRequest {
    VerifyRequest { pair: pair("contoso.example", "fabrikam.example"), id: "417GAF25".into(), key: "key".into() }
}

#[test]
fn a_verification_stream_asks_and_closes() {
    let answer = |what: &str| format!("<db:verify from='fabrikam.example' to='contoso.example' id='417GAF25' {what}");
    for (text, verdict) in [
        (answer("type='valid'/>"), DialbackVerdict::Valid),
        (answer("type='invalid'/>"), DialbackVerdict::Invalid),
        (
            answer(
                "type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 </error></db:verify>",
            ),
            DialbackVerdict::Error(DialbackError::new(DialbackCondition::RemoteServerNotFound, "item-not-found")),
        ),
    ] {
        let rules = rules(TlsUse::NotSupported, &[Method::TcpDialback]);
        let mut script = Script::outbound_for(Ok(rules), Purpose::Verify(question()), true);
        script.hear();
        let heard = script.say(ANSWER).say("<stream:features/>").hear();
        assert_eq!(heard, "<db:verify from='contoso.example' to='fabrikam.example' id='417GAF25'>key</db:verify>");
        script.say("<db:verify from='fabrikam.example' to='contoso.example' id='other' type='valid'/>");
        assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::UnsolicitedDialback)]));
        script.say(&text);
        let outputs = script.outputs();
        assert!(matches!(&outputs[..], [Output::Verdict(request, seen)] if *request == question() && *seen == verdict));
        assert_eq!(script.hear(), "</stream:stream>");
        script.say("</stream:stream>");
        assert_eq!(script.closed, Some(None));
    }
}

#[test]
fn a_verification_stream_obeys_the_tls_setting() {
    let required = rules(TlsUse::Required, &[Method::TlsDialback]);
    let mut script = Script::outbound_for(Ok(required), Purpose::Verify(question()), true);
    script.say(ANSWER).say("<stream:features/>");
    assert_eq!(script.failure(), &StreamFailure::StarttlsAbsent);
    let verdict = DialbackVerdict::of_failure(script.failure());
    assert!(matches!(verdict, DialbackVerdict::Error(error) if &*error.name == "remote-connection-failed"));
}

#[test]
fn a_verification_stream_that_is_cut_off_is_a_timeout() {
    let rules = rules(TlsUse::NotSupported, &[Method::TcpDialback]);
    let mut script = Script::outbound_for(Ok(rules), Purpose::Verify(question()), true);
    script.say(ANSWER).say("<stream:features/>").input(Input::Disconnected("reset"));
    let failure = script.failure();
    assert_eq!(failure, &StreamFailure::Disconnected { stage: Stage::Verify, text: "reset".into() });
    let verdict = DialbackVerdict::of_failure(failure);
    assert!(matches!(verdict, DialbackVerdict::Error(error) if &*error.name == "remote-server-timeout"));
}

#[test]
fn a_server_that_lacks_the_secret_is_found_out() {
    let rules = rules(TlsUse::NotSupported, &[Method::TcpDialback]);
    let impostor = Server::new("fabrikam.example", rules.clone());
    let mut sim = Pair::new(Server::new("contoso.example", rules), impostor);
    // The stream's key is made with another secret than the authoritative server has.
    let connection = sim.connect(1);
    sim.servers[1].secret = xmpp::stream::Secret::new("another secret entirely");
    sim.run();
    assert_eq!(sim.end(connection, OPENER).closed, Some(Some(StreamFailure::DialbackInvalid)));
    assert_eq!(sim.end(connection, ACCEPTOR).anomalies, [Anomaly::DialbackKeyInvalid]);
    assert!(sim.end(connection, ACCEPTOR).authorised.is_empty());
    assert_eq!(sim.connections(), 2);
}
