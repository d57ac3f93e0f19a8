//! A registrar user watches a partner's user, and colleagues (RFC 8048 §5.3, RFC 6665 §4.2).

use super::*;

/// What a NOTIFY says: Subscription-State without the time that is left, and of the body basic status, show, note.
#[derive(Debug, Eq, PartialEq)]
struct Notified(String, Vec<String>);

fn notified(state: &str, body: &[&str]) -> Notified {
    Notified(state.to_owned(), body.iter().map(|word| (*word).to_owned()).collect())
}

impl Bench {
    fn watch(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let mut request = self.request(Method::Subscribe, target, target);
        request.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070;transport=tcp>").unwrap();
        for (name, value) in fields {
            request.headers.push_named(name, value).unwrap();
        }
        self.send(request);
        self.response()
    }

    /// Watches juliet, is told `pending`, and the contact is stored.
    async fn watch_juliet(&mut self) -> Response {
        let response = self.watch(JULIET, &[("Event", "presence"), ("Expires", "600")]);
        assert_eq!((response.status.code(), response.headers.expires()), (200, Some(600)));
        assert_eq!(self.notify(), Some(notified("pending", &[])));
        self.store_write().await;
        response
    }

    /// A SUBSCRIBE in the dialog of `response`.
    fn refresh(&mut self, response: &Response) -> Request {
        let mut refresh = self.request(Method::Subscribe, JULIET, JULIET);
        let headers = &mut refresh.headers;
        headers.set(Name::To, response.headers.first(Name::To).unwrap()).unwrap();
        headers.set(Name::From, response.headers.first(Name::From).unwrap()).unwrap();
        headers.set(Name::CallId, response.headers.call_id().unwrap()).unwrap();
        headers.set(Name::CSeq, "9 SUBSCRIBE").unwrap();
        headers.push(Name::Event, "presence").unwrap();
        refresh
    }

    /// The NOTIFY that comes, which is answered 200.
    fn notify(&mut self) -> Option<Notified> {
        let bytes = self.written.try_recv()?;
        let Some(Message::Request(request)) = datagram(bytes, &Limits::default()).unwrap() else { panic!("a request") };
        assert_eq!(
            (request.method.clone(), request.uri.to_string().as_str()),
            (Method::Notify, "sip:romeo@192.0.2.7:5070;transport=tcp")
        );
        let state = request.headers.first(Name::SubscriptionState).unwrap();
        let state = state.split(";expires=").next().unwrap().to_owned();
        let body =
            if request.body().is_empty() { Vec::new() } else { interwork::presence::read(request.body()).unwrap() };
        let words = body.iter().flat_map(|endpoint| {
            let show = endpoint.show.map(|show| show.as_str().to_owned());
            let notes = endpoint.notes.iter().map(|note| note.text.clone());
            let basic = if endpoint.is_available { "open" } else { "closed" };
            std::iter::once(basic.to_owned()).chain(show).chain(notes)
        });
        let told = Notified(state, words.collect());
        self.arrive(Message::Response(Response::to(&request, Status::OK, "t")));
        Some(told)
    }
}

#[tokio::test]
async fn a_partners_user_is_asked_once_the_contact_is_durable_and_then_seen() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.watch_juliet().await;
    let (romeo, juliet) = (address("romeo@contoso.example"), address("juliet@fabrikam.example"));
    assert!(bench.shard.book.contact(&romeo, &juliet).added);
    assert_eq!(bench.told().await, ["subscribe"]);
    bench.juliet_sends("subscribed").await;
    assert_eq!(bench.told().await, ["probe"], "her server may have known him before");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.notify(), Some(notified("active", &["closed"])));
    bench
        .partner_sends(
            "<presence from='juliet@fabrikam.example/balcony' to='romeo@contoso.example'><show>away</show>\
             <status>On the balcony</status></presence>",
        )
        .await;
    assert_eq!(bench.notify(), None, "not more often than every 5 s");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.notify(), Some(notified("active", &["open", "away", "On the balcony"])));
    bench
        .partner_sends(
            "<presence from='juliet@fabrikam.example/balcony' to='romeo@contoso.example' type='unavailable'/>",
        )
        .await;
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.notify(), Some(notified("active", &["closed"])));
    let ledger = bench.shard.counters.snapshot().from_partners;
    assert!(ledger.is_balanced() && ledger.queued == 0 && ledger.delivered == 3, "{ledger:?}");
}

#[tokio::test]
async fn who_is_declined_is_told_rejected() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.watch_juliet().await;
    bench.juliet_sends("unsubscribed").await;
    assert_eq!(bench.notify(), Some(notified("terminated;reason=rejected", &[])));
    assert!(bench.shard.watching.deadline().is_none());
}

/// RFC 6665 §4.2.1.2: a refresh is told at once, Expires 0 ends; afterwards there is no dialog.
#[tokio::test]
async fn a_refresh_asks_again_while_nothing_was_answered_and_expires_0_ends() {
    let mut bench = Bench::new(64).await;
    bench.register();
    let response = bench.watch_juliet().await;
    assert_eq!(bench.told().await, ["subscribe"]);
    for (expires, state, told) in
        [("900", "pending", vec!["subscribe"]), ("0", "terminated;reason=timeout", vec![]), ("600", "", vec![])]
    {
        let mut refresh = bench.refresh(&response);
        refresh.headers.push(Name::Expires, expires).unwrap();
        bench.send(refresh);
        let status = bench.status();
        assert_eq!(status, if state.is_empty() { 481 } else { 200 });
        assert_eq!(bench.notify().map(|notified| notified.0), (!state.is_empty()).then(|| state.to_owned()));
        assert_eq!(bench.told().await, told);
    }
    bench.juliet_sends("subscribed").await;
    let ledger = bench.shard.counters.snapshot().from_partners;
    assert_eq!(ledger.dropped.get("no_watcher"), Some(&1));
}

/// The bad input, each with the standard's answer; and a policy failure shows as blocked.
#[tokio::test]
async fn a_subscribe_that_cannot_be_taken_gets_the_standards_error() {
    let mut bench = Bench::new(64).await;
    bench.register();
    for (target, fields, status, field) in [
        (JULIET, vec![("Event", "dialog")], 489, Some((Name::AllowEvents, "presence"))),
        (JULIET, vec![], 489, Some((Name::AllowEvents, "presence"))),
        (JULIET, vec![("Event", "presence"), ("Expires", "5")], 423, Some((Name::MinExpires, "60"))),
        (JULIET, vec![("Event", "presence"), ("Accept", "application/xpidf+xml")], 406, None),
        ("sip:nobody@contoso.example", vec![("Event", "presence")], 404, None),
    ] {
        let response = bench.watch(target, &fields);
        assert_eq!(response.status.code(), status, "{fields:?}");
        if let Some((name, value)) = field {
            assert_eq!(response.headers.first(name), Some(value));
        }
    }
    let stranger = bench.watch("sip:a@litware.example", &[("Event", "presence")]);
    assert_eq!(stranger.status.code(), 403);
    let warning = stranger.headers.named("Warning").unwrap();
    assert!(warning.contains("litware.example is not a federation partner"), "{warning}");
    assert_eq!(bench.told().await, [""; 0]);
    assert!(bench.shard.watching.deadline().is_none());
}

/// A fetch opens nothing (partner-policy §3).
#[tokio::test]
async fn asking_once_adds_nobody() {
    let mut bench = Bench::new(64).await;
    bench.register();
    let response = bench.watch(JULIET, &[("Event", "presence"), ("Expires", "0")]);
    assert_eq!((response.status.code(), response.headers.expires()), (200, Some(0)));
    assert_eq!(bench.notify(), Some(notified("terminated;reason=timeout", &[])));
    assert_eq!(bench.told().await, ["probe"]);
    assert!(!bench.shard.book.has_contacts(&address("romeo@contoso.example")));
}

#[tokio::test]
async fn colleagues_see_each_other_without_asking() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    let response = bench.watch(ROMEO, &[("Event", "presence"), ("Expires", "600")]);
    assert_eq!(response.status.code(), 200);
    assert_eq!(bench.notify(), Some(notified("active", &["open"])));
    let mut request = bench.request(Method::Publish, ROMEO, ROMEO);
    request.headers.push(Name::Event, "presence").unwrap();
    let busy = "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='a'>\
        <tuple id='a'><status><basic>open</basic></status><rpid:activities><rpid:busy/></rpid:activities></tuple></presence>";
    request.set_body("application/pidf+xml", busy).unwrap();
    bench.send(request);
    assert_eq!(bench.status(), 200);
    bench.pass(Duration::from_secs(5));
    let told = bench.notify().unwrap();
    assert_eq!(told.0, "active");
    assert!(told.1.contains(&"dnd".to_owned()), "{told:?}");
}

/// An administrator ends the contact: the endpoint and the partner's user learn it.
#[tokio::test]
async fn the_end_of_a_contact_ends_the_watching() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.watch_juliet().await;
    bench.told().await;
    let store = bench.shard.store.clone();
    let (romeo, juliet) = (address("romeo@contoso.example"), address("juliet@fabrikam.example"));
    let row = store.end_contact(&Actor::new("test", "test"), &romeo, &juliet).await.unwrap();
    bench.shard.changed(Change::Contacts(vec![row]));
    bench.shard.drain();
    assert_eq!(bench.notify(), Some(notified("terminated;reason=rejected", &[])));
    assert_eq!(bench.told().await, ["unsubscribe"]);
}

#[tokio::test]
async fn a_contact_that_cannot_be_stored_is_not_asked_for() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.shard.store.clone().close().await;
    assert_eq!(bench.watch(JULIET, &[("Event", "presence")]).status.code(), 200);
    assert_eq!(bench.notify(), Some(notified("pending", &[])));
    bench.store_write().await;
    assert_eq!(bench.notify(), Some(notified("terminated;reason=probation;retry-after=300", &[])));
    assert_eq!(bench.told().await, [""; 0]);
}

/// RFC 8048 §8.2: who has learned a dialog's tags does not get its notifications.
#[tokio::test]
async fn a_refresh_from_elsewhere_is_not_taken() {
    let mut bench = Bench::new(64).await;
    bench.register();
    let response = bench.watch_juliet().await;
    let (outbox, mut written) = outbox(ENDPOINT_BYTES_MAX);
    let elsewhere = FlowId(FLOW.0 + 1);
    bench.shard.arrival(Arrival::Opened { flow: elsewhere, connection: connection("192.0.2.66:5070", outbox) });
    let mut refresh = bench.refresh(&response);
    refresh.headers.push_front(Name::Via, "SIP/2.0/TCP 192.0.2.66:5070;branch=z9hG4bKelsewhere").unwrap();
    bench.shard.arrival(Arrival::Frame { flow: elsewhere, frame: Frame::Message(Message::Request(refresh)) });
    bench.shard.drain();
    let answer = datagram(written.try_recv().expect("it is answered"), &Limits::default()).unwrap().unwrap();
    let Message::Response(answer) = answer else { panic!("a response") };
    assert_eq!(answer.status.code(), 481);
    assert_eq!(bench.notify(), None);
    assert_eq!(bench.shard.counters.snapshot().sip["subscription_stranger"], 1);
}

/// The store's revision may bring a row from before what the gateway itself has stored since.
#[tokio::test]
async fn an_older_row_of_a_contact_ends_no_subscription() {
    let mut bench = Bench::new(64).await;
    bench.register();
    let (romeo, juliet) = (address("romeo@contoso.example"), address("juliet@fabrikam.example"));
    let store = bench.shard.store.clone();
    let older = store.contact_step(&romeo, &juliet, store::Step::Authorised).await.unwrap();
    bench.watch_juliet().await;
    bench.told().await;
    bench.shard.changed(Change::Contacts(vec![older]));
    bench.shard.drain();
    assert_eq!(bench.notify(), None);
    assert_eq!(bench.told().await, [""; 0]);
}

/// partner-policy §5: without access there is nothing to see, and nobody is told why.
#[tokio::test]
async fn a_watch_ends_with_the_access_of_who_watches() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.watch_juliet().await;
    let none = policy::AccessPolicy::new(policy::PolicyIdentity::Global);
    bench.shard.take_access(policy::AccessPolicies::new([none], []));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.notify(), Some(notified("terminated;reason=rejected", &[])));
    let again = bench.watch(JULIET, &[("Event", "presence"), ("Expires", "600")]);
    assert_eq!(again.status.code(), 403);
}
