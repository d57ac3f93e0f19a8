//! Subscriptions to the presence of users, as the notifier keeps them (RFC 6665 §4.2, RFC 3856).
//!
//! Each subscription is a dialog of its own. It says the newest state alone: one NOTIFY is in flight, and another follows its
//! answer if something has changed meanwhile, at most every [`NOTIFY_INTERVAL`]. The first NOTIFY, one after a refresh and
//! the last one are due at once. What a state means, and who may subscribe, is the caller's; so is the body. Subscriptions
//! are lost with the process: endpoints subscribe afresh when their refresh is answered 481.
//!
//! [`Subscriber`] is the other half. Other packages and `eventlist` (RFC 4662) are left out.

use std::time::Duration;

use bytes::Bytes;

use crate::message::{FieldError, Request, Status, Uri};

mod notifier;
mod said;
mod subscriber;
#[cfg(test)]
mod tests;

pub use notifier::Notifier;
pub use subscriber::{Ended, Notice, NotifyError, Subscriber, TIMER_N, Wanted, WatchId, Watched};

/// Shortest time between two notifications of one subscription (RFC 3856 §6.10).
pub const NOTIFY_INTERVAL: Duration = Duration::from_secs(5);

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Life of a subscription that asks for none, in seconds (RFC 3856 §6.4).
    pub expires_default_s: u32,
    /// Shortest life, in seconds; at most 3600 (RFC 6665 §4.2.1.1).
    pub expires_min_s: u32,
    /// Subscriptions of one watcher.
    pub per_watcher_max: usize,
    /// Subscriptions in all.
    pub subscriptions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expires_default_s: 3600, expires_min_s: 60, per_watcher_max: 1000, subscriptions_max: 100_000 }
    }
}

/// The name of a subscription.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionId(u64);

/// Why a subscription ends (§4.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// There is no such user.
    NoResource,
    /// Try again after so many seconds.
    Probation(u32),
    /// The user does not permit it.
    Rejected,
    /// It was not refreshed, or ended by the subscriber.
    Timeout,
}

/// How a subscription stands (§4.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It waits for the user's permission.
    Pending,
    /// It is permitted.
    Active,
    /// It is over.
    Terminated(Reason),
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// Send a NOTIFY; its end is told by [`Notifier::answered`].
    Notify {
        /// The subscription.
        id: SubscriptionId,
        /// Where it goes first.
        next_hop: Uri,
        /// The request, without Via.
        request: Box<Request>,
    },
    /// The subscription is over, and its last NOTIFY was answered or nobody takes it.
    Ended(SubscriptionId),
}

/// A SUBSCRIBE that was taken: what the 200 says. A NOTIFY is due ([`Notifier::set`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subscribed {
    /// The subscription.
    pub id: SubscriptionId,
    /// Expires, in seconds; 0: only the state at this time is asked for, or the subscription ends.
    pub expires_s: u32,
}

/// Why a SUBSCRIBE was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubscribeError {
    /// The interval asked for is shorter than this many seconds, which go into Min-Expires.
    #[error("Interval Too Brief")]
    IntervalTooBrief(u32),
    /// A field is missing or wrong.
    #[error("{0}")]
    Malformed(#[from] FieldError),
    /// There is no such subscription.
    #[error("Subscription Does Not Exist")]
    Unknown,
    /// It came after a later one.
    #[error("Out Of Order")]
    OutOfOrder,
    /// The watcher, or everybody, has as many subscriptions as there may be.
    #[error("Too Many Subscriptions")]
    Full,
}

impl SubscribeError {
    /// The status of the answer.
    pub fn status(self) -> Status {
        match self {
            Self::IntervalTooBrief(_) => Status::INTERVAL_TOO_BRIEF,
            Self::Malformed(_) => Status::BAD_REQUEST,
            Self::Unknown => Status::NO_SUCH_TRANSACTION,
            Self::OutOfOrder => Status::SERVER_INTERNAL_ERROR,
            Self::Full => Status::SERVICE_UNAVAILABLE,
        }
    }
}

/// The Subscription-State field with the time that is left.
fn state_text(state: State, left: Duration) -> String {
    let left = left.as_secs();
    match state {
        State::Pending => format!("pending;expires={left}"),
        State::Active => format!("active;expires={left}"),
        State::Terminated(Reason::NoResource) => "terminated;reason=noresource".to_owned(),
        State::Terminated(Reason::Probation(after)) => format!("terminated;reason=probation;retry-after={after}"),
        State::Terminated(Reason::Rejected) => "terminated;reason=rejected".to_owned(),
        State::Terminated(Reason::Timeout) => "terminated;reason=timeout".to_owned(),
    }
}

/// What a NOTIFY says.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Said {
    state: State,
    /// A PIDF document.
    body: Option<Bytes>,
}

/// Whether a subscription is over when its NOTIFY was answered so, or not at all (§4.2.2): the dialog is dead, nobody is
/// there, or a proof is asked for that we do not have.
fn is_fatal(answer: Option<Status>) -> bool {
    answer.is_none_or(|status| {
        matches!(status.code(), 401 | 404 | 405 | 407 | 410 | 416 | 480..=485 | 489 | 501 | 604) || status.class() == 3
    })
}
