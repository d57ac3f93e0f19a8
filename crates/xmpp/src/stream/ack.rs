//! Stream management between servers (XEP-0198): acknowledgements, without resumption.
//!
//! Of what comes in, `h` counts the stanzas that are settled: delivered, or answered. Of what goes out, a stanza is
//! responsibility of ours until the peer's `h` has reached it; those that no acknowledgement reached are never sent again,
//! since the peer may have them.
//!
//! One `<r/>` is under way at a time: after each writing, then with the answer if more was written meanwhile. A peer that
//! has not settled all of it yet is asked again a second later.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use lexicon::{Direction, Now};

use super::{
    core::{Core, Life},
    error::{self, Condition},
    event::{Anomaly, Output},
    failure::StreamFailure,
};
use crate::xml::{ElementRef, XmlWriter, ns};

/// The namespace of stream management.
pub(crate) const NS: &str = "urn:xmpp:sm:3";

/// After an answer that leaves stanzas unacknowledged.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Stanzas that came in. Positions count from the beginning of the stream.
#[derive(Debug, Default)]
pub(super) struct Received {
    on: bool,
    /// Given to the shell.
    passed: u64,
    /// Of these, settled.
    settled: u64,
    /// `passed` when counting began.
    since: u64,
    /// Stanzas that the machine consumed, by `passed` before them, while an earlier one is not settled.
    consumed: VecDeque<(u64, u64)>,
    consumed_total: u64,
    consumed_handled: u64,
    /// The peer asked, and was told less than this.
    owed: Option<u64>,
}

impl Received {
    pub(super) fn pass(&mut self, stanzas: usize) {
        self.passed += stanzas as u64;
    }

    /// A stanza that the shell does not see counts when those before it are settled.
    pub(super) fn consume(&mut self) {
        if !self.on {
            return;
        }
        self.consumed_total += 1;
        match self.consumed.back_mut() {
            _ if self.settled == self.passed => self.consumed_handled += 1,
            Some((passed, stanzas)) if *passed == self.passed => *stanzas += 1,
            _ => self.consumed.push_back((self.passed, 1)),
        }
    }

    fn begin(&mut self) {
        self.on = true;
        self.since = self.passed;
    }

    fn settle(&mut self, stanzas: usize) {
        self.settled = self.passed.min(self.settled + stanzas as u64);
        while let Some((_, stanzas)) = self.consumed.pop_front_if(|(passed, _)| *passed <= self.settled) {
            self.consumed_handled += stanzas;
        }
    }

    /// What `h` says.
    fn handled(&self) -> u64 {
        self.settled.max(self.since) - self.since + self.consumed_handled
    }

    fn total(&self) -> u64 {
        self.passed - self.since + self.consumed_total
    }

    /// Whether a peer that leaves would not learn of all that we have.
    fn is_behind(&self) -> bool {
        self.on && self.handled() < self.total()
    }
}

/// Stanzas that went out.
#[derive(Debug, Default)]
pub(super) struct Sent {
    state: State,
    sent: u64,
    acked: u64,
    /// `<r/>` is under way since then, and how much was sent before it.
    requested: Option<(Instant, u64)>,
    ask_again_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Off,
    /// `<enable/>` is sent; counting has begun.
    Asked,
    On,
    /// The peer refused or did not answer.
    Refused,
}

impl Sent {
    fn counts(&self) -> bool {
        matches!(self.state, State::Asked | State::On)
    }

    /// Stanzas without acknowledgement; none if nothing is acknowledged on this stream.
    pub(super) fn unacked(&self) -> Option<u64> {
        self.counts().then_some(self.sent - self.acked)
    }

    /// When to give the peer up, or to ask it again.
    pub(super) fn next(&self, timeout: Duration) -> Option<(Instant, bool)> {
        let given_up = self.requested.map(|(at, _)| (at + timeout, true));
        given_up.or_else(|| self.ask_again_at.map(|at| (at, false)))
    }
}

impl Core {
    /// Asks for stream management once a pair is authorised.
    pub(super) fn enable_management(&mut self) {
        if self.sent.state == State::Off {
            self.sent.state = State::Asked;
            self.write(|writer| {
                writer.leaf("enable", NS, "");
            });
        }
    }

    /// Whether `element` is one of stream management, where it is spoken.
    pub(super) fn is_management(&self, element: ElementRef<'_>) -> bool {
        self.extensions.stream_management && element.namespace() == NS
    }

    /// An element of stream management.
    pub(super) fn management_element(&mut self, now: Now, element: ElementRef<'_>) -> Result<(), StreamFailure> {
        let inbound = self.facts.direction == Direction::Inbound;
        match element.name() {
            "enable" if inbound => self.enabled_by_peer(),
            "resume" if inbound => {
                self.write(|writer| write_failed(writer, "feature-not-implemented"));
                Ok(())
            }
            "enabled" if self.sent.state == State::Asked => {
                self.sent.state = State::On;
                self.received.begin();
                self.request_if_needed(now);
                Ok(())
            }
            "failed" if self.sent.state == State::Asked => {
                self.sent.state = State::Refused;
                Ok(())
            }
            "r" if self.received.on => {
                self.write_ack();
                self.received.owed = Some(self.received.total()).filter(|_| self.received.is_behind());
                Ok(())
            }
            "a" if self.sent.state == State::On => self.acknowledged(now, element),
            _ => {
                self.anomaly(Anomaly::UnknownElement);
                Ok(())
            }
        }
    }

    fn enabled_by_peer(&mut self) -> Result<(), StreamFailure> {
        if self.received.on {
            let what = "stream management was enabled already";
            return Err(StreamFailure::Protocol(Condition::PolicyViolation, what));
        }
        if !self.established() {
            self.write(|writer| write_failed(writer, "unexpected-request"));
            return Ok(());
        }
        self.received.begin();
        self.sent.state = State::On;
        self.write(|writer| {
            writer.leaf("enabled", NS, "");
        });
        Ok(())
    }

    fn acknowledged(&mut self, now: Now, element: ElementRef<'_>) -> Result<(), StreamFailure> {
        let h = element.attribute("h").and_then(|h| h.trim().parse::<u32>().ok());
        let Some(h) = h else {
            return Err(StreamFailure::Protocol(Condition::BadFormat, "an acknowledgement without a number"));
        };
        // `h` counts modulo 2^32 (§4).
        let new = u64::from(h.wrapping_sub(self.sent.acked as u32));
        if new > self.sent.sent - self.sent.acked {
            return Err(StreamFailure::AckTooHigh { h, sent: self.sent.sent as u32 });
        }
        self.sent.acked += new;
        if new > 0 {
            self.emit(Output::Acked(new as usize));
        }
        let asked = self.sent.requested.take();
        if self.sent.acked < self.sent.sent {
            if asked.is_some_and(|(_, sent)| sent == self.sent.sent) {
                self.sent.ask_again_at = Some(now.instant + ASK_AGAIN);
            } else {
                self.request_if_needed(now);
            }
        } else {
            self.sent.ask_again_at = None;
        }
        Ok(())
    }

    /// Stanzas were written.
    pub(super) fn count_sent(&mut self, now: Now, stanzas: usize) {
        if self.sent.counts() {
            self.sent.sent += stanzas as u64;
            self.request_if_needed(now);
        }
    }

    fn request_if_needed(&mut self, now: Now) {
        let idle = self.sent.state == State::On && self.sent.requested.is_none();
        if idle && self.sent.acked < self.sent.sent {
            self.request_ack(now);
        }
    }

    /// Asks for an acknowledgement. False where none can be had; a peer that still owes the answer to `<enable/>` will
    /// not give it any more.
    pub(super) fn request_ack(&mut self, now: Now) -> bool {
        if self.sent.state == State::Asked {
            self.sent.state = State::Refused;
        }
        if self.sent.state != State::On {
            return false;
        }
        self.sent.ask_again_at = None;
        self.sent.requested = Some((now.instant, self.sent.sent));
        self.write(|writer| {
            writer.leaf("r", NS, "");
        });
        true
    }

    /// Whether no more stanzas should go out before some are acknowledged.
    pub(super) fn is_window_full(&self) -> bool {
        self.sent.unacked().is_some_and(|unacked| unacked >= self.limits.unacked_max as u64)
    }

    /// The shell has settled the oldest stanzas that it got.
    pub(super) fn settled(&mut self, stanzas: usize) {
        self.received.settle(stanzas);
        let handled = self.received.handled();
        if self.received.owed.is_some_and(|owed| owed <= handled) {
            self.received.owed = None;
            self.write_ack();
        }
        if matches!(self.life, Life::Finishing(_)) && !self.received.is_behind() {
            self.over();
        }
    }

    /// Whether the peer, which is leaving, should wait for what is not settled yet.
    pub(super) fn owes_acks(&self) -> bool {
        self.received.is_behind()
    }

    /// What we have of the peer's, before our closing tag; and the question for what it has of ours.
    pub(super) fn write_last_acks(&mut self) {
        if self.received.on {
            self.write_ack();
        }
        if self.sent.state == State::On && self.sent.acked < self.sent.sent {
            self.write(|writer| {
                writer.leaf("r", NS, "");
            });
        }
    }

    fn write_ack(&mut self) {
        let h = self.received.handled() as u32;
        self.write(|writer| {
            writer.start("a", NS).attribute("h", &h.to_string()).end();
        });
    }

    /// At the end: what nobody acknowledged.
    pub(super) fn tell_unacked(&mut self) {
        if let Some(unacked) = self.sent.unacked().filter(|unacked| *unacked > 0) {
            self.emit(Output::DeliveryUnknown(unacked as usize));
        }
    }
}

fn write_failed(writer: &mut XmlWriter, condition: &str) {
    writer.start("failed", NS).leaf(condition, ns::STANZA_ERROR, "").end();
}

/// The stream error for a peer that acknowledges more than it was sent (§6).
pub(super) fn write_too_high(writer: &mut XmlWriter, h: u32, sent: u32, text: &str) {
    error::write_with(writer, Condition::UndefinedCondition, text, |writer| {
        writer.start("handled-count-too-high", NS).attribute("h", &h.to_string());
        writer.attribute("send-count", &sent.to_string()).end();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stream::rules::{Extensions, StreamLimits},
        xml::Batch,
    };

    const ON: Extensions = Extensions { bidi: false, stream_management: true };

    #[allow(clippy::disallowed_methods)]
    fn now() -> Now {
        Now { instant: Instant::now(), wall: lexicon::Timestamp::from_millis(0) }
    }

    /// §4: "h" is an unsignedInt; after 4,294,967,295 comes 0.
    #[test]
    fn numbers_go_on_from_nought_after_two_to_the_32() {
        let now = now();
        let mut core = Core::new(Direction::Outbound, StreamLimits::default(), ON, now);
        let (sent, acked) = ((1 << 32) + 5, (1 << 32) - 3);
        core.sent = Sent { state: State::On, sent, acked, ..Sent::default() };
        let mut acknowledge = |h: u32| {
            let batch = Batch::from_xml(format!("<a xmlns='{NS}' h='{h}'/>")).unwrap();
            core.acknowledged(now, batch.element(0)).map(|()| core.sent.sent - core.sent.acked)
        };
        assert_eq!(acknowledge(u32::MAX), Ok(6));
        assert_eq!(acknowledge(0), Ok(5));
        assert_eq!(acknowledge(5), Ok(0));
        assert_eq!(acknowledge(6), Err(StreamFailure::AckTooHigh { h: 6, sent: 5 }));
        let mut received = Received { on: true, passed: 1 << 32, settled: u64::from(u32::MAX), ..Received::default() };
        assert_eq!(received.handled() as u32, u32::MAX);
        received.settle(1);
        assert_eq!(received.handled() as u32, 0);
    }
}
