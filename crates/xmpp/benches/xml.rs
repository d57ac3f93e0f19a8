//! What reading and forwarding one stanza costs: `cargo bench -p xmpp`. The median of seven rounds, one core.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark looks at the clock and prints")]

use std::{hint::black_box, time::Instant};

use bytes::BytesMut;
use xmpp::{
    stanza::StanzaRef,
    xml::{Frame, Framer, Framing, Limits, XmlWriter},
};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                      xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const ROUNDS: usize = 7;
const STANZAS: usize = 100_000;

fn main() {
    for body in [88, 3_685] {
        let stanza = format!(
            "<message from='juliet@fabrikam.example/balcony' to='romeo@contoso.example/orchard' id='ktx72v49' \
             type='chat' xml:lang='en'><body>{}</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
            "a ".repeat(body / 2)
        );
        for per_read in [1, 16] {
            let read = stanza.repeat(per_read);
            let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&read, STANZAS / per_read)).collect();
            rounds.sort_by(f64::total_cmp);
            let nanos = rounds[ROUNDS / 2] / (STANZAS / per_read * per_read) as f64;
            println!("{:>5} bytes, {per_read:>2} a read: {nanos:>7.0} ns a stanza", stanza.len());
        }
    }
}

/// Reads, recognises and forwards; nanoseconds in all.
fn round(read: &str, reads: usize) -> f64 {
    let mut framer = Framer::new(Limits::stanzas(262_144));
    let mut input = BytesMut::from(HEADER);
    assert!(matches!(framer.next(&mut input), Ok(Some(Frame::Header(_)))), "a header");
    framer.set_framing(Framing::Batched);
    let mut out = Vec::with_capacity(2 * read.len());
    let start = Instant::now();
    for _ in 0..reads {
        input.extend_from_slice(read.as_bytes());
        let Ok(Some(Frame::Elements(batch))) = framer.next(&mut input) else { panic!("elements") };
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
    start.elapsed().as_nanos() as f64
}
