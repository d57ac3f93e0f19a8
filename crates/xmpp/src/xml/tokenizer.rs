//! The strict, one-pass reader of complete elements (XML 1.0 fifth edition, Namespaces in XML 1.0, RFC 6120 §11).
//!
//! It validates every byte of what the framer cut out and lays down flat tokens. What it accepts may be forwarded as it
//! stands, so there is nothing that it skips: UTF-8, character range, names, white space, references, duplicates by
//! expanded name, namespace declarations and their use, matching tags.

mod cursor;
mod declaration;
mod runs;
mod scope;
mod tag;

use super::{
    Batch, Limits, XmlError, XmlFault,
    batch::Inherited,
    ns,
    token::{Span, Token},
};
use cursor::Cursor;
use scope::Scopes;

/// What [`leading`] has found.
pub(crate) struct Leading {
    /// The elements that are complete and good, if there is one.
    pub(crate) batch: Option<Batch>,
    /// Bytes up to the end of the last of them.
    pub(crate) bytes: usize,
    /// Why the reading ended before the end of the bytes. Where these end within an element, it only says so.
    pub(crate) fault: Option<XmlFault>,
}

/// The first-level elements that stand at the start of `bytes`, up to the first that is unfinished or refused.
pub(crate) fn leading(bytes: &[u8], limits: &Limits, inherited: &Inherited) -> Leading {
    let (text, is_cut_off) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), true),
    };
    let mut tokenizer = Tokenizer::new(text, limits, inherited);
    let fault = tokenizer.elements().err();
    // Where the text was cut off at bytes that are no UTF-8, the element cannot end: that is the fault.
    let fault = if is_cut_off && tokenizer.cursor.is_at_end() { Some(XmlFault::Encoding) } else { fault };
    let bytes = tokenizer.complete;
    let batch =
        (bytes > 0).then(|| Batch::new(tokenizer.into_parts(), Box::from(&text[..bytes]), Inherited::clone(inherited)));
    Leading { batch, bytes, fault }
}

/// Elements within the bindings of our own stream headers; all must be good.
pub(crate) fn batch_of(bytes: Vec<u8>, limits: &Limits) -> Result<Batch, XmlError> {
    let inherited = ns::SERVER_STREAM.iter().map(|(prefix, name)| (Box::from(*prefix), Box::from(*name))).collect();
    let text = String::from_utf8(bytes).map_err(|_| XmlFault::Encoding)?.into_boxed_str();
    let mut tokenizer = Tokenizer::new(&text, limits, &inherited);
    tokenizer.elements()?;
    let parts = tokenizer.into_parts();
    Ok(Batch::new(parts, text, inherited))
}

/// A stream header: an optional XML declaration and the root's start tag.
pub(crate) fn header(bytes: Vec<u8>, limits: &Limits) -> Result<Batch, XmlError> {
    let text = String::from_utf8(bytes).map_err(|_| XmlFault::Encoding)?.into_boxed_str();
    let inherited = Inherited::from([]);
    let mut tokenizer = Tokenizer::new(&text, limits, &inherited);
    if text.starts_with("<?") {
        declaration::read(&mut tokenizer.cursor)?;
    }
    tokenizer.cursor.skip_space();
    tokenizer.start_tag()?;
    if !tokenizer.cursor.is_at_end() {
        return Err(XmlFault::Syntax.into());
    }
    tokenizer.close_element(Span { start: text.len() as u32, end: text.len() as u32 });
    let parts = tokenizer.into_parts();
    Ok(Batch::new(parts, text, inherited))
}

/// What a text was read as.
pub(crate) struct Parts {
    pub(crate) tokens: Vec<Token>,
    /// Where the first-level elements after the first stand among the tokens.
    pub(crate) later_roots: Box<[u32]>,
    pub(crate) unescaped: Box<[Box<str>]>,
}

/// The link from a first-level element to the element around it.
const NO_PARENT: u32 = u32::MAX;

struct Tokenizer<'a> {
    cursor: Cursor<'a>,
    limits: &'a Limits,
    tokens: Vec<Token>,
    later_roots: Vec<u32>,
    /// Where the last complete first-level element ends.
    complete: usize,
    /// The innermost open element. While an element is open, its `next` is the element around it.
    innermost: u32,
    /// How many elements are open.
    depth: u32,
    scopes: Scopes<'a>,
}

impl<'a> Tokenizer<'a> {
    fn new(text: &'a str, limits: &'a Limits, inherited: &'a Inherited) -> Self {
        Self {
            cursor: Cursor::new(text),
            limits,
            tokens: Vec::with_capacity(text.len() / 24 + 4),
            later_roots: Vec::new(),
            complete: 0,
            innermost: NO_PARENT,
            depth: 0,
            scopes: Scopes::new(text, inherited),
        }
    }

    fn into_parts(mut self) -> Parts {
        // Giving back a little costs more than keeping it.
        let wasted = self.tokens.capacity() - self.tokens.len();
        if wasted > self.tokens.len() / 4 + 8 {
            self.tokens.shrink_to_fit();
        }
        Parts {
            tokens: self.tokens,
            later_roots: self.later_roots.into_boxed_slice(),
            unescaped: self.scopes.into_unescaped(),
        }
    }

    /// First-level elements and white space up to the end. After a fault the good ones before it are kept.
    fn elements(&mut self) -> Result<(), XmlFault> {
        loop {
            self.cursor.skip_space();
            if self.cursor.is_at_end() {
                return Ok(());
            }
            let root = self.tokens.len();
            if let Err(fault) = self.first_level_element() {
                self.tokens.truncate(root);
                return Err(fault);
            }
            self.complete = self.cursor.position() as usize;
            if root > 0 {
                self.later_roots.push(root as u32);
            }
        }
    }

    fn first_level_element(&mut self) -> Result<(), XmlFault> {
        self.depth = 0;
        self.innermost = NO_PARENT;
        self.scopes.clear();
        let start = self.cursor.position();
        if self.cursor.peek() != Some(b'<') {
            return Err(XmlFault::TextBetweenElements);
        }
        let mut elements = 0;
        loop {
            match (self.cursor.peek(), self.cursor.peek_at(1)) {
                (Some(b'<'), Some(b'/')) => self.end_tag()?,
                (Some(b'<'), Some(b'!')) => self.cdata()?,
                (Some(b'<'), Some(b'?')) => return Err(XmlFault::ProcessingInstruction),
                (Some(b'<'), _) => {
                    elements += 1;
                    if elements > self.limits.elements_max {
                        return Err(XmlFault::ElementsExceeded);
                    }
                    if self.depth >= self.limits.depth_max {
                        return Err(XmlFault::DepthExceeded);
                    }
                    self.start_tag()?;
                }
                (Some(_), _) => self.text()?,
                (None, _) => return Err(XmlFault::Syntax),
            }
            if self.depth == 0 {
                let bytes = self.cursor.position() - start;
                let fits = bytes as usize <= self.limits.element_bytes_max;
                return if fits { Ok(()) } else { Err(XmlFault::ElementBytesExceeded) };
            }
        }
    }

    fn text(&mut self) -> Result<(), XmlFault> {
        let (span, plain) = self.cursor.character_data()?;
        self.tokens.push(Token::Text { span, plain });
        Ok(())
    }

    fn cdata(&mut self) -> Result<(), XmlFault> {
        if self.depth == 0 {
            return Err(XmlFault::TextBetweenElements);
        }
        let (span, plain) = self.cursor.cdata_section()?;
        self.tokens.push(Token::CData { span, plain });
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), XmlFault> {
        let start = self.cursor.position();
        let Some(Token::Element(element)) = self.tokens.get(self.innermost as usize) else {
            return Err(XmlFault::Syntax);
        };
        let (name, content) = (element.name.span, element.content.start);
        if !self.cursor.plain_end_tag(name) {
            self.cursor.expect(b"</")?;
            let written = self.cursor.qualified_name()?;
            if written.span.of(self.cursor.text()) != name.of(self.cursor.text()) {
                return Err(XmlFault::MismatchedTag);
            }
            self.cursor.skip_space();
            self.cursor.expect(b">")?;
        }
        self.check_tag(start)?;
        self.close_element(Span { start: content, end: start });
        Ok(())
    }

    /// Refuses the tag from `start` to here if it is too long.
    fn check_tag(&self, start: u32) -> Result<(), XmlFault> {
        let bytes = self.cursor.position() - start;
        if bytes as usize > self.limits.tag_bytes_max { Err(XmlFault::TagBytesExceeded) } else { Ok(()) }
    }

    /// Ends the innermost element here; `content` is what stands between its tags.
    fn close_element(&mut self, content: Span) {
        let next = self.tokens.len() as u32;
        let end = self.cursor.position();
        let Some(Token::Element(element)) = self.tokens.get_mut(self.innermost as usize) else {
            unreachable!("an element is open")
        };
        self.innermost = std::mem::replace(&mut element.next, next);
        element.content = content;
        element.whole.end = end;
        self.depth -= 1;
        if self.depth == 0 {
            element.borrows = Some(self.scopes.borrows());
        }
        self.scopes.leave(self.depth);
    }
}

#[cfg(test)]
mod tests;
