//! Sessions (RFC 3261 §13–15, RFC 4028) over a network that loses, repeats and reorders.

use std::time::Duration;

use sip::{
    Method, Name, Response, Status, Transport,
    invite::{Command, Payload, Settings},
    transaction::{Input, SendError},
};

use crate::{
    network::what,
    parties::{HANA, ROMEO, Talk, text},
    transactions::{noise, seconds},
};

mod timers;

const MOMENT: Duration = Duration::from_millis(20);

fn quiet() -> Settings {
    Settings { interval_seconds: None, ..Settings::default() }
}

fn udp() -> Talk {
    Talk::new(Transport::Udp, [quiet(), quiet()])
}

/// A session that stands.
fn open(mut talk: Talk) -> Talk {
    talk.invite();
    talk.run(MOMENT);
    assert_eq!(talk.events(ROMEO), ["accepted"]);
    assert_eq!(talk.events(HANA), ["offered", "acknowledged"]);
    for party in &mut talk.parties {
        party.events.clear();
    }
    talk
}

#[test]
fn a_session_is_opened_used_and_ended() {
    for (transport, ender) in [(Transport::Udp, ROMEO), (Transport::Tcp, HANA)] {
        let mut talk = open(Talk::new(transport, [quiet(), quiet()]));
        assert_eq!(talk.times(ROMEO, "ACK"), [2]);
        let invite = talk.last(ROMEO, "INVITE");
        assert_eq!(invite.headers.first(Name::Contact), Some("<sip:192.0.2.1:5060>"));
        assert_eq!(invite.body(), "offer");
        for who in [ROMEO, HANA] {
            talk.message(who, 5);
            talk.run(MOMENT);
        }
        let message = talk.last(HANA, "MESSAGE");
        assert_eq!(message.uri.to_string(), "sip:192.0.2.1:5060", "to the Contact");
        assert_eq!(message.headers.call_id(), invite.headers.call_id());
        assert!(message.headers.first(Name::Contact).is_none(), "RFC 3428 §4");
        talk.end(ender);
        talk.run(seconds(70));
        for who in [ROMEO, HANA] {
            let mut events = talk.events(who);
            events.sort_unstable();
            let end = if who == ender { "ended: closed" } else { "ended: bye" };
            assert_eq!(events, ["MESSAGE", "answered 5 200", end]);
        }
        talk.assert_empty();
    }
}

/// §13.3.1.4: "an interval that starts at T1 seconds and doubles … until it reaches T2"; "if the server retransmits the
/// 2xx response for 64*T1 seconds without receiving an ACK … the session SHOULD be terminated", by BYE.
#[test]
fn an_acceptance_is_repeated_until_the_ack_and_then_given_up() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut talk = Talk::new(transport, [quiet(), quiet()]);
        let mut count = 0;
        // Only the INVITE arrives.
        talk.weather = Box::new(move || {
            count += 1;
            if count == 1 { vec![Duration::from_millis(1)] } else { Vec::new() }
        });
        talk.invite();
        talk.run(seconds(32));
        let times = [1, 501, 1501, 3501, 7501, 11_501, 15_501, 19_501, 23_501, 27_501, 31_501];
        assert_eq!(talk.times(HANA, "200"), times);
        assert!(talk.times(HANA, "BYE").is_empty());
        talk.run(seconds(1));
        assert_eq!(talk.times(HANA, "BYE")[0], 32_001);
        assert_eq!(talk.events(HANA), ["offered", "ended: unacknowledged"]);
        assert_eq!(talk.events(ROMEO), ["ended: no answer came in time"]);
        talk.run(seconds(70));
        talk.assert_empty();
    }
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeated_acceptance() {
    let mut talk = udp();
    let mut count = 0;
    // INVITE, 200, ACK (lost), 200, ACK.
    talk.weather = Box::new(move || {
        count += 1;
        if count == 3 { Vec::new() } else { vec![Duration::from_millis(1)] }
    });
    talk.invite();
    talk.run(seconds(5));
    assert_eq!(talk.times(HANA, "200"), [1, 501]);
    assert_eq!(talk.times(ROMEO, "ACK"), [2, 502]);
    assert_eq!((talk.events(ROMEO), talk.events(HANA)), (vec!["accepted"], vec!["offered", "acknowledged"]));
}

/// §13.2.2.4: "the UAC core … MUST be acknowledged … If the UAC does not wish to … it SHOULD be terminated by BYE".
#[test]
fn other_branches_of_a_fork_are_acknowledged_and_ended() {
    let mut talk = open(udp());
    let invite = talk.last(ROMEO, "INVITE");
    let mut branch = Response::to(&invite, Status::OK, "other");
    branch.headers.push(Name::Contact, "<sip:other@192.0.2.9>").unwrap();
    for _ in 0..2 {
        talk.bring(ROMEO, branch.to_bytes());
    }
    talk.run(MOMENT);
    let (ack, bye) = (talk.last(ROMEO, "ACK"), talk.last(ROMEO, "BYE"));
    for request in [&ack, &bye] {
        assert_eq!(request.uri.to_string(), "sip:other@192.0.2.9");
        assert_eq!(request.headers.to().unwrap().tag(), Some("other"));
    }
    assert_eq!((talk.times(ROMEO, "ACK").len(), talk.times(ROMEO, "BYE").len()), (3, 1), "each 2xx is acknowledged");
    assert_eq!(talk.parties[ROMEO].sessions.counters().forks_ended, 1);
    for number in 0..50 {
        talk.bring(ROMEO, Response::to(&invite, Status::OK, &format!("more{number}")).to_bytes());
    }
    assert_eq!(talk.parties[ROMEO].sessions.counters().forks_ended, 8, "and no peer can make us send for ever");
    talk.message(ROMEO, 1);
    talk.run(MOMENT);
    assert_eq!(talk.events(ROMEO), ["answered 1 200"], "the session goes on");
}

/// §9, §15: before the end of the INVITE it is cancelled; a 200 that crosses the CANCEL is acknowledged and ended.
#[test]
fn an_invite_is_cancelled_and_what_crosses_it_is_ended() {
    let mut talk = udp();
    talk.parties[HANA].policy = Some(Command::Ring);
    talk.invite();
    talk.run(MOMENT);
    talk.end(ROMEO);
    talk.run(seconds(70));
    assert_eq!(talk.events(ROMEO), ["progress 180", "ended: closed"]);
    assert_eq!(talk.events(HANA), ["offered", "ended: cancelled"]);
    assert_eq!((talk.times(ROMEO, "CANCEL").len(), talk.times(HANA, "487").len()), (1, 1));
    talk.assert_empty();

    let mut talk = udp();
    talk.parties[HANA].policy = Some(Command::Ring);
    talk.invite();
    talk.run(MOMENT);
    talk.end(ROMEO);
    talk.command(HANA, Command::Accept(text("answer")));
    talk.run(seconds(70));
    assert_eq!(talk.events(ROMEO), ["progress 180", "ended: closed"]);
    assert_eq!(talk.events(HANA), ["offered", "acknowledged", "ended: bye"]);
    assert_eq!((talk.times(ROMEO, "ACK").len(), talk.times(ROMEO, "BYE").len()), (1, 1));
    talk.assert_empty();
}

/// §15: "The callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for its 2xx response or
/// until the server transaction times out."
#[test]
fn the_called_side_hangs_up_after_the_ack() {
    let mut talk = udp();
    talk.weather = Box::new(|| vec![Duration::from_millis(100)]);
    talk.invite();
    talk.run(Duration::from_millis(150));
    talk.end(HANA);
    assert!(talk.times(HANA, "BYE").is_empty());
    talk.run(seconds(70));
    assert_eq!(talk.times(HANA, "BYE"), [300]);
    assert_eq!(talk.events(ROMEO), ["accepted", "ended: bye"]);
    assert_eq!(talk.events(HANA), ["offered", "ended: closed"]);
    talk.assert_empty();
}

/// The 2xx whose ACK was overtaken by BYE is not repeated.
#[test]
fn a_bye_before_the_ack_ends_the_repetitions() {
    let mut talk = udp();
    let mut count = 0;
    // INVITE, 200, ACK (lost), BYE, 200.
    talk.weather = Box::new(move || {
        count += 1;
        if count == 3 { Vec::new() } else { vec![Duration::from_millis(1)] }
    });
    talk.invite();
    talk.run(Duration::from_millis(5));
    talk.end(ROMEO);
    talk.run(seconds(70));
    assert_eq!(talk.events(HANA), ["offered", "ended: bye"]);
    assert_eq!(talk.times(HANA, "200").len(), 2, "one for each request");
    talk.assert_empty();
}

/// §12.2: a re-INVITE moves who sends it, its 2xx who answers it.
#[test]
fn a_party_that_moves_is_followed() {
    let mut talk = open(udp());
    talk.command(ROMEO, Command::Reinvite(text("again")));
    let mut invite = talk.last(ROMEO, "INVITE");
    invite.headers.set(Name::Contact, "<sip:192.0.2.11>").unwrap();
    talk.bring(HANA, invite.to_bytes());
    let mut answer = talk.answer(HANA, "200");
    answer.headers.set(Name::Contact, "<sip:192.0.2.22>").unwrap();
    talk.bring(ROMEO, answer.to_bytes());
    assert_eq!(talk.last(ROMEO, "ACK").uri.to_string(), "sip:192.0.2.22");
    for (who, target) in [(HANA, "sip:192.0.2.11"), (ROMEO, "sip:192.0.2.22")] {
        talk.message(who, 1);
        assert_eq!(talk.last(who, "MESSAGE").uri.to_string(), target);
    }
}

#[test]
fn a_refusal_ends_the_session_on_both_sides() {
    let mut talk = udp();
    let fields = vec![("Warning".to_owned(), "399 contoso.example \"no\"".to_owned())];
    talk.parties[HANA].policy = Some(Command::Refuse(Status::NOT_ACCEPTABLE_HERE, Payload { fields, body: None }));
    talk.invite();
    talk.run(seconds(70));
    assert_eq!(talk.events(ROMEO), ["ended: refused 488"]);
    assert_eq!(talk.events(HANA), ["offered", "ended: closed"]);
    assert!(talk.answer(HANA, "488").headers.first(Name::Warning).is_some());
    talk.assert_empty();
}

/// §15.1.2, §12.2.2: both BYEs are answered 200.
#[test]
fn byes_that_cross_are_both_answered() {
    let mut talk = open(udp());
    talk.end(ROMEO);
    talk.end(HANA);
    talk.run(seconds(70));
    assert_eq!((talk.events(ROMEO), talk.events(HANA)), (vec!["ended: closed"], vec!["ended: closed"]));
    talk.assert_empty();
}

/// §14.1, §14.2: the owner of the Call-ID tries again after 2.1 to 4 s, the other after 0 to 2 s.
#[test]
fn glare_is_answered_491_and_tried_again() {
    let mut talk = open(udp());
    for who in [ROMEO, HANA] {
        talk.command(who, Command::Reinvite(text("again")));
    }
    talk.run(seconds(10));
    for (who, earliest, latest) in [(ROMEO, 2100, 4000), (HANA, 0, 2000)] {
        assert_eq!(talk.times(who, "491").len(), 1);
        let times = talk.times(who, "INVITE");
        let (first, second) = (times[times.len() - 2], times[times.len() - 1]);
        let waited = second - first - 2;
        assert!((earliest..=latest).contains(&waited), "{who}: {waited}");
        let mut events = talk.events(who);
        events.sort_unstable();
        assert_eq!(events, ["acknowledged", "reinvited 200", "reoffered by INVITE"]);
    }
}

#[test]
fn a_refused_reinvite_leaves_the_session_as_it_was() {
    let mut talk = open(udp());
    talk.parties[HANA].policy = Some(Command::Refuse(Status::NOT_ACCEPTABLE_HERE, Payload::default()));
    talk.command(ROMEO, Command::Reinvite(text("again")));
    talk.run(MOMENT);
    talk.message(ROMEO, 1);
    talk.run(MOMENT);
    assert_eq!(talk.events(ROMEO), ["reinvited 488", "answered 1 200"]);
    assert_eq!(talk.events(HANA), ["reoffered by INVITE", "MESSAGE"]);
}

/// §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE … MUST return a 500".
#[test]
fn a_second_reinvite_has_to_wait() {
    let mut talk = open(udp());
    talk.parties[HANA].policy = None;
    talk.command(ROMEO, Command::Reinvite(text("again")));
    talk.run(MOMENT);
    let mut second = talk.last(ROMEO, "INVITE");
    second.headers.set(Name::CSeq, "9 INVITE").unwrap();
    second.headers.remove(Name::Via);
    second.headers.push_front(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKsecond").unwrap();
    talk.bring(HANA, second.to_bytes());
    assert!(talk.answer(HANA, "500").headers.retry_after().is_some_and(|seconds| seconds <= 10));
}

/// §12.2.2: out of order 500, an unknown dialog 481, and §12.2.1.2: who hears 481 has no session any more.
#[test]
fn requests_find_their_session_or_481() {
    let mut talk = open(udp());
    talk.message(ROMEO, 1);
    talk.run(MOMENT);
    let message = talk.last(ROMEO, "MESSAGE");
    for (branch, cseq, from, status) in [
        ("z9hG4bK1", "1 MESSAGE", None, "500"),
        ("z9hG4bK2", "9 MESSAGE", Some("<sip:romeo@fabrikam.example>;tag=x"), "481"),
    ] {
        let mut request = message.clone();
        request.headers.set(Name::CSeq, cseq).unwrap();
        if let Some(from) = from {
            request.headers.set(Name::From, from).unwrap();
        }
        request.headers.remove(Name::Via);
        request.headers.push_front(Name::Via, format!("SIP/2.0/UDP 192.0.2.1;branch={branch}")).unwrap();
        talk.bring(HANA, request.to_bytes());
        assert_eq!(talk.times(HANA, status).len(), 1, "{status}");
    }
    // Hana ends without a word that arrives.
    talk.weather = Box::new(Vec::new);
    talk.end(HANA);
    talk.run(seconds(40));
    talk.weather = Box::new(|| vec![Duration::from_millis(1)]);
    talk.parties[ROMEO].events.clear();
    talk.message(ROMEO, 2);
    talk.run(seconds(40));
    assert_eq!(talk.events(ROMEO), ["answered 2 481", "ended: gone"]);
    assert!(talk.times(ROMEO, "BYE").is_empty(), "nobody is there to hear it");
    talk.assert_empty();
}

#[test]
fn a_peer_that_does_not_answer_any_more_is_given_up_by_bye() {
    let mut talk = open(udp());
    talk.weather = Box::new(Vec::new);
    talk.message(ROMEO, 1);
    talk.run(seconds(33));
    assert_eq!(talk.events(ROMEO), ["answered 1 no answer came in time", "ended: gone"]);
    assert!(!talk.times(ROMEO, "BYE").is_empty());
}

/// A request in flight has its own end, whichever way the session ends.
#[test]
fn a_request_in_flight_outlives_its_session() {
    let mut talk = open(udp());
    talk.message(ROMEO, 1);
    talk.end(ROMEO);
    talk.message(ROMEO, 2);
    talk.run(seconds(70));
    assert_eq!(talk.events(ROMEO), ["ended: closed", "answered 2 the request cannot be sent", "answered 1 200"]);
    talk.assert_empty();
}

#[test]
fn a_lost_connection_fails_what_is_in_flight_and_not_the_session() {
    let mut talk = open(Talk::new(Transport::Tcp, [quiet(), quiet()]));
    talk.weather = Box::new(Vec::new);
    talk.message(ROMEO, 1);
    talk.layer(ROMEO, Input::FlowLost(sip::FlowId(1)));
    talk.weather = Box::new(|| vec![Duration::from_millis(1)]);
    talk.message(ROMEO, 2);
    talk.run(MOMENT);
    let lost = format!("answered 1 {}", SendError::FlowLost);
    assert_eq!(talk.events(ROMEO), [lost.as_str(), "answered 2 200"]);
}

#[test]
fn sessions_are_bounded() {
    let mut talk = Talk::new(Transport::Udp, [quiet(), Settings { sessions_max: 1, ..quiet() }]);
    talk.parties[HANA].policy = None;
    for _ in 0..2 {
        talk.invite();
        talk.run(MOMENT);
    }
    assert_eq!(talk.events(HANA), ["offered"]);
    assert_eq!(talk.events(ROMEO), ["ended: refused 503"]);
    assert!(talk.answer(HANA, "503").headers.retry_after().is_some());
    assert_eq!(talk.parties[HANA].sessions.counters().invitations_refused, 1);
}

#[test]
fn every_session_has_one_end_whatever_is_lost_or_repeated() {
    for seed in 0..30 {
        let mut noise = noise(seed);
        let mut talk = udp();
        talk.weather = Box::new(move || {
            let copies = [0, 0, 1, 1, 1, 1, 1, 2, 2, 3][(noise() % 10) as usize];
            (0..copies).map(|_| Duration::from_millis(1 + noise() % 300)).collect()
        });
        talk.invite();
        talk.run(Duration::from_millis(200 * seed));
        let hana_writes = talk.parties[HANA].session.is_some();
        if hana_writes {
            talk.message(HANA, 1);
        }
        talk.message(ROMEO, 1);
        talk.command(ROMEO, Command::Reinvite(text("again")));
        talk.run(seconds(seed));
        talk.end((seed % 2) as usize * usize::from(talk.parties[HANA].session.is_some()));
        talk.run(seconds(200));
        for who in [ROMEO, HANA] {
            let events = talk.events(who);
            let count = |what: &str| events.iter().filter(|event| event.starts_with(what)).count();
            let begun = usize::from(talk.parties[who].session.is_some());
            assert_eq!(count("ended"), begun, "seed {seed}: {events:?}");
            let written = usize::from(who == ROMEO || hana_writes);
            assert_eq!(count("answered"), written, "seed {seed}: {events:?}");
        }
        let strange = talk.wire.iter().filter(|(.., bytes)| what(bytes) == "500" || what(bytes) == "482");
        assert!(strange.count() <= 4, "seed {seed}");
        talk.assert_empty();
    }
}

/// RFC 4475 §3.4.1: "should be accepted by RFC 3261 elements that want to maintain backwards compatibility": no branch, no
/// From tag, no Max-Forwards, no Contact, a strict Record-Route.
#[test]
fn a_caller_of_rfc_2543_has_a_session() {
    let mut talk = udp();
    talk.weather = Box::new(Vec::new);
    let invite =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/rfc4475/inv2543.dat")).unwrap();
    talk.bring(HANA, invite.into());
    talk.run(MOMENT);
    assert_eq!(talk.events(HANA), ["offered"]);
    let answer = talk.answer(HANA, "200");
    assert!(answer.headers.first(Name::RecordRoute).is_some());
    let mut ack = talk.answer(HANA, "200");
    ack.headers.set(Name::CSeq, "56 ACK").unwrap();
    let text = String::from_utf8(ack.to_bytes().to_vec()).unwrap();
    talk.bring(HANA, text.replacen("SIP/2.0 200 OK", "ACK sip:UserB@example.com SIP/2.0", 1).into());
    assert_eq!(talk.events(HANA), ["offered", "acknowledged"]);
    talk.end(HANA);
    let bye = talk.last(HANA, "BYE");
    assert_eq!(bye.uri.to_string(), "sip:UserB@example.com;maddr=ss1.example.com");
    assert_eq!(bye.headers.first(Name::Route), Some("<sip:+13035551111@ift.client.example.net;user=phone>"));
    assert!(bye.headers.to().unwrap().tag().is_none());
}
