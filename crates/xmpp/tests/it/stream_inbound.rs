//! The receiving side: headers, features, STARTTLS, SASL EXTERNAL, timeouts, changes of policy (RFC 6120 §4–§6).

use lexicon::{CertificateFault, Method};
use xmpp::stream::{Condition, DialbackVerdict, Fault, Input, Output, Refusal, Retry, Stage, StreamFailure, TlsUse};

use crate::{
    pair::{domain, pair},
    script::{AUTH, HEADER, KEY, STARTTLS, Script, is_stream_error, rules},
};

const ALL: &[Method] = &Method::ALL;
const SASL: &[Method] = &[Method::SaslOverTls];
const MESSAGE: &str = "<message from='bob@fabrikam.example/x' to='alice@contoso.example'><body>hi</body></message>";

fn header(attributes: &str) -> String {
    format!("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' {attributes}>")
}

#[test]
fn answers_a_header_with_its_own_and_a_fresh_id_each_time() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, SASL)));
    let first = script.say(HEADER).hear();
    assert!(first.contains("from='contoso.example'") && first.contains("to='fabrikam.example'"), "{first}");
    assert!(first.contains("version='1.0'"), "{first}");
    let id = |text: &str| text.split(" id='").nth(1).map(|rest| rest[..32].to_owned()).unwrap();
    script.say(STARTTLS).hear();
    let second = script.tls(Ok(domain("fabrikam.example"))).say(HEADER).hear();
    assert_ne!(id(&first), id(&second));
}

/// RFC 6120 §4.9.3.10, §4.9.3.1, §4.9.3.25, §4.9.3.7; §4.9.1.2: a header precedes every error.
#[test]
fn refuses_wrong_headers_after_answering_with_one() {
    let addresses = "from='fabrikam.example' to='contoso.example' version='1.0'";
    for (text, condition) in [
        (header(addresses).replace("etherx", "example"), "invalid-namespace"),
        (header(addresses).replace("jabber:server", "jabber:client"), "invalid-namespace"),
        (header(addresses).replace("stream:stream ", "stream:streams "), "bad-format"),
        (header("from='fabrikam.example' to='contoso.example' version='one'"), "unsupported-version"),
        (header("from='fabrikam.example' version='1.0'"), "improper-addressing"),
        (header("from='fabrikam.example' to='a@b' version='1.0'"), "improper-addressing"),
        (header("from='-' to='contoso.example' version='1.0'"), "improper-addressing"),
        (header("to='contoso.example'"), "improper-addressing"),
        ("<?xml version='1.0' encoding='latin1'?>".to_owned() + &header(addresses), "unsupported-encoding"),
        ("hello".to_owned(), "not-well-formed"),
    ] {
        let mut script = Script::inbound(Ok(rules(TlsUse::Optional, ALL)));
        let heard = script.say(&text).hear();
        assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{text}: {heard}");
        let accepts = [condition, if condition == "not-well-formed" { "bad-format" } else { condition }];
        assert!(accepts.iter().any(|condition| is_stream_error(&heard, condition)), "{text}: {heard}");
    }
}

#[test]
fn says_why_a_pair_is_refused() {
    for (refusal, condition, text) in [
        (
            Refusal::PartnerUnknown,
            "policy-violation",
            "fabrikam.example is not a federation partner of contoso.example",
        ),
        (Refusal::PartnerDisabled, "policy-violation", "switched off"),
        (Refusal::HostUnknown, "host-unknown", "contoso.example is not served here"),
        (Refusal::OwnDomain, "invalid-from", "fabrikam.example is served here"),
        (Refusal::ConnectionLimit, "resource-constraint", "too many connections"),
    ] {
        let mut script = Script::inbound(Err(refusal));
        let heard = script.say(HEADER).hear();
        assert!(heard.contains(&format!("<{condition} ")) && heard.contains(text), "{heard}");
        assert!(heard.ends_with("</stream:error></stream:stream>"), "{heard}");
        assert_eq!(script.failure(), &StreamFailure::Refused(refusal));
    }
}

/// Partner policy §2: what is advertised follows from the row.
#[test]
fn advertises_what_the_rules_permit() {
    for (tls, methods, starttls, dialback) in [
        (TlsUse::Required, SASL, Some(true), false),
        (TlsUse::Required, ALL, Some(true), false),
        (TlsUse::Optional, SASL, Some(true), false),
        (TlsUse::Optional, ALL, Some(false), true),
        (TlsUse::NotSupported, &[Method::TcpDialback] as &[_], None, true),
    ] {
        let heard = Script::inbound(Ok(rules(tls, methods))).say(HEADER).hear();
        assert_eq!(heard.contains("<starttls"), starttls.is_some(), "{tls:?} {methods:?}: {heard}");
        assert_eq!(heard.contains("<required/>"), starttls == Some(true), "{tls:?} {methods:?}: {heard}");
        assert_eq!(heard.contains("urn:xmpp:features:dialback"), dialback, "{tls:?} {methods:?}: {heard}");
        assert!(!heard.contains("EXTERNAL"), "{heard}");
    }
    let heard = Script::inbound_in_tls(Ok(rules(TlsUse::Required, ALL)), Ok("fabrikam.example")).hear();
    assert!(heard.contains("<mechanism>EXTERNAL</mechanism>") && heard.contains("<errors/>"), "{heard}");
    assert!(heard.contains("<max-bytes>262144</max-bytes><idle-seconds>600</idle-seconds>"), "{heard}");
    let heard = Script::inbound_in_tls(Ok(rules(TlsUse::Required, ALL)), Ok("tailspin.example")).hear();
    assert!(!heard.contains("EXTERNAL") && heard.contains("<errors/>"), "{heard}");
}

#[test]
fn an_unnamed_peer_is_offered_tls_and_must_name_itself_inside() {
    let mut script = Script::inbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    let unnamed = header("to='contoso.example' version='1.0'");
    let heard = script.say(&unnamed).hear();
    assert!(heard.contains("<required/>") && !heard.contains("dialback:"), "{heard}");
    script.say(STARTTLS).tls(Ok(domain("fabrikam.example"))).hear();
    let heard = script.say(&unnamed).hear();
    assert!(heard.contains("<improper-addressing ") && heard.contains("no usable from"), "{heard}");
}

/// White space around a restart is not allowed (RFC 6120 §6.3.5), and careless peers send it.
#[test]
fn white_space_before_a_restarted_header_is_passed_over() {
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
    script.say(&format!("{AUTH}\n")).say(&format!("\r\n{HEADER}")).hear();
    assert!(matches!(&script.outputs()[..], [Output::Authorised(..)]), "{:?}", script.closed);
}

#[test]
fn direct_tls_is_tls_before_the_first_header() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, SASL)));
    let heard = script.tls(Ok(domain("fabrikam.example"))).say(HEADER).hear();
    assert!(heard.contains("EXTERNAL") && !heard.contains("<starttls"), "{heard}");
    let mut script = Script::inbound(Ok(rules(TlsUse::NotSupported, &[Method::TcpDialback])));
    let heard = script.tls(Ok(domain("fabrikam.example"))).say(HEADER).hear();
    assert!(heard.contains("<policy-violation "), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::TlsExcluded);
}

#[test]
fn external_authorises_the_pair_of_the_restarted_header() {
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
    script.hear();
    let heard = script.say(AUTH).hear();
    assert_eq!(heard, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    assert!(script.outputs().is_empty(), "nothing is authorised before the restart");
    let heard = script.say(HEADER).hear();
    assert!(heard.contains("<stream:features>") && !heard.contains("EXTERNAL"), "{heard}");
    let expected = pair("contoso.example", "fabrikam.example");
    assert!(matches!(&script.outputs()[..], [Output::Authorised(pair, Method::SaslOverTls)] if *pair == expected));
    script.say(MESSAGE);
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(pair, batch)] if *pair == expected && batch.len() == 1));
}

/// RFC 6120 §6.5.
#[test]
fn refuses_external_with_the_condition_of_the_standard() {
    let auth = |mechanism: &str, content: &str| {
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{content}</auth>")
    };
    for (text, condition) in [
        (auth("PLAIN", "="), "invalid-mechanism"),
        (auth("EXTERNAL", ""), "malformed-request"),
        (auth("EXTERNAL", "*"), "incorrect-encoding"),
        (auth("EXTERNAL", "dGFpbHNwaW4uZXhhbXBsZQ=="), "invalid-authzid"),
    ] {
        let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
        script.hear();
        let heard = script.say(&text).hear();
        assert_eq!(heard, format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>"));
        assert!(script.closed.is_none(), "one failed attempt leaves another");
        script.say(&text).say(&text);
        assert!(matches!(script.failure(), StreamFailure::ExternalFailed(_)));
    }
    let mut script = Script::inbound(Ok(rules(TlsUse::Optional, ALL)));
    script.say(HEADER).hear();
    let heard = script.say(AUTH).hear();
    assert!(heard.contains("<encryption-required/>"), "{heard}");
}

#[test]
fn refuses_external_when_certificate_names_another_domain() {
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, ALL)), Ok("tailspin.example"));
    script.hear();
    let heard = script.say(AUTH).hear();
    assert!(heard.contains("<not-authorized/>") && heard.contains("does not name the domain"), "{heard}");
    assert!(script.closed.is_none(), "the row permits TLS dialback");
    script.say(KEY);
    assert!(matches!(&script.outputs()[..], [Output::VerifyDialback(request)] if &*request.key == "key"));
}

/// RFC 6120 §6.4.5.
#[test]
fn says_at_once_that_nothing_is_left_when_the_certificate_rules_out_the_only_method() {
    for (certificate, fault) in [
        (Ok("tailspin.example"), CertificateFault::WrongName),
        (Err(CertificateFault::Missing), CertificateFault::Missing),
    ] {
        let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), certificate);
        let heard = script.hear();
        assert!(heard.contains("<policy-violation ") && heard.contains("SASL EXTERNAL is required"), "{heard}");
        assert_eq!(script.failure(), &StreamFailure::Certificate(fault));
        assert_eq!((script.failure().fault(), script.failure().retry()), (Fault::Peer, Retry::Later));
    }
}

#[test]
fn policy_is_asked_again_when_external_is_about_to_succeed() {
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
    script.answer = Err(Refusal::PartnerDisabled);
    let heard = script.say(AUTH).hear();
    assert!(!heard.contains("<success") && heard.contains("policy-violation"), "{heard}");
}

#[test]
fn nothing_is_read_while_rules_are_awaited() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, SASL)));
    script.answers = false;
    script.say(HEADER).say(STARTTLS);
    assert_eq!(script.room(), 0);
    assert_eq!(script.hear(), "");
    let asked = pair("contoso.example", "fabrikam.example");
    assert!(
        matches!(&script.outputs()[..], [Output::AskPair { pair, method: None, inverse: false }] if *pair == asked)
    );
    script.input(Input::PairRules(&asked, Ok(rules(TlsUse::Required, SASL))));
    assert!(script.hear().ends_with("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
}

/// RFC 6120 §8.1.1.2, §8.1.2.2, §4.9.3.9, §4.9.3.24.
#[test]
fn refuses_stanzas_and_elements_by_the_rules_of_the_border() {
    for (text, condition) in [
        ("<message from='bob@fabrikam.example'/>", "improper-addressing"),
        ("<message to='alice@contoso.example'/>", "improper-addressing"),
        ("<message from='@' to='alice@contoso.example'/>", "improper-addressing"),
        ("<message from='bob@fab rikam' to='alice@contoso.example'/>", "improper-addressing"),
        ("<message from='bob@tailspin.example' to='alice@contoso.example'/>", "invalid-from"),
        ("<message from='bob@fabrikam.example' to='alice@woodgrove.example'/>", "invalid-from"),
        ("<message from='bob@sub.fabrikam.example' to='alice@contoso.example'/>", "invalid-from"),
        ("<letter from='bob@fabrikam.example' to='alice@contoso.example'/>", "unsupported-stanza-type"),
        (
            "<message xmlns='jabber:client' from='bob@fabrikam.example' to='a@contoso.example'/>",
            "unsupported-stanza-type",
        ),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
    ] {
        let mut script = Script::inbound_open();
        let heard = script.say(MESSAGE).say(text).hear();
        assert!(heard.contains(&format!("<{condition} ")), "{text}: {heard}");
        let passed: Vec<_> = script.outputs();
        assert!(matches!(&passed[..], [Output::Stanzas(_, batch)] if batch.len() == 1), "{text}: {passed:?}");
    }
}

#[test]
fn stanzas_of_one_pair_leave_together_and_in_order() {
    let mut script = Script::inbound_open();
    let upper = MESSAGE.replace("bob@fabrikam", "bob@FABRIKAM");
    script.say(&format!("{MESSAGE}{MESSAGE}{upper}"));
    let lengths: Vec<_> = script
        .outputs()
        .iter()
        .map(|output| match output {
            Output::Stanzas(pair, batch) => (pair.remote.to_string(), batch.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths, [("fabrikam.example".to_owned(), 2), ("fabrikam.example".to_owned(), 1)]);
}

#[test]
fn a_stream_without_a_pair_times_out_with_the_stage_it_had_reached() {
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, SASL)));
    let heard = script.wait().hear();
    assert!(heard.contains("<stream:stream ") && heard.contains("<connection-timeout "), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Header));
    let mut script = Script::inbound(Ok(rules(TlsUse::Required, SASL)));
    script.say(HEADER).say(STARTTLS).hear();
    assert_eq!(script.wait().hear(), "", "no XML during a handshake");
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Tls));
}

#[test]
fn an_idle_stream_is_closed_cleanly_and_the_peer_may_finish() {
    let mut script = Script::inbound_open();
    assert_eq!(script.wait().hear(), "</stream:stream>");
    script.say(MESSAGE);
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(..)]), "what still arrives is processed (RFC 6120 §4.4)");
    script.say("</stream:stream>");
    assert_eq!(script.closed, Some(None));
    let mut script = Script::inbound_open();
    script.wait().wait();
    assert_eq!(script.closed, Some(None), "the wait for the peer's closing tag is bounded");
}

#[test]
fn pings_do_not_keep_a_stream() {
    let ping = "<iq type='get' id='p' from='fabrikam.example' to='contoso.example'><ping xmlns='urn:xmpp:ping'/></iq>";
    for (text, lives) in [(ping, false), (MESSAGE, true), (" ", false)] {
        let mut script = Script::inbound_open();
        let begin = script.now;
        script.now = begin + std::time::Duration::from_secs(300);
        script.say(text);
        script.now = begin + std::time::Duration::from_secs(600);
        let heard = script.input(Input::Deadline).hear();
        assert_eq!(heard.is_empty(), lives, "{text}");
    }
}

#[test]
fn the_peers_closing_tag_is_answered() {
    let mut script = Script::inbound_open();
    assert_eq!(script.say("</stream:stream>").hear(), "</stream:stream>");
    assert_eq!(script.closed, Some(None));
}

/// RFC 6120 §4.9.3.21: a condition that no standard knows is survived and kept for the report.
#[test]
fn the_peers_stream_error_is_kept_with_its_words() {
    let mut script = Script::inbound_open();
    script.say(
        "<stream:error><too-sunny xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>no &lt;work&gt; today</text></stream:error>",
    );
    let StreamFailure::PeerError { error, stage: Stage::Open } = script.failure() else { panic!() };
    assert_eq!((&*error.name, &*error.text), ("too-sunny", "no <work> today"));
    assert_eq!(error.condition(), Condition::UndefinedCondition);
}

#[test]
fn the_shell_closes_with_a_condition_or_cleanly() {
    let mut script = Script::inbound_open();
    let heard = script.input(Input::Close(Some(Condition::SystemShutdown), "maintenance")).hear();
    assert!(heard.contains("<system-shutdown ") && heard.contains("maintenance"), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::ClosedHere(Condition::SystemShutdown));
    let mut script = Script::inbound_open();
    assert_eq!(script.input(Input::Close(None, "")).hear(), "</stream:stream>");
}

#[test]
fn nothing_follows_our_closing_tag() {
    let mut script = Script::inbound_open();
    script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>");
    script.say("<db:verify from='fabrikam.example' to='contoso.example' id='x'>key</db:verify>");
    let outputs = script.outputs();
    let [Output::VerifyDialback(ours), Output::AskKey(theirs)] = &outputs[..] else { panic!("{outputs:?}") };
    script.input(Input::Close(None, "")).hear();
    script.input(Input::DialbackVerdict(&ours.pair, DialbackVerdict::Valid));
    script.input(Input::KeyStatus(theirs, xmpp::stream::KeyStatus::InFlight));
    script.say(STARTTLS).say(KEY).wait();
    assert_eq!(script.hear(), "");
    assert!(script.outputs().is_empty());
    assert_eq!(script.closed, Some(None));
}

#[test]
fn a_change_of_policy_closes_the_stream_that_it_no_longer_permits() {
    let pair = pair("contoso.example", "fabrikam.example");
    for (answer, failure) in [
        (Ok(rules(TlsUse::Optional, &[Method::TcpDialback])), None),
        (Ok(rules(TlsUse::Required, ALL)), Some(Refusal::RulesChanged)),
        (Ok(rules(TlsUse::Optional, SASL)), Some(Refusal::RulesChanged)),
        (Err(Refusal::PartnerDisabled), Some(Refusal::PartnerDisabled)),
    ] {
        let mut script = Script::inbound_open();
        let heard = script.input(Input::PairRules(&pair, answer)).hear();
        match failure {
            None => assert!(heard.is_empty() && script.closed.is_none()),
            Some(refusal) => {
                assert!(heard.contains("<policy-violation "), "{heard}");
                assert_eq!(script.failure(), &StreamFailure::Refused(refusal));
            }
        }
    }
}

#[test]
fn a_change_of_policy_ends_tls_that_is_no_longer_supported() {
    let pair = pair("contoso.example", "fabrikam.example");
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
    script.say(AUTH).say(HEADER).hear();
    let mut pinned = rules(TlsUse::Required, SASL);
    script.input(Input::PairRules(&pair, Ok(pinned.clone())));
    assert!(script.closed.is_none());
    script.input(Input::PairRules(&pair, Ok(rules(TlsUse::NotSupported, SASL))));
    assert_eq!(script.failure(), &StreamFailure::Refused(Refusal::RulesChanged));
    let mut script = Script::inbound_in_tls(Ok(rules(TlsUse::Required, SASL)), Ok("fabrikam.example"));
    script.say(AUTH).say(HEADER).hear();
    pinned.certificate = Err(CertificateFault::PinMismatch);
    script.input(Input::PairRules(&pair, Ok(pinned)));
    assert_eq!(script.failure(), &StreamFailure::Refused(Refusal::RulesChanged));
}

#[test]
fn a_change_of_policy_takes_one_pair_of_several() {
    let mut script = Script::inbound_open();
    let second = pair("contoso.example", "rooms.fabrikam.example");
    script.say("<db:result from='rooms.fabrikam.example' to='contoso.example'>key</db:result>");
    script.input(Input::DialbackVerdict(&second, DialbackVerdict::Valid));
    script.outputs();
    script.input(Input::PairRules(&second, Err(Refusal::PartnerUnknown)));
    assert!(matches!(&script.outputs()[..], [Output::Deauthorised(pair, _)] if *pair == second));
    script.say(MESSAGE);
    assert!(matches!(&script.outputs()[..], [Output::Stanzas(..)]));
    script.say(&MESSAGE.replace("fabrikam", "rooms.fabrikam"));
    assert!(matches!(script.failure(), StreamFailure::Protocol(Condition::InvalidFrom, _)));
}
