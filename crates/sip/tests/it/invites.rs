//! INVITE transactions (RFC 3261 §17.1.1, §17.2.1, §9; RFC 6026).

use std::time::Duration;

use sip::{
    FlowId, Message, Method, Name, Request, Response, Status, Transport,
    transaction::{Input, Limits, Output, SendError, ServerId, Ticket},
};

use crate::{
    network::{Pair, Side, request, what},
    transactions::{noise, seconds, statuses, udp},
};

const MOMENT: Duration = Duration::from_millis(10);

/// An INVITE that the server leaves to the test.
fn ringing(mut pair: Pair) -> (Pair, ServerId, Request) {
    pair.policy = |_| None;
    pair.send(7, request(Method::Invite, "hana", "c"));
    pair.run(MOMENT);
    let (id, request) = pair.requests.pop_front().unwrap();
    (pair, id, request)
}

fn tcp() -> Pair {
    Pair::new(Transport::Tcp, Limits::default())
}

/// What each side was told of INVITEs, in words.
fn told(pair: &Pair) -> Vec<String> {
    let word = |(side, output): &(Side, Output)| match output {
        Output::Provisional { response, .. } => format!("{side:?} provisional {}", response.status),
        Output::Again { response, .. } => format!("{side:?} again {}", response.status),
        Output::Cancelled(_) => format!("{side:?} cancelled"),
        Output::Acknowledged { .. } => format!("{side:?} acknowledged"),
        Output::Abandoned { error, .. } => format!("{side:?} abandoned: {error}"),
        other => format!("{other:?}"),
    };
    pair.invites.iter().map(word).collect()
}

fn sent(pair: &Pair, from: Side, kind: &str) -> Request {
    match pair.last(from, kind) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{kind} is a request"),
    }
}

fn ack_of_2xx(pair: &mut Pair, tag: &str) {
    let mut ack = request(Method::Ack, "hana", "c");
    let to = ack.headers.to().unwrap().with_tag(tag);
    ack.headers.set(Name::To, to).unwrap();
    let flow = pair.flow(Side::Client);
    pair.input(Side::Client, Input::SendOnce { flow, request: ack });
}

/// §17.1.1.2: "at intervals of T1, 2·T1, 4·T1 …", and with B = 64·T1 "the client transaction will send seven requests".
#[test]
fn an_unanswered_invite_is_sent_seven_times() {
    let mut pair = udp().weather(Vec::new);
    pair.send(7, request(Method::Invite, "hana", "c"));
    pair.run(Duration::from_millis(31_999));
    assert_eq!(pair.times(Side::Client, "INVITE"), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert!(pair.answers.is_empty());
    pair.run(Duration::from_millis(1));
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);
    assert_eq!(pair.client.sizes(), (0, 0, 0));
}

/// §17.2.1: 100 after 200 ms; §17.1.1.2: it ends the repetitions.
#[test]
fn an_invite_that_is_not_answered_at_once_gets_100_after_200_milliseconds() {
    let (mut pair, id, invite) = ringing(udp());
    pair.run(seconds(20));
    assert_eq!(pair.times(Side::Server, "100"), [201]);
    assert_eq!(pair.times(Side::Client, "INVITE"), [0]);
    pair.answer(id, &invite, Status::RINGING);
    pair.run(MOMENT);
    assert_eq!(told(&pair), ["Client provisional 100", "Client provisional 180"]);
    // A repeated INVITE gets the last provisional answer again.
    let (_, bytes) = pair.wire[0].clone();
    pair.bring(Side::Server, bytes);
    assert_eq!(pair.times(Side::Server, "180").len(), 2);
}

/// §17.1.1.3: the ACK has the INVITE's Request-URI, Call-ID, From, CSeq number, Route and its one topmost Via; To is that
/// of the response.
#[test]
fn a_refusal_is_acknowledged_by_the_layer() {
    let mut pair = udp();
    pair.policy = |_| Some(Status::BUSY_HERE);
    let mut invite = request(Method::Invite, "hana", "c");
    invite.headers.push(Name::Route, "<sip:proxy.example;lr>").unwrap();
    pair.send(7, invite);
    pair.run(seconds(1));
    let (invite, ack) = (sent(&pair, Side::Client, "INVITE"), sent(&pair, Side::Client, "ACK"));
    assert_eq!(ack.uri, invite.uri);
    for name in [Name::Via, Name::From, Name::CallId, Name::Route] {
        assert_eq!(ack.headers.first(name), invite.headers.first(name), "{name:?}");
    }
    assert_eq!(ack.headers.vias().count(), 1);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("b"));
    assert_eq!(ack.headers.first(Name::CSeq), Some("1 ACK"));
    assert_eq!(statuses(&pair), [(7, Ok(486))]);
    assert_eq!(pair.times(Side::Server, "486"), [1]);
    pair.bring(Side::Server, ack.to_bytes());
    assert!(pair.invites.is_empty(), "no ACK to a refusal goes up");
    pair.run(seconds(40));
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)));
    assert_eq!((pair.client.deadline(), pair.server.deadline()), (None, None));
}

/// §17.1.1.2: "any retransmissions of the final response … MUST cause the ACK to be re-passed to the transport layer".
#[test]
fn a_lost_ack_is_sent_again_when_the_refusal_comes_again() {
    let mut acks = 0;
    let mut pair = udp();
    pair.policy = |_| Some(Status::BUSY_HERE);
    pair = pair.weather(move || {
        acks += 1;
        // INVITE, 486, ACK (lost), 486, ACK.
        if acks == 3 { Vec::new() } else { vec![Duration::from_millis(1)] }
    });
    pair.send(7, request(Method::Invite, "hana", "c"));
    pair.run(seconds(20));
    assert_eq!(pair.times(Side::Server, "486"), [1, 501]);
    assert_eq!(pair.times(Side::Client, "ACK"), [2, 502]);
    assert_eq!(statuses(&pair), [(7, Ok(486))]);
    assert_eq!(pair.server.counters().refusals_unacknowledged, 0);
}

#[test]
fn a_refusal_without_an_ack_is_given_up_and_counted() {
    let mut pair = udp().weather(Vec::new);
    pair.policy = |_| Some(Status::BUSY_HERE);
    let mut invite = request(Method::Invite, "hana", "c");
    invite.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKinvite").unwrap();
    pair.bring(Side::Server, invite.to_bytes());
    pair.run(seconds(33));
    assert_eq!(pair.times(Side::Server, "486").len(), 11);
    assert_eq!((pair.server.counters().refusals_unacknowledged, pair.server.sizes()), (1, (0, 0, 0)));
}

/// RFC 6026 §7: the layers neither repeat nor acknowledge 2xx; each goes up, and so does each ACK.
#[test]
fn acceptances_and_their_acks_pass_through() {
    let (mut pair, id, invite) = ringing(udp());
    for _ in 0..2 {
        pair.answer(id, &invite, Status::OK);
        pair.run(seconds(1));
    }
    assert_eq!(pair.times(Side::Server, "200"), [10, 1010]);
    assert!(pair.times(Side::Client, "ACK").is_empty());
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
    for _ in 0..2 {
        ack_of_2xx(&mut pair, "b");
        pair.run(MOMENT);
    }
    assert_eq!(told(&pair), ["Client again 200", "Server acknowledged", "Server acknowledged"]);
    let (one, other) = (pair.wire.len() - 2, pair.wire.len() - 1);
    assert_ne!(pair.wire[one].1, pair.wire[other].1, "each has a branch of its own");
    assert_eq!(pair.times(Side::Server, "200").len(), 2, "an ACK is not answered");
    // A repeated INVITE is absorbed.
    pair.bring(Side::Server, pair.wire[0].1.clone());
    assert_eq!((pair.delivered.len(), pair.times(Side::Server, "200").len()), (1, 2));
    pair.run(seconds(40));
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)));
    pair.answer(id, &invite, Status::OK);
    assert_eq!(pair.server.counters().answers_dropped, 1, "timer L");
}

/// Timer M is 64·T1 on every transport. §8.1.3.3: "If more than one Via header field value is present in a response, the
/// UAC SHOULD discard the message."
#[test]
fn a_late_acceptance_is_handed_up_and_one_for_somebody_else_is_not() {
    let (mut pair, _, invite) = ringing(tcp());
    let mut stranger = Response::to(&invite, Status::OK, "b");
    stranger.headers.push(Name::Via, "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKother").unwrap();
    pair.bring(Side::Client, stranger.to_bytes());
    assert_eq!((pair.answers.len(), pair.client.counters().responses_stray), (0, 1));
    let good = Response::to(&invite, Status::OK, "b").to_bytes();
    pair.bring(Side::Client, good.clone());
    pair.run(seconds(31));
    pair.bring(Side::Client, good.clone());
    pair.run(seconds(2));
    pair.bring(Side::Client, good);
    assert_eq!(told(&pair).iter().filter(|what| *what == "Client again 200").count(), 1);
    assert_eq!(pair.client.counters().responses_stray, 2);
}

#[test]
fn each_branch_of_a_fork_is_handed_up() {
    let (mut pair, _, invite) = ringing(udp());
    for tag in ["one", "two", "three"] {
        pair.bring(Side::Client, Response::to(&invite, Status::OK, tag).to_bytes());
    }
    pair.bring(Side::Client, Response::to(&invite, Status::BUSY_HERE, "four").to_bytes());
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
    let tags = pair.invites.iter().filter_map(|(_, output)| match output {
        Output::Again { ticket: Ticket(7), response } => response.headers.to().unwrap().tag().map(str::to_owned),
        _ => None,
    });
    assert_eq!(tags.collect::<Vec<_>>(), ["two", "three"]);
    assert!(pair.times(Side::Client, "ACK").is_empty(), "a refusal after a 2xx means nothing");
}

/// §9.1: CANCEL waits for a provisional response; it has the INVITE's Via, Request-URI, To, From, Call-ID, CSeq number and
/// Route. §9.2: the INVITE is answered 487 by the user.
#[test]
fn a_cancel_follows_its_invite() {
    let (mut pair, id, invite) = ringing(udp());
    pair.input(Side::Client, Input::Cancel(Ticket(7)));
    assert!(pair.times(Side::Client, "CANCEL").is_empty(), "nothing was heard yet");
    pair.answer(id, &invite, Status::RINGING);
    pair.run(MOMENT);
    let (invite, cancel) = (sent(&pair, Side::Client, "INVITE"), sent(&pair, Side::Client, "CANCEL"));
    assert_eq!(cancel.uri, invite.uri);
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::Route] {
        assert_eq!(cancel.headers.first(name), invite.headers.first(name), "{name:?}");
    }
    assert_eq!(cancel.headers.first(Name::CSeq), Some("1 CANCEL"));
    assert_eq!(told(&pair), ["Client provisional 180", "Server cancelled"]);
    pair.answer(id, &invite, Status::REQUEST_TERMINATED);
    pair.run(seconds(40));
    assert_eq!(statuses(&pair), [(7, Ok(487))]);
    assert_eq!(pair.times(Side::Client, "CANCEL").len(), 1);
    assert_eq!(pair.times(Side::Client, "ACK").len(), 1);
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn a_cancel_that_crosses_a_200_changes_nothing() {
    let (mut pair, id, invite) = ringing(udp());
    pair.answer(id, &invite, Status::RINGING);
    pair.run(MOMENT);
    pair.answer(id, &invite, Status::OK);
    pair.input(Side::Client, Input::Cancel(Ticket(7)));
    pair.run(MOMENT);
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
    assert_eq!(told(&pair), ["Client provisional 180"], "the server's user is not bothered");
    assert_eq!(pair.times(Side::Server, "200").len(), 2, "one is for the CANCEL");
    pair.input(Side::Client, Input::Cancel(Ticket(7)));
    assert_eq!(pair.times(Side::Client, "CANCEL").len(), 1);
}

/// §9.1: "If there is no final response for the original request in 64*T1 seconds … destroy the client transaction".
#[test]
fn a_cancelled_invite_without_an_end_is_given_up_after_32_seconds() {
    let (mut pair, id, invite) = ringing(udp());
    pair.answer(id, &invite, Status::RINGING);
    pair.run(MOMENT);
    pair.input(Side::Client, Input::Withdraw(Ticket(7)));
    pair.run(seconds(31));
    assert!(pair.answers.is_empty());
    pair.run(seconds(2));
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);
    assert_eq!(pair.client.sizes(), (0, 0, 0));
}

/// §16.6, timer C, and our own bound on the other side.
#[test]
fn an_invite_does_not_ring_for_ever() {
    let (mut pair, id, invite) = ringing(udp());
    pair.answer(id, &invite, Status::RINGING);
    pair.run(seconds(179));
    assert!(pair.answers.is_empty());
    pair.run(seconds(2));
    assert_eq!(statuses(&pair), [(7, Ok(480))]);
    assert_eq!(told(&pair)[1..], ["Server abandoned: no answer came in time"]);
    pair.answer(id, &invite, Status::OK);
    assert_eq!(pair.times(Side::Server, "200").len(), 0, "there was a final answer");

    let (mut pair, _, invite) = ringing(udp());
    pair.bring(Side::Client, Response::to(&invite, Status::RINGING, "b").to_bytes());
    pair.input(Side::Server, Input::FlowLost(FlowId(1)));
    pair.run(seconds(199));
    assert!(pair.times(Side::Client, "CANCEL").is_empty());
    pair.run(seconds(40));
    assert_eq!(pair.times(Side::Client, "CANCEL").len(), 1, "481 is an answer");
    assert_eq!(statuses(&pair), [(7, Err(SendError::TimedOut))]);
}

#[test]
fn a_lost_flow_ends_invites_on_both_sides() {
    let (mut pair, id, invite) = ringing(tcp());
    for side in [Side::Client, Side::Server] {
        pair.input(side, Input::FlowLost(FlowId(1)));
    }
    assert_eq!(statuses(&pair), [(7, Err(SendError::FlowLost))]);
    assert_eq!(told(&pair), ["Server abandoned: the connection ended"]);
    assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)));
    pair.answer(id, &invite, Status::OK);
    assert_eq!(pair.server.counters().answers_dropped, 1);

    // RFC 6026 §7.1: the ACK may come on another connection.
    let (mut pair, id, invite) = ringing(tcp());
    pair.answer(id, &invite, Status::OK);
    pair.input(Side::Server, Input::FlowLost(FlowId(1)));
    ack_of_2xx(&mut pair, "b");
    pair.run(MOMENT);
    assert_eq!(told(&pair), ["Server acknowledged"]);
}

/// Who only knows names cannot cancel or answer.
#[test]
fn forged_cancels_and_answers_have_no_effect() {
    let (mut pair, id, invite) = ringing(tcp());
    pair.answer(id, &invite, Status::RINGING);
    pair.run(MOMENT);
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.headers.set(Name::CSeq, "1 CANCEL").unwrap();
    pair.bring_on(FlowId(9), Side::Server, cancel.to_bytes());
    assert_eq!(pair.times(Side::Server, "481").len(), 1);
    assert_eq!(told(&pair), ["Client provisional 180"]);

    let good = Response::to(&invite, Status::OK, "b");
    pair.bring_on(FlowId(9), Side::Client, good.to_bytes());
    let text = String::from_utf8(good.to_bytes().to_vec()).unwrap();
    let branch = invite.headers.via().unwrap().branch().to_owned();
    let (number, token) = branch.split_once('.').unwrap();
    for forged in [format!("{number}.{}", "0".repeat(token.len())), format!("{number}."), "z9hG4bK1".to_owned()] {
        pair.bring(Side::Client, text.replace(&branch, &forged).into());
    }
    assert!(pair.answers.is_empty());
    let counters = pair.client.counters();
    assert_eq!((counters.responses_misplaced, counters.responses_stray), (1, 3));
    pair.bring(Side::Client, good.to_bytes());
    assert_eq!(statuses(&pair), [(7, Ok(200))]);
}

/// §8.2.2.2: the same From tag, Call-ID and CSeq, another branch. Who was challenged may keep the number.
#[test]
fn a_request_on_a_second_path_is_answered_482() {
    for method in [Method::Invite, Method::Message] {
        let mut pair = udp();
        pair.policy = |_| None;
        for branch in ["z9hG4bK1", "z9hG4bK2"] {
            let mut message = request(method.clone(), "hana", "c");
            message.headers.push_front(Name::Via, format!("SIP/2.0/UDP 192.0.2.1;branch={branch}")).unwrap();
            pair.bring(Side::Server, message.to_bytes());
        }
        assert_eq!((pair.delivered.len(), pair.times(Side::Server, "482").len()), (1, 1), "{method}");
        assert_eq!(pair.server.counters().requests_merged, 1);
    }
    let mut pair = udp();
    pair.policy = |_| Some(Status::UNAUTHORIZED);
    for branch in ["z9hG4bK1", "z9hG4bK2"] {
        let mut message = request(Method::Message, "hana", "c");
        message.headers.push_front(Name::Via, format!("SIP/2.0/UDP 192.0.2.1;branch={branch}")).unwrap();
        pair.bring(Side::Server, message.to_bytes());
    }
    assert_eq!(pair.delivered.len(), 2);
}

/// §8.2.7: beyond the limit an INVITE is answered without a transaction, each time alike; its ACK is nobody's.
#[test]
fn an_invite_beyond_the_limit_is_refused_alike_each_time() {
    let limits = Limits { servers_max: 0, ..Limits::default() };
    let mut pair = Pair::new(Transport::Udp, limits).weather(Vec::new);
    let mut invite = request(Method::Invite, "hana", "c");
    invite.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKinvite").unwrap();
    for _ in 0..2 {
        pair.bring(Side::Server, invite.to_bytes());
    }
    assert_eq!(pair.times(Side::Server, "503"), [0, 0]);
    assert_eq!(pair.wire[0].1, pair.wire[1].1);
    assert!(pair.last(Side::Server, "503").headers().retry_after().is_some());
    invite.method = Method::Ack;
    invite.headers.set(Name::CSeq, "1 ACK").unwrap();
    pair.bring(Side::Server, invite.to_bytes());
    assert_eq!((pair.server.counters().acks_stray, pair.wire.len(), pair.server.sizes()), (1, 2, (0, 0, 0)));
}

#[test]
fn each_invite_has_one_end_whatever_is_lost_or_repeated() {
    for seed in 0..20 {
        let mut noise = noise(seed);
        let mut pair = udp().weather(move || {
            let copies = [0, 0, 1, 1, 1, 1, 1, 2, 2, 3][(noise() % 10) as usize];
            (0..copies).map(|_| Duration::from_millis(1 + noise() % 300)).collect()
        });
        pair.policy = |request| {
            let number: u64 = request.headers.call_id().unwrap()[1..].parse().unwrap();
            Some(if number.is_multiple_of(3) { Status::OK } else { Status::BUSY_HERE })
        };
        for number in 0..40 {
            pair.send(number, request(Method::Invite, "hana", &format!("c{number}")));
            if number % 5 == 0 {
                pair.input(Side::Client, Input::Cancel(Ticket(number)));
            }
        }
        pair.run(seconds(1000));
        assert_eq!(pair.answers.len(), 40, "seed {seed}: each has one end");
        let mut delivered = pair.delivered.clone();
        delivered.sort();
        delivered.dedup();
        assert_eq!(delivered.len(), pair.delivered.len(), "seed {seed}: nothing is delivered twice");
        for (Ticket(number), answer) in &pair.answers {
            let expected = if number.is_multiple_of(3) { Status::OK } else { Status::BUSY_HERE };
            assert!(answer.as_ref().is_ok_and(|answer| answer.status == expected) || answer.is_err(), "seed {seed}");
        }
        let answers_to_ack = pair.wire.iter().filter(|(side, bytes)| {
            *side == Side::Server && what(bytes) != "ACK" && String::from_utf8_lossy(bytes).contains(" ACK\r\n")
        });
        assert_eq!(answers_to_ack.count(), 0);
        assert_eq!((pair.client.sizes(), pair.server.sizes()), ((0, 0, 0), (0, 0, 0)), "nothing remains");
        assert_eq!((pair.client.deadline(), pair.server.deadline()), (None, None));
    }
}
