//! Typing notifications in both directions.

use std::time::{Duration, Instant};

use super::{Dropped, Leg, Outcome, Output, Session, State};
use crate::typing::{Activity, ChatState};

/// `active` is told again no sooner than this (RFC 3994 §3.2).
const REPEAT_MIN: Duration = Duration::from_secs(60);

/// What the other side was told.
#[derive(Debug, Default)]
pub(super) struct ToSip {
    /// When `active` was told and nothing has taken it back.
    active_since: Option<Instant>,
    is_in_flight: bool,
    /// The newest state, behind the one in flight.
    next: Option<Activity>,
    is_refused: bool,
}

impl ToSip {
    /// A text was sent: its sender is idle again (RFC 3994 §3.3).
    pub(super) fn note_text(&mut self) {
        self.active_since = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some()
    }

    fn is_news(&self, now: Instant, activity: Activity) -> bool {
        match (activity, self.active_since) {
            (Activity::Idle, since) => since.is_some(),
            (Activity::Active { .. }, None) => true,
            (Activity::Active { .. }, Some(since)) => now >= since + REPEAT_MIN,
        }
    }
}

impl<T: Clone, M> Session<T, M> {
    /// The partner's user types, pauses or leaves.
    pub(super) fn chat_state(&mut self, now: Instant, state: ChatState) {
        self.knows_states = true;
        let Some(activity) = state.to_sip() else {
            if self.current().is_none() && self.waiting.is_empty() {
                return self.drop_typing(Dropped::NoSession);
            }
            self.is_leaving = true;
            return;
        };
        let State::Open { leg } = self.state else { return self.drop_typing(Dropped::NoSession) };
        self.active_at = now;
        self.is_leaving = false;
        if self.to_sip.is_refused {
            self.drop_typing(Dropped::Refused);
        } else if self.to_sip.is_in_flight {
            if self.to_sip.next.replace(activity).is_some() {
                self.drop_typing(Dropped::Overtaken);
            }
        } else {
            self.tell_sip(now, leg, activity);
        }
    }

    fn tell_sip(&mut self, now: Instant, leg: Leg, activity: Activity) {
        if !self.to_sip.is_news(now, activity) {
            return self.drop_typing(Dropped::Unchanged);
        }
        self.to_sip.active_since = (activity != Activity::Idle).then_some(now);
        self.to_sip.is_in_flight = true;
        self.put(Output::Typing { leg, activity });
    }

    pub(super) fn typing_answered(&mut self, now: Instant, leg: Leg, outcome: Outcome) {
        if self.current() != Some(leg) {
            return;
        }
        self.to_sip.is_in_flight = false;
        let next = self.to_sip.next.take();
        match outcome {
            Outcome::Taken => {
                if let Some(activity) = next {
                    self.tell_sip(now, leg, activity);
                }
                return;
            }
            Outcome::Refused(_) => self.to_sip.is_refused = true,
            Outcome::NoDialog(_) | Outcome::NoAnswer(_) => self.end(leg),
        }
        if next.is_some() {
            self.drop_typing(Dropped::Refused);
        }
    }

    /// The internal user types or does not.
    pub(super) fn typing(&mut self, now: Instant, leg: Leg, activity: Activity) {
        if self.current() != Some(leg) {
            return self.drop_typing(Dropped::NoSession);
        }
        self.active_at = now;
        let until = match activity {
            Activity::Active { refresh } => Some(now + refresh),
            Activity::Idle => None,
        };
        let was_typing = std::mem::replace(&mut self.typing_until, until).is_some();
        if was_typing == until.is_some() {
            return self.drop_typing(Dropped::Unchanged);
        }
        self.tell_xmpp(activity.to_xmpp());
    }

    /// XEP-0085 §5.1 and §5.3.
    pub(super) fn tell_xmpp(&mut self, state: ChatState) {
        if !self.has_exchanged || !self.knows_states {
            self.drop_typing(Dropped::NotNegotiated);
        } else if self.told.replace(state) == Some(state) {
            self.drop_typing(Dropped::Unchanged);
        } else {
            self.put(Output::State(state));
        }
    }

    /// RFC 3994 §3.3: what is not told again is over.
    pub(super) fn expire_typing(&mut self, now: Instant) {
        if self.typing_until.take_if(|until| *until <= now).is_some() {
            self.tell_xmpp(Activity::Idle.to_xmpp());
        }
    }
}
