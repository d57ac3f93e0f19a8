//! What time does to sessions.

use ::sip::dialog::Dialog;

use super::*;

const SDP: &str =
    "v=0\r\no=- 0 0 IN IP4 192.0.2.7\r\ns=session\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 5060 sip null\r\n";
/// `session::Settings::default().idle`, about ten minutes (RFC 7573 §5).
const IDLE: Duration = Duration::from_secs(600);

impl Bench {
    /// Sends an INVITE, which is accepted.
    fn invite(&mut self, fields: &[(Name, &str)]) -> (Request, Response) {
        let mut invite = self.request(Method::Invite, JULIET, JULIET);
        invite.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070;transport=tcp>").unwrap();
        for (name, value) in fields {
            invite.headers.push(*name, value).unwrap();
        }
        invite.set_body("application/sdp", SDP).unwrap();
        self.send(invite.clone());
        let accepted = self.response();
        assert_eq!(accepted.status, Status::OK);
        (invite, accepted)
    }

    /// The same, acknowledged.
    fn session(&mut self, fields: &[(Name, &str)]) -> Dialog {
        let (invite, accepted) = self.invite(fields);
        let dialog = Dialog::as_uac(&invite, &accepted).unwrap();
        let ack = dialog.ack(1).unwrap();
        self.send(ack);
        assert_eq!(self.written.try_recv(), None);
        dialog
    }

    fn request_of(&mut self) -> Request {
        match self.message() {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{} instead of a request", response.status),
        }
    }

    fn stand(&self) -> usize {
        self.shard.sessions_status().total
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_ended() {
    let mut bench = Bench::new(8).await;
    bench.register();
    let dialog = bench.session(&[]);
    bench.pass(IDLE / 2);
    bench.partner_says("still here", Duration::from_secs(5)).await;
    let text = bench.request_of();
    bench.arrive(Message::Response(Response::to(&text, Status::OK, "t")));
    assert_eq!(bench.outcome(), Some(Ok(())));
    bench.pass(IDLE - Duration::from_secs(1));
    assert_eq!((bench.written.try_recv(), bench.stand()), (None, 1));
    bench.pass(Duration::from_secs(1));
    let bye = bench.request_of();
    assert!(bye.method == Method::Bye && dialog.is_of(&bye));
    assert_eq!(bench.stand(), 0);
    bench.arrive(Message::Response(Response::to(&bye, Status::OK, "t")));
    bench.pass(Duration::from_secs(70));
    bench.pass(Duration::from_secs(70));
    assert!(bench.shard.sessions.is_empty(), "nothing is kept of it");
}

/// RFC 3261 §13.3.1.4: T1, doubled up to T2, for 64·T1; then the session is ended by BYE.
#[tokio::test]
async fn an_acceptance_is_repeated_until_its_ack_and_given_up_after_32_s() {
    let mut bench = Bench::new(8).await;
    bench.register();
    let (invite, accepted) = bench.invite(&[]);
    for milliseconds in [500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000] {
        bench.pass(Duration::from_millis(milliseconds - 1));
        assert_eq!(bench.written.try_recv(), None);
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.response().headers.first(Name::To), accepted.headers.first(Name::To));
    }
    bench.pass(Duration::from_millis(4500));
    let mut last = bench.message();
    while matches!(last, Message::Response(_)) {
        last = bench.message();
    }
    let Message::Request(bye) = last else { unreachable!() };
    let dialog = Dialog::as_uac(&invite, &accepted).unwrap();
    assert!(bye.method == Method::Bye && dialog.is_of(&bye));
    assert_eq!(bench.stand(), 0);
}

/// RFC 4028 §10: whoever promised to refresh has vanished.
#[tokio::test]
async fn a_session_that_is_not_refreshed_is_ended() {
    let mut bench = Bench::new(8).await;
    bench.register();
    let fields = [(Name::Supported, "timer"), (Name::SessionExpires, "300;refresher=uac")];
    let mut dialog = bench.session(&fields);
    bench.pass(Duration::from_secs(200));
    let mut update = dialog.request(Method::Update).unwrap();
    for (name, value) in fields {
        update.headers.push(name, value).unwrap();
    }
    update.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070;transport=tcp>").unwrap();
    bench.send(update);
    assert_eq!(bench.status(), 200);
    bench.pass(Duration::from_secs(260));
    assert_eq!((bench.written.try_recv(), bench.stand()), (None, 1));
    bench.pass(Duration::from_secs(40));
    let bye = bench.request_of();
    assert!(bye.method == Method::Bye && dialog.is_of(&bye));
    assert_eq!(bench.stand(), 0);
}

/// A text whose answer does not come: one error for its sender, and the session is over (RFC 3261 §12.2.1.2).
#[tokio::test]
async fn a_text_without_an_answer_ends_its_session() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.session(&[]);
    bench.partner_says("x", Duration::from_secs(5)).await;
    assert_eq!(bench.request_of().method, Method::Message);
    bench.pass(Duration::from_secs(32));
    assert_eq!(bench.outcome(), Some(Err(Condition::RemoteServerTimeout)));
    assert_eq!(bench.request_of().method, Method::Bye);
    assert_eq!(bench.stand(), 0);
    let ledger = bench.shard.counters.snapshot().from_partners;
    assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
}
