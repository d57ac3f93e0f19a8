//! Addresses in header fields (RFC 3261 §20.10, §20.20, §20.39): a URI with a display name and parameters.

use std::fmt;

use super::{
    FieldError, Uri,
    scan::{Params, find_outside, is_quoted, is_token_byte, quote, split_values, trim, unquote},
};

/// A name-addr or addr-spec with its parameters: From, To, Contact, Route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameAddr {
    /// The display name, without quotes.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header parameters (`tag`, `expires`, `q`, `+sip.instance`), not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::NONE }
    }

    /// The same with a tag (§19.3).
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// Reads one value. Without angle brackets the parameters belong to the header, and a URI may hold neither `,` nor
    /// `?` (§20).
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        Self::read(trim(text)).ok_or(FieldError::Address)
    }

    fn read(text: &str) -> Option<Self> {
        let Some(open) = find_open(text) else {
            let (uri, params) = text.split_at(text.find(';').unwrap_or(text.len()));
            let uri = trim(uri);
            if uri.contains([',', '?', '<', '>']) {
                return None;
            }
            let uri = Uri::parse(uri).ok()?;
            return Some(Self { display: None, uri, params: Params::parse_header(params)? });
        };
        let (display, rest) = (trim(&text[..open]), &text[open + 1..]);
        let close = rest.find('>')?;
        let (uri, params) = (&rest[..close], &rest[close + 1..]);
        let display = match display {
            "" => None,
            quoted if quoted.starts_with('"') => Some(is_quoted(quoted).then(|| unquote(quoted).into_owned())?),
            words => words
                .bytes()
                .all(|b| is_token_byte(b) || b == b' ' || b == b'\t' || !b.is_ascii())
                .then_some(Some(words.to_owned()))?,
        };
        Some(Self { display, uri: Uri::parse(uri).ok()?, params: Params::parse_header(params)? })
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }
}

/// The offset of the `<` that opens the URI, outside a quoted display name.
fn find_open(text: &str) -> Option<usize> {
    find_outside(text, b'<').ok().flatten()
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// The Contact fields of a message together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contacts {
    /// `*`: all bindings (§10.2.2).
    All,
    /// The values, in order; perhaps none.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// Reads the fields' texts. `*` must be alone.
    pub(crate) fn parse<'a>(fields: impl Iterator<Item = &'a str>) -> Result<Self, FieldError> {
        let (mut list, mut all) = (Vec::new(), false);
        for value in fields.flat_map(split_values) {
            match value {
                "*" => all = true,
                value => list.push(NameAddr::parse(value)?),
            }
            if all && !list.is_empty() {
                return Err(FieldError::Address);
            }
        }
        Ok(if all { Self::All } else { Self::List(list) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_the_standard() {
        for (text, display, uri, tag) in [
            (
                "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",
                Some("A. G. Bell"),
                "sip:agb@bell-telephone.com",
                Some("a48s"),
            ),
            (
                "sip:+12125551212@server.phone2net.com;tag=887s",
                None,
                "sip:+12125551212@server.phone2net.com",
                Some("887s"),
            ),
            (
                "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
                Some("Anonymous"),
                "sip:c8oqz84zk7z@privacy.org",
                Some("hyh8"),
            ),
            ("caller<sip:caller@example.com>;tag=323", Some("caller"), "sip:caller@example.com", Some("323")),
            (
                "\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>  ;  tag = 98asjd8",
                Some("J Rosenberg \\\""),
                "sip:jdrosen@example.com",
                Some("98asjd8"),
            ),
            (
                "\"<sip:joe@big.org>\" <sip:joe@really.example;lr>",
                Some("<sip:joe@big.org>"),
                "sip:joe@really.example;lr",
                None,
            ),
            ("<sip:a@b.example>", None, "sip:a@b.example", None),
        ] {
            let address = NameAddr::parse(text).unwrap();
            assert_eq!(address.display.as_deref(), display, "{text}");
            assert_eq!(address.uri.to_string(), uri);
            assert_eq!(address.tag(), tag);
            assert_eq!(NameAddr::parse(&address.to_string()).unwrap(), address);
        }
    }

    /// RFC 4475 §3.1.2: quoteunbal, badaspec, baddn, regbadct, badinv01.
    #[test]
    fn refuses_what_is_not_an_address() {
        for text in [
            "\"Mr J. User <sip:j.user@example.com>",
            "\"Watson, Thomas\" < sip:t.watson@example.org >",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "\"Joe\" <sip:joe@example.org>;;;;",
            "<sip:a@b.example",
            "sip:a@b.example>",
            "<sip:a@b.example> x",
            "",
        ] {
            assert_eq!(NameAddr::parse(text), Err(FieldError::Address), "{text}");
        }
    }

    #[test]
    fn a_star_stands_alone() {
        assert_eq!(Contacts::parse(["*"].into_iter()), Ok(Contacts::All));
        assert!(Contacts::parse(["*, <sip:a@b.example>"].into_iter()).is_err());
        assert!(Contacts::parse(["<sip:a@b.example>", "*"].into_iter()).is_err());
        let Ok(Contacts::List(list)) = Contacts::parse(["<sip:a@b.example>, sip:c@d.example;q=0.5"].into_iter()) else {
            panic!("two contacts")
        };
        assert_eq!(list[1].params.value("q"), Some("0.5"));
    }
}
