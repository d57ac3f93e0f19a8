//! The strict, one-pass reader of complete elements (XML 1.0 fifth edition, Namespaces in XML 1.0, RFC 6120 §11).
//!
//! It validates every byte of what the framer cut out and lays down flat tokens. What it accepts may be forwarded as it
//! stands, so there is nothing that it skips: UTF-8, character range, names, white space, references, duplicates by
//! expanded name, namespace declarations and their use, matching tags.

mod cursor;
mod declaration;
mod scope;
mod tag;

use super::{
    Batch, Limits, XmlError, XmlFault,
    batch::{Inherited, Shared},
    ns,
    token::{Span, Token},
};
use cursor::Cursor;
use scope::Scopes;

/// Elements within the bindings of our own stream headers; all must be good.
pub(crate) fn batch_of(bytes: Vec<u8>, limits: &Limits) -> Result<Batch, XmlError> {
    let inherited = ns::SERVER_STREAM.iter().map(|(prefix, name)| (Box::from(*prefix), Box::from(*name))).collect();
    match elements(bytes, limits, &inherited) {
        (batch, None) => Ok(batch),
        (_, Some(error)) => Err(error),
    }
}

/// The elements in `bytes` up to the first that is refused, and why it was.
pub(crate) fn elements(bytes: Vec<u8>, limits: &Limits, inherited: &Inherited) -> (Batch, Option<XmlError>) {
    let (text, mut fault) = match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            (String::from_utf8(bytes).unwrap_or_default(), Some(XmlFault::Encoding))
        }
    };
    let mut tokenizer = Tokenizer::new(&text, limits, inherited);
    let mut roots = Vec::with_capacity(1);
    loop {
        tokenizer.cursor.skip_space();
        if tokenizer.cursor.is_at_end() {
            break;
        }
        let root = tokenizer.tokens.len();
        if let Err(found) = tokenizer.first_level_element() {
            tokenizer.tokens.truncate(root);
            // Where the text was cut off at bytes that are no UTF-8, the element cannot end: that is the fault.
            let cut_off = fault.is_some() && tokenizer.cursor.is_at_end();
            fault = Some(if cut_off { XmlFault::Encoding } else { found });
            break;
        }
        roots.push(root as u32);
    }
    let Tokenizer { tokens, scopes, .. } = tokenizer;
    let batch = Batch::new(Shared {
        tokens: tokens.into_boxed_slice(),
        roots: roots.into_boxed_slice(),
        inherited: Inherited::clone(inherited),
        unescaped: scopes.into_unescaped(),
        text: text.into_boxed_str(),
    });
    (batch, fault.map(XmlError::from))
}

/// A stream header: an optional XML declaration and the root's start tag.
pub(crate) fn header(bytes: Vec<u8>, limits: &Limits) -> Result<Batch, XmlError> {
    let text = String::from_utf8(bytes).map_err(|_| XmlFault::Encoding)?;
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
    let Tokenizer { tokens, scopes, .. } = tokenizer;
    Ok(Batch::new(Shared {
        tokens: tokens.into_boxed_slice(),
        roots: Box::new([0]),
        inherited: Inherited::clone(&inherited),
        unescaped: scopes.into_unescaped(),
        text: text.into_boxed_str(),
    }))
}

struct Tokenizer<'a> {
    cursor: Cursor<'a>,
    limits: &'a Limits,
    tokens: Vec<Token>,
    /// Token indices of the open elements.
    open: Vec<u32>,
    scopes: Scopes<'a>,
}

impl<'a> Tokenizer<'a> {
    fn new(text: &'a str, limits: &'a Limits, inherited: &'a Inherited) -> Self {
        Self {
            cursor: Cursor::new(text),
            limits,
            tokens: Vec::with_capacity(text.len() / 24 + 4),
            open: Vec::with_capacity(8),
            scopes: Scopes::new(text, inherited),
        }
    }

    fn first_level_element(&mut self) -> Result<(), XmlFault> {
        self.open.clear();
        self.scopes.clear();
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
                    if self.open.len() >= self.limits.depth_max as usize {
                        return Err(XmlFault::DepthExceeded);
                    }
                    self.start_tag()?;
                }
                (Some(_), _) => self.text()?,
                (None, _) => return Err(XmlFault::Syntax),
            }
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn text(&mut self) -> Result<(), XmlFault> {
        let (span, plain) = self.cursor.character_data()?;
        self.tokens.push(Token::Text { span, plain });
        Ok(())
    }

    fn cdata(&mut self) -> Result<(), XmlFault> {
        if self.open.is_empty() {
            return Err(XmlFault::TextBetweenElements);
        }
        let (span, plain) = self.cursor.cdata_section()?;
        self.tokens.push(Token::CData { span, plain });
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), XmlFault> {
        let start = self.cursor.position();
        let Some(open) = self.open.last() else { return Err(XmlFault::Syntax) };
        let Token::Element(element) = self.tokens[*open as usize] else { unreachable!("elements are open") };
        self.cursor.expect(b"</")?;
        let name = self.cursor.qualified_name()?;
        if name.span.of(self.cursor.text()) != element.name.span.of(self.cursor.text()) {
            return Err(XmlFault::MismatchedTag);
        }
        self.cursor.skip_space();
        self.cursor.expect(b">")?;
        self.close_element(Span { start: element.content.start, end: start });
        Ok(())
    }

    /// Ends the innermost element here; `content` is what stands between its tags.
    fn close_element(&mut self, content: Span) {
        let next = self.tokens.len() as u32;
        let end = self.cursor.position();
        let Some(index) = self.open.pop() else { unreachable!("an element is open") };
        let Token::Element(element) = &mut self.tokens[index as usize] else { unreachable!("elements are open") };
        element.next = next;
        element.content = content;
        element.whole.end = end;
        if self.open.is_empty() {
            element.borrows = Some(self.scopes.borrows());
        }
        self.scopes.leave(self.open.len() as u32);
    }
}

#[cfg(test)]
mod tests;
