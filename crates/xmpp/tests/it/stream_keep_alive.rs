//! Proof of life on streams that we send on (partner-policy §4, XEP-0199, XEP-0478).

use std::time::Duration;

use lexicon::{DomainPair, Method};
use xmpp::{
    stanza::StanzaRef,
    stream::{Input, Output, PairRules, Stage, Stanzas, StreamFailure, StreamLimits, TlsUse, keep_alive},
    xml::Batch,
};

use crate::{
    pair::{ACCEPTOR, OPENER, Pair, Server, pair},
    script::{ANSWER, Script, is_stream_error, rules},
};

const INTERVAL: Duration = Duration::from_secs(300);
const PING: &str = "<iq from='contoso.example' to='fabrikam.example' id='keep-alive:0' type='get'>\
     <ping xmlns='urn:xmpp:ping'/></iq>";

fn to() -> DomainPair {
    pair("contoso.example", "fabrikam.example")
}

fn settings(keep_alive: bool) -> PairRules {
    PairRules { keep_alive, ..rules(TlsUse::Optional, &[Method::TcpDialback]) }
}

fn open_with(keep_alive: bool, features: &str) -> Script {
    let mut script = Script::outbound(Ok(settings(keep_alive)));
    script.say(ANSWER).say(&format!("<stream:features>{features}</stream:features>"));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    script.outputs();
    script
}

fn open() -> Script {
    open_with(true, "")
}

#[test]
fn a_silent_partner_is_asked_after_the_interval_and_given_up_a_minute_later() {
    let mut script = open();
    let begun = script.now.instant;
    assert_eq!(script.wait().hear(), PING);
    assert_eq!(script.now.instant - begun, INTERVAL);
    let heard = script.wait().hear();
    assert_eq!(script.now.instant - begun, INTERVAL + Duration::from_secs(60));
    assert!(is_stream_error(&heard, "connection-timeout"), "{heard}");
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Open));
}

#[test]
fn any_answer_is_proof_of_life() {
    let to = to();
    for proof in 0..3 {
        let mut script = open();
        assert_eq!(script.wait().hear(), PING);
        match proof {
            0 => script.say(" "),
            1 => script.say("<r xmlns='urn:example:other'/>"),
            _ => script.input(Input::ProofOfLife(&to)),
        };
        let proved = script.now.instant;
        script.wait();
        assert!(script.closed.is_none(), "{proof}");
        assert_eq!(
            script.now.instant - proved,
            INTERVAL,
            "{proof}: at the next moment it is asked, or closed as unused"
        );
    }
}

#[test]
fn proof_about_another_pair_is_none() {
    let mut script = open();
    script.wait().hear();
    script.input(Input::ProofOfLife(&pair("contoso.example", "tailspin.example"))).wait();
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Open));
}

#[test]
fn a_partner_without_keep_alive_is_never_asked() {
    let mut script = open_with(false, "");
    let begun = script.now.instant;
    assert_eq!(script.wait().hear(), "</stream:stream>");
    assert_eq!(script.now.instant - begun, StreamLimits::default().inactivity_timeout);
}

#[test]
fn the_setting_reaches_a_live_stream() {
    let (mut script, to) = (open(), to());
    script.input(Input::PairRules(&to, Ok(settings(false))));
    assert_eq!(script.wait().hear(), "</stream:stream>");
}

/// Stanzas that leave are no proof: TCP takes them for a dead peer as well.
#[test]
fn what_we_send_proves_nothing() {
    let (mut script, to) = (open(), to());
    script.now = script.now + Duration::from_secs(299);
    script.input(Input::Send(&to, Stanzas::one("<presence/>"))).hear();
    assert_eq!(script.wait().hear(), PING);
}

/// XEP-0478 §3.1: within the silence that the peer tolerates something is sent; one that is too short is not fought.
#[test]
fn the_peers_idle_seconds_shorten_the_interval() {
    let limits =
        |seconds| format!("<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>{seconds}</idle-seconds></limits>");
    let mut script = open_with(true, &limits(100));
    let begun = script.now.instant;
    assert_eq!(script.wait().hear(), PING);
    assert_eq!(script.now.instant - begun, Duration::from_secs(90));
    let mut script = open_with(true, &limits(10));
    assert_eq!(script.wait().hear(), "</stream:stream>");
}

/// Pings of either side do not keep a stream that nobody uses.
#[test]
fn pings_do_not_keep_an_unused_stream() {
    let mut script = open();
    let begun = script.now.instant;
    while script.closed.is_none() && script.now.instant - begun < Duration::from_secs(600) {
        script.wait().say(" ");
    }
    assert!(script.hear().ends_with("</stream:stream>"));
    assert_eq!(script.now.instant - begun, Duration::from_secs(600));
}

#[test]
fn a_stream_that_only_receives_asks_nothing() {
    let mut script = Script::inbound_open();
    assert_eq!(script.wait().hear(), "</stream:stream>");
}

#[test]
fn the_answer_on_the_partners_stream_is_proof_and_goes_no_further() {
    for answer in ["type='result'/>", "type='error'><error type='cancel'/></iq>"] {
        let mut script = Script::inbound_open();
        let message = "<message from='bob@fabrikam.example' to='alice@contoso.example'/>";
        let answer = format!("<iq id='keep-alive:7' from='fabrikam.example' to='contoso.example' {answer}");
        script.say(&format!("{message}{answer}{message}"));
        let outputs = script.outputs();
        let [Output::Stanzas(_, one), Output::ProofOfLife(pair), Output::Stanzas(_, two)] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!((one.len(), two.len(), pair), (1, 1, &to()));
    }
}

#[test]
fn an_answer_of_a_pair_that_is_not_authorised_proves_nothing() {
    let mut script = Script::inbound_open();
    let heard = script.say("<iq id='keep-alive:7' from='tailspin.example' to='contoso.example' type='result'/>").hear();
    assert!(is_stream_error(&heard, "invalid-from") || heard.contains("<invalid-from "), "{heard}");
    assert!(script.outputs().is_empty());
}

#[test]
fn only_answers_between_domains_to_our_ids_are_recognised() {
    let domains = "from='fabrikam.example' to='contoso.example'";
    for (stanza, expected) in [
        (format!("<iq id='keep-alive:0' {domains} type='result'/>"), true),
        (format!("<iq id='keep-alive:0' {domains} type='error'/>"), true),
        (format!("<iq id='keep-alive:0' {domains} type='get'/>"), false),
        (format!("<iq id='0' {domains} type='result'/>"), false),
        (format!("<message id='keep-alive:0' {domains} type='error'/>"), false),
        ("<iq id='keep-alive:0' from='bob@fabrikam.example' to='contoso.example' type='result'/>".to_owned(), false),
        ("<iq id='keep-alive:0' from='fabrikam.example' to='contoso.example/x' type='result'/>".to_owned(), false),
        ("<iq id='keep-alive:0' type='result'/>".to_owned(), false),
    ] {
        let batch = Batch::from_xml(stanza.clone()).unwrap();
        let stanza = StanzaRef::of(batch.element(0)).unwrap();
        assert_eq!(keep_alive::is_answer(&stanza), expected, "{stanza:?}");
    }
}

/// Two servers, one stream each way: who asks is heard on one and answered on the other.
#[test]
fn two_streams_prove_each_others_life() {
    let rules = PairRules { keep_alive: true, ..rules(TlsUse::Required, &[Method::SaslOverTls]) };
    let server = |name: &str| Server::new(name, rules.clone());
    let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
    sim.limits.inactivity_timeout = Duration::from_secs(86_400);
    let (there, back) = (sim.connect(0), sim.connect(1));
    sim.run();
    for _ in 0..20 {
        sim.pass(Duration::from_secs(100));
        sim.answer_pings(there, back);
        sim.answer_pings(back, there);
    }
    for connection in [there, back] {
        for side in [OPENER, ACCEPTOR] {
            assert_eq!(sim.end(connection, side).closed, None);
            assert!(side == OPENER || sim.end(connection, side).proofs > 5);
        }
    }
}
