//! Header fields in their order, as text (RFC 3261 §7.3): the parser fills them, the writer writes them, nothing is lost.
//!
//! Folded lines are unfolded. A value that this program adds can hold neither a line end nor any other control character,
//! so no value makes another field.

use std::fmt::Display;

use super::{
    CSeq, Contacts, FieldError, MediaType, Name, NameAddr, Params, Refresher, Via,
    field::{delta_seconds, digits},
    scan::{is_token, split_values},
};

/// The header fields of a message.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    text: String,
    fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Name,
    start: u32,
    name_len: u32,
    value_start: u32,
    value_end: u32,
}

/// A value or name that may not be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// A control character, which could end the line.
    #[error("a header field value holds a control character")]
    Control,
    /// The name is not a token.
    #[error("a header field name is not a token")]
    Name,
    /// Content-Length is written by the writer alone.
    #[error("Content-Length is not set by hand")]
    Reserved,
}

impl Headers {
    /// Room for the fields of a usual message.
    pub(crate) fn roomy() -> Self {
        Self::parsed(String::with_capacity(640))
    }

    pub(crate) fn parsed(text: String) -> Self {
        Self { text, fields: Vec::with_capacity(12) }
    }

    /// Notes a field of the parsed text; offsets are into that text.
    pub(crate) fn note(&mut self, name: (usize, usize), value: (usize, usize)) -> Option<()> {
        let offset = |at: usize| u32::try_from(at).ok();
        let field = Field {
            name: Name::of(&self.text[name.0..name.1]),
            start: offset(name.0)?,
            name_len: offset(name.1 - name.0)?,
            value_start: offset(value.0)?,
            value_end: offset(value.1)?,
        };
        self.fields.push(field);
        Some(())
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn name_text(&self, field: &Field) -> &str {
        match field.name {
            Name::Other => &self.text[field.start as usize..(field.start + field.name_len) as usize],
            known => known.as_str(),
        }
    }

    fn value_of(&self, field: &Field) -> &str {
        &self.text[field.value_start as usize..field.value_end as usize]
    }

    /// The text of the first field of this name.
    pub fn first(&self, name: Name) -> Option<&str> {
        self.fields(name).next()
    }

    /// The texts of all fields of this name, in order, lists not split.
    pub fn fields(&self, name: Name) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| self.value_of(field))
    }

    /// The values of a comma-separated field, over all its lines.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &str> {
        self.fields(name).flat_map(split_values).filter(|value| !value.is_empty())
    }

    /// The text of the first field of this name in any spelling: for fields without a [`Name`].
    pub fn named(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| self.name_text(field).eq_ignore_ascii_case(name))?;
        Some(self.value_of(field))
    }

    /// Name (canonical if known) and value of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (self.name_text(field), self.value_of(field)))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: Name, value: impl Display) -> Result<(), HeaderError> {
        let at = self.fields.len();
        self.put(at, name, value)
    }

    /// Adds a field before all others: Via.
    pub fn push_front(&mut self, name: Name, value: impl Display) -> Result<(), HeaderError> {
        self.put(0, name, value)
    }

    /// Takes away all fields of this name and adds one.
    pub fn set(&mut self, name: Name, value: impl Display) -> Result<(), HeaderError> {
        self.remove(name);
        self.push(name, value)
    }

    /// Adds a field that has no [`Name`].
    pub fn push_named(&mut self, name: &str, value: impl Display) -> Result<(), HeaderError> {
        if Name::of(name) != Name::Other {
            return self.push(Name::of(name), value);
        }
        if !is_token(name) {
            return Err(HeaderError::Name);
        }
        let start = self.text.len();
        self.text.push_str(name);
        let at = self.fields.len();
        self.put_value(at, Name::Other, start, value)
    }

    /// Takes away all fields of this name.
    pub fn remove(&mut self, name: Name) {
        self.fields.retain(|field| field.name != name);
    }

    fn put(&mut self, at: usize, name: Name, value: impl Display) -> Result<(), HeaderError> {
        match name {
            Name::ContentLength => Err(HeaderError::Reserved),
            Name::Other => Err(HeaderError::Name),
            name => self.put_value(at, name, self.text.len(), value),
        }
    }

    fn put_value(&mut self, at: usize, name: Name, start: usize, value: impl Display) -> Result<(), HeaderError> {
        use std::fmt::Write as _;
        let value_start = self.text.len();
        write!(self.text, "{value}").map_err(|_| HeaderError::Control)?;
        if self.text[value_start..].chars().any(|c| c.is_control() && c != '\t') {
            self.text.truncate(start);
            return Err(HeaderError::Control);
        }
        self.insert(at, name, start, value_start);
        Ok(())
    }

    fn insert(&mut self, at: usize, name: Name, start: usize, value_start: usize) {
        let offset = |at: usize| u32::try_from(at).expect("limits keep a header section far below 4 GiB");
        let field = Field {
            name,
            start: offset(start),
            name_len: offset(value_start - start),
            value_start: offset(value_start),
            value_end: offset(self.text.len()),
        };
        self.fields.insert(at, field);
    }

    /// Copies fields of a parsed message as they are; such a value never holds a line end.
    pub(crate) fn copy(&mut self, from: &Self, name: Name) {
        for value in from.fields(name) {
            let start = self.text.len();
            self.text.push_str(value);
            self.insert(self.fields.len(), name, start, start);
        }
    }

    /// Adds a tag to a To that has none, keeping its text as it came.
    pub(crate) fn tag_to(&mut self, tag: &str) {
        let Some(at) = self.fields.iter().position(|field| field.name == Name::To) else { return };
        debug_assert!(is_token(tag), "a tag is a token");
        let tagged = format!("{};tag={tag}", self.value_of(&self.fields[at]));
        let start = self.text.len();
        self.text.push_str(&tagged);
        self.fields.remove(at);
        self.insert(at, Name::To, start, start);
    }

    /// Replaces the value of the first Via line's first value by one that was read from it, and so holds no line end.
    pub(crate) fn replace_top_via(&mut self, via: &Via) {
        let Some(at) = self.fields.iter().position(|field| field.name == Name::Via) else { return };
        let mut line = via.to_string();
        for other in split_values(self.value_of(&self.fields[at])).skip(1) {
            line.push_str(", ");
            line.push_str(other);
        }
        debug_assert!(!line.contains(['\r', '\n']), "a line that was read holds no line end");
        let start = self.text.len();
        self.text.push_str(&line);
        self.fields.remove(at);
        self.insert(at, Name::Via, start, start);
    }

    /// What is written of the fields: their names and values.
    fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter().filter(|field| field.name != Name::ContentLength);
        fields.map(|field| (self.name_text(field), self.value_of(field)))
    }

    /// How many bytes [`Self::write`] adds.
    pub(crate) fn written_len(&self) -> usize {
        self.written().map(|(name, value)| name.len() + value.len() + 4).sum()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in self.written() {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    fn one(&self, name: Name) -> Result<&str, FieldError> {
        self.first(name).ok_or(FieldError::Missing(name.as_str()))
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, FieldError> {
        NameAddr::parse(self.one(Name::From)?)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, FieldError> {
        NameAddr::parse(self.one(Name::To)?)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, FieldError> {
        self.one(Name::CallId)
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, FieldError> {
        CSeq::parse(self.one(Name::CSeq)?)
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, FieldError> {
        Via::parse(split_values(self.one(Name::Via)?).next().unwrap_or(""))
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via, FieldError>> {
        self.fields(Name::Via).flat_map(split_values).map(Via::parse)
    }

    /// The Contact fields.
    pub fn contacts(&self) -> Result<Contacts, FieldError> {
        Contacts::parse(self.fields(Name::Contact))
    }

    /// Path or Route values, in order.
    pub fn routes(&self, name: Name) -> Result<Vec<NameAddr>, FieldError> {
        self.values(name).map(NameAddr::parse).collect()
    }

    /// Expires in seconds; `None` if absent or not a number, which §20.19 and RFC 4475 §3.1.2.4 let us treat alike.
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(self.first(Name::Expires)?)
    }

    /// Max-Forwards; `None` if absent or above 255.
    pub fn max_forwards(&self) -> Option<u8> {
        digits(self.first(Name::MaxForwards)?).and_then(|n| u8::try_from(n).ok())
    }

    /// Retry-After in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        let text = self.first(Name::RetryAfter)?;
        delta_seconds(&text[..text.find([';', '(']).unwrap_or(text.len())])
    }

    /// Session-Expires (RFC 4028 §4): the interval in seconds, and who is named to refresh.
    pub fn session_expires(&self) -> Option<(u32, Option<Refresher>)> {
        let text = self.first(Name::SessionExpires)?;
        let (seconds, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let params = Params::parse_header(params)?;
        let refresher = params.value("refresher").and_then(Refresher::parse);
        Some((delta_seconds(seconds)?, refresher))
    }

    /// Min-SE in seconds (RFC 4028 §5).
    pub fn min_se(&self) -> Option<u32> {
        let text = self.first(Name::MinSe)?;
        delta_seconds(&text[..text.find(';').unwrap_or(text.len())])
    }

    /// Whether a list of tokens (Supported, Require, Allow) holds this one. Option tags and methods are compared as they
    /// are.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.values(name).any(|value| value == token)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Result<Option<MediaType>, FieldError> {
        self.first(Name::ContentType).map(MediaType::parse).transpose()
    }

    /// The readable ranges of Accept; `None` if there is no such field.
    pub fn accept(&self) -> Option<Vec<MediaType>> {
        self.first(Name::Accept)?;
        Some(self.values(Name::Accept).filter_map(|value| MediaType::parse(value).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_makes_another_field() {
        let mut headers = Headers::default();
        for value in ["a\r\nVia: b", "a\nb", "a\rb", "a\0b", "\u{85}"] {
            assert_eq!(headers.push(Name::Subject, value), Err(HeaderError::Control), "{value:?}");
            assert_eq!(headers.push_named("X-A", value), Err(HeaderError::Control), "{value:?}");
        }
        assert_eq!(headers.push_named("X-A\r\nB", "c"), Err(HeaderError::Name));
        assert_eq!(headers.push(Name::ContentLength, 5), Err(HeaderError::Reserved));
        assert_eq!(headers.push_named("l", 5), Err(HeaderError::Reserved));
        assert!(headers.is_empty());
    }

    #[test]
    fn fields_keep_their_order_and_lists_are_split() {
        let mut headers = Headers::default();
        headers.push(Name::Via, "SIP/2.0/UDP b.example;branch=z9hG4bK2, SIP/2.0/UDP c.example").unwrap();
        headers.push_named("X-Odd", ";;,").unwrap();
        headers.push_front(Name::Via, "SIP/2.0/TCP a.example;branch=z9hG4bK1").unwrap();
        let hosts: Vec<_> = headers.vias().map(|via| via.unwrap().host).collect();
        assert_eq!(hosts, ["a.example", "b.example", "c.example"]);
        assert_eq!(headers.named("x-odd"), Some(";;,"));
        let mut out = Vec::new();
        headers.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Via: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\n\
             Via: SIP/2.0/UDP b.example;branch=z9hG4bK2, SIP/2.0/UDP c.example\r\nX-Odd: ;;,\r\n"
        );
    }
}
