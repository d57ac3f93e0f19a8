//! One conversation between an internal user behind a trunk in session mode and a partner's user (RFC 7573).
//!
//! XMPP knows no sessions, so this machine opens one when a text is to be sent, keeps texts in order, and ends it when the
//! conversation is over. It speaks of texts and typing; INVITE, MESSAGE, INFO and BYE are made of its outputs by the shell,
//! which also runs transactions and dialogs, and answers re-INVITEs and session timers (RFC 4028) without asking here.
//!
//! * **One session per pair.** A leg is one INVITE dialog, ours or theirs. An INVITE of the other side wins over ours that
//!   has no answer yet: ours is cancelled, and its text waits for what became of it, so that it is shown once. It also
//!   replaces a session that stands: whoever invites has forgotten that one.
//! * **Order.** One MESSAGE is in flight; what comes meanwhile waits, at most [`WAITING_MAX`] texts, each until its own
//!   deadline. A text whose dialog the other side does not know (481) is sent once more in a new session.
//! * **Every text ends once**, with [`Output::Settle`].
//! * **Typing** opens no session and waits for none; only the newest state waits, for the answer to the one before. To the
//!   partner it goes once a text was exchanged and the partner's client has shown that it knows chat states (XEP-0085
//!   §5.1). `gone` ends the session after the texts before it, and a BYE is told as `gone` (RFC 7573 §6.1).
//! * **Ends.** After [`Settings::idle`] without a text or typing the session is ended, which XMPP is not told.
//!
//! The shell drains outputs before the next input and owes one answer for each [`Output::Open`] (also a cancelled one),
//! [`Output::Accept`], [`Output::Message`] and [`Output::Typing`].

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use sip::Status;
use xmpp::stanza::{Condition, StanzaError};

use crate::typing::{Activity, ChatState};

mod legs;
#[cfg(test)]
mod tests;
mod texts;
mod typing;

use texts::{InFlight, Waiting};

/// Texts that wait at most.
pub const WAITING_MAX: usize = 32;

/// Times and waits.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long our INVITE may go unanswered.
    pub opening_max: Duration,
    /// When a session without texts and typing ends.
    pub idle: Duration,
    /// How long to wait before our next INVITE when both sides invited each other and neither session came about. To be
    /// chosen at random from 0 to 4 s (RFC 3261 §14.1), or two gateways would meet again and again.
    pub glare_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            opening_max: Duration::from_secs(60),
            idle: Duration::from_secs(600),
            glare_wait: Duration::from_secs(2),
        }
    }
}

/// An INVITE dialog of the conversation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Leg(u64);

/// What became of a request in the dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It was refused; the dialog stands.
    Refused(StanzaError),
    /// The dialog is not known over there: the request was not taken.
    NoDialog(StanzaError),
    /// Nobody knows whether it was taken; the dialog is over.
    NoAnswer(StanzaError),
}

impl Outcome {
    /// By the final status of a MESSAGE; `error` is what it means to its sender (RFC 3261 §12.2.1.2).
    pub fn of_message(status: Status, error: StanzaError) -> Self {
        match status {
            status if status.is_success() => Self::Taken,
            Status::NO_SUCH_TRANSACTION => Self::NoDialog(error),
            Status::REQUEST_TIMEOUT => Self::NoAnswer(error),
            _ => Self::Refused(error),
        }
    }

    /// By the final status of a request that tells of typing: there 480, too, means that nobody is there any more.
    pub fn of_typing(status: Status, error: StanzaError) -> Self {
        match status {
            Status::TEMPORARILY_UNAVAILABLE => Self::NoDialog(error),
            status => Self::of_message(status, error),
        }
    }
}

/// What has happened. `T` names a text from XMPP, `M` is a text from SIP.
#[derive(Clone, Debug)]
pub enum Input<T, M> {
    /// The partner's user writes. `has_state` says whether the stanza held a chat state, too, as those of clients that know
    /// them do.
    Text {
        /// Comes back when it ends.
        token: T,
        /// Not to be sent after this.
        deadline: Instant,
        /// Whether a chat state stood beside it.
        has_state: bool,
    },
    /// The partner's user has a chat state.
    State(ChatState),
    /// The other side invites, may do so, and its description is fit. `has_text`: a first text came with it and was
    /// delivered.
    Invited {
        /// From [`Session::leg`].
        leg: Leg,
        /// Whether a text came with it.
        has_text: bool,
    },
    /// Our INVITE was accepted, or the other side has acknowledged our acceptance.
    Established {
        /// Of which dialog.
        leg: Leg,
        /// The text in our INVITE was taken.
        first_taken: bool,
    },
    /// Our INVITE was refused, cancelled or not answered; or our acceptance was never acknowledged.
    Failed {
        /// Of which dialog.
        leg: Leg,
        /// For those who wrote.
        error: StanzaError,
    },
    /// The other side has ended the session, or its session timer has.
    Ended(Leg),
    /// The MESSAGE in flight has its answer.
    Answered {
        /// Of which dialog.
        leg: Leg,
        /// What became of it.
        outcome: Outcome,
    },
    /// The request about typing has its answer.
    TypingAnswered {
        /// Of which dialog.
        leg: Leg,
        /// What became of it.
        outcome: Outcome,
    },
    /// The internal user writes.
    Received {
        /// Of which dialog.
        leg: Leg,
        /// The text.
        message: M,
    },
    /// The internal user types or does not.
    Typing {
        /// Of which dialog.
        leg: Leg,
        /// What is told.
        activity: Activity,
    },
    /// The conversation is not permitted any more, or we are shutting down: refuse what waits and end the session.
    Stop(StanzaError),
    /// The moment of [`Session::deadline`] has come.
    Deadline,
}

/// What the shell has to do.
#[derive(Clone, Debug)]
pub enum Output<T, M> {
    /// Invite; `first` may ride in the INVITE.
    Open {
        /// Names the dialog from now on.
        leg: Leg,
        /// The text.
        first: T,
    },
    /// Cancel our INVITE. Its answer is still owed.
    Cancel(Leg),
    /// Accept an INVITE. [`Input::Established`] says that the acceptance was acknowledged.
    Accept(Leg),
    /// Send a text in the dialog.
    Message {
        /// In which dialog.
        leg: Leg,
        /// The text.
        text: T,
    },
    /// Tell of typing in the dialog.
    Typing {
        /// In which dialog.
        leg: Leg,
        /// What to tell.
        activity: Activity,
    },
    /// End the dialog, and forget it: BYE, which may have to wait for an ACK (RFC 3261 §15).
    End(Leg),
    /// Deliver a text to the partner's user.
    Deliver(M),
    /// Answer a text with 481: its dialog is over.
    Reject(M),
    /// Tell the partner's user a chat state.
    State(ChatState),
    /// A text has ended.
    Settle {
        /// Which.
        token: T,
        /// Whether it was taken.
        result: Result<(), StanzaError>,
    },
    /// Something about typing went nowhere: count it.
    Dropped(Dropped),
}

/// Why a typing notification goes nowhere.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dropped {
    /// No session is established, or it is another one.
    NoSession,
    /// The partner's client has not shown that it knows chat states, or no text was exchanged yet.
    NotNegotiated,
    /// A newer one took its place.
    Overtaken,
    /// The other side refuses such notifications.
    Refused,
    /// It says what was said before.
    Unchanged,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoSession, Self::NotNegotiated, Self::Overtaken, Self::Refused, Self::Unchanged];

    /// The word for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::NotNegotiated => "not_negotiated",
            Self::Overtaken => "overtaken",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Where the session stands.
#[derive(Clone, Debug)]
enum State {
    /// There is none. None is opened before `not_before`.
    Closed { not_before: Option<Instant> },
    /// Our INVITE is out until `deadline`; then it is cancelled, and `failure` is why.
    Opening { leg: Leg, deadline: Instant, failure: Option<StanzaError> },
    /// Theirs was accepted, and the acceptance is not acknowledged.
    Accepting { leg: Leg },
    /// Both sides know that it stands.
    Open { leg: Leg },
}

/// The conversation of one pair of users.
#[derive(Debug)]
pub struct Session<T, M> {
    settings: Settings,
    state: State,
    legs: u64,
    waiting: VecDeque<Waiting<T>>,
    in_flight: Option<InFlight<T>>,
    /// The front of the waiting texts rides in an INVITE whose end is not known.
    is_riding: bool,
    /// Our INVITE that was cancelled for theirs and has no answer yet.
    cancelled: Option<Leg>,
    /// Ours gave way to the session that stands, and no text has crossed since.
    has_met: bool,
    /// The partner's user has left: end the session once nothing waits.
    is_leaving: bool,
    stop: Option<StanzaError>,
    /// The last text or typing, in either direction.
    active_at: Instant,
    /// A text has crossed.
    has_exchanged: bool,
    /// The partner's client knows chat states.
    knows_states: bool,
    to_sip: typing::ToSip,
    /// The state that the partner's user was told last, until a text is.
    told: Option<ChatState>,
    /// The internal user types, and counts as typing until then.
    typing_until: Option<Instant>,
    outputs: VecDeque<Output<T, M>>,
}

impl<T: Clone, M> Session<T, M> {
    /// A conversation without a session.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed { not_before: None },
            legs: 0,
            waiting: VecDeque::new(),
            in_flight: None,
            is_riding: false,
            cancelled: None,
            has_met: false,
            is_leaving: false,
            stop: None,
            active_at: now,
            has_exchanged: false,
            knows_states: false,
            to_sip: typing::ToSip::default(),
            told: None,
            typing_until: None,
            outputs: VecDeque::new(),
        }
    }

    /// A name for a dialog that the other side opens.
    pub fn leg(&mut self) -> Leg {
        self.legs += 1;
        Leg(self.legs)
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input<T, M>) {
        match input {
            Input::Text { token, deadline, has_state } => self.text(now, token, deadline, has_state),
            Input::State(state) => self.chat_state(now, state),
            Input::Invited { leg, has_text } => self.invited(now, leg, has_text),
            Input::Established { leg, first_taken } => self.established(now, leg, first_taken),
            Input::Failed { leg, error } => self.failed(now, leg, &error),
            Input::Ended(leg) => self.ended(now, leg),
            Input::Answered { leg, outcome } => self.answered(leg, outcome),
            Input::TypingAnswered { leg, outcome } => self.typing_answered(now, leg, outcome),
            Input::Received { leg, message } => self.received(now, leg, message),
            Input::Typing { leg, activity } => self.typing(now, leg, activity),
            Input::Stop(error) => self.stop(error),
            Input::Deadline => {}
        }
        self.elapse(now);
        self.go_on(now);
    }

    /// The next output; none until the next input.
    pub fn poll(&mut self) -> Option<Output<T, M>> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Closed { not_before } => not_before.filter(|_| !self.waiting.is_empty() && !self.is_held()),
            State::Opening { deadline, failure, .. } => failure.is_none().then_some(*deadline),
            State::Accepting { .. } => None,
            State::Open { .. } => (!self.is_busy()).then(|| self.active_at + self.settings.idle),
        };
        let texts = self.expiring().map(|waiting| waiting.deadline).min();
        [state, texts, self.typing_until].into_iter().flatten().min()
    }

    /// Whether nothing is left: no session, no text, no answer owed. Then the conversation may be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed { .. }) && !self.is_busy() && self.outputs.is_empty()
    }

    /// Whether a text has not ended or an INVITE of ours has no answer.
    fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.is_held()
    }

    /// Whether an answer must come before the next text can go.
    fn is_held(&self) -> bool {
        self.in_flight.is_some() || self.cancelled.is_some()
    }

    /// The dialog that carries texts of the internal user.
    fn current(&self) -> Option<Leg> {
        match self.state {
            State::Accepting { leg } | State::Open { leg } => Some(leg),
            State::Closed { .. } | State::Opening { .. } => None,
        }
    }

    fn put(&mut self, output: Output<T, M>) {
        self.outputs.push_back(output);
    }

    fn drop_typing(&mut self, reason: Dropped) {
        self.put(Output::Dropped(reason));
    }

    /// What time has done.
    fn elapse(&mut self, now: Instant) {
        self.expire_typing(now);
        self.expire_texts(now);
        self.expire_opening(now);
        if let State::Open { leg } = self.state
            && !self.is_busy()
            && now >= self.active_at + self.settings.idle
        {
            self.end(leg);
        }
    }

    /// Does what can be done now: sends the next text, opens a session for it, or ends one that nobody needs.
    fn go_on(&mut self, now: Instant) {
        if let Some(error) = self.stop.clone() {
            self.refuse_waiting(&error);
        }
        if self.is_held() {
            return;
        }
        match self.state {
            State::Closed { not_before } if not_before.is_none_or(|at| at <= now) => self.open(now),
            State::Open { leg } if !self.waiting.is_empty() => self.send_next(now, leg),
            State::Open { leg } if self.is_leaving || self.stop.is_some() => self.end(leg),
            State::Closed { .. } | State::Opening { .. } | State::Accepting { .. } | State::Open { .. } => {}
        }
    }
}

/// For texts that could not wait any longer.
fn too_late() -> StanzaError {
    StanzaError::new(Condition::RemoteServerTimeout).with_text("The recipient's device did not answer in time")
}
