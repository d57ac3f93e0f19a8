//! The framer: whatever the chunks, the same frames and the same fault; and what it accepts, the oracle understands alike.

use bytes::BytesMut;
use xmpp::xml::{Frame, Framer, Framing, Limits, XmlFault};

use super::{
    events::{self, Event},
    oracle,
};

/// Small, so that inputs of a few hundred bytes reach them.
pub const LIMITS: Limits = Limits {
    element_bytes_max: 400,
    tag_bytes_max: 200,
    depth_max: 5,
    elements_max: 12,
    attributes_max: 5,
    bindings_max: 4,
    namespace_bytes_max: 64,
};

/// What was read of a stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// Header, elements and, once the stream is closed, its end.
    pub events: Vec<Event>,
    /// First-level elements as received.
    pub elements: Vec<String>,
    /// Whether the end tag was read.
    pub closed: bool,
    /// What was refused.
    pub fault: Option<XmlFault>,
}

/// Reads chunks as one stream.
pub fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, framing: Framing, limits: Limits) -> Reading {
    let mut framer = Framer::new(limits);
    framer.set_framing(framing);
    let mut reading = Reading::default();
    let mut input = BytesMut::new();
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match framer.next(&mut input) {
                Ok(Some(frame)) => note(&mut reading, frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next(&mut input).err(), Some(error), "an error is final");
                    reading.fault = Some(error.fault);
                    return reading;
                }
            }
        }
        assert!(input.is_empty(), "without a frame all input was taken");
        assert!(framer.bytes_held() <= limits.element_bytes_max, "no more is held than the limit");
    }
    reading
}

fn note(reading: &mut Reading, frame: Frame) {
    assert!(!reading.closed, "nothing comes after the end");
    match frame {
        Frame::Header(header) => reading.events.push(events::start_of(header.element(0))),
        Frame::Elements(batch) => {
            assert!(!batch.is_empty(), "no empty batch");
            for element in batch.elements() {
                events::walk(element, &mut reading.events);
                reading.elements.push(element.raw().to_owned());
            }
        }
        Frame::Whitespace => {}
        Frame::Close => {
            reading.events.push(Event::End);
            reading.closed = true;
        }
    }
}

/// The first byte chooses the chunks, the rest is the stream.
pub fn run(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let whole = read([stream], Framing::Batched, LIMITS);
    assert_eq!(read([stream], Framing::Single, LIMITS), whole, "one element at a time");
    assert_eq!(read(stream.chunks(1), Framing::Batched, LIMITS), whole, "byte by byte");
    assert_eq!(read(stream.chunks(usize::from(*size).max(1)), Framing::Batched, LIMITS), whole, "in chunks of {size}");
    if whole.closed && whole.fault.is_none() {
        compare(stream, &whole);
    }
}

/// Text between first-level elements is white space that we do not report.
fn compare(stream: &[u8], ours: &Reading) {
    // White space before the root is XML (XML 1.0 §2.8), though the oracle wants a declaration before it.
    let stream = trimmed(stream).trim_ascii_start();
    // The oracle allows no white space behind a standalone declaration.
    if stream.starts_with(b"<?") && stream.windows(10).any(|word| word == b"standalone") {
        return;
    }
    let Some(theirs) = oracle::read(stream) else {
        panic!("the oracle refuses what we accept: {:?}", stream.escape_ascii().to_string())
    };
    let mut depth = 0;
    let theirs: Vec<_> = theirs
        .into_iter()
        .filter(|event| {
            match event {
                Event::Start(..) => depth += 1,
                Event::End => depth -= 1,
                Event::Text(_) => return depth > 1,
            }
            true
        })
        .collect();
    assert_eq!(ours.events, theirs, "the oracle understands something else");
}

/// The stream without what follows its end tag, which we discard.
fn trimmed(stream: &[u8]) -> &[u8] {
    let mut framer = Framer::new(LIMITS);
    let mut input = BytesMut::from(stream);
    while let Ok(Some(frame)) = framer.next(&mut input) {
        if let Frame::Close = frame {
            return &stream[..stream.len() - input.len()];
        }
    }
    stream
}
