//! Two of our own machines that meet: the rule for glare must not keep them meeting for ever.

use std::collections::VecDeque;

use super::*;

/// Dialogs by number, with the leg that each side knows it by.
struct Pair {
    sides: [Session<u32, u32>; 2],
    now: Instant,
    legs: Vec<[Option<Leg>; 2]>,
    /// Who gets what, in order.
    wire: VecDeque<(usize, Wire)>,
    taken: [Vec<u32>; 2],
    opened: usize,
}

enum Wire {
    Invite(usize, u32),
    Cancel(usize),
    Accepted(usize),
    Ack(usize),
    Message(usize, u32),
    Answer(usize, bool),
    Bye(usize),
}

impl Pair {
    fn dialog(&self, side: usize, leg: Leg) -> usize {
        self.legs.iter().position(|legs| legs[side] == Some(leg)).unwrap()
    }

    fn give(&mut self, side: usize, input: Input<u32, u32>) {
        self.sides[side].handle(self.now, input);
        while let Some(output) = self.sides[side].poll() {
            let wire = match output {
                Output::Open { leg, first } => {
                    let mut legs = [None; 2];
                    legs[side] = Some(leg);
                    self.legs.push(legs);
                    self.opened += 1;
                    Wire::Invite(self.legs.len() - 1, first)
                }
                Output::Cancel(leg) => Wire::Cancel(self.dialog(side, leg)),
                Output::Accept(leg) => Wire::Accepted(self.dialog(side, leg)),
                Output::Message { leg, text } => Wire::Message(self.dialog(side, leg), text),
                Output::End(leg) => Wire::Bye(self.dialog(side, leg)),
                Output::Deliver(text) => {
                    self.taken[side].push(text);
                    continue;
                }
                Output::Settle { result, .. } => {
                    assert_eq!(result, Ok(()));
                    continue;
                }
                _ => continue,
            };
            self.wire.push_back((1 - side, wire));
        }
    }

    /// What the shell of `side` does with what arrives. A first text is delivered before the INVITE is accepted.
    fn arrive(&mut self, side: usize, wire: Wire) {
        let (Wire::Invite(dialog, _)
        | Wire::Cancel(dialog)
        | Wire::Accepted(dialog)
        | Wire::Ack(dialog)
        | Wire::Message(dialog, _)
        | Wire::Answer(dialog, _)
        | Wire::Bye(dialog)) = wire;
        let leg = self.legs[dialog][side];
        match (wire, leg) {
            (Wire::Invite(_, first), _) => {
                let leg = self.sides[side].leg();
                self.legs[dialog][side] = Some(leg);
                self.taken[side].push(first);
                self.give(side, Input::Invited { leg, has_text: true });
            }
            // Accepted before: the CANCEL has no effect (RFC 3261 §9.2).
            (Wire::Cancel(_), _) => {}
            (Wire::Accepted(_), Some(leg)) => {
                self.wire.push_back((1 - side, Wire::Ack(dialog)));
                self.give(side, Input::Established { leg, first_taken: true });
            }
            (Wire::Ack(_), Some(leg)) => self.give(side, Input::Established { leg, first_taken: false }),
            (Wire::Message(_, text), Some(leg)) => {
                self.give(side, Input::Received { leg, message: text });
                let was_taken = self.taken[side].last() == Some(&text);
                self.wire.push_back((1 - side, Wire::Answer(dialog, was_taken)));
            }
            (Wire::Answer(_, was_taken), Some(leg)) => {
                let gone = Outcome::NoDialog(error(Condition::ItemNotFound));
                self.give(side, Input::Answered { leg, outcome: if was_taken { Outcome::Taken } else { gone } });
            }
            (Wire::Bye(_), Some(leg)) => self.give(side, Input::Ended(leg)),
            (_, None) => unreachable!("a dialog is known to both sides"),
        }
    }

    fn run(&mut self) {
        for _ in 0..200 {
            while let Some((side, wire)) = self.wire.pop_front() {
                self.arrive(side, wire);
            }
            let idle = self.now + Duration::from_secs(300);
            let next = self.sides.iter().filter_map(Session::deadline).min().filter(|at| *at < idle);
            let Some(next) = next else { return };
            self.now = next;
            for side in [0, 1] {
                self.give(side, Input::Deadline);
            }
        }
        panic!("they never come to rest");
    }
}

#[test]
fn two_gateways_that_invite_each_other_come_to_one_session() {
    let now = start();
    let session = |glare_wait| Session::new(now, Settings { glare_wait, ..Settings::default() });
    let mut pair = Pair {
        sides: [session(Duration::from_millis(700)), session(Duration::from_millis(2_300))],
        now,
        legs: Vec::new(),
        wire: VecDeque::new(),
        taken: [Vec::new(), Vec::new()],
        opened: 0,
    };
    let deadline = now + Duration::from_secs(60);
    for token in 0..3 {
        pair.give(0, Input::Text { token, deadline, has_state: true });
        pair.give(1, Input::Text { token: token + 10, deadline, has_state: true });
    }
    pair.run();
    assert_eq!(pair.taken, [vec![10, 11, 12], vec![0, 1, 2]]);
    assert_eq!(pair.opened, 3, "both, then one");
    let standing: Vec<usize> =
        (0..2).filter_map(|side| pair.sides[side].current().map(|leg| pair.dialog(side, leg))).collect();
    assert_eq!(standing, [2, 2], "one session, the same for both");
}
