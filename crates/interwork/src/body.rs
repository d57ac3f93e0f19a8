//! The plain text in the body of a MESSAGE (RFC 7572 §7, RFC 2046).
//!
//! `text/plain` is taken as it is, `text/html` reduced to the text that a reader sees, and of `multipart/alternative` the
//! part that comes nearest to plain text. RFC 7572 §7 would map HTML to XHTML-IM, which no client need show; text is what
//! all of them show. Everything else is refused with what we take: `text/rtf`, which no client of ours sends alone,
//! `multipart/mixed` and `multipart/related`, whose parts are not alternatives. What is in `message/cpim` is looked at alike.

use crate::error::Answer;

mod charset;
mod entity;
mod html;
mod media;
mod multipart;
#[cfg(test)]
mod tests;

use sip::Status;

pub(crate) use media::{Media, base64, pieces};

/// Value of Accept: the types of a body that has a text, alone or in an envelope, and of typing.
pub const ACCEPT: &str = "text/plain, text/html, multipart/alternative, message/cpim, application/im-iscomposing+xml";

/// Alternatives within alternatives.
const DEPTH_MAX: u8 = 3;

/// Why a body is not a text that we carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// A charset that we do not know.
    #[error("Only the charsets UTF-8, UTF-16, ISO-8859-1 and US-ASCII are accepted")]
    Charset,
    /// Compressed or otherwise encoded.
    #[error("Content-Encoding is not supported")]
    ContentEncoding,
    /// A type without a text form, or no type at all.
    #[error("Only text/plain, text/html and multipart/alternative are accepted, alone or in message/cpim")]
    ContentType,
    /// An envelope that cannot be opened.
    #[error(transparent)]
    Envelope(#[from] crate::cpim::Malformed),
    /// A notification that cannot be read.
    #[error(transparent)]
    Notification(#[from] crate::imdn::Malformed),
    /// Nothing to carry.
    #[error("The message is empty")]
    Empty,
    /// A Content-Type that cannot be read.
    #[error("Malformed Content-Type")]
    Malformed,
    /// A multipart body whose parts cannot be told apart, or with more of them than the limit.
    #[error("Malformed multipart body")]
    Parts,
    /// Bytes that are not what charset or transfer encoding say.
    #[error("The message is not in the encoding that it names")]
    Undecodable,
}

impl BodyError {
    /// The answer to the sender; with 415 belong [`Self::fields`].
    pub fn answer(self) -> Answer {
        let status = match self {
            Self::Charset | Self::ContentEncoding | Self::ContentType => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Empty
            | Self::Envelope(_)
            | Self::Malformed
            | Self::Notification(_)
            | Self::Parts
            | Self::Undecodable => Status::BAD_REQUEST,
        };
        Answer::new(status).with_text(&self.to_string())
    }

    /// The header fields that say what we do take (RFC 3261 §21.4.13).
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Charset | Self::ContentType => &[("Accept", ACCEPT)],
            Self::ContentEncoding => &[("Accept-Encoding", "identity")],
            Self::Empty
            | Self::Envelope(_)
            | Self::Malformed
            | Self::Notification(_)
            | Self::Parts
            | Self::Undecodable => &[],
        }
    }
}

/// The text of `body`, whose Content-Type is `media`. Never empty; lines end with `\n`, as XML has them.
pub(crate) fn text(media: &Media<'_>, body: &[u8]) -> Result<String, BodyError> {
    text_within(media, body, DEPTH_MAX)
}

fn text_within(media: &Media<'_>, body: &[u8], depth: u8) -> Result<String, BodyError> {
    let text = match media.essence() {
        "text/plain" => charset::decode(media, body)?.replace("\r\n", "\n").replace('\r', "\n"),
        "text/html" => html::to_text(&charset::decode(media, body)?),
        "multipart/alternative" if depth > 0 => multipart::text(media, body, depth - 1)?,
        _ => return Err(BodyError::ContentType),
    };
    if text.is_empty() { Err(BodyError::Empty) } else { Ok(text) }
}
