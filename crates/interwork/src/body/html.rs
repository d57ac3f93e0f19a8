//! HTML reduced to the text that a reader would see.
//!
//! The output is plain text and is written as such, so nothing in it is ever markup again: what matters is that readers
//! see what the sender saw. Tags go, block elements and `<br>` end lines, scripts and styles are dropped, pictures leave
//! their words, and a link keeps its text and tells its address if that is `http`, `https` or `mailto` and not the text
//! itself.
//!
//! This is no tree builder: tags are taken one by one in one pass, so nesting needs no memory and no limit, and every byte
//! is looked at a few times at most, whatever was sent. A parser of the whole standard would be a large dependency for the
//! few tags that instant messages hold. `<meta charset>` is not looked at: the charset is that of the Content-Type.

use std::borrow::Cow;

use super::entity;

/// Elements whose content is no text for readers.
const HIDDEN: [&str; 9] =
    ["iframe", "noembed", "noframes", "object", "script", "style", "template", "textarea", "title"];

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 37] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// Longest address of a link that is told, in bytes.
const ADDRESS_BYTES_MAX: usize = 2048;

/// The text of `html`, without white space at its ends. At most a few bytes longer than `html` for each link.
pub(super) fn to_text(html: &str) -> String {
    let mut reducer = Reducer { rest: html, lines: Lines::default(), link: None, preformatted: 0, tags_over: false };
    while let Some(at) = reducer.rest.find('<') {
        let (text, markup) = reducer.rest.split_at(at);
        reducer.text(text);
        reducer.rest = markup;
        reducer.markup();
    }
    let rest = reducer.rest;
    reducer.text(rest);
    reducer.end_link();
    reducer.lines.out.trim().to_owned()
}

struct Reducer<'a> {
    rest: &'a str,
    lines: Lines,
    link: Option<Link>,
    /// Open `<pre>` elements.
    preformatted: u32,
    /// No `>` follows any more.
    tags_over: bool,
}

/// An open link.
struct Link {
    address: String,
    /// Where its text begins in the output.
    from: usize,
}

impl Reducer<'_> {
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let reference = if character == '&' { entity::at_start(rest) } else { None };
            let length = match reference {
                Some((character, length)) => {
                    self.lines.push(if character == '\u{a0}' { ' ' } else { character });
                    length
                }
                None => {
                    self.character(character);
                    character.len_utf8()
                }
            };
            rest = &rest[length..];
        }
    }

    fn character(&mut self, character: char) {
        match character {
            '\n' if self.preformatted > 0 => self.lines.end_line(),
            '\r' => {}
            ' ' | '\t' if self.preformatted > 0 => self.lines.push(character),
            ' ' | '\t' | '\n' | '\u{c}' => self.lines.space(),
            character => self.lines.push(character),
        }
    }

    /// Takes what begins with `<`.
    fn markup(&mut self) {
        let rest = self.rest;
        if let Some(comment) = rest.strip_prefix("<!--") {
            self.rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            return;
        }
        let begins_tag =
            rest[1..].trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic() || "!?".contains(c));
        let end = if begins_tag && !self.tags_over { tag_end(rest) } else { None };
        let Some(end) = end else {
            self.tags_over |= begins_tag;
            self.lines.push('<');
            self.rest = &rest[1..];
            return;
        };
        self.rest = &rest[end + 1..];
        self.tag(&rest[1..end]);
    }

    /// Acts on a tag, given without its brackets.
    fn tag(&mut self, tag: &str) {
        let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let (name, attributes) = (tag[..end].to_ascii_lowercase(), &tag[end..]);
        match name.as_str() {
            "br" => self.lines.end_line(),
            "a" => {
                self.end_link();
                self.link =
                    if is_end { None } else { attribute(attributes, "href").and_then(|href| self.link_to(&href)) };
            }
            "img" => self.text_of(attribute(attributes, "alt")),
            "td" | "th" => self.lines.space(),
            hidden if !is_end && HIDDEN.contains(&hidden) => self.skip_to_end_of(hidden),
            block if BLOCKS.contains(&block) => {
                self.lines.end_block();
                match (block, is_end) {
                    ("pre", false) => self.preformatted += 1,
                    ("pre", true) => self.preformatted = self.preformatted.saturating_sub(1),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn text_of(&mut self, value: Option<Cow<'_, str>>) {
        self.lines.space();
        for character in value.iter().flat_map(|value| value.chars()) {
            self.character(character);
        }
        self.lines.space();
    }

    /// Drops everything before the end tag of `name`, or all if there is none.
    fn skip_to_end_of(&mut self, name: &str) {
        let mut rest = self.rest;
        while let Some(at) = rest.find("</") {
            rest = &rest[at..];
            let found =
                rest.as_bytes().get(2..2 + name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
            if found && !rest.as_bytes().get(2 + name.len()).is_some_and(u8::is_ascii_alphanumeric) {
                self.rest = rest;
                return;
            }
            rest = &rest[2..];
        }
        self.rest = "";
    }

    fn link_to(&self, href: &str) -> Option<Link> {
        let address = href.trim();
        let (scheme, _) = address.split_once(':')?;
        let is_known = ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let is_plain = !address.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
        let fits = is_known && is_plain && address.len() <= ADDRESS_BYTES_MAX;
        fits.then(|| Link { address: address.to_owned(), from: self.lines.out.len() })
    }

    fn end_link(&mut self) {
        let Some(Link { address, from }) = self.link.take() else { return };
        let shown = self.lines.out[from..].trim();
        if is_address(shown, &address) {
            return;
        }
        let told = if shown.is_empty() { address } else { format!(" ({address})") };
        let gap = std::mem::take(&mut self.lines.gap);
        for character in told.chars() {
            self.lines.push(character);
        }
        self.lines.gap = gap;
    }
}

/// Whether readers of `shown` know `address`: it is the address, with or without scheme and last slash.
fn is_address(shown: &str, address: &str) -> bool {
    let bare = |text| str::strip_suffix(text, '/').unwrap_or(text);
    let (_, local) = address.split_once(':').unwrap_or_default();
    [address, local, local.trim_start_matches('/')].iter().any(|known| bare(shown) == bare(known))
}

/// Where the tag at the start of `text` ends: its `>`, which may also stand within quoted values. A quote that stays open
/// is none.
fn tag_end(text: &str) -> Option<usize> {
    let (mut quote, mut after_equals) = (None, false);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, b'>') => return Some(at),
            (None, _) => {}
        }
        after_equals = byte == b'=' || after_equals && byte.is_ascii_whitespace();
    }
    quote.and_then(|_| text.find('>'))
}

/// The value of an attribute, its references replaced.
fn attribute<'a>(mut attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    loop {
        attributes = attributes.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if attributes.is_empty() {
            return None;
        }
        // The first character belongs to the name, whatever it is.
        let first = attributes.chars().next().map_or(0, char::len_utf8);
        let name_end = attributes[first..].find(|c: char| c.is_ascii_whitespace() || "=/".contains(c));
        let (name, rest) = attributes.split_at(name_end.map_or(attributes.len(), |end| first + end));
        let (value, rest) = match rest.trim_ascii_start().strip_prefix('=') {
            Some(rest) => value_at(rest.trim_ascii_start()),
            None => ("", rest),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(if value.contains('&') { entity::decode(value).into() } else { value.into() });
        }
        attributes = rest;
    }
}

/// The value at the start of `text`, and what follows it.
fn value_at(text: &str) -> (&str, &str) {
    let quoted = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.split_once(quote));
    quoted.unwrap_or_else(|| text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len())))
}

/// Text in lines, white space collapsed.
#[derive(Default)]
struct Lines {
    out: String,
    /// What stands before the next character.
    gap: Gap,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Gap {
    #[default]
    None,
    Space,
    /// The end of a block: a new line, unless one has just begun.
    Line,
}

impl Lines {
    fn push(&mut self, character: char) {
        let at_start = self.out.is_empty() || self.out.ends_with('\n');
        match std::mem::take(&mut self.gap) {
            Gap::Space if !at_start => self.out.push(' '),
            Gap::Line if !at_start => self.out.push('\n'),
            _ => {}
        }
        self.out.push(character);
    }

    fn space(&mut self) {
        if self.gap == Gap::None {
            self.gap = Gap::Space;
        }
    }

    fn end_block(&mut self) {
        self.gap = Gap::Line;
    }

    /// A line end by its own right; more than one empty line is none.
    fn end_line(&mut self) {
        if std::mem::take(&mut self.gap) == Gap::Line && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}
