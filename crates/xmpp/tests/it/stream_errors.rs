//! Errors of streams and of dialback, ours and the peer's, by the tables of RFC 6120 §4.9.3 and XEP-0220 §2.5; and the
//! rules of the header (RFC 6120 §4.7–§4.9).

use lexicon::Method;
use xmpp::stream::{
    Condition, DialbackVerdict, Input, Output, Purpose, Refusal, Retry, Stage, Stanzas, StreamError, StreamFailure,
    TlsUse, VerifyRequest, dialback::DialbackCondition,
};

use crate::{
    pair::pair,
    script::{ANSWER, HEADER, KEY, Script, is_stream_error, rules},
};

const DIALBACK: &[Method] = &[Method::TlsDialback, Method::TcpDialback];
const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// RFC 6120 §4.9.3.1 to §4.9.3.25.
const CONDITIONS: [&str; 25] = [
    "bad-format",
    "bad-namespace-prefix",
    "conflict",
    "connection-timeout",
    "host-gone",
    "host-unknown",
    "improper-addressing",
    "internal-server-error",
    "invalid-from",
    "invalid-namespace",
    "invalid-xml",
    "not-authorized",
    "not-well-formed",
    "policy-violation",
    "remote-connection-failed",
    "reset",
    "resource-constraint",
    "restricted-xml",
    "see-other-host",
    "system-shutdown",
    "undefined-condition",
    "unsupported-encoding",
    "unsupported-feature",
    "unsupported-stanza-type",
    "unsupported-version",
];

fn outbound_open() -> Script {
    let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    script.say(ANSWER).say("<stream:features/>");
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    script.outputs();
    script
}

/// §4.9.1.1: a stream error is final. `see-other-host` names another server (§4.9.3.19); nobody goes there.
#[test]
fn every_stream_error_of_a_peer_is_understood_and_answered_with_the_closing_tag() {
    for condition in CONDITIONS {
        let words = if condition == "see-other-host" { "[2001:41D0:1:A49b::1]:9222" } else { "" };
        let error = format!(
            "<stream:error><{condition} xmlns='{STREAMS}'>{words}</{condition}>\
             <text xmlns='{STREAMS}' xml:lang='en'>why</text></stream:error></stream:stream>"
        );
        for mut script in [Script::inbound_open(), outbound_open()] {
            let heard = script.say(&error).hear();
            assert_eq!(heard, "</stream:stream>", "{condition}");
            let StreamFailure::PeerError { error, stage: Stage::Open } = script.failure() else { panic!() };
            assert_eq!((error.condition().as_str(), &*error.name, &*error.text), (condition, condition, "why"));
            assert_eq!(script.failure().retry(), Retry::Later, "{condition} of a stream that was open");
            assert!(script.outputs().is_empty(), "{condition}");
        }
        let mut script = Script::outbound(Ok(rules(TlsUse::Required, DIALBACK)));
        script.hear();
        assert_eq!(script.say(ANSWER).say(&error).hear(), "</stream:stream>", "{condition}");
        assert!(matches!(script.failure(), StreamFailure::PeerError { stage: Stage::Features, .. }), "{condition}");
    }
}

/// §4.9.4: an application's own condition beside the standard's, in any order and number.
#[test]
fn an_application_condition_hides_nothing() {
    for inside in [
        format!("<conflict xmlns='{STREAMS}'/><too-many xmlns='urn:example:a'/>"),
        format!("<too-many xmlns='urn:example:a'><conflict/></too-many><conflict xmlns='{STREAMS}'/>"),
    ] {
        let mut script = Script::inbound_open();
        script.say(&format!("<stream:error>{inside}</stream:error>"));
        let StreamFailure::PeerError { error, .. } = script.failure() else { panic!() };
        assert_eq!(error.condition(), Condition::Conflict);
    }
}

/// §4.9.1.3: who is asked for nobody, or for a domain it does not serve, answers in nobody's name.
#[test]
fn a_header_for_an_unknown_domain_is_not_answered_in_its_name() {
    let nobody = HEADER.replace(" to='contoso.example'", "");
    for (header, answer, condition) in [
        (nobody.as_str(), Ok(rules(TlsUse::Optional, DIALBACK)), "improper-addressing"),
        (HEADER, Err(Refusal::HostUnknown), "host-unknown"),
    ] {
        let mut script = Script::inbound(answer);
        let heard = script.say(header).hear();
        assert!(heard.contains(" from='' to='fabrikam.example' "), "{heard}");
        assert!(heard.contains(&format!("<{condition} ")), "{heard}");
    }
}

/// §4.7.1: the answer may come in the name of another domain of the peer, or of none; §4.7.3: an initial header's `id` is
/// ignored.
#[test]
fn what_headers_may_say_is_not_held_against_a_peer() {
    for answer in
        [ANSWER.replace("fabrikam.example", "host.fabrikam.example"), ANSWER.replace(" to='contoso.example'", "")]
    {
        let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
        script.hear();
        assert!(script.say(&answer).say("<stream:features/>").hear().starts_with("<db:result "), "{answer}");
    }
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
    let heard = script.say(&HEADER.replace("'>", "' id='mine' xml:lang='de-CH'>")).hear();
    assert!(!heard.contains("mine") && heard.contains(" xml:lang='en'") && script.closed.is_none(), "{heard}");
}

/// §4.8, for the answer to our own header.
#[test]
fn an_answer_that_is_no_stream_between_servers_is_refused() {
    for (answer, condition) in [
        (ANSWER.replace("http://etherx.jabber.org/streams", "urn:example:streams"), "invalid-namespace"),
        (ANSWER.replace("xmlns='jabber:server'", "xmlns='jabber:client'"), "invalid-namespace"),
        (ANSWER.replace("'1.0' id", "'x' id"), "unsupported-version"),
    ] {
        let mut script = Script::outbound(Ok(rules(TlsUse::Optional, DIALBACK)));
        script.hear();
        let heard = script.say(&answer).hear();
        assert!(heard.contains(&format!("<{condition} ")), "{answer}: {heard}");
    }
}

/// §4.7.5 rule 4: no `version` in the answer, and no features; what is left is dialback.
#[test]
fn a_peer_older_than_version_1_gets_no_features() {
    let old = HEADER.replace(" version='1.0'>", ">");
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
    let heard = script.say(&old).hear();
    let header = heard.strip_prefix("<?xml version='1.0'?>").unwrap_or_default();
    assert!(header.starts_with("<stream:stream ") && !header.contains("version"), "{heard}");
    assert!(!heard.contains("features"), "{heard}");
    script.say(KEY);
    assert!(matches!(&script.outputs()[..], [Output::VerifyDialback(_)]));
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, DIALBACK)));
    let heard = script.say(&old).hear();
    assert!(is_stream_error(&heard, "policy-violation") || heard.contains("<policy-violation "), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::TlsRequired);
}

/// §4.7.5 rule 2: "whichever is lower", as numbers; 2.4 is lower than 2.13, and both are above 1.0.
#[test]
fn a_header_is_answered_with_the_lower_version() {
    for (said, answered) in [("0.9", "0.9"), ("01.00", "1.0"), ("1.7", "1.0"), ("2.13", "1.0")] {
        let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
        let heard = script.say(&HEADER.replace("'1.0'>", &format!("'{said}'>"))).hear();
        assert!(heard.contains(&format!(" version='{answered}' xml:lang")), "{said}: {heard}");
        assert_eq!(heard.contains("<stream:features>"), answered == "1.0", "{said}: {heard}");
    }
}

/// §4.3.5: negotiation is complete when no feature is left that is mandatory; until then no stanza is sent.
#[test]
fn a_required_feature_that_is_not_spoken_ends_the_negotiation() {
    let unknown = "<stream:features><x xmlns='urn:example:x'><required/></x>\
                   <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>";
    let voluntary = unknown.replace("<required/>", "<optional/>");
    for (features, goes_on) in [(unknown, false), (voluntary.as_str(), true)] {
        let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
        script.hear();
        let heard = script.say(ANSWER).say(features).hear();
        assert_eq!(heard.starts_with("<db:result "), goes_on, "{heard}");
        assert_eq!(heard.contains("<unsupported-feature "), !goes_on, "{heard}");
    }
}

/// §6.4.5: "at least 2 and no more than 5" attempts, then a stream error, "which SHOULD be `<policy-violation/>`".
#[test]
fn a_peer_may_try_external_three_times() {
    let rules = rules(TlsUse::Required, &[Method::SaslOverTls, Method::TlsDialback]);
    let mut script = Script::inbound_in_tls(Ok(rules), Ok("fabrikam.example"));
    script.hear();
    for attempt in 1..=3 {
        assert!(script.closed.is_none(), "attempt {attempt}");
        let heard = script.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>").hear();
        assert!(heard.contains("<invalid-mechanism/>"), "{heard}");
        assert_eq!(heard.contains("<policy-violation "), attempt == 3, "{heard}");
    }
}

/// Before anybody is authorised little may be sent, whatever the bytes amount to (attack row 2).
#[test]
fn elements_attributes_and_depth_are_bounded_before_authorisation() {
    let attributes: String = (0..17).map(|n| format!(" a{n}=''")).collect();
    for text in [
        format!("<db:result from='fabrikam.example' to='contoso.example'>{}</db:result>", "<a/>".repeat(64)),
        format!("<db:result{attributes}/>"),
        format!("{}{}", "<a>".repeat(9), "</a>".repeat(9)),
    ] {
        let mut script = Script::inbound(Ok(rules(TlsUse::Optional, DIALBACK)));
        script.say(HEADER).hear();
        let heard = script.say(&text).hear();
        assert!(is_stream_error(&heard, "policy-violation") || heard.contains("<policy-violation "), "{heard}");
        assert!(matches!(script.failure(), StreamFailure::Xml(_)), "{text}");
    }
}

/// XEP-0220 §2.5: each error reaches who waits, and none ends the stream for its other pairs.
#[test]
fn every_dialback_error_fails_its_pair_alone() {
    let added = pair("rooms.contoso.example", "fabrikam.example");
    for condition in [
        "item-not-found",
        "remote-connection-failed",
        "remote-server-not-found",
        "remote-server-timeout",
        "policy-violation",
        "not-authorized",
        "forbidden",
        "not-acceptable",
        "resource-constraint",
        "of-a-later-version",
    ] {
        let mut script = outbound_open();
        script.input(Input::AddPair(added.clone())).hear();
        script.outputs();
        script.say(&format!(
            "<db:result from='fabrikam.example' to='rooms.contoso.example' type='error'><error type='cancel'>\
             <{condition} xmlns='{STANZAS}'/></error></db:result>"
        ));
        let outputs = script.outputs();
        let [Output::PairFailed(of, StreamFailure::DialbackFailed(error))] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!((of, &*error.name), (&added, condition));
        let known = DialbackCondition::ALL.iter().any(|known| known.as_str() == condition);
        assert_eq!(error.condition().is_some(), known, "{condition}");
        assert!(script.closed.is_none() && script.room() > 0, "{condition}");
    }
}

/// XEP-0220 §2.1.1: "the Initiating Server SHOULD NOT attempt to send further stanzas for other domain pairs that have
/// already been authorized."
#[test]
fn a_key_called_invalid_ends_the_stream_for_its_other_pairs_too() {
    let (first, added) =
        (pair("contoso.example", "fabrikam.example"), pair("rooms.contoso.example", "fabrikam.example"));
    let mut script = outbound_open();
    script.input(Input::AddPair(added.clone())).hear();
    script.outputs();
    let heard = script.say("<db:result from='fabrikam.example' to='rooms.contoso.example' type='invalid'/>").hear();
    assert_eq!(heard, "</stream:stream>");
    script.input(Input::Send(&first, Stanzas::one("<message/>")));
    let outputs = script.outputs();
    assert!(
        matches!(&outputs[..], [Output::PairFailed(of, StreamFailure::DialbackInvalid), Output::Unsent(..)] if *of == added),
        "{outputs:?}"
    );
    script.say("</stream:stream>");
    assert_eq!(script.closed, Some(None));
}

/// XEP-0220 §2.5: what the initiating server is told when its authoritative server could not be asked.
#[test]
fn a_failed_question_becomes_the_error_of_the_table() {
    let peer_error = |name: &str| StreamFailure::PeerError {
        error: StreamError { name: name.into(), text: "".into() },
        stage: Stage::Verify,
    };
    for (failure, condition) in [
        (peer_error("host-unknown"), "remote-server-not-found"),
        (peer_error("system-shutdown"), "remote-server-timeout"),
        (StreamFailure::PeerClosed(Stage::Verify), "remote-server-timeout"),
        (StreamFailure::Disconnected { stage: Stage::Verify, text: "".into() }, "remote-server-timeout"),
        (StreamFailure::Timeout(Stage::Verify), "remote-server-timeout"),
        (StreamFailure::TlsHandshake("alert".into()), "remote-connection-failed"),
    ] {
        let DialbackVerdict::Error(error) = DialbackVerdict::of_failure(&failure) else { panic!() };
        assert_eq!(&*error.name, condition, "{failure}");
    }
}

/// XEP-0220 §2.2.1: "MUST continue to accept and process stanzas for already verified domain pairs, and MUST continue to
/// process both `<db:result/>` and `<db:verify/>` elements."
#[test]
fn a_stream_goes_on_while_a_key_is_verified() {
    let mut script = Script::inbound_open();
    script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>");
    script.say("<message from='bob@fabrikam.example' to='alice@contoso.example'/>");
    script.say("<db:verify from='fabrikam.example' to='contoso.example' id='x'>key</db:verify>");
    script.say("<db:result from='chat.fabrikam.example' to='contoso.example'>key</db:result>");
    let outputs = script.outputs();
    assert!(
        matches!(
            &outputs[..],
            [Output::VerifyDialback(_), Output::Stanzas(..), Output::AskKey(_), Output::VerifyDialback(_)]
        ),
        "{outputs:?}"
    );
}

/// XEP-0220 §2.1.2: the answer must match what was asked in all three attributes.
#[test]
fn an_answer_to_another_question_is_no_answer() {
    let asked = VerifyRequest { pair: pair("contoso.example", "fabrikam.example"), id: "1".into(), key: "key".into() };
    let rules = rules(TlsUse::NotSupported, &[Method::TcpDialback]);
    let mut script = Script::outbound_for(Ok(rules), Purpose::Verify(asked), true);
    script.say(ANSWER).say("<stream:features/>").hear();
    for (from, to, id) in [
        ("fabrikam.example", "contoso.example", "2"),
        ("tailspin.example", "contoso.example", "1"),
        ("fabrikam.example", "woodgrove.example", "1"),
    ] {
        script.say(&format!("<db:verify from='{from}' to='{to}' id='{id}' type='valid'/>"));
        script.say(&format!("<db:result from='{from}' to='{to}' type='valid'/>"));
    }
    let outputs = script.outputs();
    assert!(outputs.len() == 6 && outputs.iter().all(|output| matches!(output, Output::Anomaly(_))), "{outputs:?}");
}
