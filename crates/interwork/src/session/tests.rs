use super::*;
use crate::typing::REFRESH_DEFAULT;

mod model;
mod pair;

type Machine = Session<u32, &'static str>;

const TYPING: Activity = Activity::Active { refresh: REFRESH_DEFAULT };

/// The one look at the clock; from here on the tests move time.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

/// One machine and its clock.
struct Scene {
    session: Machine,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = start();
        Self { session: Session::new(now, Settings::default()), now }
    }

    /// With a session of ours in which the text 0 was taken.
    fn open() -> (Self, Leg) {
        let mut scene = Self::new();
        let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
        assert_eq!(scene.give(Input::Established { leg, first_taken: true }), [Did::Taken(0)]);
        (scene, leg)
    }

    fn give(&mut self, input: Input<u32, &'static str>) -> Vec<Did> {
        self.session.handle(self.now, input);
        std::iter::from_fn(|| self.session.poll()).map(Did::of).collect()
    }

    fn text(&mut self, token: u32) -> Vec<Did> {
        let deadline = self.now + Duration::from_secs(100);
        self.give(Input::Text { token, deadline, has_state: true })
    }

    fn answer(&mut self, leg: Leg, outcome: Outcome) -> Vec<Did> {
        self.give(Input::Answered { leg, outcome })
    }

    fn after(&mut self, seconds: u64) -> Vec<Did> {
        self.now += Duration::from_secs(seconds);
        self.give(Input::Deadline)
    }

    fn invited(&mut self) -> Leg {
        let leg = self.session.leg();
        let did = self.give(Input::Invited { leg, has_text: true });
        assert!(did.contains(&Did::Accept(leg)), "{did:?}");
        leg
    }
}

/// Outputs that compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Did {
    Open(Leg, u32),
    Cancel(Leg),
    Accept(Leg),
    Message(Leg, u32),
    Typing(Leg, Activity),
    End(Leg),
    Deliver(&'static str),
    Reject(&'static str),
    State(ChatState),
    Taken(u32),
    Refused(u32, Condition),
    Dropped(Dropped),
}

impl Did {
    fn of(output: Output<u32, &'static str>) -> Self {
        match output {
            Output::Open { leg, first } => Self::Open(leg, first),
            Output::Cancel(leg) => Self::Cancel(leg),
            Output::Accept(leg) => Self::Accept(leg),
            Output::Message { leg, text } => Self::Message(leg, text),
            Output::Typing { leg, activity } => Self::Typing(leg, activity),
            Output::End(leg) => Self::End(leg),
            Output::Deliver(message) => Self::Deliver(message),
            Output::Reject(message) => Self::Reject(message),
            Output::State(state) => Self::State(state),
            Output::Settle { token, result: Ok(()) } => Self::Taken(token),
            Output::Settle { token, result: Err(error) } => Self::Refused(token, error.condition),
            Output::Dropped(reason) => Self::Dropped(reason),
        }
    }
}

fn error(condition: Condition) -> StanzaError {
    StanzaError::new(condition)
}

/// RFC 7573 §4: the first text opens the session, the next ones wait and go in order, one at a time.
#[test]
fn texts_go_in_order_and_one_at_a_time() {
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    assert_eq!(scene.text(1), []);
    assert_eq!(scene.text(2), []);
    let did = scene.give(Input::Established { leg, first_taken: true });
    assert_eq!(did, [Did::Taken(0), Did::Message(leg, 1)]);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(1), Did::Message(leg, 2)]);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(2)]);
    assert_eq!(scene.text(3), [Did::Message(leg, 3)]);
}

/// The gateway's reference, "First message": without `Supported: ms-text-format` the text is sent again.
#[test]
fn a_first_text_that_was_not_taken_is_sent_as_a_message() {
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    assert_eq!(scene.give(Input::Established { leg, first_taken: false }), [Did::Message(leg, 0)]);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(0)]);
}

#[test]
fn a_session_that_cannot_be_opened_refuses_all_that_wait() {
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    scene.text(1);
    let did = scene.give(Input::Failed { leg, error: error(Condition::ItemNotFound) });
    assert_eq!(did, [Did::Refused(0, Condition::ItemNotFound), Did::Refused(1, Condition::ItemNotFound)]);
    assert!(scene.session.is_over());
    assert!(matches!(scene.text(2)[..], [Did::Open(_, 2)]), "the next text tries anew");
}

#[test]
fn an_invite_without_an_answer_is_cancelled() {
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    scene.text(1);
    assert_eq!(scene.session.deadline(), Some(scene.now + Duration::from_secs(60)));
    assert_eq!(scene.after(60), [Did::Cancel(leg)]);
    let did = scene.give(Input::Failed { leg, error: error(Condition::RecipientUnavailable) });
    assert_eq!(did, [0, 1].map(|token| Did::Refused(token, Condition::RemoteServerTimeout)));
}

#[test]
fn an_acceptance_that_crosses_the_cancellation_is_used() {
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    scene.text(1);
    scene.after(60);
    let did = scene.give(Input::Established { leg, first_taken: true });
    assert_eq!(did, [Did::Taken(0), Did::Message(leg, 1)]);
}

#[test]
fn a_text_does_not_wait_past_its_deadline() {
    let mut scene = Scene::new();
    let deadline = scene.now + Duration::from_secs(20);
    let did = scene.give(Input::Text { token: 0, deadline, has_state: false });
    let [Did::Open(leg, 0)] = did[..] else { panic!("a text opens") };
    scene.give(Input::Text { token: 1, deadline: scene.now + Duration::from_secs(10), has_state: false });
    assert_eq!(scene.after(10), [Did::Refused(1, Condition::RemoteServerTimeout)]);
    assert_eq!(scene.after(10), [Did::Cancel(leg)], "the first rides in the INVITE");
    let did = scene.give(Input::Failed { leg, error: error(Condition::RecipientUnavailable) });
    assert_eq!(did, [Did::Refused(0, Condition::RemoteServerTimeout)]);
}

#[test]
fn only_so_many_texts_wait() {
    let (mut scene, leg) = Scene::open();
    assert_eq!(scene.text(1), [Did::Message(leg, 1)]);
    for token in 0..WAITING_MAX as u32 {
        assert_eq!(scene.text(2 + token), []);
    }
    assert_eq!(scene.text(99), [Did::Refused(99, Condition::ResourceConstraint)]);
}

#[test]
fn a_refused_text_leaves_the_session_standing() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    scene.text(2);
    let did = scene.answer(leg, Outcome::Refused(error(Condition::NotAcceptable)));
    assert_eq!(did, [Did::Refused(1, Condition::NotAcceptable), Did::Message(leg, 2)]);
}

/// RFC 3261 §12.2.1.2: 481 ends the dialog; so does no answer, but then the text may have arrived.
#[test]
fn a_text_into_an_unknown_dialog_is_sent_once_more_in_a_new_session() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    scene.text(2);
    let gone = || Outcome::of_message(Status::NO_SUCH_TRANSACTION, error(Condition::ItemNotFound));
    let did = scene.answer(leg, gone());
    let [Did::End(ended), Did::Open(second, 1)] = did[..] else { panic!("{did:?}") };
    assert_eq!(ended, leg);
    assert_eq!(scene.give(Input::Established { leg: second, first_taken: false }), [Did::Message(second, 1)]);
    let did = scene.answer(second, gone());
    assert!(matches!(did[..], [Did::End(_), Did::Refused(1, Condition::ItemNotFound), Did::Open(_, 2)]), "{did:?}");
}

#[test]
fn a_text_without_an_answer_is_not_sent_again() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    let silent = Outcome::of_message(Status::REQUEST_TIMEOUT, error(Condition::RemoteServerTimeout));
    assert_eq!(scene.answer(leg, silent), [Did::End(leg), Did::Refused(1, Condition::RemoteServerTimeout)]);
    assert!(scene.session.is_over());
}

/// RFC 7573 §5 and §6.1, example 22.
#[test]
fn an_invited_session_carries_both_ways_and_its_bye_is_told() {
    let mut scene = Scene::new();
    let leg = scene.session.leg();
    assert_eq!(scene.give(Input::Invited { leg, has_text: true }), [Did::Accept(leg)]);
    assert_eq!(scene.text(0), [], "not before the acceptance is acknowledged");
    assert_eq!(scene.give(Input::Received { leg, message: "early" }), [Did::Deliver("early")]);
    assert_eq!(scene.give(Input::Established { leg, first_taken: false }), [Did::Message(leg, 0)]);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(0)]);
    assert_eq!(scene.give(Input::Received { leg, message: "a" }), [Did::Deliver("a")]);
    assert_eq!(scene.give(Input::Ended(leg)), [Did::State(ChatState::Gone)]);
    assert!(scene.session.is_over());
    assert_eq!(scene.give(Input::Received { leg, message: "late" }), [Did::Reject("late")]);
    assert!(matches!(scene.text(1)[..], [Did::Open(_, 1)]), "a late text opens anew");
}

/// XEP-0085 §5.3: no state twice in a row.
#[test]
fn gone_is_told_once() {
    let (mut scene, leg) = Scene::open();
    assert_eq!(scene.give(Input::Ended(leg)), [Did::State(ChatState::Gone)]);
    let leg = scene.session.leg();
    scene.give(Input::Invited { leg, has_text: false });
    assert_eq!(scene.give(Input::Ended(leg)), [Did::Dropped(Dropped::Unchanged)]);
    let leg = scene.invited();
    assert_eq!(scene.give(Input::Ended(leg)), [Did::State(ChatState::Gone)]);
}

#[test]
fn what_waits_when_the_other_side_leaves_goes_in_a_new_session() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    scene.text(2);
    assert_eq!(scene.give(Input::Ended(leg)), [Did::State(ChatState::Gone)], "1 is still in flight");
    let did = scene.answer(leg, Outcome::Taken);
    assert!(matches!(did[..], [Did::Taken(1), Did::Open(_, 2)]), "{did:?}");
}

#[test]
fn their_invite_wins_over_ours() {
    let mut scene = Scene::new();
    let [Did::Open(ours, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    let theirs = scene.session.leg();
    let did = scene.give(Input::Invited { leg: theirs, has_text: true });
    assert_eq!(did, [Did::Cancel(ours), Did::Accept(theirs)]);
    assert_eq!(scene.give(Input::Established { leg: theirs, first_taken: false }), [], "not known what became of 0");
    let did = scene.give(Input::Failed { leg: ours, error: error(Condition::RecipientUnavailable) });
    assert_eq!(did, [Did::Message(theirs, 0)]);
    assert_eq!(scene.answer(theirs, Outcome::Taken), [Did::Taken(0)]);
}

#[test]
fn a_text_taken_with_an_invite_cancelled_too_late_is_not_sent_twice() {
    let mut scene = Scene::new();
    let [Did::Open(ours, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    scene.text(1);
    let theirs = scene.invited();
    scene.give(Input::Established { leg: theirs, first_taken: false });
    let did = scene.give(Input::Established { leg: ours, first_taken: true });
    assert_eq!(did, [Did::End(ours), Did::Taken(0), Did::Message(theirs, 1)]);
}

#[test]
fn a_new_invite_replaces_the_session_that_stands() {
    let (mut scene, older) = Scene::open();
    scene.text(1);
    let newer = scene.session.leg();
    assert_eq!(scene.give(Input::Invited { leg: newer, has_text: false }), [Did::End(older), Did::Accept(newer)]);
    scene.give(Input::Established { leg: newer, first_taken: false });
    let did = scene.answer(older, Outcome::NoDialog(error(Condition::ItemNotFound)));
    assert_eq!(did, [Did::Message(newer, 1)]);
}

/// RFC 7573 §6.1: about ten minutes.
#[test]
fn an_idle_session_is_ended_without_a_word_to_xmpp() {
    let (mut scene, leg) = Scene::open();
    assert_eq!(scene.after(599), []);
    assert_eq!(scene.give(Input::Received { leg, message: "a" }), [Did::Deliver("a")]);
    assert_eq!(scene.after(599), []);
    assert_eq!(scene.session.deadline(), Some(scene.now + Duration::from_secs(1)));
    assert_eq!(scene.after(1), [Did::End(leg)]);
    assert!(scene.session.is_over());
}

#[test]
fn gone_ends_the_session_after_the_texts_before_it() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    assert_eq!(scene.give(Input::State(ChatState::Gone)), []);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(1), Did::End(leg)]);
    assert_eq!(scene.give(Input::State(ChatState::Gone)), [Did::Dropped(Dropped::NoSession)]);
    let (mut scene, leg) = Scene::open();
    assert_eq!(scene.give(Input::State(ChatState::Gone)), [Did::End(leg)]);
}

#[test]
fn typing_opens_no_session_and_does_not_wait_for_one() {
    let mut scene = Scene::new();
    assert_eq!(scene.give(Input::State(ChatState::Composing)), [Did::Dropped(Dropped::NoSession)]);
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    assert_eq!(scene.give(Input::State(ChatState::Composing)), [Did::Dropped(Dropped::NoSession)]);
    assert_eq!(scene.give(Input::Established { leg, first_taken: true }), [Did::Taken(0)]);
}

/// RFC 3994 §3.2: one notification in the refresh interval; a content message clears the state.
#[test]
fn typing_is_told_to_sip_when_it_is_news() {
    let (mut scene, leg) = Scene::open();
    let taken = || Input::TypingAnswered { leg, outcome: Outcome::Taken };
    assert_eq!(scene.give(Input::State(ChatState::Active)), [Did::Dropped(Dropped::Unchanged)]);
    assert_eq!(scene.give(Input::State(ChatState::Composing)), [Did::Typing(leg, TYPING)]);
    scene.give(taken());
    assert_eq!(scene.give(Input::State(ChatState::Composing)), [Did::Dropped(Dropped::Unchanged)]);
    scene.after(60);
    assert_eq!(scene.give(Input::State(ChatState::Composing)), [Did::Typing(leg, TYPING)]);
    assert_eq!(scene.give(Input::State(ChatState::Active)), []);
    assert_eq!(scene.give(Input::State(ChatState::Paused)), [Did::Dropped(Dropped::Overtaken)]);
    assert_eq!(scene.give(taken()), [Did::Typing(leg, Activity::Idle)]);
    scene.give(taken());
    scene.give(Input::State(ChatState::Composing));
    scene.give(taken());
    assert_eq!(scene.text(1), [Did::Message(leg, 1)]);
    assert_eq!(scene.give(Input::State(ChatState::Active)), [Did::Dropped(Dropped::Unchanged)]);
}

/// RFC 3994 §4 (415); the gateway's reference for 408, 480 and 481.
#[test]
fn refused_typing_is_told_no_more_and_a_dead_session_ends() {
    let (mut scene, leg) = Scene::open();
    scene.give(Input::State(ChatState::Composing));
    let refused = Outcome::of_typing(Status::UNSUPPORTED_MEDIA_TYPE, error(Condition::NotAcceptable));
    assert_eq!(scene.give(Input::TypingAnswered { leg, outcome: refused }), []);
    assert_eq!(scene.give(Input::State(ChatState::Paused)), [Did::Dropped(Dropped::Refused)]);
    for code in [408, 480, 481] {
        let (mut scene, leg) = Scene::open();
        scene.give(Input::State(ChatState::Composing));
        let dead = Outcome::of_typing(Status::new(code).unwrap(), error(Condition::ItemNotFound));
        assert_eq!(scene.give(Input::TypingAnswered { leg, outcome: dead }), [Did::End(leg)], "{code}");
    }
}

/// RFC 3994 §3.3.
#[test]
fn typing_is_told_to_xmpp_until_it_is_over() {
    let (mut scene, leg) = Scene::open();
    let typing = |scene: &mut Scene, activity| scene.give(Input::Typing { leg, activity });
    assert_eq!(typing(&mut scene, TYPING), [Did::State(ChatState::Composing)]);
    assert_eq!(typing(&mut scene, TYPING), [Did::Dropped(Dropped::Unchanged)]);
    assert_eq!(typing(&mut scene, Activity::Idle), [Did::State(ChatState::Active)]);
    assert_eq!(typing(&mut scene, Activity::Idle), [Did::Dropped(Dropped::Unchanged)]);
    typing(&mut scene, TYPING);
    assert_eq!(scene.after(119), []);
    assert_eq!(scene.after(1), [Did::State(ChatState::Active)], "not told again within 120 s");
    typing(&mut scene, TYPING);
    assert_eq!(scene.give(Input::Received { leg, message: "a" }), [Did::Deliver("a")]);
    assert_eq!(typing(&mut scene, Activity::Idle), [Did::Dropped(Dropped::Unchanged)]);
}

/// XEP-0085 §5.1.
#[test]
fn a_partner_without_chat_states_is_told_none() {
    let mut scene = Scene::new();
    let leg = scene.invited();
    let typing = |activity| Input::Typing { leg, activity };
    assert_eq!(scene.give(typing(TYPING)), [Did::Dropped(Dropped::NotNegotiated)], "nothing is known of the client");
    scene.give(Input::Established { leg, first_taken: false });
    let deadline = scene.now + Duration::from_secs(9);
    scene.give(Input::Text { token: 0, deadline, has_state: false });
    assert_eq!(scene.give(typing(Activity::Idle)), [Did::Dropped(Dropped::NotNegotiated)]);
    scene.answer(leg, Outcome::Taken);
    assert_eq!(scene.give(Input::Ended(leg)), [Did::Dropped(Dropped::NotNegotiated)]);
}

#[test]
fn stopping_refuses_what_waits_and_ends_what_stands() {
    let (mut scene, leg) = Scene::open();
    scene.text(1);
    scene.text(2);
    let stop = || Input::Stop(error(Condition::ServiceUnavailable));
    assert_eq!(scene.give(stop()), [Did::Refused(2, Condition::ServiceUnavailable)]);
    assert_eq!(scene.answer(leg, Outcome::Taken), [Did::Taken(1), Did::End(leg)]);
    assert_eq!(scene.text(3), [Did::Refused(3, Condition::ServiceUnavailable)]);
    let mut scene = Scene::new();
    let [Did::Open(leg, 0)] = scene.text(0)[..] else { panic!("a text opens") };
    scene.text(1);
    assert_eq!(scene.give(stop()), [Did::Cancel(leg), Did::Refused(1, Condition::ServiceUnavailable)]);
    let did = scene.give(Input::Established { leg, first_taken: true });
    assert_eq!(did, [Did::Taken(0), Did::End(leg)]);
}
