//! Stanza error ↔ SIP response (RFC 7247 §7).
//!
//! Where this differs from the tables of the standard, the reason is one of:
//!
//! * A request that is not an INVITE is never answered 408 (RFC 4320 §4.2): what the tables map to 408 becomes 480.
//! * 401 and 407 are challenges and need headers that no partner can give: they become 403.
//! * `service-unavailable` is never 503, which would speak of this whole server (RFC 7247 §7.1 note 5): 403.
//! * A full queue of ours is 480 with Retry-After, not 500.
//! * A new address in `gone` or `redirect` is not read: an endpoint would follow a Contact without asking whether it is
//!   still within the partner's domains. So `gone` is always 410, and `redirect` 480.
//! * Addresses of Contact headers do not cross: where an internal endpoint has moved is not a partner's business.

use sip::Status;
use xmpp::stanza::{Condition, StanzaError};

/// How long an endpoint should wait when a queue was full, in seconds: the default of `queue_age`.
pub const RETRY_AFTER_SECONDS: u32 = 60;

/// Which address the failed stanza was sent to; the standard has other statuses for one endpoint than for a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Addressed {
    /// A bare address: all endpoints of the user.
    Bare,
    /// A full address: one endpoint.
    Full,
}

/// Where a stanza error was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// By our own side, which could not hand the stanza to the partner.
    Ours,
    /// By the partner.
    Partner,
}

/// What a SIP response says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: Status,
    /// For the reason phrase and `Warning: 399`: the error's text on one line.
    pub text: Option<String>,
    /// Retry-After in seconds.
    pub retry_after: Option<u32>,
}

impl Answer {
    /// An answer that says nothing beyond `status`.
    pub fn new(status: Status) -> Self {
        Self { status, text: None, retry_after: None }
    }

    /// The same with a text for people.
    pub fn with_text(mut self, text: &str) -> Self {
        self.text = Some(one_line(text)).filter(|text| !text.is_empty());
        self
    }
}

/// The SIP answer for a stanza error.
pub fn to_sip(error: &StanzaError, addressed: Addressed, origin: Origin) -> Answer {
    let full_queue = origin == Origin::Ours && error.condition == Condition::ResourceConstraint;
    let answer = if full_queue {
        Answer { retry_after: Some(RETRY_AFTER_SECONDS), ..Answer::new(Status::TEMPORARILY_UNAVAILABLE) }
    } else {
        Answer::new(status_of(error.condition, addressed))
    };
    answer.with_text(error.text.as_deref().unwrap_or_default())
}

/// RFC 7247 §7.1, table 2, as changed by this module's rules.
fn status_of(condition: Condition, addressed: Addressed) -> Status {
    let by_address = |full, bare| if addressed == Addressed::Full { full } else { bare };
    match condition {
        Condition::BadRequest
        | Condition::Conflict
        | Condition::JidMalformed
        | Condition::SubscriptionRequired
        | Condition::UndefinedCondition
        | Condition::UnexpectedRequest => Status::BAD_REQUEST,
        Condition::FeatureNotImplemented => by_address(Status::METHOD_NOT_ALLOWED, Status::NOT_IMPLEMENTED),
        Condition::Forbidden => by_address(Status::FORBIDDEN, Status::DECLINE),
        Condition::Gone => Status::GONE,
        Condition::InternalServerError | Condition::ResourceConstraint => Status::SERVER_INTERNAL_ERROR,
        Condition::ItemNotFound => by_address(Status::NOT_FOUND, Status::DOES_NOT_EXIST_ANYWHERE),
        Condition::NotAcceptable => by_address(Status::NOT_ACCEPTABLE, Status::NOT_ACCEPTABLE_ANYWHERE),
        Condition::NotAllowed
        | Condition::NotAuthorized
        | Condition::PolicyViolation
        | Condition::RegistrationRequired
        | Condition::ServiceUnavailable => Status::FORBIDDEN,
        Condition::RecipientUnavailable => by_address(Status::TEMPORARILY_UNAVAILABLE, Status::BUSY_EVERYWHERE),
        Condition::Redirect | Condition::RemoteServerTimeout => Status::TEMPORARILY_UNAVAILABLE,
        Condition::RemoteServerNotFound => Status::NOT_FOUND,
    }
}

/// The stanza error for a final SIP response that is no success. `phrase` is the response's reason phrase.
pub fn to_xmpp(status: Status, phrase: &str) -> StanzaError {
    let phrase = one_line(phrase);
    let error = StanzaError::new(condition_of(status));
    if phrase.is_empty() { error } else { error.with_text(phrase) }
}

/// RFC 7247 §7.2, table 3.
fn condition_of(status: Status) -> Condition {
    match status.code() {
        301 | 410 => Condition::Gone,
        401 => Condition::NotAuthorized,
        403 => Condition::Forbidden,
        404 | 481 | 484 | 485 | 604 => Condition::ItemNotFound,
        405 | 420 | 439 | 501 => Condition::FeatureNotImplemented,
        380 | 406 | 415 | 416 | 421 | 482 | 483 | 488 | 505 | 606 => Condition::NotAcceptable,
        407 => Condition::RegistrationRequired,
        408 | 504 => Condition::RemoteServerTimeout,
        413 | 414 | 440 | 489 | 513 => Condition::PolicyViolation,
        423 => Condition::ResourceConstraint,
        430 | 480 | 486 | 487 => Condition::RecipientUnavailable,
        491 => Condition::UnexpectedRequest,
        502 => Condition::RemoteServerNotFound,
        300..400 => Condition::Redirect,
        400..500 => Condition::BadRequest,
        500..600 => Condition::InternalServerError,
        _ => Condition::RecipientUnavailable,
    }
}

/// `text` without line breaks and other controls, at most 200 characters, as a reason phrase or quoted string carries it.
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    for character in words.flat_map(|word| word.chars().chain([' '])).take(200) {
        line.push(character);
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests;
