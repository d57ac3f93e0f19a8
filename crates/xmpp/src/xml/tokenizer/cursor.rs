//! Reads names, values and character data; every character that passes is valid.

use super::runs;
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

/// A place in a text. It is copied out of the tokenizer while a tag is read, so that it lives in registers; what is rare
/// takes it by value and returns the new place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), position: 0 }
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
    #[inline(always)]
    pub(super) fn skip_space(&mut self) -> bool {
        let start = self.position;
        // Most often there is one blank and then something above it.
        while self.peek().is_some_and(|byte| byte <= b' ' && chars::is_space(byte)) {
            self.position += 1;
        }
        self.position > start
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, bytes: &[u8]) -> Result<(), XmlFault> {
        if !self.bytes[self.position..].starts_with(bytes) {
            return Err(XmlFault::Syntax);
        }
        self.position += bytes.len();
        Ok(())
    }

    /// Eq (XML 1.0 §2.8): `=` with or without white space.
    #[inline(always)]
    pub(super) fn equals(&mut self) -> Result<(), XmlFault> {
        if self.peek() == Some(b'=') && matches!(self.peek_at(1), Some(b'\'' | b'"')) {
            self.position += 1;
            return Ok(());
        }
        self.skip_space();
        self.expect(b"=")?;
        self.skip_space();
        Ok(())
    }

    /// Passes `/>` or `>` if it is next; whether it is the end of an empty-element tag.
    #[inline(always)]
    pub(super) fn tag_end(&mut self) -> Result<Option<bool>, XmlFault> {
        match self.peek() {
            Some(b'>') => {
                self.position += 1;
                Ok(Some(false))
            }
            Some(b'/') => self.expect(b"/>").map(|()| Some(true)),
            _ => Ok(None),
        }
    }

    /// QName (Namespaces §4): a name with at most one colon, not at an edge.
    #[inline(always)]
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
    #[inline(always)]
    fn unprefixed_name(&mut self) -> Result<(), XmlFault> {
        let start = self.position;
        self.position += runs::name_run(&self.bytes[start..], &IN_NAME);
        match self.peek() {
            Some(0x80..) => self.position = self.rest_of_name(start)?,
            _ if self.position == start => return Err(XmlFault::Syntax),
            _ => {}
        }
        match self.bytes.get(start) {
            None | Some(b'0'..=b'9' | b'-' | b'.') => Err(XmlFault::Syntax),
            Some(_) => Ok(()),
        }
    }

    /// The end of a name that begins at `start` and has characters beyond ASCII from here on.
    #[cold]
    fn rest_of_name(mut self, start: usize) -> Result<usize, XmlFault> {
        while let Some(c) = self.text[self.position..].chars().next() {
            let is_first = self.position == start;
            match c {
                _ if c.is_ascii() && !IN_NAME[c as usize] => break,
                _ if !is_first && chars::is_name(c) || chars::is_name_start(c) => self.position += c.len_utf8(),
                _ => return Err(XmlFault::Syntax),
            }
        }
        Ok(self.position)
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
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<(Span, bool), XmlFault> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Err(XmlFault::Syntax) };
        self.position += 1;
        let start = self.position;
        self.position += runs::value_run(&self.bytes[start..]);
        let mut plain = true;
        if self.peek() != Some(quote) {
            (self.position, plain) = self.rest_of_value(quote)?;
        }
        let span = self.span_from(start);
        self.position += 1;
        Ok((span, plain))
    }

    /// Where the value ends that goes on here, and whether its bytes are its characters from here on.
    #[inline(never)]
    fn rest_of_value(mut self, quote: u8) -> Result<(usize, bool), XmlFault> {
        let mut plain = true;
        loop {
            let Some(byte) = self.peek() else { return Err(XmlFault::Syntax) };
            match CLASSES[usize::from(byte)] {
                Class::Plain | Class::Bracket => self.position += 1,
                Class::Quote if byte == quote => return Ok((self.position, plain)),
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
            self.position += runs::text_run(&self.bytes[self.position..], quote);
        }
    }

    /// Character data up to `<` or the end.
    #[inline]
    pub(super) fn character_data(&mut self) -> Result<(Span, bool), XmlFault> {
        let start = self.position;
        self.position += runs::text_run(&self.bytes[start..], b']');
        let mut plain = true;
        if self.peek() != Some(b'<') {
            (self.position, plain) = self.rest_of_text()?;
        }
        Ok((self.span_from(start), plain))
    }

    /// Where the character data end that go on here, and whether their bytes are their characters from here on.
    #[inline(never)]
    fn rest_of_text(mut self) -> Result<(usize, bool), XmlFault> {
        let mut plain = true;
        while let Some(byte) = self.peek() {
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
            self.position += runs::text_run(&self.bytes[self.position..], b']');
        }
        Ok((self.position, plain))
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
            self.position += runs::text_run(&self.bytes[self.position..], b']');
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
