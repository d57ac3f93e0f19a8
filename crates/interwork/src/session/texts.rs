//! Texts from XMPP on their way, and texts from SIP.

use std::time::Instant;

use xmpp::stanza::{Condition, StanzaError};

use super::{Leg, Outcome, Output, Session, WAITING_MAX, too_late};

/// A text that was not sent yet, or not to the end.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) token: T,
    pub(super) deadline: Instant,
    /// It was sent once into a dialog that was not known.
    is_second_try: bool,
}

/// The text whose MESSAGE has no answer yet.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    leg: Leg,
    text: Waiting<T>,
}

impl<T: Clone, M> Session<T, M> {
    pub(super) fn text(&mut self, now: Instant, token: T, deadline: Instant, has_state: bool) {
        self.knows_states = has_state;
        self.is_leaving = false;
        self.active_at = now;
        if self.waiting.len() < WAITING_MAX {
            return self.waiting.push_back(Waiting { token, deadline, is_second_try: false });
        }
        let error = StanzaError::new(Condition::ResourceConstraint).with_text("Too many messages are waiting");
        self.settle(token, Err(error));
    }

    pub(super) fn send_next(&mut self, now: Instant, leg: Leg) {
        let Some(text) = self.waiting.pop_front() else { return };
        self.active_at = now;
        // RFC 3994 §3.3: a content message says that its sender has stopped typing.
        self.to_sip.note_text();
        self.put(Output::Message { leg, text: text.token.clone() });
        self.in_flight = Some(InFlight { leg, text });
    }

    pub(super) fn answered(&mut self, leg: Leg, outcome: Outcome) {
        let Some(InFlight { text, .. }) = self.in_flight.take_if(|in_flight| in_flight.leg == leg) else { return };
        match outcome {
            Outcome::Taken => {
                self.note_exchange();
                self.settle(text.token, Ok(()));
            }
            Outcome::Refused(error) => self.settle(text.token, Err(error)),
            Outcome::NoDialog(error) => {
                self.end_if_current(leg);
                if text.is_second_try {
                    self.settle(text.token, Err(error));
                } else {
                    self.waiting.push_front(Waiting { is_second_try: true, ..text });
                }
            }
            Outcome::NoAnswer(error) => {
                self.end_if_current(leg);
                self.settle(text.token, Err(error));
            }
        }
    }

    pub(super) fn end_if_current(&mut self, leg: Leg) {
        if self.current() == Some(leg) {
            self.end(leg);
        }
    }

    pub(super) fn received(&mut self, now: Instant, leg: Leg, message: M) {
        if self.current() != Some(leg) {
            return self.put(Output::Reject(message));
        }
        self.active_at = now;
        self.note_exchange();
        self.typing_until = None;
        self.told = None;
        self.put(Output::Deliver(message));
    }

    /// It is known what became of the INVITE that the first text rode in.
    pub(super) fn end_riding(&mut self, first_taken: bool) {
        if !std::mem::take(&mut self.is_riding) || !first_taken {
            return;
        }
        if let Some(first) = self.waiting.pop_front() {
            self.has_exchanged = true;
            self.to_sip.note_text();
            self.settle(first.token, Ok(()));
        }
    }

    /// Refuses all that wait, but for the one of which it is not known whether it was taken.
    pub(super) fn refuse_waiting(&mut self, error: &StanzaError) {
        for text in self.waiting.split_off(usize::from(self.is_riding).min(self.waiting.len())) {
            self.settle(text.token, Err(error.clone()));
        }
    }

    /// The texts that may expire by themselves.
    pub(super) fn expiring(&self) -> impl Iterator<Item = &Waiting<T>> {
        self.waiting.iter().skip(usize::from(self.is_riding))
    }

    pub(super) fn expire_texts(&mut self, now: Instant) {
        let mut at = usize::from(self.is_riding);
        while let Some(waiting) = self.waiting.get(at) {
            if waiting.deadline > now {
                at += 1;
            } else if let Some(expired) = self.waiting.remove(at) {
                self.settle(expired.token, Err(too_late()));
            }
        }
    }

    fn note_exchange(&mut self) {
        self.has_exchanged = true;
        self.has_met = false;
    }

    fn settle(&mut self, token: T, result: Result<(), StanzaError>) {
        self.put(Output::Settle { token, result });
    }
}
