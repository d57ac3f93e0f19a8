//! Our own subscriptions to the presence of users of another system (RFC 6665 §4.1, RFC 8048 §5.2).
//!
//! A watch lasts until it is stopped or the other side says that it will never be permitted. Dialogs beneath it come and go:
//! only a NOTIFY makes one (§4.1.2.4), so the answers of a forked SUBSCRIBE count as one; a second notifier is answered 481.
//! A dialog is refreshed in time; where it is dead, or was ended for a reason that passes (§4.1.3), another is opened, at
//! once or later, and later each time that it fails.
//!
//! What a document says is the caller's, as is the way to the other side. Several notifiers for one SUBSCRIBE, and
//! packages other than presence, are left out.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::said::{Said, StateSaid};
use crate::{
    Tokens,
    dialog::Dialog,
    message::{FieldError, Method, NameAddr, Request, Response, Status, Uri},
    publication,
};

mod answer;
#[cfg(test)]
mod tests;
mod watch;

use watch::Watch;

/// How long the first NOTIFY may take, and the one after a refresh: Timer N (§4.1.2.4).
pub const TIMER_N: Duration = Duration::from_secs(32);
/// Shortest time between two dialogs of one watch.
const AGAIN_MIN: Duration = Duration::from_secs(5);
/// When a subscription that failed is tried again for the first time; the time doubles with each failure.
const AGAIN_FIRST: Duration = Duration::from_secs(30);
/// Longest time between two tries.
const AGAIN_MAX: Duration = Duration::from_secs(1800);
/// Longest life that a 423 makes us ask for, in seconds.
const EXPIRES_MAX_S: u32 = 7 * 86_400;

/// The name of a watch.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WatchId(u64);

/// Who is watched, and by whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who watches: From.
    pub from: Uri,
    /// Who is watched: To and the Request-URI.
    pub to: Uri,
    /// The value of our Contact.
    pub contact: String,
    /// The life to ask for, in seconds.
    pub expires_s: u32,
}

/// What comes out.
#[derive(Debug)]
pub enum Watched {
    /// Send a SUBSCRIBE; its end is told by [`Subscriber::answered`].
    Subscribe {
        /// The watch.
        id: WatchId,
        /// The request, without Via.
        request: Box<Request>,
    },
    /// What was known does not hold any more; the watch goes on.
    Interrupted(WatchId),
    /// The watch is over.
    Ended {
        /// The watch.
        id: WatchId,
        /// Why.
        why: Ended,
    },
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It is not permitted: 403, 603, or `rejected`.
    Rejected,
    /// The user is gone: `noresource`.
    NoResource,
    /// There is no such user: 404, 604 to the first SUBSCRIBE.
    NotFound,
    /// The other side knows no subscriptions to presence: 405, 489, 501 to the first SUBSCRIBE.
    Unsupported,
    /// What was told last stays true for ever: `invariant`.
    Invariant,
    /// It was stopped.
    Stopped,
}

/// A NOTIFY that belongs to a watch: answer it 200, unless its document cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Notice {
    /// The watch.
    pub id: WatchId,
    /// Whether it is permitted, as far as this says; none: the subscription is over.
    pub permitted: Option<bool>,
}

/// Why a NOTIFY was not taken, in the order of the checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotifyError {
    /// It is about something else.
    #[error("Bad Event")]
    BadEvent,
    /// It is of no subscription of ours, or of a second notifier.
    #[error("Subscription Does Not Exist")]
    Unknown,
    /// It came after a later one.
    #[error("Out Of Order")]
    OutOfOrder,
    /// A field is missing or wrong.
    #[error("{0}")]
    Malformed(#[from] FieldError),
}

impl NotifyError {
    /// The status of the answer.
    pub fn status(self) -> Status {
        match self {
            Self::BadEvent => Status::BAD_EVENT,
            Self::Unknown => Status::NO_SUCH_TRANSACTION,
            Self::OutOfOrder => Status::SERVER_INTERNAL_ERROR,
            Self::Malformed(_) => Status::BAD_REQUEST,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Subscriber {
    watches_max: usize,
    tokens: Tokens,
    watches: BTreeMap<WatchId, Watch>,
    /// By Call-ID and our tag.
    dialogs: BTreeMap<(Box<str>, Box<str>), WatchId>,
    deadlines: BTreeSet<(Instant, WatchId)>,
    outputs: VecDeque<Watched>,
    made: u64,
}

impl Subscriber {
    /// One for at most `watches_max`. `seed` is secret.
    pub fn new(watches_max: usize, seed: [u8; 32]) -> Self {
        Self {
            watches_max,
            tokens: Tokens::new(seed),
            watches: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            made: 0,
        }
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Starts to watch; none if there are as many watches as there may be.
    pub fn watch(&mut self, now: Instant, wanted: Wanted) -> Option<WatchId> {
        if self.watches.len() >= self.watches_max {
            return None;
        }
        self.made += 1;
        let id = WatchId(self.made);
        self.watches.insert(id, Watch::new(wanted));
        self.open(now, id);
        Some(id)
    }

    /// Ends a watch: in its dialog, if there is one, by Expires 0 (§4.1.2.3).
    pub fn stop(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.is_stopping = true;
        (watch.refresh_at, watch.again_at) = (None, None);
        if watch.dialog.is_none() && !watch.in_flight {
            return self.end(id, Ended::Stopped);
        }
        watch.give_up_at = Some(now + TIMER_N);
        self.send_due(now, id);
    }

    /// Takes a NOTIFY (§4.1.3).
    pub fn notify(&mut self, now: Instant, request: &Request) -> Result<Notice, NotifyError> {
        if !publication::is_presence(request) {
            return Err(NotifyError::BadEvent);
        }
        let id = self.of_request(request).ok_or(NotifyError::Unknown)?;
        let watch = self.watches.get_mut(&id).ok_or(NotifyError::Unknown)?;
        let mut dialog = match &watch.dialog {
            Some(dialog) if dialog.is_of(request) => dialog.clone(),
            Some(_) => return Err(NotifyError::Unknown),
            None => Dialog::as_subscriber(request, watch.number)?,
        };
        dialog.receive(request).map_err(|_| NotifyError::OutOfOrder)?;
        dialog.refresh_target(&request.headers);
        let said = Said::of(request)?;
        watch.dialog = Some(dialog);
        watch.notified(now, &said);
        let permitted = match said.state {
            StateSaid::Active => Some(true),
            StateSaid::Pending => Some(false),
            StateSaid::Terminated => {
                self.terminated(now, id, &said);
                None
            }
        };
        self.send_due(now, id);
        Ok(Notice { id, permitted })
    }

    /// The watch whose dialog a request names.
    pub fn of_request(&self, request: &Request) -> Option<WatchId> {
        let tag = request.headers.to().ok()?.tag()?.to_owned();
        self.dialogs.get(&(request.headers.call_id().ok()?.into(), tag.into())).copied()
    }

    /// The SUBSCRIBE of a watch has ended: its final answer, or none.
    pub fn answered(&mut self, now: Instant, id: WatchId, answer: Option<&Response>) {
        answer::take(self, now, id, answer);
        self.send_due(now, id);
    }

    /// What time does: refreshes, new tries, and what has come to nothing.
    pub fn tick(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(watch) = self.watches.get_mut(&id) {
                watch.armed = None;
                self.time_passed(now, id);
                self.send_due(now, id);
            }
        }
    }

    /// When [`Self::tick`] is next of use.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Watched> {
        self.outputs.pop_front()
    }

    fn time_passed(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(watch.give_up_at) {
            if watch.is_stopping {
                return self.end(id, Ended::Stopped);
            }
            // §4.1.2.4: no NOTIFY in time ends the subscription, also after a refresh.
            watch.give_up_at = None;
            return self.lost(now, id, None);
        }
        if is_due(watch.expires_at) {
            return self.lost(now, id, Some(Duration::ZERO));
        }
        if is_due(watch.again_at) && !watch.in_flight {
            watch.again_at = None;
            self.open(now, id);
        }
    }

    /// The dialog is dead: another is opened after `wait`, or when it is time for one that has failed.
    fn lost(&mut self, now: Instant, id: WatchId, wait: Option<Duration>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if watch.is_stopping {
            return self.end(id, Ended::Stopped);
        }
        watch.drop_dialog();
        watch.failures = watch.failures.saturating_add(1);
        let wait = match wait {
            Some(wait) if watch.failures <= 1 => wait,
            wait => wait.unwrap_or_default().max(again_after(watch.failures)),
        };
        let not_before = watch.opened_at.map_or(now, |at| at + AGAIN_MIN);
        watch.again_at = Some((now + wait).max(not_before));
        // A gap of seconds is not shown.
        if wait > AGAIN_MIN && std::mem::take(&mut watch.is_active) {
            self.outputs.push_back(Watched::Interrupted(id));
        }
        self.arm(id);
    }

    /// §4.1.3.
    fn terminated(&mut self, now: Instant, id: WatchId, said: &Said) {
        let retry_after = said.retry_after_s.map(|seconds| Duration::from_secs(seconds.into()).min(AGAIN_MAX));
        match said.reason.as_str() {
            "rejected" => self.end(id, Ended::Rejected),
            "noresource" => self.end(id, Ended::NoResource),
            "invariant" => self.end(id, Ended::Invariant),
            "probation" | "giveup" => self.lost(now, id, Some(retry_after.unwrap_or(AGAIN_FIRST))),
            // `deactivated`, `timeout` and those that nobody knows may be tried again at once.
            _ => self.lost(now, id, Some(retry_after.unwrap_or(Duration::ZERO))),
        }
    }

    /// Sends the first SUBSCRIBE of a new dialog.
    fn open(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let key: (Box<str>, Box<str>) = (self.tokens.make().into(), self.tokens.make().into());
        if let Some(before) = watch.key.replace(key.clone()) {
            self.dialogs.remove(&before);
        }
        self.dialogs.insert(key.clone(), id);
        watch.drop_dialog();
        (watch.number, watch.opened_at) = (1, Some(now));
        let from = NameAddr::new(watch.wanted.from.clone()).with_tag(&key.1);
        let to = NameAddr::new(watch.wanted.to.clone());
        let request = Request::out_of_dialog(Method::Subscribe, watch.wanted.to.clone(), &from, &to, &key.0, 1);
        self.subscribe(now, id, request.ok());
    }

    /// What is due and may be sent: one SUBSCRIBE is in flight at a time.
    fn send_due(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let is_due = watch.refresh_at.is_some_and(|at| at <= now) || (watch.is_stopping && !watch.stop_sent);
        if is_due
            && !watch.in_flight
            && let Some(dialog) = &mut watch.dialog
        {
            let request = dialog.request(Method::Subscribe).ok();
            watch.number =
                request.as_ref().and_then(|request| request.headers.cseq().ok()).map_or(1, |cseq| cseq.number);
            (watch.refresh_at, watch.stop_sent) = (None, watch.is_stopping);
            self.subscribe(now, id, request);
        }
        self.arm(id);
    }

    /// Completes a SUBSCRIBE; one that cannot be written counts as a dialog that failed.
    fn subscribe(&mut self, now: Instant, id: WatchId, request: Option<Request>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        match request.and_then(|request| watch.complete(request)) {
            Some(request) => {
                (watch.in_flight, watch.is_notified) = (true, false);
                self.outputs.push_back(Watched::Subscribe { id, request: Box::new(request) });
                self.arm(id);
            }
            None => self.lost(now, id, None),
        }
    }

    fn arm(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let deadline = watch.deadline();
        if deadline != watch.armed {
            if let Some(at) = watch.armed {
                self.deadlines.remove(&(at, id));
            }
            if let Some(at) = deadline {
                self.deadlines.insert((at, id));
            }
            watch.armed = deadline;
        }
    }

    fn end(&mut self, id: WatchId, why: Ended) {
        let Some(watch) = self.watches.remove(&id) else { return };
        if let Some(at) = watch.armed {
            self.deadlines.remove(&(at, id));
        }
        if let Some(key) = watch.key {
            self.dialogs.remove(&key);
        }
        let why = if watch.is_stopping { Ended::Stopped } else { why };
        self.outputs.push_back(Watched::Ended { id, why });
    }
}

/// How long to wait after that many failures in a row.
fn again_after(failures: u32) -> Duration {
    let doubled = AGAIN_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(AGAIN_MAX)
}
