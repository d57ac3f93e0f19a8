//! SIP MESSAGE → message stanza (RFC 7572 §5).

use lexicon::Jid;
use sip::{MediaType, Name, Request, Status};
use xmpp::{
    stanza::build::{self, Head, Message},
    xml::Batch,
};

use super::{Text, read::is_language_tag};
use crate::error::{Answer, one_line};

/// Value of Accept in a 415.
pub const ACCEPT: &str = "text/plain";

/// Why the body of a MESSAGE is not a text that we carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8 (or its subset US-ASCII) by its own word.
    #[error("Only the charset UTF-8 is accepted")]
    Charset,
    /// Compressed or otherwise encoded.
    #[error("Content-Encoding is not supported")]
    ContentEncoding,
    /// Not `text/plain`, or no type at all.
    #[error("Only text/plain is accepted")]
    ContentType,
    /// Nothing to carry.
    #[error("The message is empty")]
    Empty,
    /// A Content-Type that cannot be read.
    #[error("Malformed Content-Type")]
    Malformed,
    /// Bytes that are not what the charset says.
    #[error("The message is not UTF-8")]
    NotUtf8,
}

impl BodyError {
    /// The answer to the sender; with 415 belong [`Self::fields`].
    pub fn answer(self) -> Answer {
        let status = match self {
            Self::Charset | Self::ContentEncoding | Self::ContentType => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Empty | Self::Malformed | Self::NotUtf8 => Status::BAD_REQUEST,
        };
        Answer::new(status).with_text(&self.to_string())
    }

    /// The header fields that say what we do take (RFC 3261 §21.4.13).
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Charset | Self::ContentType => &[("Accept", ACCEPT)],
            Self::ContentEncoding => &[("Accept-Encoding", "identity")],
            Self::Empty | Self::Malformed | Self::NotUtf8 => &[],
        }
    }
}

/// The text of a MESSAGE with its subject and language. Line ends become `\n`, as XML has them.
pub fn text_of(request: &Request) -> Result<Text, BodyError> {
    let headers = &request.headers;
    if request.body().is_empty() {
        return Err(BodyError::Empty);
    }
    if headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(BodyError::ContentEncoding);
    }
    let media = headers.content_type().map_err(|_| BodyError::Malformed)?.ok_or(BodyError::ContentType)?;
    check_media(&media)?;
    let body = std::str::from_utf8(request.body()).map_err(|_| BodyError::NotUtf8)?;
    let subject = headers.first(Name::Subject).map(one_line).filter(|subject| !subject.is_empty());
    let language = headers.values(Name::ContentLanguage).next().filter(|tag| is_language_tag(tag));
    Ok(Text {
        body: body.replace("\r\n", "\n").replace('\r', "\n"),
        subject,
        language: language.map(str::to_owned),
        encrypted: false,
    })
}

fn check_media(media: &MediaType) -> Result<(), BodyError> {
    if media.essence != ACCEPT {
        return Err(BodyError::ContentType);
    }
    let charset = media.params.unquoted("charset");
    match charset.as_deref() {
        Some(name) if !["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)) => {
            Err(BodyError::Charset)
        }
        _ => Ok(()),
    }
}

/// Who a stanza is from and for, and what errors refer to.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// The internal user, with a resource only if it is a public GRUU.
    pub from: &'a Jid,
    /// The partner's user.
    pub to: &'a Jid,
    /// The stanza's id.
    pub id: &'a str,
}

/// The message stanza for a text. `message_type` is `chat` or `normal`; `thread` is a Call-ID that repeats.
pub fn stanza(addresses: Addresses<'_>, text: &Text, message_type: &str, thread: Option<&str>) -> Batch {
    let (from, to) = (addresses.from.to_string(), addresses.to.to_string());
    let head = Head { from: &from, to: &to, id: Some(addresses.id) };
    let message = Message {
        message_type: Some(message_type),
        body: Some(&text.body),
        subject: text.subject.as_deref(),
        thread,
        lang: text.language.as_deref(),
    };
    build::message(head, message)
}
