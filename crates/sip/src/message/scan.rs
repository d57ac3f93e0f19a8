//! The small grammar that header fields share (RFC 3261 §25.1): tokens, quoted strings, parameters, lists.

use std::{borrow::Cow, fmt};

/// Whether `text` is a token: one or more of the permitted characters.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Cuts linear white space from both ends; folds have become spaces before.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The offset of the first `wanted` outside quoted strings and angle brackets; `Err` if a quote or bracket stays open.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Result<Option<usize>, ()> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            _ if byte == wanted && !bracketed => return Ok(Some(at)),
            b'"' if !bracketed => quoted = true,
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            _ => {}
        }
    }
    if quoted || bracketed { Err(()) } else { Ok(None) }
}

/// The values of a comma-separated field, trimmed. An unbalanced quote or bracket makes the rest one value, which its own
/// parser then refuses.
pub(crate) fn split_values(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, b',') {
            Ok(Some(at)) => {
                rest = Some(&text[at + 1..]);
                Some(trim(&text[..at]))
            }
            Ok(None) | Err(()) => {
                rest = None;
                Some(trim(text))
            }
        }
    })
}

/// `text` as a quoted string. Line ends and controls, which no quoted string of ours may hold, become spaces.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The content of a quoted string, or the text itself if it is not quoted.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    Cow::Owned(plain)
}

/// Whether `text` is exactly one quoted string.
pub(crate) fn is_quoted(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('"') else { return false };
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1 == rest.len(),
            _ => {}
        }
    }
    false
}

/// Parameters of a URI or of a header field value, in order, values as written (quotes and `%` escapes kept).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    pub const NONE: Self = Self(Vec::new());

    /// Reads `;name=value;name`, the part after a value; blanks around separators are permitted. Each name must satisfy
    /// `name` and each value `value`.
    pub(crate) fn parse(text: &str, name: fn(&str) -> bool, value: fn(&str) -> bool) -> Option<Self> {
        let mut params = Vec::new();
        let mut rest = trim(text);
        while !rest.is_empty() {
            rest = rest.strip_prefix(';')?;
            let end = find_outside(rest, b';').ok()?.unwrap_or(rest.len());
            let (one, after) = rest.split_at(end);
            let (key, content) = match find_outside(one, b'=').ok()? {
                Some(at) => (trim(&one[..at]), Some(trim(&one[at + 1..]))),
                None => (trim(one), None),
            };
            if !name(key) || content.is_some_and(|content| !value(content)) {
                return None;
            }
            params.push((key.to_owned(), content.map(str::to_owned)));
            rest = after;
        }
        Some(Self(params))
    }

    /// Parameters of a header field value: generic-param of §25.1.
    pub(crate) fn parse_header(text: &str) -> Option<Self> {
        Self::parse(text, is_token, |value| {
            is_quoted(value)
                || !value.is_empty()
                    && value.bytes().all(|b| is_token_byte(b) || b"[]:/?@&$".contains(&b) || !b.is_ascii())
        })
    }

    /// Whether the parameter is there, with a value or without. Case means nothing.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// The value as written, of the first parameter of this name that has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_deref())
    }

    /// The value without quotes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(unquote)
    }

    /// Sets a parameter in place or at the end. `value` is written as it is: the caller quotes or escapes.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some(param) => param.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_inside_quotes_or_brackets_does_not_separate() {
        let values: Vec<_> = split_values("\"a,\\\"b\" <sip:a,b@c>, <sip:d@e> ,f").collect();
        assert_eq!(values, ["\"a,\\\"b\" <sip:a,b@c>", "<sip:d@e>", "f"]);
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        for text in ["", "plain", "a \"b\" \\ c", "\u{d55c}\u{ae00}"] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote("a\r\nVia: b"), "\"a  Via: b\"");
    }

    #[test]
    fn parameters_keep_order_and_may_lack_a_value() {
        let params = Params::parse_header(" ; a = 1;b;C=\"x;y\"").unwrap();
        assert_eq!(params.to_string(), ";a=1;b;C=\"x;y\"");
        assert_eq!(params.unquoted("c").unwrap(), "x;y");
        assert!(params.has("B") && params.value("b").is_none());
        for bad in [";", ";;a", ";a=", ";a=\"x", "a", ";a b=c"] {
            assert_eq!(Params::parse_header(bad), None, "{bad}");
        }
    }
}
