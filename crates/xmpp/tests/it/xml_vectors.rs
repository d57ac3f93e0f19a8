//! The table of good and bad XML in `tests/vectors/xml`: each bad input gets the stream error its rule demands.

use xmpp::xml::{Framing, Limits};

use crate::fuzz_targets::framer;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                      xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

struct Vector {
    line: usize,
    outcome: &'static str,
    rule: &'static str,
    bytes: Vec<u8>,
}

fn vectors(file: &'static str) -> impl Iterator<Item = Vector> {
    let lines = file.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(index, line)| {
        let mut columns = line.splitn(3, '\t');
        let mut column = || columns.next().expect("three columns");
        Vector { line: index + 1, outcome: column(), rule: column(), bytes: unescape(column()) }
    })
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().expect("an escape") {
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                b'x' => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                }
                other => panic!("an unknown escape \\{}", char::from(other)),
            },
            byte => byte,
        });
    }
    bytes
}

/// The outcome, whole and byte by byte.
fn check(vector: &Vector, stream: &[u8]) {
    for reading in [
        framer::read([stream], Framing::Batched, Limits::stanzas(10_000)),
        framer::read(stream.chunks(1), Framing::Single, Limits::stanzas(10_000)),
    ] {
        let outcome = match reading.fault {
            Some(fault) => fault.condition(),
            None if reading.closed => "good",
            None => "unfinished",
        };
        let shown = String::from_utf8_lossy(&vector.bytes);
        assert_eq!(outcome, vector.outcome, "line {} ({}): {shown}: {:?}", vector.line, vector.rule, reading.fault);
    }
}

#[test]
fn elements_are_judged_as_the_standards_say() {
    for vector in vectors(include_str!("../../../../tests/vectors/xml/elements.tsv")) {
        let stream = [HEADER.as_bytes(), &vector.bytes, b"</stream:stream>"].concat();
        check(&vector, &stream);
    }
}

#[test]
fn streams_are_judged_as_the_standards_say() {
    for vector in vectors(include_str!("../../../../tests/vectors/xml/streams.tsv")) {
        check(&vector, &vector.bytes);
    }
}

/// The oracle agrees that what is good is good, so that the table itself is right.
#[test]
fn the_oracle_accepts_what_is_good() {
    for vector in vectors(include_str!("../../../../tests/vectors/xml/elements.tsv")) {
        if vector.outcome == "good" {
            let stream = [HEADER.as_bytes(), &vector.bytes, b"</stream:stream>"].concat();
            assert!(crate::fuzz_targets::oracle::read(&stream).is_some(), "line {}", vector.line);
        }
    }
}
