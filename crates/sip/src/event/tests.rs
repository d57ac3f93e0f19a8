use std::time::Instant;

use super::*;
use crate::message::{Method, Name, NameAddr};

const JULIET: &str = "sip:juliet@fabrikam.example";

struct Desk {
    notifier: Notifier,
    now: Instant,
    cseq: u32,
}

impl Desk {
    #[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
    fn new() -> Self {
        let limits = Limits { per_watcher_max: 2, ..Limits::default() };
        Self { notifier: Notifier::new(limits), now: Instant::now(), cseq: 0 }
    }

    fn request(&mut self, call_id: &str, tag: Option<&str>, expires: &str) -> Request {
        self.cseq += 1;
        let address = |text: &str| NameAddr::new(Uri::parse(text).unwrap());
        let from = address("sip:romeo@contoso.example").with_tag("r");
        let to = tag.map_or_else(|| address(JULIET), |tag| address(JULIET).with_tag(tag));
        let uri = Uri::parse(JULIET).unwrap();
        let mut request = Request::out_of_dialog(Method::Subscribe, uri, &from, &to, call_id, self.cseq).unwrap();
        request.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070>").unwrap();
        request.headers.push(Name::Event, "presence;id=7").unwrap();
        request.headers.push(Name::Expires, expires).unwrap();
        request.headers.push(Name::Via, "SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKa").unwrap();
        request
    }

    fn subscribe(&mut self, call_id: &str, expires: &str) -> Result<Subscribed, SubscribeError> {
        let request = self.request(call_id, None, expires);
        self.notifier.subscribe(self.now, &request, "romeo", "t", "<sip:192.0.2.1>", 28_800)
    }

    fn resubscribe(&mut self, call_id: &str, expires: &str) -> Result<Subscribed, SubscribeError> {
        let request = self.request(call_id, Some("t"), expires);
        self.notifier.resubscribe(self.now, &request, 28_800)
    }

    fn set(&mut self, id: SubscriptionId, state: State, body: Option<&'static str>) {
        self.notifier.set(self.now, id, state, body.map(|body| Bytes::from_static(body.as_bytes())));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.notifier.tick(self.now);
    }

    fn request_out(&mut self) -> Option<Request> {
        match self.notifier.poll()? {
            Output::Notify { request, .. } => Some(*request),
            Output::Ended(_) => None,
        }
    }

    /// Subscription-State and body of the NOTIFY that goes out.
    fn notify(&mut self) -> Option<(String, String)> {
        let request = self.request_out()?;
        let state = request.headers.first(Name::SubscriptionState).unwrap().to_owned();
        Some((state, String::from_utf8(request.body().to_vec()).unwrap()))
    }

    fn answer(&mut self, id: SubscriptionId, code: u16) {
        self.notifier.answered(self.now, id, Status::new(code));
    }
}

/// RFC 6665 §4.2.1.2 and §4.2.2: a NOTIFY follows at once; in its dialog From is the notifier.
#[test]
fn a_subscription_is_told_at_once_by_its_notifier() {
    let mut desk = Desk::new();
    let taken = desk.subscribe("c", "600").unwrap();
    assert_eq!(taken.expires_s, 600);
    desk.set(taken.id, State::Pending, None);
    let request = desk.request_out().unwrap();
    assert_eq!(request.method, Method::Notify);
    assert_eq!(request.uri.to_string(), "sip:romeo@192.0.2.7:5070");
    let (from, to) = (request.headers.from().unwrap(), request.headers.to().unwrap());
    assert_eq!((from.uri.to_string().as_str(), from.tag(), to.tag()), (JULIET, Some("t"), Some("r")));
    let field = |name| request.headers.first(name);
    assert_eq!(field(Name::SubscriptionState), Some("pending;expires=600"));
    assert_eq!((field(Name::Event), field(Name::Contact)), (Some("presence;id=7"), Some("<sip:192.0.2.1>")));
    assert!(request.body().is_empty());
}

/// RFC 3856 §6.10; one NOTIFY in flight, the newest state alone.
#[test]
fn changes_are_coalesced_into_one_notification_every_five_seconds() {
    let mut desk = Desk::new();
    let id = desk.subscribe("c", "600").unwrap().id;
    desk.set(id, State::Pending, None);
    desk.notify().unwrap();
    desk.set(id, State::Active, Some("a"));
    assert_eq!(desk.notify(), None, "one is in flight");
    desk.pass(6);
    assert_eq!(desk.notify(), None, "still in flight");
    desk.answer(id, 200);
    assert_eq!(desk.notify(), Some(("active;expires=594".into(), "a".into())));
    desk.answer(id, 200);
    desk.set(id, State::Active, Some("b"));
    desk.set(id, State::Active, Some("c"));
    assert_eq!((desk.notify(), desk.notifier.deadline()), (None, Some(desk.now + NOTIFY_INTERVAL)));
    desk.pass(5);
    assert_eq!(desk.notify(), Some(("active;expires=589".into(), "c".into())));
    desk.answer(id, 200);
    desk.set(id, State::Active, Some("c"));
    desk.pass(60);
    assert_eq!(desk.notify(), None, "nothing has changed");
}

/// §4.2.1.2, §4.2.1.3: a refresh is told at once, Expires 0 ends, and what ended is not known any more.
#[test]
fn a_refresh_is_told_at_once_and_expires_0_ends() {
    let mut desk = Desk::new();
    let id = desk.subscribe("c", "600").unwrap().id;
    desk.set(id, State::Active, Some("a"));
    desk.notify().unwrap();
    desk.answer(id, 200);
    assert_eq!(desk.resubscribe("c", "1200").unwrap(), Subscribed { id, expires_s: 1200 });
    desk.set(id, State::Active, Some("a"));
    assert_eq!(desk.notify(), Some(("active;expires=1200".into(), "a".into())));
    desk.answer(id, 200);
    assert_eq!(desk.resubscribe("c", "0").unwrap().expires_s, 0);
    desk.set(id, State::Terminated(Reason::Timeout), Some("a"));
    assert_eq!(desk.notify(), Some(("terminated;reason=timeout".into(), "a".into())));
    assert_eq!(desk.resubscribe("c", "600"), Err(SubscribeError::Unknown));
    desk.answer(id, 200);
    assert!(matches!(desk.notifier.poll(), Some(Output::Ended(ended)) if ended == id));
    assert!(desk.notifier.is_empty() && desk.notifier.deadline().is_none());
}

#[test]
fn a_subscription_that_is_not_refreshed_ends_with_reason_timeout() {
    let mut desk = Desk::new();
    let id = desk.subscribe("c", "60").unwrap().id;
    desk.set(id, State::Active, None);
    desk.notify().unwrap();
    desk.answer(id, 200);
    desk.pass(60);
    assert_eq!(desk.notify().unwrap().0, "terminated;reason=timeout");
    desk.notifier.answered(desk.now, id, None);
    assert!(desk.notifier.is_empty());
}

/// §4.2.2: those end the subscription, others do not.
#[test]
fn an_answer_that_says_that_nobody_is_there_ends_the_subscription() {
    for (code, ends) in [(481, true), (404, true), (501, true), (500, false), (503, false), (401, true)] {
        let mut desk = Desk::new();
        let id = desk.subscribe("c", "600").unwrap().id;
        desk.set(id, State::Active, None);
        desk.notify().unwrap();
        desk.answer(id, code);
        assert_eq!(desk.notifier.is_empty(), ends, "{code}");
    }
}

/// A refusal for now is no reason to leave the watcher with an older state.
#[test]
fn what_was_refused_for_now_is_told_again() {
    let mut desk = Desk::new();
    let id = desk.subscribe("c", "600").unwrap().id;
    desk.set(id, State::Active, Some("a"));
    desk.notify().unwrap();
    desk.answer(id, 503);
    assert_eq!(desk.notify(), None);
    desk.pass(5);
    assert_eq!(desk.notify(), Some(("active;expires=595".into(), "a".into())));
}

#[test]
fn a_subscription_of_which_nothing_is_said_ends_in_its_time() {
    let mut desk = Desk::new();
    desk.subscribe("c", "60").unwrap();
    desk.pass(0);
    assert_eq!(desk.notify().unwrap().0, "pending;expires=60");
}

/// §8.2.1, §4.5.2.
#[test]
fn another_event_is_no_refresh() {
    let mut desk = Desk::new();
    desk.subscribe("c", "600").unwrap();
    let mut request = desk.request("c", Some("t"), "600");
    request.headers.set(Name::Event, "presence;id=8").unwrap();
    assert_eq!(desk.notifier.resubscribe(desk.now, &request, 28_800), Err(SubscribeError::Unknown));
}

/// §4.2.1.1: 423 with Min-Expires; a longer life is cut; fetching is one NOTIFY (§4.4.3).
#[test]
fn lives_are_bounded_and_zero_asks_once() {
    let mut desk = Desk::new();
    assert_eq!(desk.subscribe("a", "59"), Err(SubscribeError::IntervalTooBrief(60)));
    assert_eq!(SubscribeError::IntervalTooBrief(60).status().code(), 423);
    assert_eq!(desk.subscribe("b", "999999").unwrap().expires_s, 28_800);
    let fetch = desk.subscribe("c", "0").unwrap();
    assert_eq!(fetch.expires_s, 0);
    desk.set(fetch.id, State::Terminated(Reason::Timeout), Some("x"));
    assert_eq!(desk.notify(), Some(("terminated;reason=timeout".into(), "x".into())));
    assert_eq!(desk.subscribe("d", "600"), Err(SubscribeError::Full), "two of this watcher are there");
    desk.answer(fetch.id, 200);
    desk.subscribe("d", "600").unwrap();
}

/// RFC 3261 §12.2.2.
#[test]
fn what_comes_late_or_for_nothing_is_refused() {
    let mut desk = Desk::new();
    let id = desk.subscribe("c", "600").unwrap().id;
    desk.set(id, State::Active, None);
    assert_eq!(desk.resubscribe("other", "600"), Err(SubscribeError::Unknown));
    desk.cseq = 0;
    desk.subscribe("d", "600").unwrap();
    desk.cseq = 0;
    assert!(desk.resubscribe("c", "600").is_ok(), "the same number as before is a repetition");
    desk.cseq = 10;
    desk.resubscribe("c", "600").unwrap();
    desk.cseq = 4;
    assert_eq!(desk.resubscribe("c", "600"), Err(SubscribeError::OutOfOrder));
}
