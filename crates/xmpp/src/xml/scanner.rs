//! Finds where things end in a byte stream, and nothing else: an automaton over single bytes that can stop anywhere.
//!
//! It knows tags, quotes and CDATA sections well enough to find the end of every well-formed element, refuses at once
//! what can never become one, and counts. Whether the bytes are XML is the tokenizer's judgement, so a malformed element
//! may be given a wrong end here but is refused there.

use memchr::{memchr, memchr2};

use super::{Limits, XmlFault, chars::is_space};

const CDATA_OPEN: &[u8] = b"[CDATA[";

/// Where a scan stands within one stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum At {
    /// Nothing was read.
    #[default]
    Start,
    /// Before the root element, where a declaration may no longer stand.
    Prolog,
    /// Between first-level elements.
    Between,
    /// In character data of a first-level element.
    Content,
    /// After `<`; whether a declaration may follow.
    Less { declaration: bool },
    /// In an XML declaration; whether the last byte was `?`.
    Declaration { question: bool },
    /// In a start tag; whether the last byte was `/`.
    Tag { slash: bool },
    /// In an attribute value that ends with this byte.
    Value { quote: u8 },
    /// In an end tag.
    EndTag,
    /// After `<!` and this many bytes of `[CDATA[`.
    Bang { matched: u8 },
    /// In a CDATA section, after this many `]` (two stand for more).
    CData { brackets: u8 },
}

/// What ends at the byte before the position returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// The bytes ended first.
    Nothing,
    /// The stream header.
    Header,
    /// A first-level element.
    Element,
    /// An end tag outside all first-level elements.
    End,
    Fault(XmlFault),
}

/// Where a scan stands, and what it has counted.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    at: At,
    in_stream: bool,
    depth: u32,
    elements: u32,
    unit_bytes: usize,
    tag_bytes: usize,
}

impl Scanner {
    /// Whether the next byte is the first after the header or after a first-level element.
    pub(crate) fn is_between(&self) -> bool {
        self.at == At::Between
    }

    /// Skips the white space at the start of `bytes` where no unit has begun; how much that is.
    pub(crate) fn skip_space(&mut self, bytes: &[u8]) -> usize {
        if self.unit_bytes > 0 {
            return 0;
        }
        let skipped = bytes.iter().take_while(|byte| is_space(**byte)).count();
        if skipped > 0 && self.at == At::Start {
            self.at = At::Prolog;
        }
        skipped
    }

    /// Scans `bytes`, which go on where the last call stopped, up to the end of one unit. Returns how many were scanned
    /// and what they end; after a fault the scan must not go on.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> (usize, Found) {
        let mut position = 0;
        while position < bytes.len() {
            let unit_room = limits.element_bytes_max.saturating_sub(self.unit_bytes);
            let tag_room =
                if self.is_in_tag() { limits.tag_bytes_max.saturating_sub(self.tag_bytes) } else { usize::MAX };
            if unit_room == 0 {
                return (position, Found::Fault(XmlFault::ElementBytesExceeded));
            }
            if tag_room == 0 {
                return (position, Found::Fault(XmlFault::TagBytesExceeded));
            }
            let rest = &bytes[position..];
            let was_in_tag = self.is_in_tag();
            let (run, found) = self.run(&rest[..rest.len().min(unit_room).min(tag_room)], limits);
            position += run;
            self.unit_bytes += run;
            self.tag_bytes = match (was_in_tag, self.is_in_tag()) {
                (_, false) => 0,
                // A run that enters a tag ends with its `<`.
                (false, true) => 1,
                (true, true) => self.tag_bytes + run,
            };
            if found != Found::Nothing {
                self.unit_bytes = 0;
                return (position, found);
            }
        }
        (position, Found::Nothing)
    }

    fn is_in_tag(&self) -> bool {
        !matches!(self.at, At::Start | At::Prolog | At::Between | At::Content | At::CData { .. })
    }

    /// Scans at least one byte of `bytes`, as far as the state stays the same or a little further.
    fn run(&mut self, bytes: &[u8], limits: &Limits) -> (usize, Found) {
        match self.at {
            At::Start | At::Prolog | At::Between => self.outside(bytes[0]),
            At::Content => match memchr(b'<', bytes) {
                Some(at) => self.go(At::Less { declaration: false }, at + 1),
                None => (bytes.len(), Found::Nothing),
            },
            At::Less { declaration } => self.less(bytes[0], declaration, limits),
            At::Declaration { question } => match (question, bytes[0]) {
                (true, b'>') => self.go(At::Prolog, 1),
                (true, _) | (false, b'<' | b'>') => (1, Found::Fault(XmlFault::Syntax)),
                (false, byte) => self.go(At::Declaration { question: byte == b'?' }, 1),
            },
            At::Tag { slash } => self.tag(bytes, slash),
            At::Value { quote } => match memchr2(quote, b'<', bytes) {
                Some(at) if bytes[at] == b'<' => (at + 1, Found::Fault(XmlFault::Syntax)),
                Some(at) => self.go(At::Tag { slash: false }, at + 1),
                None => (bytes.len(), Found::Nothing),
            },
            At::EndTag => match memchr2(b'>', b'<', bytes) {
                Some(at) if bytes[at] == b'<' => (at + 1, Found::Fault(XmlFault::Syntax)),
                Some(at) => self.end_tag(at + 1),
                None => (bytes.len(), Found::Nothing),
            },
            At::Bang { matched } => self.bang(bytes[0], matched),
            At::CData { brackets } => self.cdata(bytes, brackets),
        }
    }

    fn go(&mut self, at: At, run: usize) -> (usize, Found) {
        self.at = at;
        (run, Found::Nothing)
    }

    /// One byte outside first-level elements: before, between or after them.
    fn outside(&mut self, byte: u8) -> (usize, Found) {
        match byte {
            b'<' => self.go(At::Less { declaration: self.at == At::Start }, 1),
            // Only between the declaration and the root: elsewhere white space belongs to no unit.
            byte if is_space(byte) => self.go(self.at, 1),
            _ if self.at == At::Between => (1, Found::Fault(XmlFault::TextBetweenElements)),
            // A byte order mark of UTF-16 or bytes of UTF-32 (RFC 6120 §4.9.3.22).
            0x00 | 0xfe | 0xff => (1, Found::Fault(XmlFault::Encoding)),
            _ => (1, Found::Fault(XmlFault::Syntax)),
        }
    }

    /// The byte after `<`.
    fn less(&mut self, byte: u8, declaration: bool, limits: &Limits) -> (usize, Found) {
        match byte {
            b'/' if self.in_stream => self.go(At::EndTag, 1),
            b'!' => self.go(At::Bang { matched: 0 }, 1),
            b'?' if declaration => self.go(At::Declaration { question: false }, 1),
            b'?' => (1, Found::Fault(XmlFault::ProcessingInstruction)),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80.. => {
                if self.in_stream {
                    self.depth += 1;
                    self.elements += 1;
                }
                if self.depth > limits.depth_max {
                    return (1, Found::Fault(XmlFault::DepthExceeded));
                }
                if self.elements > limits.elements_max {
                    return (1, Found::Fault(XmlFault::ElementsExceeded));
                }
                self.go(At::Tag { slash: false }, 1)
            }
            _ => (1, Found::Fault(XmlFault::Syntax)),
        }
    }

    fn tag(&mut self, bytes: &[u8], mut slash: bool) -> (usize, Found) {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'>' if !self.in_stream && slash => return (at + 1, Found::Fault(XmlFault::EmptyStream)),
                b'>' if !self.in_stream => {
                    self.in_stream = true;
                    self.at = At::Between;
                    return (at + 1, Found::Header);
                }
                b'>' if slash => return self.element_end(at + 1),
                b'>' => return self.go(At::Content, at + 1),
                b'<' => return (at + 1, Found::Fault(XmlFault::Syntax)),
                b'"' | b'\'' => return self.go(At::Value { quote: *byte }, at + 1),
                _ => slash = *byte == b'/',
            }
        }
        self.go(At::Tag { slash }, bytes.len())
    }

    fn end_tag(&mut self, run: usize) -> (usize, Found) {
        if self.depth == 0 { (run, Found::End) } else { self.element_end(run) }
    }

    fn element_end(&mut self, run: usize) -> (usize, Found) {
        self.depth -= 1;
        if self.depth > 0 {
            return self.go(At::Content, run);
        }
        self.elements = 0;
        self.at = At::Between;
        (run, Found::Element)
    }

    fn bang(&mut self, byte: u8, matched: u8) -> (usize, Found) {
        if byte == CDATA_OPEN[usize::from(matched)] {
            if self.depth == 0 {
                let fault = if self.in_stream { XmlFault::TextBetweenElements } else { XmlFault::Syntax };
                return (1, Found::Fault(fault));
            }
            let matched = matched + 1;
            let complete = usize::from(matched) == CDATA_OPEN.len();
            return self.go(if complete { At::CData { brackets: 0 } } else { At::Bang { matched } }, 1);
        }
        let fault = match byte {
            b'-' if matched == 0 => XmlFault::Comment,
            b'A'..=b'Z' if matched == 0 => XmlFault::Doctype,
            _ => XmlFault::Syntax,
        };
        (1, Found::Fault(fault))
    }

    fn cdata(&mut self, bytes: &[u8], brackets: u8) -> (usize, Found) {
        match (brackets, bytes[0]) {
            (0, _) => match memchr(b']', bytes) {
                Some(at) => self.go(At::CData { brackets: 1 }, at + 1),
                None => (bytes.len(), Found::Nothing),
            },
            (2, b'>') => self.go(At::Content, 1),
            (brackets, b']') => self.go(At::CData { brackets: (brackets + 1).min(2) }, 1),
            _ => self.go(At::CData { brackets: 0 }, 1),
        }
    }
}
