//! SIP MESSAGE → message stanza (RFC 7572 §5).

use lexicon::Jid;
use sip::{Name, Request};
use xmpp::{
    stanza::build::{self, Head, Message},
    xml::Batch,
};

use super::{Text, read::is_language_tag};
use crate::{
    body::{self, BodyError, Media},
    error::one_line,
};

/// The text of a MESSAGE, in a dialog or out of one, with its subject and language. HTML and alternatives become plain
/// text; line ends become `\n`, as XML has them.
pub fn text_of(request: &Request) -> Result<Text, BodyError> {
    let headers = &request.headers;
    if request.body().is_empty() {
        return Err(BodyError::Empty);
    }
    if headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(BodyError::ContentEncoding);
    }
    let content_type = headers.first(Name::ContentType).ok_or(BodyError::ContentType)?;
    let media = Media::read(content_type).ok_or(BodyError::Malformed)?;
    let body = body::text(&media, request.body())?;
    let subject = headers.first(Name::Subject).map(one_line).filter(|subject| !subject.is_empty());
    let language = headers.values(Name::ContentLanguage).next().filter(|tag| is_language_tag(tag));
    Ok(Text { body, subject, language: language.map(str::to_owned), encrypted: false })
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
