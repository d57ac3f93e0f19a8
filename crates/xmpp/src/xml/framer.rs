//! Cuts a byte stream into its header, first-level elements and end (RFC 6120 §4.1).
//!
//! Each byte is scanned once, whatever the chunks: the framer keeps the bytes of what is unfinished and where its scan
//! stands. What is complete is tokenized at once. An idle stream keeps no buffer.
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
    tokenizer,
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
        let mut position = self.scanner.skip_space(input);
        if position > 0 {
            input.advance(position);
            if input.is_empty() && !self.root.is_empty() {
                return Ok(Some(Frame::Whitespace));
            }
        }
        position = 0;
        let mut complete = 0;
        loop {
            let (scanned, found) = self.scanner.scan(&input[position..], &self.limits);
            position += scanned;
            match found {
                Found::Element => {
                    complete = position;
                    if self.framing == Framing::Single {
                        break;
                    }
                    position += self.scanner.skip_space(&input[position..]);
                }
                Found::Nothing => break,
                Found::Header => return self.header(input, position).map(Some),
                Found::End if complete == 0 => return self.close(input, 0, position).map(|()| Some(Frame::Close)),
                Found::End => {
                    self.end = match self.close(input, complete, position) {
                        Ok(()) => End::Closing,
                        Err(error) => End::Faulty(error),
                    };
                    break;
                }
                Found::Fault(fault) if complete == 0 => return Err(fault.into()),
                Found::Fault(fault) => {
                    self.end = End::Faulty(fault.into());
                    break;
                }
            }
        }
        let elements = if complete == 0 { None } else { Some(self.take(input, complete)) };
        if self.scanner.unit_bytes() > 0 && (elements.is_none() || self.framing == Framing::Batched) {
            let unit = input.len() - (self.scanner.unit_bytes() - self.held.len());
            self.held.extend_from_slice(&input[unit..]);
        }
        if elements.is_none() || self.framing == Framing::Batched {
            input.clear();
        }
        elements.map_or(Ok(None), |bytes| self.elements(bytes))
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

    /// Elements up to the first that is refused; the fault is kept behind those that are good.
    fn elements(&mut self, bytes: Vec<u8>) -> Result<Option<Frame>, XmlError> {
        let (batch, fault) = tokenizer::elements(bytes, &self.limits, &self.inherited);
        match fault {
            Some(error) if batch.is_empty() => return Err(error),
            Some(error) => self.end = End::Faulty(error),
            None => {}
        }
        Ok(Some(Frame::Elements(batch)))
    }

    /// Checks the end tag, which goes on at `start` and ends before `end`.
    fn close(&mut self, input: &mut BytesMut, start: usize, end: usize) -> Result<(), XmlError> {
        let mut tag = if start == 0 { mem::take(&mut self.held) } else { Vec::new() };
        tag.extend_from_slice(&input[start..end]);
        if start == 0 {
            input.advance(end);
        }
        let tag = tag.trim_ascii_start();
        let name = tag.strip_prefix(b"</").and_then(|tag| tag.strip_suffix(b">")).unwrap_or_default();
        let name_end = name.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        if name[..name_end] != *self.root.as_bytes() {
            return Err(XmlFault::MismatchedTag.into());
        }
        if start == 0 {
            self.end = End::Closed;
        }
        Ok(())
    }
}
