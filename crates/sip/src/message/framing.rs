//! Where a message ends (RFC 3261 §18.3): at the end of a datagram, or after Content-Length bytes of a stream.
//!
//! On a stream a head without exactly one Content-Length ends the stream, because what follows cannot be told from a
//! message. Keep-alives are CRLF CRLF and answered by CRLF (RFC 5626 §3.5.1); both may be torn at any byte.

use bytes::{Bytes, BytesMut};

use super::{
    Defect, Limits, Message,
    parse::{self, Flaw, check_line_ends, content_length},
};

/// Reads a datagram; `None` if it is only a keep-alive. Bytes after the body are discarded.
pub fn datagram(bytes: Bytes, limits: &Limits) -> Result<Option<Message>, Defect> {
    let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = bytes.slice(blank..);
    if bytes.is_empty() {
        return Ok(None);
    }
    let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") else {
        return Err(Defect::new(Flaw::LineEnd, &bytes));
    };
    let (head, mut body) = (bytes.slice(..end + 4), bytes.slice(end + 4..));
    let said = content_length(&head).map_err(|flaw| Defect::new(flaw, &head))?.unwrap_or(body.len());
    if said > limits.body_bytes_max {
        return Err(Defect::new(Flaw::BodyTooLarge, &head));
    }
    if said > body.len() {
        return Err(Defect::new(Flaw::BodyShort, &head));
    }
    body.truncate(said);
    parse::message(&head, body, limits).map(Some)
}

/// What a stream holds.
#[expect(clippy::large_enum_variant, reason = "nearly every frame is a message; it is moved once and never stored")]
#[derive(Clone, Debug)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A keep-alive that wants [`StreamFramer::PONG`].
    Ping,
    /// The answer to a keep-alive of ours, or a blank line between messages.
    Pong,
    /// A message that is framed well and cannot be used; the stream goes on.
    Refused(Defect),
}

/// Cuts messages out of a stream.
#[derive(Debug)]
pub struct StreamFramer {
    limits: Limits,
    searched: usize,
    awaited: Option<Awaited>,
}

/// A head that is complete while its body is not.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    head: usize,
    body: usize,
}

impl StreamFramer {
    /// The answer to a keep-alive.
    pub const PONG: &'static [u8] = b"\r\n";

    /// A framer at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits, searched: 0, awaited: None }
    }

    /// Takes the next frame from the front of `buffer`, which the caller fills at its end; `None` if more bytes are
    /// needed. It never needs more than the limits together. After an error the answer in it is sent and the stream
    /// closed.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Defect> {
        let awaited = match self.awaited {
            Some(awaited) => awaited,
            None => {
                if let Some(blank) = self.blank(buffer)? {
                    return Ok(blank);
                }
                match self.head(buffer)? {
                    Some(awaited) => awaited,
                    None => return Ok(None),
                }
            }
        };
        self.awaited = Some(awaited);
        if buffer.len() < awaited.head + awaited.body {
            return Ok(None);
        }
        (self.awaited, self.searched) = (None, 0);
        let bytes = buffer.split_to(awaited.head + awaited.body).freeze();
        let (head, body) = (bytes.slice(..awaited.head), bytes.slice(awaited.head..));
        Ok(Some(parse::message(&head, body, &self.limits).map_or_else(Frame::Refused, Frame::Message)))
    }

    /// Blank lines before a start line: `Some(None)` while it cannot be told what they are.
    fn blank(&self, buffer: &mut BytesMut) -> Result<Option<Option<Frame>>, Defect> {
        let (frame, length) = match &buffer[..buffer.len().min(4)] {
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(Some(None)),
            [b'\r', b'\n', b'\r', b'\n'] => (Frame::Ping, 4),
            [b'\r', b'\n', b'\r', ..] => return Err(Defect::new(Flaw::LineEnd, b"")),
            [b'\r', b'\n', ..] => (Frame::Pong, 2),
            [b'\r' | b'\n', ..] => return Err(Defect::new(Flaw::LineEnd, b"")),
            _ => return Ok(None),
        };
        let _consumed = buffer.split_to(length);
        Ok(Some(Some(frame)))
    }

    fn head(&mut self, buffer: &BytesMut) -> Result<Option<Awaited>, Defect> {
        let from = self.searched.saturating_sub(3);
        let end = memchr::memmem::find(&buffer[from..], b"\r\n\r\n").map(|at| from + at + 4);
        let head = &buffer[..end.unwrap_or(buffer.len())];
        parse::check_size(head.len(), &self.limits).map_err(|flaw| Defect::new(flaw, head))?;
        if end.is_none() {
            self.searched = buffer.len();
            return Ok(None);
        }
        let body = check_line_ends(head)
            .and_then(|()| content_length(head)?.ok_or(Flaw::ContentLength("Missing")))
            .and_then(|body| if body > self.limits.body_bytes_max { Err(Flaw::BodyTooLarge) } else { Ok(body) })
            .map_err(|flaw| Defect::new(flaw, head))?;
        Ok(Some(Awaited { head: head.len(), body }))
    }
}
