//! The dialogs of a conversation: opening, glare, ending.

use std::time::Instant;

use xmpp::stanza::StanzaError;

use super::{Dropped, Leg, Output, Session, State, too_late};
use crate::typing::ChatState;

impl<T: Clone, M> Session<T, M> {
    /// Invites for the first of the waiting texts.
    pub(super) fn open(&mut self, now: Instant) {
        let Some(first) = self.waiting.front() else { return };
        let (first, deadline) = (first.token.clone(), first.deadline.min(now + self.settings.opening_max));
        let leg = self.leg();
        self.state = State::Opening { leg, deadline, failure: None };
        self.is_riding = true;
        self.put(Output::Open { leg, first });
    }

    /// Ours gives way, and so does a session that the other side has forgotten.
    pub(super) fn invited(&mut self, now: Instant, leg: Leg, has_text: bool) {
        match std::mem::replace(&mut self.state, State::Closed { not_before: None }) {
            State::Closed { .. } => {}
            State::Opening { leg: ours, failure, .. } => {
                self.has_met = true;
                self.cancelled = Some(ours);
                if failure.is_none() {
                    self.put(Output::Cancel(ours));
                }
            }
            State::Accepting { leg: older } | State::Open { leg: older } => self.put(Output::End(older)),
        }
        self.begin(now);
        if has_text {
            self.has_exchanged = true;
            self.told = None;
        }
        self.state = State::Accepting { leg };
        self.put(Output::Accept(leg));
    }

    pub(super) fn established(&mut self, now: Instant, leg: Leg, first_taken: bool) {
        match self.state {
            State::Opening { leg: ours, .. } if ours == leg => {
                self.begin(now);
                self.state = State::Open { leg };
                self.end_riding(first_taken);
            }
            State::Accepting { leg: theirs } if theirs == leg => self.state = State::Open { leg },
            // The cancellation came too late: one session is enough.
            _ if self.cancelled == Some(leg) => {
                self.cancelled = None;
                self.put(Output::End(leg));
                self.end_riding(first_taken);
            }
            _ => {}
        }
    }

    pub(super) fn failed(&mut self, now: Instant, leg: Leg, error: &StanzaError) {
        match &mut self.state {
            State::Opening { leg: ours, failure, .. } if *ours == leg => {
                let error = failure.take().unwrap_or_else(|| error.clone());
                self.is_riding = false;
                self.state = State::Closed { not_before: None };
                self.refuse_waiting(&error);
            }
            _ if self.cancelled == Some(leg) => {
                self.cancelled = None;
                self.is_riding = false;
            }
            _ => self.lose(now, leg),
        }
    }

    /// The other side has left.
    pub(super) fn ended(&mut self, now: Instant, leg: Leg) {
        if self.current() == Some(leg) {
            self.lose(now, leg);
            self.tell_xmpp(ChatState::Gone);
        }
    }

    /// The dialog is over by itself.
    pub(super) fn lose(&mut self, now: Instant, leg: Leg) {
        if self.current() != Some(leg) {
            return;
        }
        let not_before = self.has_met.then(|| now + self.settings.glare_wait);
        self.close(not_before);
    }

    /// Ends the dialog from here.
    pub(super) fn end(&mut self, leg: Leg) {
        self.put(Output::End(leg));
        self.close(None);
    }

    fn close(&mut self, not_before: Option<Instant>) {
        self.state = State::Closed { not_before };
        self.has_met = false;
        self.is_leaving = false;
        self.forget_typing();
    }

    fn begin(&mut self, now: Instant) {
        self.active_at = now;
        self.is_leaving &= !self.waiting.is_empty();
        self.forget_typing();
    }

    fn forget_typing(&mut self) {
        if std::mem::take(&mut self.to_sip).is_waiting() {
            self.drop_typing(Dropped::NoSession);
        }
        self.typing_until = None;
    }

    /// An INVITE without an answer is cancelled; its end is awaited, for it may yet have been accepted.
    pub(super) fn expire_opening(&mut self, now: Instant) {
        if let State::Opening { leg, deadline, failure: failure @ None } = &mut self.state
            && *deadline <= now
        {
            let leg = *leg;
            *failure = Some(too_late());
            self.put(Output::Cancel(leg));
        }
    }

    pub(super) fn stop(&mut self, error: StanzaError) {
        if let State::Opening { leg, failure: failure @ None, .. } = &mut self.state {
            let leg = *leg;
            *failure = Some(error.clone());
            self.put(Output::Cancel(leg));
        }
        self.stop = Some(error);
    }
}
