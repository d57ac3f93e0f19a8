//! One watch and its dialog.

use std::time::{Duration, Instant};

use super::{Said, StateSaid, Wanted};
use crate::{
    dialog::Dialog,
    message::{Name, Request},
    publication::PRESENCE,
};

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) wanted: Wanted,
    /// Call-ID and our tag of the newest dialog.
    pub(super) key: Option<(Box<str>, Box<str>)>,
    /// Made by the first NOTIFY.
    pub(super) dialog: Option<Dialog>,
    /// The number of our last SUBSCRIBE.
    pub(super) number: u32,
    pub(super) in_flight: bool,
    /// Whether a NOTIFY has come since the last SUBSCRIBE.
    pub(super) is_notified: bool,
    pub(super) is_active: bool,
    pub(super) is_stopping: bool,
    pub(super) stop_sent: bool,
    pub(super) opened_at: Option<Instant>,
    /// When the subscription ends unless it is refreshed.
    pub(super) expires_at: Option<Instant>,
    pub(super) refresh_at: Option<Instant>,
    /// Timer N.
    pub(super) give_up_at: Option<Instant>,
    /// When another dialog is opened.
    pub(super) again_at: Option<Instant>,
    /// In a row.
    pub(super) failures: u32,
    pub(super) armed: Option<Instant>,
}

impl Watch {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            key: None,
            dialog: None,
            number: 0,
            in_flight: false,
            is_notified: false,
            is_active: false,
            is_stopping: false,
            stop_sent: false,
            opened_at: None,
            expires_at: None,
            refresh_at: None,
            give_up_at: None,
            again_at: None,
            failures: 0,
            armed: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let open = [self.give_up_at, self.expires_at];
        let idle = [self.refresh_at, self.again_at].into_iter().filter(|_| !self.in_flight);
        open.into_iter().chain(idle).flatten().min()
    }

    /// The request with what every SUBSCRIBE of this watch says.
    pub(super) fn complete(&self, mut request: Request) -> Option<Request> {
        let expires_s = if self.is_stopping { 0 } else { self.wanted.expires_s };
        let fields: [(Name, &dyn std::fmt::Display); 4] = [
            (Name::Contact, &self.wanted.contact),
            (Name::Event, &PRESENCE),
            (Name::Accept, &"application/pidf+xml"),
            (Name::Expires, &expires_s),
        ];
        fields.into_iter().try_for_each(|(name, value)| request.headers.push(name, value)).ok()?;
        Some(request)
    }

    /// What a NOTIFY says of the subscription's life.
    pub(super) fn notified(&mut self, now: Instant, said: &Said) {
        self.is_notified = true;
        if !self.is_stopping {
            self.give_up_at = None;
        }
        if said.state == StateSaid::Terminated {
            return;
        }
        (self.failures, self.is_active) = (0, said.state == StateSaid::Active);
        // §4.1.3: the time in a NOTIFY is the one that counts; it only ever shortens what was asked for.
        let left_s = said.expires_s.unwrap_or(self.wanted.expires_s).min(self.wanted.expires_s);
        self.lives_for(now, left_s);
    }

    /// The subscription lasts so many seconds from now on, and is refreshed in time.
    pub(super) fn lives_for(&mut self, now: Instant, seconds: u32) {
        let life = Duration::from_secs(seconds.into());
        let margin = (life / 4).min(Duration::from_secs(60));
        self.expires_at = Some(now + life);
        self.refresh_at = (!self.is_stopping).then(|| now + life - margin);
    }

    pub(super) fn drop_dialog(&mut self) {
        self.dialog = None;
        (self.expires_at, self.refresh_at, self.give_up_at) = (None, None, None);
    }
}
