//! SIP messages (RFC 3261 §7): read from bytes under limits, kept in order, written by one writer.
//!
//! A header value is UTF-8 text; a body is bytes and stays so. [`datagram`] reads what came in one datagram,
//! [`StreamFramer`] cuts messages out of a TCP or TLS stream. What cannot be read becomes a [`Defect`] with the answer to
//! send, where an answer is possible.

use std::fmt::Display;

use bytes::Bytes;

mod address;
mod field;
mod framing;
mod headers;
mod method;
mod name;
mod parse;
mod scan;
mod status;
mod uri;
mod via;

pub use address::{Contacts, NameAddr};
pub use field::{CSeq, FieldError, MediaType, Refresher, warning};
pub use framing::{Frame, StreamFramer, datagram};
pub use headers::{HeaderError, Headers};
pub use method::Method;
pub use name::Name;
pub use parse::{Defect, Flaw, Limits};
pub(crate) use scan::split_values;
pub use scan::{Params, quote, unquote};
pub use status::Status;
pub use uri::{Scheme, Uri, same_resource};
pub use via::{MAGIC_COOKIE, Via};

/// A request or a response.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request. One that was parsed has readable Via, From, To, Call-ID, CSeq and Contact fields.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The header fields.
    pub headers: Headers,
    body: Bytes,
}

impl Request {
    /// A request without header fields and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::roomy(), body: Bytes::new() }
    }

    /// A request outside a dialog (§8.1.1): To is `to`, From must have a tag; Max-Forwards is 70. Via is added by the
    /// transaction layer.
    pub fn out_of_dialog(
        method: Method,
        uri: Uri,
        from: &NameAddr,
        to: &NameAddr,
        call_id: &str,
        cseq: u32,
    ) -> Result<Self, HeaderError> {
        let cseq = CSeq { number: cseq, method: method.clone() };
        let mut request = Self::new(method, uri);
        request.headers.push(Name::MaxForwards, 70)?;
        request.headers.push(Name::From, from)?;
        request.headers.push(Name::To, to)?;
        request.headers.push(Name::CallId, call_id)?;
        request.headers.push(Name::CSeq, cseq)?;
        Ok(request)
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: impl Display, body: impl Into<Bytes>) -> Result<(), HeaderError> {
        self.headers.set(Name::ContentType, content_type)?;
        self.body = body.into();
        Ok(())
    }

    /// Writes `received` and `rport` into the topmost Via (§18.2.1, RFC 3581): done on reception from a datagram or
    /// stream whose other end is `source`. Returns where an answer over UDP goes.
    pub fn note_source(&mut self, source: std::net::SocketAddr) -> Result<std::net::SocketAddr, FieldError> {
        let mut via = self.headers.via()?;
        let target = via.reply_target(source);
        via.note_source(source);
        self.headers.replace_top_via(&via);
        Ok(target)
    }

    /// The bytes on the wire, with Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        write(&format!("{} {} SIP/2.0\r\n", self.method, self.uri), &self.headers, &self.body)
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// The header fields.
    pub headers: Headers,
    phrase: Option<String>,
    body: Bytes,
}

impl Response {
    /// A response to `request` (§8.2.6.2): Via, From, To, Call-ID and CSeq are copied; To gets `tag` if it has none.
    pub fn to(request: &Request, status: Status, tag: &str) -> Self {
        let mut headers = Headers::roomy();
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            headers.copy(&request.headers, name);
        }
        if status == Status::TRYING {
            headers.copy(&request.headers, Name::Timestamp);
        } else if request.headers.to().is_ok_and(|to| to.tag().is_none()) {
            headers.tag_to(tag);
        }
        Self { status, headers, phrase: None, body: Bytes::new() }
    }

    /// A refusal made of a response without a tag.
    pub(crate) fn into_refusal(mut self, status: Status, tag: &str) -> Self {
        self.headers.remove(Name::Timestamp);
        if self.headers.to().is_ok_and(|to| to.tag().is_none()) {
            self.headers.tag_to(tag);
        }
        Self { status, phrase: None, ..self }
    }

    /// The same with another reason phrase. Controls in it become spaces.
    #[must_use]
    pub fn with_phrase(mut self, phrase: &str) -> Self {
        self.phrase = Some(phrase.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        self
    }

    /// The reason phrase.
    pub fn phrase(&self) -> &str {
        self.phrase.as_deref().unwrap_or_else(|| self.status.phrase())
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: impl Display, body: impl Into<Bytes>) -> Result<(), HeaderError> {
        self.headers.set(Name::ContentType, content_type)?;
        self.body = body.into();
        Ok(())
    }

    /// The bytes on the wire, with Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        write(&format!("SIP/2.0 {} {}\r\n", self.status, self.phrase()), &self.headers, &self.body)
    }
}

impl Message {
    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

fn write(start: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let end = format!("Content-Length: {}\r\n\r\n", body.len());
    // Of the exact size: many answers are kept for half a minute.
    let mut out = Vec::with_capacity(start.len() + headers.written_len() + end.len() + body.len());
    out.extend_from_slice(start.as_bytes());
    headers.write(&mut out);
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(body);
    Bytes::from(out)
}
