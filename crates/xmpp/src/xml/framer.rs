//! Cuts a byte stream into its header, first-level elements and end (RFC 6120 §4.1).
//!
//! The tokenizer finds the ends of complete elements by itself. The scanner is for what it does not get through: the
//! start of an element whose end has not come, which is scanned once, whatever the chunks, and kept; headers, the end of
//! the stream, and faults, so that these do not depend on the chunks either. An idle stream keeps no buffer.
//!
//! With [`Framing::Single`] the framer stops right after each first-level element and leaves what follows in the input,
//! uninterpreted: bytes behind `<starttls/>` or `<proceed/>` must never be read as XML (RFC 6120 §5.4.2.3).

use std::mem;

use bytes::{Buf, BytesMut};

use super::{
    Batch, Limits, XmlError, XmlFault,
    batch::Inherited,
    chars::is_space,
    scanner::{Found, Scanner},
    tokenizer::{self, Leading},
};

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
    /// Bytes of the unfinished unit.
    held: Vec<u8>,
    /// The root's name as written, from the header on.
    root: Box<str>,
    inherited: Inherited,
    end: End,
}

/// How the stream has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Open,
    /// The end tag was read behind elements that had to be yielded first.
    Closing,
    Closed,
    Faulty(XmlError),
}

impl Framer {
    /// At the start of a stream, one element at a time.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            framing: Framing::Single,
            scanner: Scanner::default(),
            held: Vec::new(),
            root: Box::default(),
            inherited: Inherited::from([]),
            end: End::Open,
        }
    }

    /// Takes the next frame out of `input`.
    ///
    /// `None` means that all of the input was taken and more is needed. After a frame, the input holds what follows it,
    /// not yet looked at: call again. An error is final: the stream is over and every later call repeats it.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        match self.end {
            End::Open => self.read(input).inspect_err(|error| self.end = End::Faulty(*error)),
            End::Closing => {
                self.end = End::Closed;
                Ok(Some(Frame::Close))
            }
            End::Closed => {
                input.clear();
                Ok(None)
            }
            End::Faulty(error) => Err(error),
        }
    }

    /// Sets how many elements one frame holds, from the next frame on.
    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Replaces the limits, from the next byte on.
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
        self.held.len()
    }

    fn read(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        let space = self.scanner.skip_space(input);
        if space > 0 {
            input.advance(space);
            if input.is_empty() && !self.root.is_empty() {
                return Ok(Some(Frame::Whitespace));
            }
        }
        if self.framing == Framing::Batched && self.scanner.is_between() {
            return self.batch(Vec::new(), input);
        }
        let (end, found) = self.scanner.scan(input, &self.limits);
        match found {
            Found::Element if self.framing == Framing::Single => {
                let unit = self.take(input, end);
                self.element(&unit).map(|batch| Some(Frame::Elements(batch)))
            }
            // Bytes that come together are read together, the element that had begun before them included.
            Found::Element => {
                let unit = self.take(input, end);
                self.batch(unit, input)
            }
            Found::Header => self.header(input, end).map(Some),
            Found::End => {
                let tag = self.take(input, end);
                self.close(&tag)?;
                self.end = End::Closed;
                Ok(Some(Frame::Close))
            }
            Found::Fault(fault) => Err(fault.into()),
            Found::Nothing => {
                self.hold(input);
                Ok(None)
            }
        }
    }

    /// All elements of `first`, which is one element or nothing, and `input`, in which none has begun; then what comes
    /// after them: the start of an element, which is kept, or the end of the stream.
    fn batch(&mut self, first: Vec<u8>, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        let begun = first.len();
        let joined;
        let bytes: &[u8] = if begun == 0 {
            input
        } else {
            joined = [&first, &input[..]].concat();
            &joined
        };
        let Leading { batch, bytes, .. } = tokenizer::leading(bytes, &self.limits, &self.inherited);
        if begun > 0 && batch.is_none() {
            // Judged alone: bytes behind it are no reason to refuse it.
            return self.element(&first).map(|batch| Some(Frame::Elements(batch)));
        }
        input.advance(bytes.saturating_sub(begun));
        let rest = self.after_elements(input);
        match (batch, rest) {
            (Some(batch), rest) => {
                self.end = rest.unwrap_or_else(End::Faulty);
                Ok(Some(Frame::Elements(batch)))
            }
            (None, Ok(End::Closing)) => {
                self.end = End::Closed;
                Ok(Some(Frame::Close))
            }
            (None, Ok(_)) => Ok(None),
            (None, Err(error)) => Err(error),
        }
    }

    /// Takes what follows the last good element: how the stream goes on.
    fn after_elements(&mut self, input: &mut BytesMut) -> Result<End, XmlError> {
        let space = self.scanner.skip_space(input);
        input.advance(space);
        let (end, found) = self.scanner.scan(input, &self.limits);
        match found {
            Found::Nothing => {
                self.hold(input);
                Ok(End::Open)
            }
            Found::End => {
                let tag = self.take(input, end);
                self.close(&tag)?;
                Ok(End::Closing)
            }
            Found::Fault(fault) => Err(fault.into()),
            Found::Element | Found::Header => {
                let unit = self.take(input, end);
                // It was refused already, when it was not known where it ends.
                Err(self.element(&unit).err().unwrap_or_else(|| XmlFault::Syntax.into()))
            }
        }
    }

    /// Keeps the bytes of what is unfinished, which is all that is left.
    fn hold(&mut self, input: &mut BytesMut) {
        self.held.extend_from_slice(input);
        input.clear();
    }

    /// The unit that ends at `end`, its first bytes from earlier chunks, as one exact allocation.
    fn take(&mut self, input: &mut BytesMut, end: usize) -> Vec<u8> {
        let held = mem::take(&mut self.held);
        let mut unit = Vec::with_capacity(held.len() + end);
        unit.extend_from_slice(&held);
        unit.extend_from_slice(&input[..end]);
        input.advance(end);
        unit
    }

    fn header(&mut self, input: &mut BytesMut, end: usize) -> Result<Frame, XmlError> {
        let header = tokenizer::header(self.take(input, end), &self.limits)?;
        let root = header.element(0);
        self.root = root.qualified_name().into();
        self.inherited = root.declarations().map(|(prefix, name)| (prefix.into(), name.into())).collect();
        Ok(Frame::Header(header))
    }

    /// The one element that `unit` is.
    fn element(&self, unit: &[u8]) -> Result<Batch, XmlError> {
        let Leading { batch, fault, .. } = tokenizer::leading(unit, &self.limits, &self.inherited);
        batch.ok_or_else(|| fault.unwrap_or(XmlFault::Syntax).into())
    }

    /// Checks the end tag of the stream.
    fn close(&self, tag: &[u8]) -> Result<(), XmlError> {
        let tag = tag.trim_ascii_start();
        let name = tag.strip_prefix(b"</").and_then(|tag| tag.strip_suffix(b">")).unwrap_or_default();
        let name_end = name.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        if name[..name_end] != *self.root.as_bytes() {
            return Err(XmlFault::MismatchedTag.into());
        }
        Ok(())
    }
}
