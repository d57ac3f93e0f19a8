//! The initiating side: TLS or not, SASL EXTERNAL or dialback, and failures that say what happened.

use std::time::Duration;

use lexicon::{CertificateFault, Method};
use xmpp::stream::{
    Anomaly, Condition, Fault, Input, Output, PairRules, Purpose, Refusal, Retry, Stage, Stanzas, StreamFailure,
    TlsUse, UnsentReason,
};

use crate::{
    pair::{domain, pair, tls_facts},
    script::{ANSWER, Script, rules},
};

const ALL: &[Method] = &Method::ALL;
const SASL: &[Method] = &[Method::SaslOverTls];
const PROCEED: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const SASL_NS: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

fn features(inside: &str) -> String {
    format!("<stream:features>{inside}</stream:features>")
}

fn starttls() -> String {
    features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
}

fn mechanisms(names: &[&str]) -> String {
    let names: String = names.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
    features(&format!("<mechanisms xmlns='{SASL_NS}'>{names}</mechanisms>"))
}

/// A header without the dialback namespace.
fn plain_answer() -> String {
    ANSWER.replace(" xmlns:db='jabber:server:dialback'", "")
}

fn in_tls(answer: PairRules) -> Script {
    let mut script = Script::outbound(Ok(answer));
    let heard = script.say(ANSWER).say(&starttls()).hear();
    assert!(heard.ends_with("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "{heard}");
    script.say(PROCEED);
    script.tls(Ok(domain("fabrikam.example"))).hear();
    script.outputs();
    script
}

#[test]
fn says_who_it_is_and_whom_it_wants() {
    let heard = Script::outbound(Ok(rules(TlsUse::Required, ALL))).hear();
    for part in [
        "<?xml version='1.0'?>",
        "xmlns='jabber:server'",
        "xmlns:db='jabber:server:dialback'",
        "from='contoso.example'",
        "to='fabrikam.example'",
        "version='1.0'",
    ] {
        assert!(heard.contains(part), "{heard}");
    }
    let heard = Script::outbound(Ok(rules(TlsUse::Required, SASL))).hear();
    assert!(!heard.contains("dialback"), "dialback is not advertised where it is not spoken: {heard}");
}

#[test]
fn nothing_is_sent_to_a_partner_that_policy_refuses() {
    let mut script = Script::outbound(Err(Refusal::PartnerDisabled));
    assert_eq!(script.hear(), "");
    assert_eq!(script.failure(), &StreamFailure::Refused(Refusal::PartnerDisabled));
    assert_eq!((script.failure().fault(), script.failure().retry()), (Fault::Policy, Retry::Never));
}

#[test]
fn external_carries_our_domain_and_ends_in_an_authorised_pair() {
    let mut script = in_tls(rules(TlsUse::Required, SASL));
    let heard = script.say(ANSWER).say(&mechanisms(&["PLAIN", "EXTERNAL"])).hear();
    // base64("contoso.example"), as XEP-0178 §3 recommends.
    assert_eq!(heard, format!("<auth xmlns='{SASL_NS}' mechanism='EXTERNAL'>Y29udG9zby5leGFtcGxl</auth>"));
    let heard = script.say(&format!("<success xmlns='{SASL_NS}'/>")).hear();
    assert!(heard.contains("<stream:stream "), "{heard}");
    assert_eq!(script.room(), 0);
    script.say(ANSWER).say(&features(""));
    assert!(matches!(&script.outputs()[..], [Output::Authorised(_, Method::SaslOverTls)]));
    assert!(script.room() > 0);
    let to = pair("contoso.example", "fabrikam.example");
    script.input(Input::Send(&to, Stanzas::one("<message/>")));
    assert_eq!(script.hear(), "<message/>");
}

/// RFC 6120 §6.4.3: a peer may ask for the initial response again, once.
#[test]
fn answers_one_challenge() {
    let mut script = in_tls(rules(TlsUse::Required, SASL));
    script.say(ANSWER).say(&mechanisms(&["EXTERNAL"])).hear();
    let challenge = format!("<challenge xmlns='{SASL_NS}'/>");
    let heard = script.say(&challenge).hear();
    assert_eq!(heard, format!("<response xmlns='{SASL_NS}'>Y29udG9zby5leGFtcGxl</response>"));
    script.say(&challenge);
    assert!(matches!(script.failure(), StreamFailure::Protocol(Condition::PolicyViolation, _)));
}

#[test]
fn stanzas_wait_for_the_pair() {
    let mut script = in_tls(rules(TlsUse::Required, SASL));
    let to = pair("contoso.example", "fabrikam.example");
    script.input(Input::Send(&to, Stanzas::one("<message/>")));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(pair, _, UnsentReason::NotOpen)] if *pair == to));
    assert_eq!(script.hear(), "");
}

#[test]
fn tls_that_is_required_and_absent_ends_the_attempt() {
    for (tls, methods) in [(TlsUse::Required, ALL), (TlsUse::Optional, SASL)] {
        let mut script = Script::outbound(Ok(rules(tls, methods)));
        let heard = script.say(ANSWER).say(&features("")).hear();
        assert!(heard.contains("<policy-violation "), "{heard}");
        assert_eq!(script.failure(), &StreamFailure::StarttlsAbsent);
    }
}

#[test]
fn a_failed_handshake_is_never_followed_by_plaintext() {
    let mut script = Script::outbound(Ok(rules(TlsUse::Optional, ALL)));
    script.say(ANSWER).say(&starttls()).say(PROCEED).hear();
    script.input(Input::TlsFailed("alert: protocol version"));
    assert_eq!(script.hear(), "");
    assert_eq!(script.failure(), &StreamFailure::TlsHandshake("alert: protocol version".into()));
    let mut script = Script::outbound(Ok(rules(TlsUse::Optional, ALL)));
    script.say(ANSWER).say(&starttls()).say("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert!(matches!(script.failure(), StreamFailure::StarttlsFailed(_)));
}

#[test]
fn tls_that_is_not_supported_is_not_requested() {
    let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    script.hear();
    let heard = script.say(ANSWER).say(&starttls()).hear();
    assert!(heard.starts_with("<db:result "), "{heard}");
    let mut script = Script::outbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    let required = features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
    let heard = script.say(ANSWER).say(&required).hear();
    assert!(heard.contains("<unsupported-feature "), "RFC 6120 §4.9.3.23: {heard}");
    assert_eq!(script.failure(), &StreamFailure::TlsDemanded);
    assert_eq!(script.failure().fault(), Fault::Policy);
}

#[test]
fn names_what_stood_in_the_way_of_external() {
    let mut script = in_tls(rules(TlsUse::Required, SASL));
    script.say(&plain_answer()).say(&mechanisms(&["SCRAM-SHA-1", "PLAIN"]));
    assert_eq!(script.failure(), &StreamFailure::ExternalAbsent("SCRAM-SHA-1, PLAIN".into()));
    let mut untrusted = rules(TlsUse::Required, SASL);
    untrusted.certificate = Err(CertificateFault::Expired);
    let mut script = in_tls(untrusted);
    script.say(ANSWER).say(&mechanisms(&["EXTERNAL"]));
    assert_eq!(script.failure(), &StreamFailure::Certificate(CertificateFault::Expired));
    assert_eq!(script.failure().to_string(), "SASL over TLS is required and the partner's certificate has expired");
    let mut script = in_tls(rules(TlsUse::Required, SASL));
    script.say(ANSWER).say(&mechanisms(&["EXTERNAL"]));
    script.say(&format!("<failure xmlns='{SASL_NS}'><not-authorized/><text>no CA of ours</text></failure>"));
    let failure = script.failure();
    assert_eq!(failure.to_string(), "the partner's server refused SASL EXTERNAL: not-authorized (no CA of ours)");
    assert_eq!(failure.retry(), Retry::Later);
}

#[test]
fn an_untrusted_certificate_leaves_dialback_where_the_row_permits_it() {
    let mut untrusted = rules(TlsUse::Required, &[Method::SaslOverTls, Method::TlsDialback]);
    untrusted.certificate = Err(CertificateFault::SelfSigned);
    let mut script = in_tls(untrusted);
    let heard = script.say(ANSWER).say(&mechanisms(&["EXTERNAL"])).hear();
    assert!(heard.starts_with("<db:result "), "{heard}");
    let attempt = &script.facts().attempts[0];
    assert_eq!(attempt.failure, Some(StreamFailure::Certificate(CertificateFault::SelfSigned)));
}

#[test]
fn a_refused_external_is_followed_by_dialback_on_the_same_connection() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::SaslOverTls, Method::TlsDialback]));
    script.say(ANSWER).say(&mechanisms(&["EXTERNAL"])).hear();
    let heard = script.say(&format!("<failure xmlns='{SASL_NS}'><not-authorized/></failure>")).hear();
    assert!(heard.starts_with("<db:result "), "{heard}");
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>");
    let outputs = script.outputs();
    assert!(
        matches!(&outputs[..], [Output::KeySent(_, id), Output::Authorised(_, Method::TlsDialback)] if &**id == "D60000229F")
    );
}

#[test]
fn a_peer_that_hangs_up_after_refusing_external_is_tried_again_without_sasl() {
    let failure = format!("<failure xmlns='{SASL_NS}'><not-authorized/></failure>");
    let rules = rules(TlsUse::Required, &[Method::SaslOverTls, Method::TlsDialback]);
    for (answer, rest) in [(ANSWER.to_owned(), "</stream:stream>"), (ANSWER.to_owned(), ""), (plain_answer(), "")] {
        let mut script = in_tls(rules.clone());
        script.say(&answer).say(&mechanisms(&["EXTERNAL"])).say(&failure).say(rest);
        script.input(Input::Disconnected(""));
        assert_eq!(script.failure().retry(), Retry::WithoutSasl, "{:?}", script.failure());
    }
    let purpose = Purpose::Stanzas(pair("contoso.example", "fabrikam.example"));
    let mut script = Script::outbound_for(Ok(rules), purpose, false);
    script.say(ANSWER).say(&starttls()).say(PROCEED).tls(Ok(domain("fabrikam.example"))).hear();
    let heard = script.say(ANSWER).say(&mechanisms(&["EXTERNAL"])).hear();
    assert!(heard.starts_with("<db:result "), "{heard}");
}

/// RFC 6120 §4.7.5: without a version there are no features; what the header declares is all there is.
#[test]
fn a_peer_older_than_version_1_is_asked_by_dialback_alone() {
    let old = ANSWER.replace(" version='1.0'", "").replace("<?xml stream", "<?xml");
    let old = old.replacen("<?xml?>", "<?xml version='1.0'?>", 1);
    let mut script = Script::outbound(Ok(rules(TlsUse::Optional, ALL)));
    script.hear();
    let heard = script.say(&old).hear();
    assert!(heard.starts_with("<db:result "), "{heard}");
    let mut script = Script::outbound(Ok(rules(TlsUse::Required, ALL)));
    script.say(&old);
    assert_eq!(script.failure(), &StreamFailure::StarttlsAbsent);
}

#[test]
fn the_peers_stream_error_is_reported_with_the_stage() {
    let mut script = Script::outbound(Ok(rules(TlsUse::Required, ALL)));
    script.say(ANSWER).say(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    let failure = script.failure();
    assert!(matches!(failure, StreamFailure::PeerError { stage: Stage::Features, .. }));
    assert_eq!((failure.fault(), failure.retry()), (Fault::Peer, Retry::Never));
}

#[test]
fn a_silent_peer_times_out_at_the_stage_it_fell_silent() {
    let mut script = Script::outbound(Ok(rules(TlsUse::Required, ALL)));
    script.wait();
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Header));
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features("")).wait();
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Dialback));
    assert_eq!(script.failure().fault(), Fault::Network);
}

/// RFC 6120 §4.5: one connection carries stanzas one way.
#[test]
fn stanzas_of_the_peer_are_refused() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    let heard = script.say("<message from='bob@fabrikam.example' to='alice@contoso.example'/>").hear();
    assert!(heard.contains("<not-authorized "), "{heard}");
    assert!(!script.outputs().iter().any(|output| matches!(output, Output::Stanzas(..))));
}

#[test]
fn an_unused_stream_is_closed_cleanly() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    assert_eq!(script.wait().hear(), "</stream:stream>");
    let to = pair("contoso.example", "fabrikam.example");
    script.outputs();
    script.input(Input::Send(&to, Stanzas::one("<message/>")));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(..)]), "a closing stream takes nothing more");
    script.say("</stream:stream>");
    assert_eq!(script.closed, Some(None));
}

#[test]
fn policy_is_asked_again_when_the_pair_is_about_to_be_authorised() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.answer = Ok(rules(TlsUse::Required, SASL));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>");
    assert_eq!(script.failure(), &StreamFailure::MethodNotPermitted(Method::TlsDialback));
}

#[test]
fn another_domain_of_ours_may_use_the_stream() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    script.outputs();
    let second = pair("rooms.contoso.example", "fabrikam.example");
    script.input(Input::AddPair(second.clone()));
    assert!(script.hear().starts_with("<db:result from='rooms.contoso.example' to='fabrikam.example'>"));
    script.say(
        "<db:result from='fabrikam.example' to='rooms.contoso.example' type='error'><error type='cancel'>\
        <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
    );
    let outputs = script.outputs();
    assert!(
        matches!(&outputs[..], [Output::KeySent(..), Output::PairFailed(pair, StreamFailure::DialbackFailed(error))]
            if *pair == second && &*error.name == "item-not-found"),
        "{outputs:?}"
    );
    script.input(Input::Send(&second, Stanzas::one("<message/>")));
    assert!(matches!(&script.outputs()[..], [Output::Unsent(pair, _, UnsentReason::NotOpen)] if *pair == second));
    script.input(Input::AddPair(pair("contoso.example", "tailspin.example")));
    assert!(matches!(&script.outputs()[..], [Output::PairFailed(_, StreamFailure::PairNotTaken)]));
    assert!(script.closed.is_none());
}

/// XEP-0220 §2.6.2: another target domain only with a peer that understands that it fails alone.
#[test]
fn another_domain_of_the_partner_may_use_the_stream_of_a_peer_with_dialback_errors() {
    for (inside, taken) in [("<errors/>", true), ("", false)] {
        let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
        let dialback = format!("<dialback xmlns='urn:xmpp:features:dialback'>{inside}</dialback>");
        script.say(ANSWER).say(&features(&dialback));
        script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
        script.outputs();
        let second = pair("contoso.example", "rooms.fabrikam.example");
        let heard = script.input(Input::AddPair(second.clone())).hear();
        assert_eq!(
            heard.starts_with("<db:result from='contoso.example' to='rooms.fabrikam.example'>"),
            taken,
            "{heard}"
        );
        if taken {
            script.say("<db:result from='rooms.fabrikam.example' to='contoso.example' type='valid'/>");
            let outputs = script.outputs();
            assert!(matches!(outputs.last(), Some(Output::Authorised(pair, _)) if *pair == second), "{outputs:?}");
        } else {
            assert!(matches!(&script.outputs()[..], [Output::PairFailed(_, StreamFailure::PairNotTaken)]));
        }
        assert!(script.closed.is_none());
    }
}

/// RFC 6120 §13.7.2.3: what proved the identity must still be valid; where nothing relied on it, it may end.
#[test]
fn a_stream_ends_with_the_certificate_that_it_relies_on() {
    for (method, failure) in
        [(Method::SaslOverTls, Some(StreamFailure::CertificateExpired)), (Method::TlsDialback, None)]
    {
        let mut script = Script::outbound(Ok(rules(TlsUse::Required, &[method])));
        script.say(ANSWER).say(&starttls()).say(PROCEED);
        let mut facts = tls_facts(&Ok(domain("fabrikam.example")));
        let not_after = script.now.wall + Duration::from_secs(100);
        facts.peer.as_mut().unwrap().not_after = not_after;
        script.input(Input::Tls(facts)).say(ANSWER);
        if method == Method::SaslOverTls {
            script.say(&mechanisms(&["EXTERNAL"])).say(&format!("<success xmlns='{SASL_NS}'/>"));
            script.say(ANSWER).say(&features(""));
        } else {
            script.say(&features(""));
            script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>");
        }
        script.hear();
        let heard = script.wait().hear();
        assert_eq!(heard.contains("<reset "), failure.is_some(), "{heard}");
        assert_eq!(script.now.wall == not_after, failure.is_some());
        assert_eq!(script.closed.is_some(), failure.is_some());
        if failure.is_some() {
            assert_eq!(script.failure().retry(), Retry::Later);
        }
    }
}

#[test]
fn a_key_for_an_added_pair_is_given_up_in_time() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>");
    script.input(Input::AddPair(pair("rooms.contoso.example", "fabrikam.example")));
    script.outputs();
    script.wait();
    let outputs = script.outputs();
    assert!(matches!(&outputs[..], [Output::PairFailed(_, StreamFailure::Timeout(Stage::Dialback))]), "{outputs:?}");
    assert!(script.closed.is_none());
}

#[test]
fn elements_that_nobody_negotiated_are_counted_and_ignored() {
    let mut script = in_tls(rules(TlsUse::Required, &[Method::TlsDialback]));
    script.say(ANSWER).say(&features(""));
    script.outputs();
    script.say("<r xmlns='urn:xmpp:sm:3'/>");
    assert!(matches!(&script.outputs()[..], [Output::Anomaly(Anomaly::UnknownElement)]));
}
