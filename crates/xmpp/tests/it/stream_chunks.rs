//! However bytes are cut, the result is the same; the same seed and inputs give the same outputs.

use bytes::BytesMut;
use lexicon::Method;
use proptest::prelude::*;
use xmpp::{
    stream::{DialbackVerdict, Input, Output, Stanzas, TlsUse},
    xml::Batch,
};

use crate::{
    pair::{ACCEPTOR, OPENER, Pair, Server, pair},
    script::{AUTH, HEADER, KEY, Script, rules},
};

const STANZAS: &str = "<message from='bob@fabrikam.example/x' to='alice@contoso.example'><body>hi</body></message> \
    <presence from='bob@fabrikam.example/x' to='alice@contoso.example'/>\
    <iq type='get' id='1' from='fabrikam.example' to='contoso.example'><ping xmlns='urn:xmpp:ping'/></iq>\
    <message from='bob@Fabrikam.Example' to='alice@contoso.example'><body>hé</body></message>\
    <db:result from='rooms.fabrikam.example' to='contoso.example'>second</db:result>\
    <message from='bob@fabrikam.example/x' to='alice@contoso.example'/>";

const ENDINGS: [&str; 5] = [
    "</stream:stream>",
    "<!-- x -->",
    "<message from='bob@tailspin.example' to='alice@contoso.example'/>",
    "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    "<letter/>",
];

/// What a run tells, stanza by stanza.
fn trace(script: &mut Script) -> Vec<String> {
    let mut trace = Vec::new();
    for output in script.outputs() {
        match output {
            Output::Stanzas(pair, batch) => {
                trace.extend(batch.elements().map(|element| format!("{pair} {}", element.raw())));
            }
            other => trace.push(format!("{other:?}")),
        }
    }
    trace.push(format!("{:?}", script.closed));
    trace.push(script.hear());
    trace
}

/// Feeds `text` in pieces that end at `cuts`; the verdict about the first key comes when all is fed.
fn play(mut script: Script, text: &str, cuts: &[usize]) -> Vec<String> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).chain([text.len()]).collect();
    ends.sort_unstable();
    let mut begin = 0;
    for end in ends {
        script.input(Input::Bytes(&mut BytesMut::from(&text.as_bytes()[begin..end])));
        begin = end;
    }
    trace(&mut script)
}

proptest! {
    #[test]
    fn any_cut_of_an_open_stream_gives_the_same(cuts in prop::collection::vec(0usize..4096, 0..24), ending in 0usize..5) {
        let text = format!("{STANZAS}{}", ENDINGS[ending]);
        prop_assert_eq!(play(Script::inbound_open(), &text, &cuts), play(Script::inbound_open(), &text, &[]));
    }

    #[test]
    fn any_cut_of_a_negotiation_gives_the_same(cuts in prop::collection::vec(0usize..4096, 0..24), ending in 0usize..5) {
        let script = || {
            let mut script = Script::inbound(Ok(rules(TlsUse::Optional, &Method::ALL)));
            script.tls(Ok(crate::pair::domain("fabrikam.example")));
            script
        };
        let text = format!("{HEADER}{KEY}{AUTH}{HEADER}{STANZAS}{}", ENDINGS[ending]);
        prop_assert_eq!(play(script(), &text, &cuts), play(script(), &text, &[]));
    }

    #[test]
    fn no_bytes_make_a_stream_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let mut inbound = Script::inbound_open();
        let mut outbound = Script::outbound(Ok(rules(TlsUse::Optional, &Method::ALL)));
        for chunk in chunks {
            inbound.say_bytes(&chunk);
            outbound.say_bytes(&chunk);
        }
    }

    #[test]
    fn no_order_of_elements_makes_a_stream_panic(order in prop::collection::vec(0usize..16, 0..24)) {
        let elements = [
            HEADER, AUTH, KEY, STANZAS, "</stream:stream>", "<stream:features/>", "<stream:error/>", " ",
            "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
            "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            "<db:verify from='fabrikam.example' to='contoso.example' id='1'>key</db:verify>",
            "<db:result from='fabrikam.example' to='contoso.example' type='valid'/>", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
            "\u{0}",
        ];
        let open = rules(TlsUse::Optional, &Method::ALL);
        let mut machines = [Script::inbound(Ok(open.clone())), Script::outbound(Ok(open))];
        let asked = pair("contoso.example", "fabrikam.example");
        for index in order {
            for script in &mut machines {
                script.say(elements[index]);
                match index {
                    0 => script.input(Input::DialbackVerdict(&asked, DialbackVerdict::Valid)),
                    1 => script.tls(Ok(crate::pair::domain("fabrikam.example"))),
                    2 => script.input(Input::PairRules(&asked, Ok(rules(TlsUse::Optional, &Method::ALL)))),
                    3 => script.input(Input::Close(None, "")),
                    _ => script,
                };
            }
        }
    }
}

#[test]
fn one_byte_at_a_time_two_servers_still_agree() {
    for (tls, methods, expected) in [
        (TlsUse::Required, &[Method::SaslOverTls] as &[_], Method::SaslOverTls),
        (TlsUse::Required, &[Method::TlsDialback], Method::TlsDialback),
        (TlsUse::NotSupported, &[Method::TcpDialback], Method::TcpDialback),
    ] {
        let server = |name: &str| Server::new(name, rules(tls, methods));
        let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
        sim.chunk = 1;
        let connection = sim.connect(0);
        sim.run();
        for side in [OPENER, ACCEPTOR] {
            assert!(matches!(&sim.end(connection, side).authorised[..], [(_, method)] if *method == expected));
        }
    }
}

#[test]
fn stanzas_cross_and_an_idle_pair_closes_cleanly_on_both_sides() {
    let server = |name: &str| Server::new(name, rules(TlsUse::Required, &[Method::SaslOverTls]));
    let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
    let connection = sim.connect(0);
    sim.run();
    let to = pair("contoso.example", "fabrikam.example");
    let message = "<message from='alice@contoso.example' to='bob@fabrikam.example'><body>hi</body></message>";
    let batch = Batch::from_xml(message.repeat(3)).unwrap();
    let stanzas = Stanzas::written(batch.elements(), |writer, stanza| {
        writer.element(stanza);
    });
    sim.input(connection, OPENER, Input::Send(&to, stanzas));
    let arrived: usize = sim.end(connection, ACCEPTOR).stanzas.iter().map(|(_, batch)| batch.len()).sum();
    assert_eq!(arrived, 3);
    assert_eq!(sim.end(connection, ACCEPTOR).stanzas[0].0, pair("fabrikam.example", "contoso.example"));
    sim.pass(std::time::Duration::from_secs(601));
    for side in [OPENER, ACCEPTOR] {
        assert_eq!(sim.end(connection, side).closed, Some(None));
    }
    sim.input(connection, OPENER, Input::Send(&to, Stanzas::one(message)));
    assert_eq!(sim.end(connection, OPENER).unsent, 1);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_bytes() {
    let run = || {
        let server = |name: &str| Server::new(name, rules(TlsUse::Optional, &[Method::TlsDialback]));
        let mut sim = Pair::new(server("contoso.example"), server("fabrikam.example"));
        let connection = sim.connect(0);
        sim.run();
        (0..sim.connections())
            .flat_map(|index| [OPENER, ACCEPTOR].map(|side| sim.end(index, side).written.clone()))
            .chain([sim.end(connection, OPENER).written.clone()])
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
