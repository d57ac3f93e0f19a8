//! The one deadline of a stream, and what it demands when it comes: establishment, inactivity, a silent peer, the end of
//! the peer's certificate, the wait for a closing tag.

use std::time::{Duration, Instant};

use lexicon::Now;

use super::{Core, Life};
use crate::stream::keep_alive::Need;

/// What a deadline demands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::stream) enum Due {
    /// An orderly close: nobody needs the stream, or the peer is about to end it.
    Close,
    /// The peer's certificate ends.
    Expired,
    /// The peer took too long.
    Silent,
    /// The peer has not answered our closing tag.
    Over,
}

impl Core {
    pub(in crate::stream) fn stanza_seen(&mut self, now: Now) {
        self.active_at = now.instant;
    }

    pub(in crate::stream) fn established(&self) -> bool {
        self.established
    }

    pub(in crate::stream) fn deadline(&self) -> Option<Instant> {
        match self.life {
            Life::Live if self.established => {
                let silence = self.silence().map(|(at, _)| at);
                silence.into_iter().chain(self.expires_at).chain([self.inactive_at()]).min()
            }
            Life::Live => Some(self.established_by),
            Life::Finishing(until) | Life::Closing(until) => Some(until),
            Life::Closed => None,
        }
    }

    /// What the moment demands of the machine; the peer is asked for life here.
    pub(in crate::stream) fn due(&mut self, now: Now) -> Option<Due> {
        self.deadline().filter(|deadline| *deadline <= now.instant)?;
        match self.life {
            Life::Finishing(_) | Life::Closing(_) | Life::Closed => Some(Due::Over),
            Life::Live if !self.established => Some(Due::Silent),
            Life::Live if self.inactive_at() <= now.instant => Some(Due::Close),
            Life::Live if self.expires_at.is_some_and(|at| at <= now.instant) => Some(Due::Expired),
            Life::Live => match self.silence()?.1 {
                Need::Ask => {
                    self.ask_for_life(now);
                    None
                }
                Need::AskAgain => {
                    self.request_ack(now);
                    None
                }
                Need::Close => Some(Due::Close),
                Need::GiveUp => Some(Due::Silent),
            },
        }
    }

    fn inactive_at(&self) -> Instant {
        self.active_at + self.limits.inactivity_timeout
    }

    /// The end of the peer's certificate; none if it is too far off to matter.
    pub(super) fn certificate_end(&self, now: Now) -> Option<Instant> {
        let peer = self.facts.tls.as_ref()?.peer.as_ref().ok()?;
        let left = peer.not_after.as_millis().saturating_sub(now.wall.as_millis());
        now.instant.checked_add(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// The end of a silence on a stream that we send on.
    fn silence(&self) -> Option<(Instant, Need)> {
        self.sending_pair()?;
        let ack = self.sent.next(self.limits.keep_alive_timeout);
        let ack = ack.map(|(at, lost)| (at, if lost { Need::GiveUp } else { Need::AskAgain }));
        self.liveness.next(&self.limits).into_iter().chain(ack).min_by_key(|(at, _)| *at)
    }

    /// To be called after each input.
    pub(in crate::stream) fn tick(&mut self, now: Now) {
        if std::mem::take(&mut self.wrote) {
            self.liveness.written(now);
        }
        if std::mem::take(&mut self.heard) {
            self.liveness.proved(now);
        }
    }
}
