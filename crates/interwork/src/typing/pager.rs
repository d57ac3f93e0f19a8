//! Typing of one pair of users outside of sessions: isComposing in MESSAGE requests (RFC 3994) ↔ chat states (XEP-0085).
//!
//! Nothing is told twice, nothing waits behind more than one notification, and of several that would wait the last one is
//! told. A text ends the typing before it (RFC 3994 §3.3). Who may be told at all is the caller's business.

use std::time::Instant;

use super::{Activity, ChatState};

/// See the module.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pager {
    /// The internal user is typing, and not any more from then on unless it is told again.
    typing_until: Option<Instant>,
    /// The internal user's endpoints were told last that the partner's user is typing.
    is_shown: bool,
    /// Notifications to endpoints that were not answered.
    under_way: usize,
    /// What they are told then.
    next: Option<Activity>,
}

impl Pager {
    /// An endpoint of the internal user has told this; what the partner's user is to be told.
    pub fn heard(&mut self, now: Instant, activity: Activity) -> Option<ChatState> {
        let was_typing = self.typing_until.is_some();
        self.typing_until = match activity {
            Activity::Active { refresh } => Some(now + refresh),
            Activity::Idle => None,
        };
        (was_typing != self.typing_until.is_some()).then(|| activity.to_xmpp())
    }

    /// The internal user has sent a text.
    pub fn text_heard(&mut self) {
        self.typing_until = None;
    }

    /// The partner's user is in this state; what the endpoints are to be told now.
    pub fn state(&mut self, state: ChatState) -> Option<Activity> {
        // Outside of sessions there is nothing that somebody who is gone could end.
        let activity = state.to_sip().unwrap_or(Activity::Idle);
        if self.under_way > 0 {
            self.next = Some(activity);
            return None;
        }
        self.show(activity)
    }

    /// The partner's user has sent a text, which the endpoints show instead.
    pub fn text_shown(&mut self) {
        self.is_shown = false;
        self.next = None;
    }

    /// So many endpoints are being told.
    pub fn sent(&mut self, endpoints: usize) {
        self.under_way += endpoints;
    }

    /// One of them has answered, or never will; what they are to be told now.
    pub fn answered(&mut self) -> Option<Activity> {
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way > 0 {
            return None;
        }
        let next = self.next.take()?;
        self.show(next)
    }

    fn show(&mut self, activity: Activity) -> Option<Activity> {
        let is_typing = matches!(activity, Activity::Active { .. });
        (std::mem::replace(&mut self.is_shown, is_typing) != is_typing).then_some(activity)
    }

    /// When [`expire`](Self::expire) is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.typing_until
    }

    /// What the partner's user is to be told if the internal user's endpoint has been silent for too long.
    pub fn expire(&mut self, now: Instant) -> Option<ChatState> {
        self.typing_until.take_if(|until| *until <= now).map(|_| Activity::Idle.to_xmpp())
    }

    /// Whether there is nothing to remember.
    pub fn is_over(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::typing::REFRESH_DEFAULT;

    const TYPING: Activity = Activity::Active { refresh: REFRESH_DEFAULT };

    /// The one look at the clock.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn an_internal_user_types_until_they_stop_send_or_fall_silent() {
        let (mut pager, now) = (Pager::default(), start());
        assert_eq!(pager.heard(now, Activity::Idle), None);
        assert_eq!(pager.heard(now, TYPING), Some(ChatState::Composing));
        let later = now + Duration::from_secs(100);
        assert_eq!(pager.heard(later, TYPING), None, "a refresh");
        assert_eq!(pager.deadline(), Some(later + REFRESH_DEFAULT));
        assert_eq!(pager.expire(later), None);
        assert_eq!(pager.expire(later + REFRESH_DEFAULT), Some(ChatState::Active));
        assert!(pager.is_over());
        pager.heard(now, TYPING);
        assert_eq!(pager.heard(now, Activity::Idle), Some(ChatState::Active));
        pager.heard(now, TYPING);
        pager.text_heard();
        assert_eq!((pager.heard(now, Activity::Idle), pager.is_over()), (None, true));
    }

    #[test]
    fn endpoints_are_told_changes_and_of_those_that_wait_the_last() {
        let mut pager = Pager::default();
        assert_eq!(pager.state(ChatState::Paused), None);
        assert_eq!(pager.state(ChatState::Composing), Some(TYPING));
        pager.sent(2);
        for state in [ChatState::Paused, ChatState::Composing, ChatState::Gone] {
            assert_eq!(pager.state(state), None);
        }
        assert_eq!(pager.answered(), None);
        assert_eq!(pager.answered(), Some(Activity::Idle));
        pager.sent(1);
        assert_eq!((pager.answered(), pager.is_over()), (None, true));
    }

    #[test]
    fn a_text_is_shown_instead_of_typing() {
        let mut pager = Pager::default();
        assert_eq!(pager.state(ChatState::Composing), Some(TYPING));
        pager.sent(1);
        pager.state(ChatState::Paused);
        pager.text_shown();
        assert_eq!((pager.answered(), pager.is_over()), (None, true));
        assert_eq!(pager.state(ChatState::Active), None);
    }
}
