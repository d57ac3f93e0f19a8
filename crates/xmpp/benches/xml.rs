//! What reading and forwarding one stanza costs, and what an inbound stream makes of it: `cargo bench -p xmpp`. The median
//! of seven rounds, one core.
//!
//! With `--few` there is one short round, for counting instructions where time says nothing:
//! `valgrind --tool=callgrind --toggle-collect='*forward_reads*' <the benchmark> --few`, or `'*judge_reads*'`.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark looks at the clock and prints")]

use std::{hint::black_box, time::Instant};

use bytes::BytesMut;
use lexicon::{Domain, DomainPair, Method, MethodSet, Now, Timestamp};
use xmpp::{
    stanza::StanzaRef,
    stream::{
        DialbackVerdict, Extensions, Inbound, InboundConfig, Input, Output, PairRules, Secret, StreamLimits, TlsUse,
    },
    xml::{Frame, Framer, Framing, Limits, XmlWriter},
};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                      xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const ROUNDS: usize = 7;
const STANZAS: usize = 100_000;
const STANZAS_FEW: usize = 1_600;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_few = arguments.iter().any(|argument| argument == "--few");
    let (rounds, stanzas) = if is_few { (1, STANZAS_FEW) } else { (ROUNDS, STANZAS) };
    for body in [88, 3_685] {
        let stanza = format!(
            "<message from='juliet@fabrikam.example/balcony' to='romeo@contoso.example/orchard' id='ktx72v49' \
             type='chat' xml:lang='en'><body>{}</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
            "a ".repeat(body / 2)
        );
        for per_read in [1, 16] {
            let read = stanza.repeat(per_read);
            let case = format!("{body}x{per_read}");
            if is_few && arguments.len() > 3 && !arguments.contains(&case) {
                continue;
            }
            let mut rounds: Vec<f64> = (0..rounds).map(|_| round(&read, stanzas / per_read)).collect();
            rounds.sort_by(f64::total_cmp);
            let nanos = rounds[rounds.len() / 2] / (stanzas / per_read * per_read) as f64;
            println!("{:>5} bytes, {per_read:>2} a read: {nanos:>7.0} ns a stanza", stanza.len());
            let nanos = judged(&read, stanzas / per_read, per_read);
            println!("{:>5} bytes, {per_read:>2} a read: {nanos:>7.0} ns a stanza, judged by a stream", stanza.len());
        }
    }
}

/// Reads, recognises and forwards; nanoseconds in all.
fn round(read: &str, reads: usize) -> f64 {
    let mut framer = Framer::new(Limits::stanzas(262_144));
    let mut input = BytesMut::from(HEADER);
    assert!(matches!(framer.next(&mut input), Ok(Some(Frame::Header(_)))), "a header");
    framer.set_framing(Framing::Batched);
    let out = Vec::with_capacity(2 * read.len());
    let start = Instant::now();
    forward_reads(&mut framer, &mut input, out, read, reads);
    start.elapsed().as_nanos() as f64
}

#[inline(never)]
fn forward_reads(framer: &mut Framer, input: &mut BytesMut, mut out: Vec<u8>, read: &str, reads: usize) {
    for _ in 0..reads {
        input.extend_from_slice(read.as_bytes());
        let Ok(Some(Frame::Elements(batch))) = framer.next(input) else { panic!("elements") };
        out.clear();
        let mut writer = XmlWriter::new().reusing(out);
        for element in batch.elements() {
            let stanza = StanzaRef::of(element).expect("a stanza");
            assert!(stanza.from().is_some() && stanza.to().is_some(), "addresses");
            writer.forward(element, &[]);
        }
        out = writer.finish().into();
        black_box(&out);
    }
}

/// The same stanzas on an inbound stream with an authorised pair; nanoseconds a stanza.
fn judged(read: &str, reads: usize, per_read: usize) -> f64 {
    let now = Now { instant: Instant::now(), wall: Timestamp::from_millis(1_795_422_480_000) };
    let domain = |text| Domain::parse(text).expect("a domain");
    let pair = DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") };
    let config = InboundConfig {
        tls_available: false,
        secret: Secret::new("a secret"),
        limits: StreamLimits::default(),
        extensions: Extensions::default(),
    };
    let mut stream = Inbound::new(config, [1; 32], now);
    let header = HEADER.replace("'>", "' from='fabrikam.example' to='contoso.example'>");
    let key = "<db:result from='fabrikam.example' to='contoso.example'>key</db:result>";
    stream.handle(now, Input::Bytes(&mut BytesMut::from(format!("{header}{key}").as_str())));
    loop {
        match stream.poll() {
            Some(Output::AskPair { pair, .. }) => {
                let methods = MethodSet::of(&[Method::TcpDialback]);
                let (tls, certificate) = (TlsUse::NotSupported, Ok(()));
                let rules = PairRules { tls, methods, dialback: true, certificate, keep_alive: true };
                stream.handle(now, Input::PairRules(&pair, Ok(rules)));
            }
            Some(Output::VerifyDialback(_)) => {
                stream.handle(now, Input::DialbackVerdict(&pair, DialbackVerdict::Valid));
            }
            Some(Output::Authorised(..)) => break,
            other => assert!(other.is_some(), "the pair is authorised"),
        }
    }
    let mut input = BytesMut::new();
    let start = Instant::now();
    judge_reads(&mut stream, now, &mut input, read, reads);
    start.elapsed().as_nanos() as f64 / (reads * per_read) as f64
}

#[inline(never)]
fn judge_reads(stream: &mut Inbound, now: Now, input: &mut BytesMut, read: &str, reads: usize) {
    for _ in 0..reads {
        input.extend_from_slice(read.as_bytes());
        stream.handle(now, Input::Bytes(input));
        let Some(Output::Stanzas(pair, batch)) = stream.poll() else { panic!("stanzas") };
        black_box((pair, batch));
    }
}
