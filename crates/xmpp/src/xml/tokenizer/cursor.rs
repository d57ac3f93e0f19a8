//! Reads names, values and character data; every character that passes is valid.

use memchr::memchr3;

use crate::xml::{
    XmlFault, chars,
    token::{Name, Span},
    unescape,
};

/// What a byte of character data or of a value means.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Class {
    /// Nothing special, alone or within a longer character.
    Plain,
    /// Tab and line feed: themselves in text, blanks in a value.
    Space,
    /// Carriage return: a line end.
    Return,
    Less,
    Ampersand,
    Quote,
    Bracket,
    /// May begin U+FFFE or U+FFFF.
    Ef,
    /// No character of XML.
    Invalid,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 0x20 {
        classes[byte] = Class::Invalid;
        byte += 1;
    }
    classes[b'\t' as usize] = Class::Space;
    classes[b'\n' as usize] = Class::Space;
    classes[b'\r' as usize] = Class::Return;
    classes[b'<' as usize] = Class::Less;
    classes[b'&' as usize] = Class::Ampersand;
    classes[b'"' as usize] = Class::Quote;
    classes[b'\'' as usize] = Class::Quote;
    classes[b']' as usize] = Class::Bracket;
    classes[0xef] = Class::Ef;
    classes
};

/// ASCII that may stand in a name without a colon, not at its start in each case.
const IN_NAME: [bool; 256] = {
    let mut in_name = [false; 256];
    let mut byte = 0;
    while byte < 0x80 {
        in_name[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'_' | b'-' | b'.');
        byte += 1;
    }
    in_name
};

/// Longest reference between `&` and `;`: leading zeros are allowed, but not without end.
const REFERENCE_BYTES_MAX: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    /// Whether no byte of the text has to be looked at as a character, so that runs of them can be skipped faster.
    is_clean: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let is_clean = !bytes.iter().fold(false, |found, byte| found | is_unclean(*byte));
        Self { text, bytes, position: 0, is_clean }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn position(&self) -> u32 {
        self.position as u32
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.position + ahead).copied()
    }

    /// Skips white space; whether there was some.
    pub(super) fn skip_space(&mut self) -> bool {
        let start = self.position;
        while self.peek().is_some_and(chars::is_space) {
            self.position += 1;
        }
        self.position > start
    }

    pub(super) fn expect(&mut self, bytes: &[u8]) -> Result<(), XmlFault> {
        if !self.bytes[self.position..].starts_with(bytes) {
            return Err(XmlFault::Syntax);
        }
        self.position += bytes.len();
        Ok(())
    }

    /// QName (Namespaces §4): a name with at most one colon, not at an edge.
    pub(super) fn qualified_name(&mut self) -> Result<Name, XmlFault> {
        let start = self.position;
        self.unprefixed_name()?;
        let mut local_at = 0;
        if self.peek() == Some(b':') {
            self.position += 1;
            local_at = (self.position - start) as u32;
            self.unprefixed_name()?;
            if self.peek() == Some(b':') {
                return Err(XmlFault::Syntax);
            }
        }
        Ok(Name { span: self.span_from(start), local_at })
    }

    /// NCName (Namespaces §3).
    #[inline]
    fn unprefixed_name(&mut self) -> Result<(), XmlFault> {
        match self.peek() {
            None | Some(b'0'..=b'9' | b'-' | b'.') => return Err(XmlFault::Syntax),
            Some(_) => {}
        }
        let start = self.position;
        let mut end = start;
        while end < self.bytes.len() && IN_NAME[usize::from(self.bytes[end])] {
            end += 1;
        }
        self.position = end;
        if let Some(0x80..) = self.peek() {
            self.rest_of_name(start)?;
        }
        if self.position == start { Err(XmlFault::Syntax) } else { Ok(()) }
    }

    /// What is left of a name with characters beyond ASCII that begins at `start`.
    #[cold]
    fn rest_of_name(&mut self, start: usize) -> Result<(), XmlFault> {
        while let Some(c) = self.text[self.position..].chars().next() {
            let is_first = self.position == start;
            match c {
                _ if c.is_ascii() && !IN_NAME[c as usize] => break,
                _ if !is_first && chars::is_name(c) || chars::is_name_start(c) => self.position += c.len_utf8(),
                _ => return Err(XmlFault::Syntax),
            }
        }
        Ok(())
    }

    /// Passes the end tag of an element of this name if it is written without white space.
    pub(super) fn plain_end_tag(&mut self, name: Span) -> bool {
        let name = name.bytes_of(self.bytes);
        let rest = self.bytes[self.position..].strip_prefix(b"</").and_then(|rest| rest.strip_prefix(name));
        let is_plain = rest.is_some_and(|rest| rest.first() == Some(&b'>'));
        if is_plain {
            self.position += name.len() + 3;
        }
        is_plain
    }

    /// AttValue (XML 1.0 §2.3), quotes included; whether its bytes are its characters.
    pub(super) fn value(&mut self) -> Result<(Span, bool), XmlFault> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Err(XmlFault::Syntax) };
        self.position += 1;
        let start = self.position;
        let mut plain = true;
        loop {
            self.skip_run([quote, b'<', b'&']);
            let Some(byte) = self.peek() else { return Err(XmlFault::Syntax) };
            match CLASSES[usize::from(byte)] {
                Class::Plain | Class::Bracket => self.position += 1,
                Class::Quote if byte == quote => break,
                Class::Quote => self.position += 1,
                Class::Space | Class::Return => {
                    plain = false;
                    self.position += 1;
                }
                Class::Ampersand => {
                    plain = false;
                    self.reference()?;
                }
                Class::Ef => self.noncharacter_or_skip()?,
                Class::Less => return Err(XmlFault::Syntax),
                Class::Invalid => return Err(XmlFault::Character),
            }
        }
        let span = self.span_from(start);
        self.position += 1;
        Ok((span, plain))
    }

    /// Character data up to `<` or the end.
    pub(super) fn character_data(&mut self) -> Result<(Span, bool), XmlFault> {
        let start = self.position;
        let mut plain = true;
        loop {
            self.skip_run([b'<', b'&', b']']);
            let Some(byte) = self.peek() else { break };
            match CLASSES[usize::from(byte)] {
                Class::Plain | Class::Quote | Class::Space => self.position += 1,
                Class::Less => break,
                Class::Return => {
                    plain = false;
                    self.position += 1;
                }
                Class::Ampersand => {
                    plain = false;
                    self.reference()?;
                }
                // XML 1.0 §2.4: `]]>` must not stand in character data.
                Class::Bracket if self.bytes[self.position..].starts_with(b"]]>") => return Err(XmlFault::Syntax),
                Class::Bracket => self.position += 1,
                Class::Ef => self.noncharacter_or_skip()?,
                Class::Invalid => return Err(XmlFault::Character),
            }
        }
        Ok((self.span_from(start), plain))
    }

    /// A CDATA section; the span is its inside.
    pub(super) fn cdata_section(&mut self) -> Result<(Span, bool), XmlFault> {
        if self.bytes[self.position..].starts_with(b"<!--") {
            return Err(XmlFault::Comment);
        }
        if self.peek_at(2).is_some_and(|byte| byte.is_ascii_uppercase()) {
            return Err(XmlFault::Doctype);
        }
        self.expect(b"<![CDATA[")?;
        let start = self.position;
        let mut plain = true;
        loop {
            self.skip_run([b']'; 3]);
            let Some(byte) = self.peek() else { return Err(XmlFault::Syntax) };
            match CLASSES[usize::from(byte)] {
                Class::Bracket if self.bytes[self.position..].starts_with(b"]]>") => {
                    let span = self.span_from(start);
                    self.position += 3;
                    return Ok((span, plain));
                }
                Class::Return => {
                    plain = false;
                    self.position += 1;
                }
                Class::Ef => self.noncharacter_or_skip()?,
                Class::Invalid => return Err(XmlFault::Character),
                _ => self.position += 1,
            }
        }
    }

    /// Skips bytes up to one of `stops`, a control character, or what may begin a noncharacter.
    #[inline]
    fn skip_run(&mut self, stops: [u8; 3]) {
        let rest = &self.bytes[self.position..];
        let skipped = if self.is_clean {
            memchr3(stops[0], stops[1], stops[2], rest)
        } else {
            position_in_blocks(rest, |byte| is_unclean(byte) | stops.contains(&byte))
        };
        self.position += skipped.unwrap_or(rest.len());
    }

    /// Reference (XML 1.0 §4.1): one of the five entities or a character.
    fn reference(&mut self) -> Result<(), XmlFault> {
        let rest = &self.bytes[self.position + 1..];
        let window = &rest[..rest.len().min(REFERENCE_BYTES_MAX + 1)];
        let name_start = self.position + 1;
        let Some(length) = memchr::memchr(b';', window) else { return Err(XmlFault::Syntax) };
        // A cut within a longer character is no reference either.
        let Some(name) = self.text.get(name_start..name_start + length) else { return Err(XmlFault::Syntax) };
        if unescape::reference(name).is_none() {
            return Err(match name.strip_prefix('#') {
                Some(number) if is_number(number) => XmlFault::Character,
                Some(_) => XmlFault::Syntax,
                None if is_entity_name(name) => XmlFault::Entity,
                None => XmlFault::Syntax,
            });
        }
        self.position = name_start + length + 1;
        Ok(())
    }

    /// At 0xEF: U+FFFE and U+FFFF are no characters, others of that lead byte are.
    fn noncharacter_or_skip(&mut self) -> Result<(), XmlFault> {
        match self.bytes.get(self.position + 1..self.position + 3) {
            Some([0xbf, 0xbe | 0xbf]) => Err(XmlFault::Character),
            _ => {
                self.position += 1;
                Ok(())
            }
        }
    }

    fn span_from(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.position as u32 }
    }
}

fn is_number(digits: &str) -> bool {
    match digits.strip_prefix('x') {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn is_entity_name(name: &str) -> bool {
    let mut rest = name.chars();
    rest.next().is_some_and(chars::is_name_start) && rest.all(chars::is_name)
}

/// A control character, which must not stand everywhere, or the start of U+FFFE and U+FFFF, which must stand nowhere.
fn is_unclean(byte: u8) -> bool {
    (byte < 0x20) | (byte == 0xef)
}

/// The first byte that is sought. Without branches between the bytes of a block the compiler makes vector comparisons of
/// them.
fn position_in_blocks(bytes: &[u8], is_sought: impl Fn(u8) -> bool) -> Option<usize> {
    const BLOCK: usize = 32;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_free = |block: &&[u8; BLOCK]| !block.iter().fold(false, |found, byte| found | is_sought(*byte));
    let free = blocks.iter().take_while(is_free).count() * BLOCK;
    bytes[free..].iter().position(|byte| is_sought(*byte)).map(|at| free + at)
}
