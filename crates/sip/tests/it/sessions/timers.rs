//! Session timers (RFC 4028).

use super::*;

fn asking(seconds: u32) -> Settings {
    Settings { interval_seconds: Some(seconds), ..Settings::default() }
}

/// RFC 4028 §9, table 2, and §10: refreshed at half the interval, by UPDATE since both allow it.
#[test]
fn the_caller_refreshes_at_half_the_interval() {
    let mut talk = open(Talk::new(Transport::Udp, [asking(600), quiet()]));
    let answer = talk.answer(HANA, "200");
    assert_eq!(answer.headers.first(Name::SessionExpires), Some("600;refresher=uac"));
    assert!(answer.headers.lists(Name::Require, "timer"));
    talk.run(seconds(899));
    let times = talk.times(ROMEO, "UPDATE");
    assert_eq!(times.len(), 2);
    assert_eq!(times[0], 300_002, "half of 600 s after the 2xx");
    let update = talk.last(ROMEO, "UPDATE");
    assert_eq!(update.headers.first(Name::SessionExpires), Some("600;refresher=uac"));
    assert!(update.body().is_empty());
    assert!(talk.events(ROMEO).is_empty() && talk.events(HANA).is_empty(), "no user is asked");
    talk.end(HANA);
    talk.run(seconds(70));
    talk.assert_empty();
}

/// §7.4: by re-INVITE with the same description if the peer does not know UPDATE.
#[test]
fn a_peer_without_update_is_refreshed_by_invite() {
    let settings = Settings { allow: "INVITE, ACK, BYE, CANCEL".to_owned(), ..quiet() };
    let mut talk = open(Talk::new(Transport::Udp, [asking(600), settings]));
    talk.run(seconds(310));
    assert!(talk.times(ROMEO, "UPDATE").is_empty());
    assert_eq!(talk.times(ROMEO, "INVITE").len(), 2);
    assert_eq!(talk.last(ROMEO, "INVITE").body(), "offer");
    assert_eq!(talk.events(HANA), ["reoffered by INVITE", "acknowledged"]);
    assert!(talk.events(ROMEO).is_empty());
}

/// §10: "slightly before the session expiration. The minimum of 32 seconds and one third of the session interval".
#[test]
fn a_session_that_nobody_refreshes_is_ended_before_it_expires() {
    let mut talk = open(Talk::new(Transport::Udp, [asking(90), quiet()]));
    talk.weather = Box::new(Vec::new);
    talk.run(seconds(120));
    assert_eq!(talk.times(HANA, "BYE")[0], 60_001, "90 s less a third");
    assert_eq!(talk.events(HANA), ["ended: expired"]);
    assert!(talk.events(ROMEO)[0].starts_with("ended"));
}

/// §7.3, §7.4: once more with the Min-SE of the 422, the same Call-ID and a higher CSeq.
#[test]
fn an_interval_that_is_too_small_is_asked_again() {
    let careful = Settings { interval_seconds_min: 300, ..quiet() };
    let talk = open(Talk::new(Transport::Udp, [asking(120), careful]));
    assert_eq!(talk.answer(HANA, "422").headers.min_se(), Some(300));
    let invite = talk.last(ROMEO, "INVITE");
    assert_eq!(invite.headers.first(Name::SessionExpires), Some("300"));
    assert_eq!(invite.headers.first(Name::MinSe), Some("300"));
    assert_eq!(invite.headers.first(Name::CSeq), Some("2 INVITE"));
    assert_eq!(talk.last(ROMEO, "ACK").headers.first(Name::CSeq), Some("2 ACK"));
}

/// Table 2: a caller without the extension is refreshed by us; an interval below the least is nobody's to command
/// (§11.1).
#[test]
fn a_proxys_interval_is_refreshed_by_the_called_side() {
    for (asked, answered) in [("600", Some("600;refresher=uas")), ("5", None)] {
        let mut talk = udp();
        talk.invite();
        let mut invite = talk.last(ROMEO, "INVITE");
        invite.headers.remove(Name::Supported);
        invite.headers.push(Name::SessionExpires, asked).unwrap();
        talk.bring(HANA, invite.to_bytes());
        let answer = talk.answer(HANA, "200");
        assert_eq!(answer.headers.first(Name::SessionExpires), answered);
        assert!(answer.headers.first(Name::Require).is_none());
        talk.run(seconds(310));
        let refreshed = talk.times(HANA, "UPDATE").len();
        assert_eq!(refreshed, usize::from(answered.is_some()));
        if refreshed > 0 {
            let update = talk.last(HANA, "UPDATE");
            assert_eq!(update.headers.first(Name::SessionExpires), Some("600;refresher=uac"), "she is its client");
        }
        assert!(talk.times(ROMEO, "UPDATE").is_empty());
    }
}

#[test]
fn a_method_of_the_session_itself_is_not_the_users_to_send() {
    let mut talk = open(udp());
    for method in [Method::Invite, Method::Bye, Method::Ack, Method::Cancel, Method::Update] {
        talk.command(ROMEO, Command::Request { name: 1, method, payload: Payload::default() });
    }
    assert_eq!(talk.events(ROMEO), ["answered 1 the request cannot be sent"; 5]);
}
