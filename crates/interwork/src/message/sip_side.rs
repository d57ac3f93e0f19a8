//! Message stanza → SIP MESSAGE (RFC 7572 §4, RFC 3428 §8).

use lexicon::Timestamp;
use sip::{Method, Name, NameAddr, Request, Uri, message::HeaderError};
use xmpp::stanza::{Condition, StanzaError};

use super::{PARTS_MAX, Text, split};
use crate::{
    cpim::{self, CPIM, Wanted, Writing},
    error::one_line,
};

/// Most bytes of a whole MESSAGE on a path that may lack congestion control (RFC 3428 §8).
pub const PAGE_BYTES_MAX: usize = 1300;

/// Most bytes of a body on a path that is known to have it.
pub const BODY_BYTES_MAX: usize = 65_536;

/// Bytes kept free for what is added on the way out: Via with an IPv6 address, the digits of Content-Length.
const VIA_BYTES: usize = 150;

/// What is known of the way to an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// A datagram somewhere, perhaps: the whole request is limited to [`PAGE_BYTES_MAX`].
    Any,
    /// Congestion control on every hop: the body is limited to [`BODY_BYTES_MAX`].
    CongestionSafe,
}

/// Where a MESSAGE goes and in whose name.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The Request-URI: the endpoint's Contact.
    pub uri: &'a Uri,
    /// The sender.
    pub from: &'a Uri,
    /// The recipient's address of record.
    pub to: &'a Uri,
    /// What is known of the way there.
    pub path: Path,
    /// The envelope for an endpoint that is asked to tell what becomes of the text. A text that must be split goes
    /// without.
    pub enclosing: Option<Enclosing<'a>>,
}

/// An envelope (`message/cpim`) that asks for a delivery notification.
#[derive(Clone, Copy, Debug)]
pub struct Enclosing<'a> {
    /// What the notification refers to.
    pub message_id: &'a str,
    /// When the text was written.
    pub at: Timestamp,
}

/// Fresh identifiers for one request.
#[derive(Clone, Debug)]
pub struct Ids {
    /// Call-ID.
    pub call_id: String,
    /// Tag of From.
    pub tag: String,
}

/// The requests that carry `text` to one endpoint, to be sent in order, each after the one before was answered.
///
/// # Errors
/// `policy-violation` naming the limit when the text is too long for this endpoint.
pub fn requests(text: &Text, target: Target<'_>, mut ids: impl FnMut() -> Ids) -> Result<Vec<Request>, StanzaError> {
    let first = head(text, target, &ids()).map_err(|_| unwritable())?;
    let room = match target.path {
        Path::Any => PAGE_BYTES_MAX.saturating_sub(first.to_bytes().len() + VIA_BYTES),
        Path::CongestionSafe => BODY_BYTES_MAX,
    };
    if let Some(enclosing) = target.enclosing {
        let body = enclosed(text, target, enclosing);
        if body.len() <= room {
            let mut request = first;
            request.set_body(CPIM, body).map_err(|_| unwritable())?;
            return Ok(vec![request]);
        }
    }
    let parts = match target.path {
        Path::CongestionSafe if text.body.len() > room => None,
        _ => split(&text.body, room),
    };
    let parts = parts.ok_or_else(|| too_long(target.path, room))?;
    let mut requests = Vec::with_capacity(parts.len());
    for part in parts {
        let request = match requests.is_empty() {
            true => Ok(first.clone()),
            false => head(text, target, &ids()),
        };
        let mut request = request.map_err(|_| unwritable())?;
        request.set_body(CONTENT_TYPE, part.into_owned()).map_err(|_| unwritable())?;
        requests.push(request);
    }
    Ok(requests)
}

const CONTENT_TYPE: &str = "text/plain;charset=UTF-8";

fn enclosed(text: &Text, target: Target<'_>, enclosing: Enclosing<'_>) -> String {
    let (from, to) = (target.from.to_string(), target.to.to_string());
    let writing = Writing {
        from: &from,
        to: &to,
        message_id: enclosing.message_id,
        at: enclosing.at,
        wanted: Wanted { delivery: true, ..Wanted::default() },
        content_type: CONTENT_TYPE,
    };
    cpim::write(writing, &text.body)
}

/// The request without its text.
fn head(text: &Text, target: Target<'_>, ids: &Ids) -> Result<Request, HeaderError> {
    let from = NameAddr::new(target.from.clone()).with_tag(&ids.tag);
    let to = NameAddr::new(target.to.clone());
    let mut request = Request::out_of_dialog(Method::Message, target.uri.clone(), &from, &to, &ids.call_id, 1)?;
    if let Some(subject) = &text.subject {
        request.headers.push(Name::Subject, one_line(subject))?;
    }
    if let Some(language) = &text.language {
        request.headers.push(Name::ContentLanguage, language)?;
    }
    request.set_body(CONTENT_TYPE, "")?;
    Ok(request)
}

fn unwritable() -> StanzaError {
    StanzaError::new(Condition::InternalServerError).with_text("The message cannot be written as a SIP request")
}

fn too_long(path: Path, room: usize) -> StanzaError {
    let limit = match path {
        Path::Any => format!("{PARTS_MAX} messages of {room} bytes"),
        Path::CongestionSafe => format!("{BODY_BYTES_MAX} bytes"),
    };
    let text = format!("The message is too long for the recipient's device, which takes {limit}");
    StanzaError::new(Condition::PolicyViolation).with_text(text)
}

/// What the sender of an accepted MESSAGE is told when it failed afterwards.
pub fn failure_notice(error: &StanzaError) -> Text {
    notice("Not delivered", error)
}

/// The text for a sender whose message was accepted before and then left nobody knows where.
pub fn doubt_notice(error: &StanzaError) -> Text {
    notice("Perhaps not delivered", error)
}

fn notice(what: &str, error: &StanzaError) -> Text {
    let reason = error.text.as_deref().map(one_line).filter(|text| !text.is_empty());
    let reason = reason.unwrap_or_else(|| reason_of(error.condition).to_owned());
    Text { body: format!("{what}: {reason}"), ..Text::default() }
}

/// A condition in words, for an error without a text.
fn reason_of(condition: Condition) -> &'static str {
    match condition {
        Condition::Gone | Condition::ItemNotFound | Condition::JidMalformed | Condition::Redirect => {
            "there is no such address"
        }
        Condition::RecipientUnavailable => "the recipient is not available",
        Condition::RemoteServerNotFound | Condition::RemoteServerTimeout => {
            "the recipient's server could not be reached"
        }
        Condition::Forbidden
        | Condition::NotAllowed
        | Condition::NotAuthorized
        | Condition::RegistrationRequired
        | Condition::SubscriptionRequired => "the recipient does not accept messages from you",
        Condition::PolicyViolation => "the recipient's server refused it by its policy",
        Condition::ServiceUnavailable => "the recipient's server does not accept it for this address",
        _ => "the recipient's server reported an error",
    }
}
