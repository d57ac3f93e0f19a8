//! Transactions over a network that loses and repeats (RFC 3261 §17, RFC 3428 §8, RFC 4320).

use std::{collections::BTreeSet, time::Duration};

use sip::{
    FlowId, Method, Name, Response, Status, Transport,
    transaction::{Counters, Input, Limits, SendError, Ticket},
};

use crate::network::{Pair, Side, request};

pub(crate) fn udp() -> Pair {
    Pair::new(Transport::Udp, Limits::default())
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn statuses(pair: &Pair) -> Vec<(u64, Result<u16, SendError>)> {
    let one = |(Ticket(ticket), answer): &(Ticket, Result<Response, SendError>)| {
        (*ticket, answer.as_ref().map(|response| response.status.code()).map_err(|error| *error))
    };
    pair.answers.iter().map(one).collect()
}

/// Numbers that look random (splitmix64).
pub(crate) fn noise(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[test]
fn each_request_is_delivered_once_whatever_is_lost_or_repeated() {
    for seed in 0..20 {
        let mut noise = noise(seed);
        let mut pair = udp().weather(move || {
            let copies = [0, 0, 1, 1, 1, 1, 1, 2, 2, 3][(noise() % 10) as usize];
            (0..copies).map(|_| Duration::from_millis(1 + noise() % 300)).collect()
        });
        for number in 0..40 {
            pair.send(number, request(Method::Message, &format!("user{}", number % 4), &format!("c{number}")));
        }
        pair.run(seconds(1000));
        let delivered: BTreeSet<_> = pair.delivered.iter().collect();
        assert_eq!(delivered.len(), pair.delivered.len(), "seed {seed}: nothing is delivered twice");
        assert_eq!(pair.answers.len(), 40, "seed {seed}: each has one end");
        for (Ticket(number), answer) in &pair.answers {
            if answer.is_ok() {
                assert!(delivered.contains(&format!("c{number}")), "seed {seed}: an answer means delivery");
            }
        }
        for user in 0..4 {
            let order: Vec<u64> =
                pair.delivered.iter().map(|id| id[1..].parse().unwrap()).filter(|n| n % 4 == user).collect();
            assert!(order.is_sorted(), "seed {seed}: order to one address");
        }
        assert!(pair.server.counters().requests_repeated > 0);
        assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)), "nothing remains");
        assert_eq!((pair.client.deadline(), pair.server.deadline()), (None, None));
    }
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut pair = udp();
        for number in 0..5 {
            pair.send(number, request(Method::Options, "hana", &format!("c{number}")));
        }
        pair.run(seconds(60));
        (pair.log, pair.delivered)
    };
    assert_eq!(run(), run());
}

/// RFC 3261 §17.1.2.1: "retransmissions … at intervals of 500 ms, 1 s, 2 s, 4 s, 4 s, …", Timer F after 64·T1.
#[test]
fn an_unanswered_request_is_repeated_and_given_up_after_32_seconds() {
    let mut pair = udp().weather(Vec::new);
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(Duration::from_millis(31_999));
    let times = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(pair.times(Side::Client, "MESSAGE"), times);
    assert!(pair.answers.is_empty());
    pair.run(Duration::from_millis(1));
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);
    assert_eq!(pair.client.sizes(), (0, 0, 0));
}

#[test]
fn a_reliable_flow_repeats_nothing() {
    let mut pair = Pair::new(Transport::Tcp, Limits::default()).weather(Vec::new);
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(seconds(40));
    assert_eq!(pair.times(Side::Client, "MESSAGE"), [0]);
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);

    let mut pair = Pair::new(Transport::Tcp, Limits::default());
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(Duration::from_millis(2));
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)), "timers J and K are zero");
}

/// RFC 4320 §4.1: 100 not before Timer E reaches T2, and then always.
#[test]
fn a_slow_answer_is_announced_by_100_after_3500_milliseconds() {
    let mut pair = udp();
    pair.policy = |_| None;
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(seconds(12));
    // Repetitions before it find no answer; that of 7.5 s gets it again.
    assert_eq!(pair.times(Side::Server, "100"), [3501, 7501, 11_501]);
    let (id, request) = pair.requests.pop_front().unwrap();
    pair.answer(id, &request, Status::ACCEPTED);
    pair.run(seconds(1));
    assert_eq!(statuses(&pair), [(7, Ok(202))]);
    assert_eq!(pair.delivered.len(), 1);
}

/// RFC 4320 §4.2: never 408, and no answer at all when it is too late.
#[test]
fn a_request_is_never_answered_by_408_nor_late() {
    let mut pair = udp();
    pair.policy = |_| None;
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(seconds(1));
    let (id, request) = pair.requests.pop_front().unwrap();
    pair.answer(id, &request, Status::REQUEST_TIMEOUT);
    assert!(pair.times(Side::Server, "408").is_empty());
    pair.run(seconds(40));
    pair.answer(id, &request, Status::OK);
    assert!(pair.times(Side::Server, "200").is_empty());
    let counters = pair.server.counters();
    assert_eq!((counters.answers_dropped, counters.requests_expired), (2, 1));
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);
}

#[test]
fn only_the_first_answer_counts() {
    let mut pair = udp();
    pair.policy = |_| None;
    pair.send(7, request(Method::Options, "hana", "c"));
    pair.run(Duration::from_millis(10));
    let (id, request) = pair.requests.pop_front().unwrap();
    for status in [Status::FORBIDDEN, Status::OK] {
        pair.answer(id, &request, status);
    }
    pair.run(seconds(1));
    assert_eq!(statuses(&pair), [(7, Ok(403))]);
    assert_eq!(pair.server.counters().answers_dropped, 1);
}

/// RFC 3428 §8.
#[test]
fn one_message_is_in_flight_to_each_uri() {
    let mut pair = udp();
    pair.policy = |_| None;
    for (ticket, user) in [(1, "hana"), (2, "hana"), (3, "jisoo"), (4, "hana")] {
        pair.send(ticket, request(Method::Message, user, &format!("c{ticket}")));
    }
    pair.send(5, request(Method::Options, "hana", "c5"));
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.delivered, ["c1", "c3", "c5"]);
    pair.input(Side::Client, Input::Withdraw(Ticket(2)));
    for expected in ["c1", "c3", "c5", "c4"] {
        let (id, request) = pair.requests.pop_front().unwrap();
        assert_eq!(request.headers.call_id(), Ok(expected));
        pair.answer(id, &request, Status::OK);
        pair.run(Duration::from_millis(100));
    }
    assert_eq!(statuses(&pair), [(1, Ok(200)), (3, Ok(200)), (5, Ok(200)), (4, Ok(200))]);
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let limits = Limits { waiting_per_uri_max: 2, ..Limits::default() };
    let mut pair = Pair::new(Transport::Udp, limits);
    for ticket in 0..4 {
        pair.send(ticket, request(Method::Message, "hana", &format!("c{ticket}")));
    }
    assert_eq!(statuses(&pair), [(3, Err(SendError::QueueFull))]);
    pair.run(seconds(1));
    assert_eq!(pair.delivered, ["c0", "c1", "c2"]);
}

#[test]
fn a_withdrawn_request_in_flight_ends_in_silence_and_gives_its_turn_on() {
    let mut pair = udp();
    pair.policy = |_| None;
    for ticket in [1, 2] {
        pair.send(ticket, request(Method::Message, "hana", &format!("c{ticket}")));
    }
    pair.run(Duration::from_millis(10));
    pair.input(Side::Client, Input::Withdraw(Ticket(1)));
    let (id, request) = pair.requests.pop_front().unwrap();
    pair.answer(id, &request, Status::OK);
    pair.run(Duration::from_millis(10));
    assert_eq!(pair.delivered, ["c1", "c2"]);
    assert!(pair.answers.is_empty());
}

#[test]
fn a_lost_flow_fails_what_is_in_flight_and_what_waits() {
    let mut pair = Pair::new(Transport::Tcp, Limits::default());
    pair.policy = |_| None;
    for ticket in [1, 2] {
        pair.send(ticket, request(Method::Message, "hana", &format!("c{ticket}")));
    }
    pair.run(seconds(1));
    pair.input(Side::Client, Input::FlowLost(FlowId(1)));
    pair.input(Side::Server, Input::FlowLost(FlowId(1)));
    assert_eq!(statuses(&pair), [(2, Err(SendError::FlowLost)), (1, Err(SendError::FlowLost))]);
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)));
}

/// The other end is taken for dead: what goes to it can go elsewhere, and what came from it is still answered.
#[test]
fn an_abandoned_flow_fails_what_we_send_and_keeps_what_we_received() {
    let mut pair = Pair::new(Transport::Udp, Limits::default());
    pair.policy = |_| None;
    for ticket in [1, 2] {
        pair.send(ticket, request(Method::Message, "hana", &format!("c{ticket}")));
    }
    pair.run(Duration::from_millis(10));
    pair.input(Side::Client, Input::Abandon(FlowId(1)));
    pair.input(Side::Server, Input::Abandon(FlowId(1)));
    assert_eq!(statuses(&pair), [(2, Err(SendError::FlowLost)), (1, Err(SendError::FlowLost))]);
    assert_eq!((pair.client.sizes().0, pair.server.sizes().2), (0, 1));
    let (id, request) = pair.requests.pop_front().unwrap();
    pair.answer(id, &request, Status::OK);
    assert_eq!(pair.times(Side::Server, "200").len(), 1);
}

/// RFC 3261 §17.2.1: Timer G until the ACK, Timer H after 64·T1.
#[test]
fn a_refused_invite_is_refused_again_until_the_ack_comes() {
    let mut pair = udp().weather(Vec::new);
    pair.policy = |_| Some(Status::NOT_ACCEPTABLE_HERE);
    let mut invite = request(Method::Invite, "hana", "c");
    invite.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKinvite").unwrap();
    pair.bring(Side::Server, invite.to_bytes());
    pair.run(seconds(4));
    assert_eq!(pair.times(Side::Server, "488"), [0, 500, 1500, 3500]);
    pair.bring(Side::Server, invite.to_bytes());
    assert_eq!(pair.times(Side::Server, "488").len(), 5);

    let mut ack = request(Method::Ack, "hana", "c");
    ack.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKinvite").unwrap();
    pair.bring(Side::Server, ack.to_bytes());
    pair.bring(Side::Server, invite.to_bytes());
    pair.run(seconds(60));
    assert_eq!(pair.times(Side::Server, "488").len(), 5);
    assert_eq!((pair.delivered.len(), pair.server.sizes()), (1, (0, 0, 0)));
    pair.bring(Side::Server, ack.to_bytes());
    assert_eq!(pair.server.counters().acks_stray, 1);
}

/// RFC 3261 §9.2.
#[test]
fn a_cancel_is_answered_by_the_layer() {
    let mut pair = udp().weather(Vec::new);
    pair.policy = |_| Some(Status::NOT_ACCEPTABLE_HERE);
    for (method, branch) in [(Method::Invite, "1"), (Method::Cancel, "1"), (Method::Cancel, "2")] {
        let mut message = request(method, "hana", "c");
        message.headers.push_front(Name::Via, format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}")).unwrap();
        pair.bring(Side::Server, message.to_bytes());
    }
    let written: Vec<_> = pair.log.iter().map(|(_, _, what)| what.as_str()).collect();
    assert_eq!(written, ["488", "200", "481"]);
}

#[test]
fn requests_beyond_the_limits_are_refused_and_counted() {
    let limits = Limits { servers_max: 2, answered_max: 2, ..Limits::default() };
    let mut pair = Pair::new(Transport::Udp, limits);
    pair.policy = |request| (request.method == Method::Options).then_some(Status::OK);
    for number in 0..4 {
        pair.send(number, request(Method::Options, "hana", &format!("o{number}")));
    }
    pair.run(Duration::from_millis(10));
    assert_eq!(pair.server.counters().answered_evicted, 2);
    for number in 4..7 {
        pair.send(number, request(Method::Message, &format!("u{number}"), &format!("m{number}")));
    }
    pair.run(Duration::from_millis(10));
    assert_eq!(pair.server.counters().requests_refused, 1);
    assert_eq!(statuses(&pair)[4..], [(6, Ok(503))]);
    let (_, answer) = pair.answers.last().unwrap();
    assert!(answer.as_ref().unwrap().headers.retry_after().is_some(), "RFC 3261 §21.5.4");
}

/// A NOTIFY that is never answered: by nobody, and not at the limit either.
#[test]
fn a_benotify_is_handed_up_and_never_answered() {
    let mut pair = Pair::new(Transport::Udp, Limits { servers_max: 2, ..Limits::default() }).weather(Vec::new);
    pair.policy = |_| Some(Status::OK);
    for number in 0..3 {
        let mut benotify = request(Method::Benotify, "hana", &format!("c{number}"));
        let via = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}");
        benotify.headers.push_front(Name::Via, via).unwrap();
        for _ in 0..2 {
            pair.bring(Side::Server, benotify.to_bytes());
        }
    }
    pair.run(seconds(40));
    assert_eq!((pair.delivered.len(), pair.wire.len()), (2, 0));
    let counters = pair.server.counters();
    assert_eq!((counters.requests_refused, counters.requests_repeated), (2, 2));
}

/// RFC 3261 §17.1.3 and RFC 4320 §4.2: strays go nowhere.
#[test]
fn a_response_to_nothing_is_dropped_and_counted() {
    let mut pair = udp();
    let mut other = request(Method::Message, "hana", "c");
    other.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnobody").unwrap();
    pair.bring(Side::Client, Response::to(&other, Status::OK, "b").to_bytes());
    assert!(pair.answers.is_empty());
    assert_eq!(pair.client.counters(), Counters { responses_stray: 1, ..Counters::default() });
}

#[test]
fn a_client_does_not_confuse_the_methods_of_one_branch() {
    let mut pair = udp();
    pair.policy = |_| None;
    pair.send(7, request(Method::Message, "hana", "c"));
    pair.run(Duration::from_millis(10));
    let (_, mut request) = pair.requests.pop_front().unwrap();
    request.headers.set(Name::CSeq, "1 OPTIONS").unwrap();
    pair.bring(Side::Client, Response::to(&request, Status::OK, "b").to_bytes());
    assert!(pair.answers.is_empty());
    request.headers.set(Name::CSeq, "1 MESSAGE").unwrap();
    pair.bring(Side::Client, Response::to(&request, Status::OK, "b").to_bytes());
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
}
