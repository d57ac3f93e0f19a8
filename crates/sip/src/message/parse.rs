//! From the bytes of one message to the message (RFC 3261 §7.3, §8.2.2, §18.3, §20).
//!
//! Strict where two readers could differ: line ends are CRLF and nothing else, Content-Length comes once, a field that may
//! come once comes once. Tolerant where the standard is: order, case, blanks, folding, unknown methods, headers and
//! schemes, a missing Max-Forwards (RFC 2543).

use std::borrow::Cow;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{
    CSeq, Contacts, FieldError, Headers, Message, Method, Name, NameAddr, Request, Response, Status, Uri, Via,
    field::digits,
    scan::{is_token, split_values, trim},
};

/// How large a message may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Start line and header section with their line ends, in bytes.
    pub head_bytes_max: usize,
    /// Header lines.
    pub fields_max: usize,
    /// Body, in bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes_max: 16 * 1024, fields_max: 128, body_bytes_max: 64 * 1024 }
    }
}

/// What is wrong with a message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// The body ends before Content-Length bytes (datagrams).
    #[error("Body Shorter Than Content-Length")]
    BodyShort,
    /// The body exceeds the limit.
    #[error("Request Entity Too Large")]
    BodyTooLarge,
    /// Content-Length is missing on a stream, repeated or not a number.
    #[error("{0} Content-Length")]
    ContentLength(&'static str),
    /// A field does not follow its grammar, is missing or repeated.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A line of the header section is not a field.
    #[error("Malformed Header Line")]
    HeaderLine,
    /// The header section exceeds the limit.
    #[error("Header Section Too Large")]
    HeadTooLarge,
    /// CR or LF alone, or no blank line at the end.
    #[error("Malformed Line End")]
    LineEnd,
    /// A method that is not known stands in the start line and another in CSeq (RFC 4475 §3.1.2.18).
    #[error("Unknown Method And Malformed CSeq")]
    MethodMismatch,
    /// A header field is not UTF-8.
    #[error("Header Field Not UTF-8")]
    NotUtf8,
    /// The first line is neither a request line nor a status line.
    #[error("Malformed Start Line")]
    StartLine,
    /// Another version than SIP/2.0.
    #[error("Version Not Supported")]
    Version,
}

impl Flaw {
    /// The status of the answer.
    pub fn status(&self) -> Status {
        match self {
            Self::BodyTooLarge => Status::REQUEST_ENTITY_TOO_LARGE,
            Self::HeadTooLarge => Status::MESSAGE_TOO_LARGE,
            Self::MethodMismatch => Status::NOT_IMPLEMENTED,
            Self::Version => Status::VERSION_NOT_SUPPORTED,
            _ => Status::BAD_REQUEST,
        }
    }
}

/// A message that cannot be used, and what to answer.
#[derive(Clone, Debug)]
pub struct Defect {
    /// What is wrong: for counters and logs.
    pub flaw: Flaw,
    /// The answer; `None` for responses, ACK, and requests whose topmost Via does not even name its sender.
    pub answer: Option<Box<Response>>,
}

impl Defect {
    /// Notes the source in the answer, as [`Request::note_source`] does, and returns where it goes over UDP.
    pub fn note_source(&mut self, source: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
        let answer = self.answer.as_mut()?;
        let Ok(mut via) = answer.headers.via() else {
            // It goes back as it came.
            return Some(top_via(&answer.headers)?.reply_target(source));
        };
        let target = via.reply_target(source);
        via.note_source(source);
        answer.headers.replace_top_via(&via);
        Some(target)
    }

    pub(crate) fn new(flaw: Flaw, head: &[u8]) -> Self {
        let answer = salvage(head).map(|request| {
            let tag = HEXLOWER.encode(&Sha256::digest(head)[..8]);
            Box::new(Response::to(&request, flaw.status(), &tag).with_phrase(&flaw.to_string()))
        });
        Self { flaw, answer }
    }
}

/// Reads a whole message. `head` ends with the blank line.
pub(crate) fn message(head: &[u8], body: Bytes, limits: &Limits) -> Result<Message, Defect> {
    read(head, body, limits).map_err(|flaw| Defect::new(flaw, head))
}

fn read(head: &[u8], body: Bytes, limits: &Limits) -> Result<Message, Flaw> {
    check_size(head.len(), limits)?;
    check_line_ends(head)?;
    let (start, section) = split_start(head);
    let start = std::str::from_utf8(start).map_err(|_| Flaw::NotUtf8)?;
    let headers = read_headers(section, limits)?;
    if let Some(rest) = start.strip_prefix("SIP/2.0 ") {
        let (code, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let code = if code.len() == 3 { digits(code) } else { None };
        let status = code.and_then(|c| u16::try_from(c).ok()).and_then(Status::new).ok_or(Flaw::StartLine)?;
        check_fields(&headers, None)?;
        return Ok(Message::Response(Response { status, headers, phrase: Some(phrase.to_owned()), body }));
    }
    let mut parts = start.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Flaw::StartLine);
    };
    let method = Method::parse(method).ok_or(Flaw::StartLine)?;
    if version != "SIP/2.0" {
        return Err(if is_version(version) { Flaw::Version } else { Flaw::StartLine });
    }
    let uri = Uri::parse(uri)?;
    if uri.headers().is_some() {
        // §19.1.1: a Request-URI holds no headers.
        return Err(Flaw::Field(FieldError::Uri));
    }
    let is_unknown = matches!(method, Method::Other(_));
    check_fields(&headers, Some(&method)).map_err(|error| match error {
        FieldError::CSeq if is_unknown && headers.cseq().is_ok() => Flaw::MethodMismatch,
        error => Flaw::Field(error),
    })?;
    Ok(Message::Request(Request { method, uri, headers, body }))
}

fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix("SIP/").and_then(|rest| rest.split_once('.'));
    numbers.is_some_and(|(major, minor)| digits(major).is_some() && digits(minor).is_some())
}

pub(crate) fn check_size(head_bytes: usize, limits: &Limits) -> Result<(), Flaw> {
    if head_bytes > limits.head_bytes_max { Err(Flaw::HeadTooLarge) } else { Ok(()) }
}

/// Every CR is followed by LF and every LF preceded by CR, so that no two readers see different lines.
pub(crate) fn check_line_ends(head: &[u8]) -> Result<(), Flaw> {
    let paired = memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r');
    let alike = memchr::memchr_iter(b'\n', head).count() == memchr::memchr_iter(b'\r', head).count();
    if paired && alike && head.ends_with(b"\r\n\r\n") { Ok(()) } else { Err(Flaw::LineEnd) }
}

/// The offset of the first CRLF.
fn find_line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find(|at| *at > 0 && bytes[at - 1] == b'\r').map(|at| at - 1)
}

fn split_start(head: &[u8]) -> (&[u8], &[u8]) {
    match find_line_end(head) {
        Some(at) => (&head[..at], &head[at + 2..]),
        None => (head, b""),
    }
}

/// The header section with each fold replaced by blanks of the same length.
fn unfold(section: &[u8]) -> Cow<'_, [u8]> {
    let is_fold = |at: &usize| {
        let follows = matches!(section.get(at + 1), Some(b' ' | b'\t'));
        follows && *at > 0 && section[at - 1] == b'\r'
    };
    let mut folds = memchr::memchr_iter(b'\n', section).filter(is_fold).peekable();
    if folds.peek().is_none() {
        return Cow::Borrowed(section);
    }
    let mut bytes = section.to_vec();
    for at in folds {
        bytes[at - 1..=at].fill(b' ');
    }
    Cow::Owned(bytes)
}

fn read_headers(section: &[u8], limits: &Limits) -> Result<Headers, Flaw> {
    if section.starts_with(b" ") || section.starts_with(b"\t") {
        return Err(Flaw::HeaderLine);
    }
    let text = String::from_utf8(unfold(section).into_owned()).map_err(|_| Flaw::NotUtf8)?;
    let mut headers = Headers::parsed(text);
    let mut at = 0;
    while let Some(length) = find_line_end(&headers.text().as_bytes()[at..]).filter(|length| *length > 0) {
        if headers.len() == limits.fields_max {
            return Err(Flaw::HeadTooLarge);
        }
        let line = &headers.text()[at..at + length];
        let colon = line.find(':').ok_or(Flaw::HeaderLine)?;
        let name = line[..colon].trim_end_matches([' ', '\t']);
        let value = trim(&line[colon + 1..]);
        if !is_token(name) {
            return Err(Flaw::HeaderLine);
        }
        let value_start = at + length - line[colon + 1..].trim_start_matches([' ', '\t']).len();
        let (name_end, value_end) = (at + name.len(), value_start + value.len());
        headers.note((at, name_end), (value_start, value_end)).ok_or(Flaw::HeadTooLarge)?;
        at += length + 2;
    }
    Ok(headers)
}

/// The fields that every message has (§8.1.1) and those that decide where it goes.
fn check_fields(headers: &Headers, method: Option<&Method>) -> Result<(), FieldError> {
    const ONCE: [Name; 8] = [
        Name::From,
        Name::To,
        Name::CallId,
        Name::CSeq,
        Name::MaxForwards,
        Name::ContentLength,
        Name::ContentType,
        Name::Expires,
    ];
    if let Some(name) = ONCE.into_iter().find(|name| headers.fields(*name).nth(1).is_some()) {
        return Err(FieldError::Repeated(name.as_str()));
    }
    headers.first(Name::Via).ok_or(FieldError::Missing("Via"))?;
    headers.fields(Name::Via).flat_map(split_values).try_for_each(|via| Via::parse(via).map(drop))?;
    NameAddr::parse(headers.first(Name::From).ok_or(FieldError::Missing("From"))?)?;
    NameAddr::parse(headers.first(Name::To).ok_or(FieldError::Missing("To"))?)?;
    let call_id = headers.call_id()?;
    if call_id.is_empty() || !call_id.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Err(FieldError::CallId);
    }
    let cseq: CSeq = headers.cseq()?;
    if method.is_some_and(|method| *method != cseq.method) {
        return Err(FieldError::CSeq);
    }
    if headers.first(Name::MaxForwards).is_some_and(|n| n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit())) {
        return Err(FieldError::Number("Max-Forwards"));
    }
    Contacts::parse(headers.fields(Name::Contact)).map(drop)
}

/// Content-Length of a head, read before anything else and alone: a head that is broken elsewhere is still framed, and
/// framing and parser cannot differ.
pub(crate) fn content_length(head: &[u8]) -> Result<Option<usize>, Flaw> {
    let section = unfold(split_start(head).1);
    let mut found = None;
    let mut rest = &*section;
    while let Some(end) = find_line_end(rest) {
        let line = &rest[..end];
        rest = &rest[end + 2..];
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = line[..colon].trim_ascii();
        if !name.eq_ignore_ascii_case(b"Content-Length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        if found.is_some() {
            return Err(Flaw::ContentLength("Repeated"));
        }
        let value = line[colon + 1..].trim_ascii();
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Flaw::ContentLength("Malformed"));
        }
        // What does not fit exceeds every limit.
        found = Some(std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()).unwrap_or(usize::MAX));
    }
    Ok(found)
}

/// The topmost Via, read as far as it can be.
fn top_via(headers: &Headers) -> Option<Via> {
    headers.via().ok().or_else(|| Via::salvage(headers.first(Name::Via)?))
}

/// What of a broken request is needed to answer it. Nothing for a response or an ACK, which are never answered, nor
/// without a Via that names its sender.
fn salvage(head: &[u8]) -> Option<Request> {
    let (start, section) = split_start(head);
    let start = String::from_utf8_lossy(start);
    if start.starts_with("SIP/") || start.starts_with("ACK ") || !start.contains("SIP/") {
        return None;
    }
    let uri = Uri::sip(None, "invalid", None).ok()?;
    let mut request = Request::new(Method::Options, uri);
    let section = String::from_utf8_lossy(&unfold(section)).into_owned();
    for line in section.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (Name::of(trim(name)), trim(value));
        let wanted = matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq);
        let repeated = name != Name::Via && request.headers.first(name).is_some();
        if wanted && !repeated && !value.contains('\u{fffd}') && request.headers.len() < 32 {
            // A value with a control character is left out.
            let _left_out = request.headers.push(name, value);
        }
    }
    top_via(&request.headers).map(|_| request)
}
