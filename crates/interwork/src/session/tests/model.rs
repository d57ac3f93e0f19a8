//! The machine against every order of events that its contract allows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a shell would know.
struct World {
    session: Session<u32, u32>,
    now: Instant,
    texts: u32,
    settled: BTreeMap<u32, bool>,
    /// Texts that the other side took, in the order in which it did.
    taken: Vec<u32>,
    /// Our INVITEs without an answer, with the text that rides.
    inviting: BTreeMap<Leg, u32>,
    cancelled: BTreeSet<Leg>,
    /// Their INVITEs whose acceptance is not acknowledged.
    accepted: BTreeSet<Leg>,
    /// Dialogs that stand.
    standing: BTreeSet<Leg>,
    in_flight: Option<(Leg, u32)>,
    typing: BTreeSet<Leg>,
    delivered: u32,
    rejected: u32,
}

#[derive(Clone, Debug)]
enum Step {
    Text { seconds: u64, has_state: bool },
    State(usize),
    Invited,
    InviteAnswered { accepted: bool, first_taken: bool },
    Acknowledged(bool),
    Bye,
    Answered(usize),
    TypingAnswered(usize),
    Received,
    Typing(bool),
    Wait(u64),
    WaitForDeadline,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..90, any::<bool>()).prop_map(|(seconds, has_state)| Step::Text { seconds, has_state }),
        3 => (0usize..5).prop_map(Step::State),
        2 => Just(Step::Invited),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(accepted, first_taken)| Step::InviteAnswered { accepted, first_taken }),
        4 => prop::bool::weighted(0.8).prop_map(Step::Acknowledged),
        2 => Just(Step::Bye),
        8 => (0usize..6).prop_map(Step::Answered),
        2 => (0usize..6).prop_map(Step::TypingAnswered),
        2 => Just(Step::Received),
        2 => any::<bool>().prop_map(Step::Typing),
        3 => (1u64..700).prop_map(Step::Wait),
        2 => Just(Step::WaitForDeadline),
        1 => prop::bool::weighted(0.05).prop_map(|stop| if stop { Step::Stop } else { Step::Received }),
    ]
}

impl World {
    fn new() -> Self {
        let now = start();
        Self {
            session: Session::new(now, Settings::default()),
            now,
            texts: 0,
            settled: BTreeMap::new(),
            taken: Vec::new(),
            inviting: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            accepted: BTreeSet::new(),
            standing: BTreeSet::new(),
            in_flight: None,
            typing: BTreeSet::new(),
            delivered: 0,
            rejected: 0,
        }
    }

    fn give(&mut self, input: Input<u32, u32>) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            self.check(output);
        }
        assert!(self.session.waiting.len() <= WAITING_MAX);
        assert!(self.standing.len() + self.accepted.len() <= 1, "one session per pair");
        if let Some(at) = self.session.deadline() {
            assert!(at > self.now, "a deadline that has passed was acted upon");
        }
    }

    fn check(&mut self, output: Output<u32, u32>) {
        match output {
            Output::Open { leg, first } => {
                assert!(self.inviting.is_empty() && self.standing.is_empty() && self.accepted.is_empty());
                self.inviting.insert(leg, first);
            }
            Output::Cancel(leg) => {
                assert!(
                    self.inviting.contains_key(&leg) && self.cancelled.insert(leg),
                    "one CANCEL for an open INVITE"
                );
            }
            Output::Accept(leg) => assert!(self.accepted.insert(leg)),
            Output::Message { leg, text } => {
                assert!(self.standing.contains(&leg), "a MESSAGE needs a dialog that stands");
                assert_eq!(self.in_flight.replace((leg, text)), None, "one at a time");
            }
            Output::Typing { leg, .. } => {
                assert!(self.standing.contains(&leg) && self.typing.insert(leg), "one notification at a time");
            }
            Output::End(leg) => assert!(self.standing.remove(&leg) || self.accepted.remove(&leg), "one end"),
            Output::Deliver(_) => self.delivered += 1,
            Output::Reject(_) => self.rejected += 1,
            Output::Settle { token, result } => {
                assert_eq!(self.settled.insert(token, result.is_ok()), None, "every text ends once");
            }
            Output::State(_) | Output::Dropped(_) => {}
        }
    }

    fn outcome(kind: usize) -> Outcome {
        match kind {
            0..=2 => Outcome::Taken,
            3 => Outcome::Refused(error(Condition::NotAcceptable)),
            4 => Outcome::NoDialog(error(Condition::ItemNotFound)),
            _ => Outcome::NoAnswer(error(Condition::RemoteServerTimeout)),
        }
    }

    fn step(&mut self, step: &Step) {
        let current = self.standing.first().or(self.accepted.first()).copied();
        match *step {
            Step::Text { seconds, has_state } => {
                self.texts += 1;
                let deadline = self.now + Duration::from_secs(seconds);
                self.give(Input::Text { token: self.texts, deadline, has_state });
            }
            Step::State(at) => self.give(Input::State(ChatState::ALL[at])),
            Step::Invited => {
                let leg = self.session.leg();
                self.give(Input::Invited { leg, has_text: false });
            }
            Step::InviteAnswered { accepted, first_taken } => self.answer_invite(accepted, first_taken),
            Step::Acknowledged(was) => {
                let Some(leg) = self.accepted.pop_first() else { return };
                if was {
                    self.standing.insert(leg);
                    self.give(Input::Established { leg, first_taken: false });
                } else {
                    self.give(Input::Failed { leg, error: error(Condition::RemoteServerTimeout) });
                }
            }
            Step::Bye => {
                let Some(leg) = self.standing.pop_first() else { return };
                self.give(Input::Ended(leg));
            }
            Step::Answered(kind) => {
                let Some((leg, text)) = self.in_flight.take() else { return };
                let outcome = Self::outcome(kind);
                if outcome == Outcome::Taken {
                    self.taken.push(text);
                }
                self.give(Input::Answered { leg, outcome });
            }
            Step::TypingAnswered(kind) => {
                let Some(leg) = self.typing.pop_first() else { return };
                self.give(Input::TypingAnswered { leg, outcome: Self::outcome(kind) });
            }
            Step::Received => {
                let Some(leg) = current else { return };
                let delivered = self.delivered;
                self.give(Input::Received { leg, message: 0 });
                assert_eq!((self.delivered, self.rejected), (delivered + 1, 0));
            }
            Step::Typing(is_active) => {
                let Some(leg) = current else { return };
                self.give(Input::Typing { leg, activity: if is_active { TYPING } else { Activity::Idle } });
            }
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.give(Input::Deadline);
            }
            Step::WaitForDeadline => {
                let Some(at) = self.session.deadline() else { return };
                self.now = at;
                self.give(Input::Deadline);
            }
            Step::Stop => self.give(Input::Stop(error(Condition::ServiceUnavailable))),
        }
    }

    fn answer_invite(&mut self, accepted: bool, first_taken: bool) {
        let Some((leg, first)) = self.inviting.pop_first() else { return };
        let replaced = self.accepted.first().or(self.standing.first()).is_some();
        if accepted {
            // The shell ends what the machine ends at once; the model counts it as standing until then.
            if first_taken {
                self.taken.push(first);
            }
            if !replaced {
                self.standing.insert(leg);
                return self.give(Input::Established { leg, first_taken });
            }
            let theirs = (std::mem::take(&mut self.accepted), std::mem::take(&mut self.standing));
            self.standing.insert(leg);
            self.session.handle(self.now, Input::Established { leg, first_taken });
            let outputs: Vec<_> = std::iter::from_fn(|| self.session.poll()).collect();
            assert!(matches!(outputs.first(), Some(Output::End(ended)) if *ended == leg), "one session is enough");
            (self.accepted, self.standing) = theirs;
            for output in outputs.into_iter().skip(1) {
                self.check(output);
            }
        } else {
            self.give(Input::Failed { leg, error: error(Condition::RecipientUnavailable) });
        }
    }

    /// Every answer that is owed comes, and time passes, until nothing is left.
    fn finish(&mut self) {
        for round in 0..500 {
            if self.session.is_over() {
                return;
            }
            self.step(&Step::InviteAnswered { accepted: round % 2 == 0, first_taken: false });
            self.step(&Step::Acknowledged(true));
            self.step(&Step::Answered(0));
            self.step(&Step::TypingAnswered(0));
            self.step(&Step::WaitForDeadline);
        }
        panic!("the conversation does not end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_text_ends_once_and_order_is_kept(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finish();
        prop_assert_eq!(world.settled.len() as u32, world.texts);
        prop_assert!(world.taken.windows(2).all(|two| two[0] < two[1]), "order: {:?}", world.taken);
        let told: Vec<u32> = world.settled.iter().filter(|(_, taken)| **taken).map(|(token, _)| *token).collect();
        prop_assert_eq!(told, world.taken, "what was taken is told as taken, and nothing else");
    }
}
