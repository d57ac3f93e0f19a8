//! SIP MESSAGE → message stanza (RFC 7572 §5).

use lexicon::Jid;
use sip::{Name, Request};
use xmpp::{
    stanza::{
        StanzaKind,
        build::{self, Head},
    },
    xml::{Batch, ns},
};

use super::{Text, read::is_language_tag};
use crate::{
    body::{self, BodyError, Media},
    cpim::{self, CPIM, Wanted},
    error::one_line,
    imdn::{MARKERS, NOTIFICATION, Notification, RECEIPTS},
    typing::{CHAT_STATES, ChatState},
};

/// What a MESSAGE holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Opened {
    /// A text, and what its sender asks to be told of it.
    Text(Text, Option<Asked>),
    /// What became of a message that the sender has received.
    Notification(Notification),
}

/// What the sender of a message asks to be told (RFC 5438 §6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// What notifications refer to.
    pub message_id: String,
    /// Which.
    pub wanted: Wanted,
}

/// The text of a MESSAGE, in a dialog or out of one, with its subject and language. HTML and alternatives become plain
/// text; line ends become `\n`, as XML has them. Of an envelope only the text counts.
pub fn text_of(request: &Request) -> Result<Text, BodyError> {
    match open(request)? {
        Opened::Text(text, _) => Ok(text),
        Opened::Notification(_) => Err(BodyError::ContentType),
    }
}

/// The same outside of dialogs, with what an envelope (`message/cpim`) asks for, or the notification in it.
pub fn open(request: &Request) -> Result<Opened, BodyError> {
    let headers = &request.headers;
    if request.body().is_empty() {
        return Err(BodyError::Empty);
    }
    if headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(BodyError::ContentEncoding);
    }
    let content_type = headers.first(Name::ContentType).ok_or(BodyError::ContentType)?;
    let media = Media::read(content_type).ok_or(BodyError::Malformed)?;
    let subject = headers.first(Name::Subject).map(one_line).filter(|subject| !subject.is_empty());
    let language = headers.values(Name::ContentLanguage).next().filter(|tag| is_language_tag(tag)).map(str::to_owned);
    if media.essence() != CPIM {
        let body = body::text(&media, request.body())?;
        return Ok(Opened::Text(Text { body, subject, language, encrypted: false }, None));
    }
    let envelope = cpim::read(request.body())?;
    let media = Media::read(&envelope.content_type).ok_or(BodyError::Malformed)?;
    if media.essence() == NOTIFICATION {
        return Ok(Opened::Notification(Notification::read(envelope.content)?));
    }
    let body = body::text(&media, envelope.content)?;
    let text = Text { body, subject: envelope.subject.or(subject), language, encrypted: false };
    let wanted = envelope.wanted;
    let asked = envelope.message_id.filter(|_| wanted != Wanted::default());
    Ok(Opened::Text(text, asked.map(|message_id| Asked { message_id, wanted })))
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
    marked(addresses, Some(text), message_type, thread, Marks::default())
}

/// What a message stanza carries beside its text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// The sender's state (XEP-0085).
    pub state: Option<ChatState>,
    /// A receipt is asked for (XEP-0184).
    pub receipt: bool,
    /// It is asked to be told when it was shown (XEP-0333).
    pub display: bool,
}

/// The same with marks, or with marks alone.
pub fn marked(
    addresses: Addresses<'_>,
    text: Option<&Text>,
    message_type: &str,
    thread: Option<&str>,
    marks: Marks,
) -> Batch {
    let (from, to) = (addresses.from.to_string(), addresses.to.to_string());
    let head = Head { from: &from, to: &to, id: Some(addresses.id) };
    let mut writer = build::start(StanzaKind::Message, head, Some(message_type));
    writer.attribute_if("xml:lang", text.and_then(|text| text.language.as_deref()));
    let subject = text.and_then(|text| text.subject.as_deref());
    for (name, content) in [("subject", subject), ("body", text.map(|text| text.body.as_str())), ("thread", thread)] {
        if let Some(content) = content {
            writer.leaf(name, ns::SERVER, content);
        }
    }
    if let Some(state) = marks.state {
        writer.start(state.as_str(), CHAT_STATES).end();
    }
    for (name, namespace, asked) in [("request", RECEIPTS, marks.receipt), ("markable", MARKERS, marks.display)] {
        if asked {
            writer.start(name, namespace).end();
        }
    }
    build::finish(writer)
}
