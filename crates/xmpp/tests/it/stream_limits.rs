//! What the peer says it accepts is kept to (XEP-0478).

use std::time::Duration;

use lexicon::{DomainPair, Method};
use xmpp::{
    stream::{Input, Output, Stanzas, TlsUse, UnsentReason},
    xml::Batch,
};

use crate::{
    pair::pair,
    script::{ANSWER, Script, rules},
};

const LIMITS: &str = "urn:xmpp:stream-limits:0";

fn to() -> DomainPair {
    pair("contoso.example", "fabrikam.example")
}

/// A stream that we opened, authorised by TCP dialback, whose peer's features hold `inside`.
fn open(inside: &str) -> Script {
    let mut script = Script::outbound(Ok(rules(TlsUse::Optional, &[Method::TcpDialback])));
    script.say(ANSWER).say(&format!("<stream:features>{inside}</stream:features>"));
    script.say("<db:result from='fabrikam.example' to='contoso.example' type='valid'/>").hear();
    assert!(matches!(&script.outputs()[..], [Output::KeySent(..), Output::Authorised(..)]));
    script
}

fn message(body: usize) -> String {
    let body = "x".repeat(body);
    format!("<message from='alice@contoso.example' to='bob@fabrikam.example'><body>{body}</body></message>")
}

#[test]
fn a_stanza_above_the_peers_limit_is_never_written() {
    let limit = message(100).len();
    let mut script = open(&format!("<limits xmlns='{LIMITS}'><max-bytes>{limit}</max-bytes></limits>"));
    script.input(Input::Send(&to(), Stanzas::one(message(101))));
    assert_eq!(script.hear(), "");
    let outputs = script.outputs();
    let [Output::Unsent(pair, stanzas, UnsentReason::TooLong { bytes_max })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((pair, stanzas.count(), *bytes_max), (&to(), 1, limit as u64));
    script.input(Input::Send(&to(), Stanzas::one(message(100))));
    assert_eq!(script.hear(), message(100));
    assert!(script.outputs().is_empty() && script.closed.is_none(), "the stream goes on");
}

#[test]
fn one_long_stanza_among_several_stops_them_all() {
    let mut script = open(&format!("<limits xmlns='{LIMITS}'><max-bytes>200</max-bytes></limits>"));
    let batch = Batch::from_xml(message(1) + &message(500) + &message(2)).unwrap();
    let stanzas = Stanzas::written(batch.elements(), |writer, stanza| {
        writer.element(stanza);
    });
    assert_eq!((stanzas.count(), stanzas.longest_bytes()), (3, message(500).len()));
    script.input(Input::Send(&to(), stanzas));
    assert_eq!(script.hear(), "");
    assert!(matches!(&script.outputs()[..], [Output::Unsent(_, _, UnsentReason::TooLong { bytes_max: 200 })]));
}

#[test]
fn a_peer_that_names_no_limit_or_no_number_gets_everything() {
    for inside in [
        String::new(),
        format!("<limits xmlns='{LIMITS}'/>"),
        format!("<limits xmlns='{LIMITS}'><max-bytes>many</max-bytes><idle-seconds>-1</idle-seconds></limits>"),
        "<limits xmlns='urn:example:other'><max-bytes>1</max-bytes></limits>".to_owned(),
    ] {
        let mut script = open(&inside);
        script.input(Input::Send(&to(), Stanzas::one(message(300_000))));
        assert_eq!(script.hear().len(), message(300_000).len(), "{inside}");
    }
}

/// The peer may end the stream after so many seconds of our silence: we do it before, in good order.
#[test]
fn a_silent_stream_is_closed_before_the_peer_does_it() {
    let mut script = open(&format!("<limits xmlns='{LIMITS}'><idle-seconds>100</idle-seconds></limits>"));
    let before = script.now.instant;
    assert_eq!(script.wait().hear(), "</stream:stream>");
    assert_eq!(script.now.instant - before, Duration::from_secs(90));
}
