//! Stream management (XEP-0198): what is settled is acknowledged, what is not acknowledged is known.

use std::time::Duration;

use lexicon::{DomainPair, Method};
use xmpp::stream::{
    Extensions, Input, Output, PairRules, Purpose, Stage, Stanzas, StreamFailure, StreamLimits, TlsUse,
};

use crate::{
    pair::{ACCEPTOR, OPENER, Pair, Server, domain, pair},
    script::{ANSWER, AUTH, HEADER, STARTTLS, Script, is_stream_error, rules},
};

const ON: Extensions = Extensions { bidi: false, stream_management: true };
const MESSAGE: &str = "<message from='bob@fabrikam.example/x' to='alice@contoso.example'><body>hi</body></message>";
const PONG: &str = "<iq id='keep-alive:0' from='fabrikam.example' to='contoso.example' type='result'/>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3'/>";
const R: &str = "<r xmlns='urn:xmpp:sm:3'/>";

fn a(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

fn to() -> DomainPair {
    pair("contoso.example", "fabrikam.example")
}

fn external() -> PairRules {
    rules(TlsUse::Required, &[Method::SaslOverTls])
}

/// An inbound stream authorised by SASL EXTERNAL, and what was offered after that.
fn inbound(extensions: Extensions) -> (Script, String) {
    let mut script = Script::inbound_with(Ok(external()), StreamLimits::default(), extensions);
    script.say(HEADER).say(STARTTLS).tls(Ok(domain("fabrikam.example"))).say(HEADER).say(AUTH);
    assert!(!script.hear().contains("urn:xmpp:sm:3"), "nothing is offered before authorisation");
    let offered = script.say(HEADER).hear();
    script.outputs();
    (script, offered)
}

fn managed() -> Script {
    let (mut script, _) = inbound(ON);
    assert_eq!(script.say(ENABLE).hear(), "<enabled xmlns='urn:xmpp:sm:3'/>");
    script
}

/// An outbound stream authorised by TCP dialback, whose peer offers stream management and has enabled it.
fn outbound() -> Script {
    let mut script = asked();
    script.say("<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>");
    script
}

fn asked() -> Script {
    let rules = PairRules { keep_alive: true, ..rules(TlsUse::Optional, &[Method::TcpDialback]) };
    let mut script = Script::outbound_with(Ok(rules), Purpose::Stanzas(to()), true, ON);
    script.say(ANSWER).say("<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>");
    assert!(!script.hear().contains("<enable "), "not before authorisation");
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>");
    assert_eq!(script.hear(), ENABLE);
    script.outputs();
    script
}

fn send(script: &mut Script, stanzas: usize) -> String {
    let to = to();
    let stanzas = Stanzas::written(0..stanzas, |writer, _| {
        writer.leaf("message", "jabber:server", "");
    });
    script.input(Input::Send(&to, stanzas)).hear()
}

#[test]
fn it_is_offered_after_authorisation_unless_switched_off() {
    assert!(inbound(ON).1.contains("<sm xmlns='urn:xmpp:sm:3'/>"));
    let (mut script, offered) = inbound(Extensions::default());
    assert!(!offered.contains("urn:xmpp:sm:3"), "{offered}");
    assert!(script.say(ENABLE).hear().contains("<unsupported-stanza-type "));
}

/// §3: a stream on which nobody is authorised manages nothing.
#[test]
fn enabling_before_authorisation_fails() {
    let mut script =
        Script::inbound_with(Ok(rules(TlsUse::Optional, &[Method::TcpDialback])), StreamLimits::default(), ON);
    script.say(HEADER).hear();
    let heard = script.say(ENABLE).hear();
    assert!(heard.starts_with("<failed xmlns='urn:xmpp:sm:3'><unexpected-request "), "{heard}");
    assert!(script.closed.is_none());
}

#[test]
fn nothing_is_resumed_and_nothing_enabled_twice() {
    let (mut script, _) = inbound(ON);
    let heard = script.say(&ENABLE.replace("/>", " resume='true' max='600'/>")).hear();
    assert_eq!(heard, "<enabled xmlns='urn:xmpp:sm:3'/>", "no id, so that nothing can be resumed (§3)");
    let mut script = managed();
    let heard = script.say("<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>").hear();
    assert!(heard.starts_with("<failed xmlns='urn:xmpp:sm:3'><feature-not-implemented "), "{heard}");
    let heard = script.say(ENABLE).hear();
    assert!(heard.contains("<policy-violation "), "{heard}");
}

#[test]
fn h_advances_only_when_stanzas_are_settled() {
    let mut script = managed();
    assert_eq!(script.say(R).hear(), a(0));
    script.say(MESSAGE).say(MESSAGE);
    assert_eq!(script.say(R).hear(), a(0), "received is not settled");
    assert_eq!(script.input(Input::Settled(1)).hear(), "", "the peer asked for two");
    assert_eq!(script.input(Input::Settled(1)).hear(), a(2), "and is told without asking again");
    assert_eq!(script.say(R).hear(), a(2));
    script.say(MESSAGE).input(Input::Settled(1));
    assert_eq!(script.hear(), "", "nobody asked");
}

#[test]
fn stanzas_before_the_beginning_do_not_count() {
    let (mut script, _) = inbound(ON);
    script.say(MESSAGE).say(MESSAGE).say(ENABLE).say(MESSAGE).hear();
    script.input(Input::Settled(2));
    assert_eq!(script.say(R).hear(), a(0));
    assert_eq!(script.input(Input::Settled(1)).hear(), a(1));
}

/// Answers to our pings are stanzas of the peer too, and the shell never sees them.
#[test]
fn consumed_stanzas_count_in_their_place() {
    let mut script = managed();
    assert_eq!(script.say(PONG).say(R).hear(), a(1));
    script.say(&format!("{MESSAGE}{PONG}{PONG}{MESSAGE}{PONG}"));
    assert_eq!(script.say(R).hear(), a(1));
    script.input(Input::Settled(1));
    assert_eq!(script.say(R).hear(), a(4));
    assert_eq!(script.input(Input::Settled(1)).hear(), a(6));
}

#[test]
fn more_settled_than_received_changes_nothing() {
    let mut script = managed();
    script.input(Input::Settled(9));
    assert_eq!(script.say(R).hear(), a(0));
}

/// A peer that leaves in good order learns what became of its last stanzas, if that is known soon.
#[test]
fn the_closing_tag_waits_for_what_is_not_settled() {
    let mut script = managed();
    script.say(MESSAGE).say("</stream:stream>");
    assert!(script.closed.is_none() && script.hear().is_empty());
    assert_eq!(script.input(Input::Settled(1)).hear(), a(1) + "</stream:stream>");
    assert_eq!(script.closed, Some(None));
    let mut script = managed();
    script.say(MESSAGE).say("</stream:stream>");
    assert_eq!(script.wait().hear(), a(0) + "</stream:stream>");
    assert_eq!(script.closed, Some(None));
    let mut script = managed();
    script.say(MESSAGE).input(Input::Settled(1));
    assert_eq!(script.say("</stream:stream>").hear(), a(1) + "</stream:stream>");
}

#[test]
fn each_writing_is_followed_by_one_request_while_none_is_under_way() {
    let mut script = outbound();
    assert_eq!(send(&mut script, 2), format!("<message/><message/>{R}"));
    assert_eq!(send(&mut script, 1), "<message/>");
    assert_eq!(script.say(&a(2)).hear(), R, "more was written meanwhile");
    assert!(matches!(&script.outputs()[..], [Output::Acked(2)]));
    assert_eq!(script.say(&a(3)).hear(), "");
    assert!(matches!(&script.outputs()[..], [Output::Acked(1)]));
    assert_eq!(script.unacked(), Some(0));
}

#[test]
fn a_peer_that_has_not_settled_yet_is_asked_again_a_second_later() {
    let mut script = outbound();
    send(&mut script, 1);
    assert_eq!(script.say(&a(0)).hear(), "");
    let begun = script.now.instant;
    assert_eq!(script.wait().hear(), R);
    assert_eq!(script.now.instant - begun, Duration::from_secs(1));
    script.say(&a(0)).say(&a(1));
    assert!(matches!(&script.outputs()[..], [Output::Acked(1)]), "told without being asked");
}

#[test]
fn the_request_is_the_question_for_life() {
    let mut script = outbound();
    assert_eq!(script.wait().hear(), R);
    script.say(&a(0));
    let mut script = outbound();
    send(&mut script, 1);
    let begun = script.now.instant;
    let heard = script.wait().hear();
    assert!(is_stream_error(&heard, "connection-timeout"), "{heard}");
    assert_eq!(script.now.instant - begun, Duration::from_secs(60));
    assert_eq!(script.failure(), &StreamFailure::Timeout(Stage::Open));
    assert!(matches!(&script.outputs()[..], [Output::DeliveryUnknown(1)]));
}

#[test]
fn what_was_not_acknowledged_at_the_end_is_told() {
    let mut script = outbound();
    send(&mut script, 3);
    script.say(&a(1)).outputs();
    script.input(Input::Disconnected("reset by peer"));
    assert!(matches!(&script.outputs()[..], [Output::DeliveryUnknown(2)]));
    assert!(matches!(script.failure(), StreamFailure::Disconnected { stage: Stage::Open, .. }));
}

#[test]
fn an_orderly_end_of_ours_waits_for_the_last_acknowledgement() {
    let mut script = outbound();
    send(&mut script, 1);
    script.input(Input::Close(None, ""));
    assert!(script.hear().ends_with(&format!("{R}</stream:stream>")));
    script.say(&a(1)).say("</stream:stream>");
    assert!(matches!(&script.outputs()[..], [Output::Acked(1)]));
    assert_eq!(script.closed, Some(None));
}

/// §6, with a number that was never sent, and after an acknowledgement was taken back.
#[test]
fn a_peer_that_acknowledges_too_much_is_told_the_numbers() {
    for said in [vec![9], vec![2, 1]] {
        let mut script = outbound();
        send(&mut script, 2);
        for h in &said {
            script.say(&a(*h));
        }
        let heard = script.hear();
        let h = said.last().unwrap();
        let told = format!("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{h}' send-count='2'/>");
        assert!(heard.contains("<undefined-condition ") && heard.contains(&told), "{heard}");
        assert_eq!(script.failure(), &StreamFailure::AckTooHigh { h: *h, sent: 2 });
    }
    let mut script = outbound();
    script.say("<a xmlns='urn:xmpp:sm:3'/>");
    assert!(script.hear().contains("<bad-format "));
}

#[test]
fn no_more_is_taken_than_the_window_holds() {
    let mut script = outbound();
    send(&mut script, StreamLimits::default().unacked_max);
    assert_eq!(script.room(), 0);
    script.say(&a(1));
    assert!(script.room() > 0);
}

#[test]
fn a_refusal_leaves_a_stream_without_acknowledgements() {
    for answer in ["<failed xmlns='urn:xmpp:sm:3'/>", ""] {
        let mut script = asked();
        assert_eq!(send(&mut script, 1), "<message/>", "no request before the answer");
        script.say(answer);
        if answer.is_empty() {
            assert!(script.wait().hear().contains("<ping "), "silence is an answer too");
        }
        assert_eq!(script.unacked(), None);
        script.say("<enabled xmlns='urn:xmpp:sm:3'/>");
        assert_eq!(send(&mut script, 1), "<message/>");
        script.input(Input::Disconnected(""));
        assert!(!script.outputs().iter().any(|output| matches!(output, Output::DeliveryUnknown(_))));
    }
}

/// Counting begins with the request to enable, not with its answer.
#[test]
fn stanzas_sent_before_the_answer_count() {
    let mut script = asked();
    assert_eq!(send(&mut script, 2), "<message/><message/>");
    assert_eq!(script.say("<enabled xmlns='urn:xmpp:sm:3'/>").hear(), R);
    script.say(&a(2));
    assert!(matches!(&script.outputs()[..], [Output::Acked(2)]));
}

/// Two servers of ours: nothing is acknowledged before it is settled, and all of it after.
#[test]
fn two_servers_agree_on_what_arrived() {
    let server = |name: &str| Server::new(name, external());
    let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
    sim.extensions = ON;
    let connection = sim.connect(0);
    sim.run();
    let to = to();
    for _ in 0..3 {
        let message = "<message from='alice@contoso.example' to='bob@fabrikam.example'/>";
        sim.input(connection, OPENER, Input::Send(&to, Stanzas::one(message)));
    }
    assert_eq!(sim.end(connection, OPENER).acked, 0);
    sim.input(connection, ACCEPTOR, Input::Settled(2));
    sim.pass(Duration::from_secs(2));
    assert_eq!(sim.end(connection, OPENER).acked, 2);
    sim.input(connection, ACCEPTOR, Input::Disconnected("gone"));
    assert_eq!((sim.end(connection, OPENER).acked, sim.end(connection, OPENER).unknown), (2, 1));
}
