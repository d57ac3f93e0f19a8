use super::*;
use crate::message::Name;

const JULIET: &str = "sip:juliet@fabrikam.example";
const CAROL: &str = "sip:carol@corp.example";

/// A subscriber, and the notifier at the other side as the standard has it.
struct Desk {
    subscriber: Subscriber,
    now: Instant,
    /// The last SUBSCRIBE.
    sent: Option<Request>,
    cseq: u32,
}

impl Desk {
    #[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
    fn new() -> Self {
        Self { subscriber: Subscriber::new(2, [7; 32]), now: Instant::now(), sent: None, cseq: 0 }
    }

    fn watch(&mut self) -> Option<WatchId> {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let contact = "<sip:192.0.2.1>".to_owned();
        let wanted = Wanted { from: uri(JULIET), to: uri(CAROL), contact, expires_s: 3600 };
        self.subscriber.watch(self.now, wanted)
    }

    /// The next SUBSCRIBE: whether it is in a dialog, and its Expires.
    fn subscribes(&mut self) -> Option<(bool, u32)> {
        match self.subscriber.poll()? {
            Watched::Subscribe { request, .. } => {
                let headers = &request.headers;
                let said = (headers.to().unwrap().tag().is_some(), headers.expires().unwrap());
                self.sent = Some(*request);
                Some(said)
            }
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, id: WatchId, code: u16, fields: &[(Name, &str)]) {
        let request = self.sent.clone().unwrap();
        let mut response = Response::to(&request, Status::new(code).unwrap(), "n");
        fields.iter().for_each(|(name, value)| response.headers.push(*name, value).unwrap());
        self.subscriber.answered(self.now, id, Some(&response));
    }

    /// A NOTIFY in the dialog of the last SUBSCRIBE, from the notifier with this tag.
    fn notice(&mut self, tag: &str, state: &str) -> Request {
        let sent = &self.sent.as_ref().unwrap().headers;
        let uri = Uri::parse("sip:192.0.2.1").unwrap();
        let from = NameAddr::new(Uri::parse(CAROL).unwrap()).with_tag(tag);
        self.cseq += 1;
        let (to, call_id) = (sent.from().unwrap(), sent.call_id().unwrap());
        let mut request = Request::out_of_dialog(Method::Notify, uri, &from, &to, call_id, self.cseq).unwrap();
        request.headers.push(Name::Contact, "<sip:carol@192.0.2.9:5080>").unwrap();
        request.headers.push(Name::Event, "presence").unwrap();
        if !state.is_empty() {
            request.headers.push(Name::SubscriptionState, state).unwrap();
        }
        request
    }

    fn notify(&mut self, state: &str) -> Result<Option<bool>, NotifyError> {
        let request = self.notice("n", state);
        self.subscriber.notify(self.now, &request).map(|notice| notice.permitted)
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.subscriber.tick(self.now);
    }

    /// Watches, with a permitted subscription.
    fn active(&mut self) -> WatchId {
        let id = self.watch().unwrap();
        self.subscribes().unwrap();
        self.answer(id, 200, &[(Name::Expires, "3600")]);
        assert_eq!(self.notify("active;expires=3600"), Ok(Some(true)));
        id
    }

    fn ended(&mut self) -> Option<Ended> {
        match self.subscriber.poll()? {
            Watched::Ended { why, .. } => Some(why),
            other => panic!("{other:?}"),
        }
    }
}

/// RFC 8048 §5.2.1, RFC 3856 §6: Event, Accept, Expires; To without a tag.
#[test]
fn the_first_subscribe_asks_for_presence_documents() {
    let mut desk = Desk::new();
    desk.watch().unwrap();
    assert_eq!(desk.subscribes(), Some((false, 3600)));
    let sent = desk.sent.unwrap();
    assert_eq!((sent.method, sent.uri.to_string().as_str()), (Method::Subscribe, CAROL));
    let field = |name| sent.headers.first(name);
    assert_eq!((field(Name::Event), field(Name::Accept)), (Some("presence"), Some("application/pidf+xml")));
    assert_eq!(sent.headers.from().unwrap().uri.to_string(), JULIET);
}

/// RFC 6665 §4.1.2.4: the NOTIFY makes the dialog, also before the 2xx; a second notifier has none.
#[test]
fn only_a_notify_makes_the_dialog_and_only_one() {
    let mut desk = Desk::new();
    let id = desk.watch().unwrap();
    desk.subscribes();
    assert_eq!(desk.notify("pending;expires=600"), Ok(Some(false)));
    desk.answer(id, 200, &[(Name::Expires, "3600")]);
    let fork = desk.notice("other", "active");
    assert_eq!(desk.subscriber.notify(desk.now, &fork), Err(NotifyError::Unknown));
    desk.pass(541);
    assert_eq!(desk.subscribes(), Some((true, 3600)), "refreshed in the dialog, by the time that the NOTIFY has told");
    assert_eq!(desk.sent.unwrap().uri.to_string(), "sip:carol@192.0.2.9:5080");
}

/// 489, 481, 500, 400, 200, in this order.
#[test]
fn a_notify_is_checked_in_the_order_of_the_standard() {
    let mut desk = Desk::new();
    desk.active();
    let mut other = desk.notice("n", "active");
    other.headers.set(Name::Event, "message-summary").unwrap();
    other.headers.set(Name::CallId, "unknown").unwrap();
    assert_eq!(desk.subscriber.notify(desk.now, &other), Err(NotifyError::BadEvent));
    let mut unknown = desk.notice("n", "");
    unknown.headers.set(Name::CallId, "unknown").unwrap();
    assert_eq!(desk.subscriber.notify(desk.now, &unknown), Err(NotifyError::Unknown));
    let mut late = desk.notice("n", "");
    late.headers.set(Name::CSeq, "0 NOTIFY").unwrap();
    assert_eq!(desk.subscriber.notify(desk.now, &late), Err(NotifyError::OutOfOrder));
    assert!(matches!(desk.notify(""), Err(NotifyError::Malformed(_))));
    assert_eq!(desk.notify("Active"), Ok(Some(true)));
    for (error, code) in [(NotifyError::BadEvent, 489), (NotifyError::Unknown, 481), (NotifyError::OutOfOrder, 500)] {
        assert_eq!(error.status().code(), code);
    }
}

/// RFC 8048 §5.2.2; sip-gateway.md for the first SUBSCRIBE.
#[test]
fn refusals_of_the_first_subscribe() {
    for (code, why) in [
        (403, Some(Ended::Rejected)),
        (603, Some(Ended::Rejected)),
        (404, Some(Ended::NotFound)),
        (604, Some(Ended::NotFound)),
        (405, Some(Ended::Unsupported)),
        (489, Some(Ended::Unsupported)),
        (501, Some(Ended::Unsupported)),
        (408, None),
        (480, None),
        (500, None),
        (503, None),
    ] {
        let mut desk = Desk::new();
        let id = desk.watch().unwrap();
        desk.subscribes();
        desk.answer(id, code, &[]);
        assert_eq!(desk.ended(), why, "{code}");
        if why.is_none() {
            desk.pass(29);
            assert_eq!(desk.subscribes(), None, "{code}");
            desk.pass(1);
            assert_eq!(desk.subscribes(), Some((false, 3600)), "{code}");
            desk.answer(id, code, &[]);
            desk.pass(30);
            assert_eq!(desk.subscribes(), None, "{code}: later each time");
        }
    }
}

/// RFC 6665 §4.1.2.2 for a refresh.
#[test]
fn refusals_of_a_refresh() {
    for code in [404, 405, 410, 416, 480, 481, 485, 489, 501, 604] {
        let mut desk = Desk::new();
        let id = desk.active();
        desk.pass(3540);
        assert_eq!(desk.subscribes(), Some((true, 3600)));
        desk.answer(id, code, &[]);
        desk.pass(0);
        assert_eq!(desk.subscribes(), Some((false, 3600)), "{code}: another dialog at once");
    }
    for code in [403, 603] {
        let mut desk = Desk::new();
        let id = desk.active();
        desk.pass(3540);
        desk.subscribes();
        desk.answer(id, code, &[]);
        assert_eq!(desk.ended(), Some(Ended::Rejected));
        assert!(desk.subscriber.is_empty() && desk.subscriber.deadline().is_none());
    }
    let mut desk = Desk::new();
    let id = desk.active();
    desk.pass(3540);
    desk.subscribes();
    desk.answer(id, 500, &[]);
    assert_eq!(desk.notify("active;expires=55"), Ok(Some(true)), "valid until its time");
    desk.pass(45);
    assert_eq!(desk.subscribes(), Some((true, 3600)));
}

/// §4.1.2.1.
#[test]
fn a_life_that_is_too_brief_is_asked_for_longer_but_not_for_ever() {
    let mut desk = Desk::new();
    let id = desk.watch().unwrap();
    desk.subscribes();
    desk.answer(id, 423, &[(Name::MinExpires, "7200")]);
    assert_eq!(desk.subscribes(), Some((false, 7200)));
    desk.answer(id, 423, &[(Name::MinExpires, "7201")]);
    assert_eq!(desk.subscribes(), Some((false, 7201)));
    desk.answer(id, 423, &[(Name::MinExpires, "7202")]);
    assert_eq!(desk.subscribes(), None);
}

/// §4.1.2.4: Timer N, for the first NOTIFY and after a refresh.
#[test]
fn without_a_notify_in_time_there_is_no_subscription() {
    let mut desk = Desk::new();
    let id = desk.watch().unwrap();
    desk.subscribes();
    desk.answer(id, 200, &[]);
    desk.pass(32);
    desk.pass(30);
    assert_eq!(desk.subscribes(), Some((false, 3600)));

    let mut desk = Desk::new();
    let id = desk.active();
    desk.pass(3540);
    desk.subscribes();
    desk.answer(id, 200, &[]);
    desk.pass(32);
    assert!(matches!(desk.subscriber.poll(), Some(Watched::Interrupted(_))), "what was shown does not hold any more");
    desk.pass(30);
    assert_eq!(desk.subscribes(), Some((false, 3600)));
}

/// §4.1.3: what each reason means.
#[test]
fn reasons_of_the_end() {
    for (said, why) in [
        ("rejected", Some(Ended::Rejected)),
        ("noresource", Some(Ended::NoResource)),
        ("invariant", Some(Ended::Invariant)),
        ("deactivated", None),
        ("timeout", None),
    ] {
        let mut desk = Desk::new();
        desk.active();
        desk.pass(10);
        assert_eq!(desk.notify(&format!("terminated;reason={said}")), Ok(None));
        desk.pass(0);
        match why {
            Some(_) => assert_eq!(desk.ended(), why, "{said}"),
            None => assert_eq!(desk.subscribes(), Some((false, 3600)), "{said}: now"),
        }
    }
    for said in ["probation", "giveup"] {
        let mut desk = Desk::new();
        desk.active();
        desk.notify(&format!("terminated;reason={said};retry-after=100")).unwrap();
        assert!(matches!(desk.subscriber.poll(), Some(Watched::Interrupted(_))), "{said}");
        desk.pass(99);
        assert_eq!(desk.subscribes(), None, "{said}");
        desk.pass(1);
        assert_eq!(desk.subscribes(), Some((false, 3600)), "{said}");
    }
}

/// A notifier that ends everything at once is not asked without pause.
#[test]
fn dialogs_are_not_opened_faster_than_every_five_seconds() {
    let mut desk = Desk::new();
    desk.active();
    desk.notify("terminated;reason=deactivated").unwrap();
    desk.pass(4);
    assert_eq!(desk.subscribes(), None);
    desk.pass(1);
    assert_eq!(desk.subscribes(), Some((false, 3600)));
}

/// RFC 8048 §5.2.3: Expires 0 in the dialog; also where the dialog comes later.
#[test]
fn a_watch_that_is_stopped_says_so_in_its_dialog() {
    let mut desk = Desk::new();
    let id = desk.active();
    desk.subscriber.stop(desk.now, id);
    assert_eq!(desk.subscribes(), Some((true, 0)));
    desk.answer(id, 200, &[]);
    desk.notify("terminated;reason=timeout").unwrap();
    assert_eq!(desk.ended(), Some(Ended::Stopped));

    let id = desk.watch().unwrap();
    desk.subscribes();
    desk.subscriber.stop(desk.now, id);
    desk.answer(id, 200, &[]);
    assert_eq!(desk.subscribes(), None);
    desk.notify("active;expires=3600").unwrap();
    assert_eq!(desk.subscribes(), Some((true, 0)));
    desk.answer(id, 481, &[]);
    assert_eq!(desk.ended(), Some(Ended::Stopped));
}

#[test]
fn there_are_no_more_watches_than_there_may_be() {
    let mut desk = Desk::new();
    assert!(desk.watch().is_some() && desk.watch().is_some());
    assert!(desk.watch().is_none());
}
