//! The shard without sockets and with a clock of its own.

mod presence;
mod sessions;
mod watching;

use std::time::Duration;

use ::sip::{
    Method, Name, NameAddr, Request, Status, Uri,
    digest::{Algorithm, Client, ha1},
    message::{Limits, datagram},
};
use lexicon::{BareJid, Domain, DomainPair};
use link::{LinkEnd, Settled};
use policy::{Partner, PartnerType};
use store::{Actor, Backend, Credential};
use xmpp::{
    stanza::{Condition, StanzaRef},
    xml::Batch,
};

use super::*;
use crate::{
    book,
    sip::{
        Connection,
        outbox::{ENDPOINT_BYTES_MAX, Queue, outbox},
    },
};

const JULIET: &str = "sip:juliet@fabrikam.example";
const ROMEO: &str = "sip:romeo@contoso.example";
const FLOW: FlowId = FlowId(1 << 63);

/// A shard with one TCP connection, that of romeo@contoso.example.
struct Bench {
    shard: Shard,
    written: Queue,
    stored: mpsc::Receiver<Stored>,
    edge: LinkEnd,
    port: Port,
    digest: Client,
    tokens: Tokens,
    snapshots: watch::Sender<Option<Arc<EdgeSnapshot>>>,
    _directory: tempfile::TempDir,
}

/// A TCP connection of this peer's.
fn connection(peer: &str, outbox: crate::sip::outbox::Outbox) -> Box<Connection> {
    Box::new(Connection {
        peer: peer.parse().unwrap(),
        transport: ::sip::Transport::Tcp,
        sent_by: "192.0.2.1:5060".into(),
        outbox,
        identity: None,
        outgoing: false,
        since: Timestamp::from_millis(0),
    })
}

/// Nothing is dialled here.
fn dialler() -> crate::trunk::Dialler {
    use net::{
        dns::{DnsConfig, Resolver},
        tls::{Identities, Tls},
    };
    let dns = DnsConfig { name_servers: vec!["127.0.0.1:9".parse().unwrap()], ..DnsConfig::default() };
    crate::trunk::Dialler {
        arrivals: mpsc::channel(16).0,
        tls: watch::channel(Tls::new(Identities::default()).unwrap()).1,
        resolver: Arc::new(Resolver::new(dns).unwrap()),
        own: Arc::default(),
        stop: watch::channel(false).1,
    }
}

impl Bench {
    /// `window` is the credit of the shard's port.
    async fn new(window: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("data/legation.db")).await.unwrap();
        let actor = Actor::new("test", "test");
        let domain = |text: &str| Domain::parse(text).unwrap();
        store.add_domain(&actor, &domain("contoso.example"), &[Backend::Registrar]).await.unwrap();
        let mut fabrikam = Partner::new(domain("fabrikam.example"));
        fabrikam.partner_type = PartnerType::Federated;
        store.add_partner(&actor, &fabrikam).await.unwrap();
        let credential = Credential {
            algorithm: "SHA-256".to_owned(),
            realm: "contoso.example".to_owned(),
            ha1: ha1(Algorithm::Sha256, "romeo", "contoso.example", "wherefore"),
        };
        let romeo = BareJid::parse("romeo@contoso.example").unwrap();
        store.add_user(&actor, &romeo, "", &[credential]).await.unwrap();
        let (publish, snapshots) = link::snapshots();
        publish.send_replace(Some(Arc::new(store.snapshot().await.unwrap())));
        let (inside, edge) = link::local(16);
        let (stored_sender, stored) = mpsc::channel(16);
        let (outbox, written) = outbox(ENDPOINT_BYTES_MAX);
        let port = edge.link.port(64);
        let mut shard = Shard::new(Parts {
            flows: Flows::new(Vec::new(), Vec::new()),
            book: book::load(&store).await.unwrap().0,
            serving: store.serving().await.unwrap(),
            snapshots,
            dialler: dialler(),
            store,
            stored: stored_sender,
            port: inside.link.port(window),
            components: Ports {
                components: inside.link.port(window),
                inner_servers: inside.link.port(window),
                inner_leg: inside.link.port(window),
            },
            counters: Arc::default(),
            contacts: Arc::new([]),
            applied: watch::channel(Revisions::default()).0,
        });
        shard.arrival(Arrival::Opened { flow: FLOW, connection: connection("192.0.2.7:5070", outbox) });
        Self {
            shard,
            written,
            stored,
            edge,
            port,
            digest: Client::new("romeo", "wherefore", [1; 32]),
            tokens: Tokens::new([2; 32]),
            snapshots: publish,
            _directory: directory,
        }
    }

    fn request(&mut self, method: Method, uri: &str, to: &str) -> Request {
        let address = |text: &str| NameAddr::new(Uri::parse(text).unwrap());
        let from = address(ROMEO).with_tag(&self.tokens.make());
        let call_id = self.tokens.make();
        Request::out_of_dialog(method, Uri::parse(uri).unwrap(), &from, &address(to), &call_id, 1).unwrap()
    }

    /// A request comes on the connection.
    fn send(&mut self, mut request: Request) {
        let via = format!("SIP/2.0/TCP 192.0.2.7:5070;branch=z9hG4bK{}", self.tokens.make());
        request.headers.push_front(Name::Via, via).unwrap();
        if let Some(credentials) = self.digest.authorize(&request.method, &request.uri) {
            request.headers.push(Name::Authorization, credentials).unwrap();
        }
        self.arrive(Message::Request(request));
    }

    fn arrive(&mut self, message: Message) {
        self.shard.arrival(Arrival::Frame { flow: FLOW, frame: Frame::Message(message) });
        self.shard.drain();
    }

    fn say(&mut self, body: &str) {
        let mut request = self.request(Method::Message, JULIET, JULIET);
        request.set_body("text/plain", body.to_owned()).unwrap();
        self.send(request);
    }

    /// Registers, with the challenge before.
    fn register(&mut self) {
        loop {
            let mut request = self.request(Method::Register, "sip:contoso.example", ROMEO);
            request.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070;transport=tcp>").unwrap();
            self.send(request);
            let response = self.response();
            if response.status == Status::OK {
                return;
            }
            assert!(self.digest.take_challenge(&response, false));
        }
    }

    /// What was written to the connection.
    fn message(&mut self) -> Message {
        datagram(self.written.try_recv().expect("something was written"), &Limits::default()).unwrap().unwrap()
    }

    fn response(&mut self) -> Response {
        match self.message() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("{} instead of a response", request.method),
        }
    }

    fn status(&mut self) -> u16 {
        self.response().status.code()
    }

    /// The next store write ends.
    async fn store_write(&mut self) {
        let stored = self.stored.recv().await.unwrap();
        self.shard.stored(stored);
        self.shard.drain();
    }

    fn pass(&mut self, duration: Duration) {
        self.shard.now = self.shard.now + duration;
        self.shard.tick();
        self.shard.drain();
    }

    /// A stanza of a partner comes over the link.
    async fn partner_says(&mut self, body: &str, life: Duration) {
        let xml = format!(
            "<message from='juliet@fabrikam.example/b' to='romeo@contoso.example' type='chat'><body>{body}</body></message>"
        );
        let domain = |text: &str| Domain::parse(text).unwrap();
        let pair = DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") };
        let (other_end, far) = link::local(1);
        self.port = other_end.link.port(1);
        self.port.try_send(pair, Batch::from_xml(xml).unwrap(), self.shard.now.instant + life).unwrap();
        let mut inbox = far.inbox;
        let envelope = inbox.receive().await.unwrap();
        self.shard.envelope(envelope);
        self.shard.drain();
    }

    fn outcome(&mut self) -> Option<Result<(), Condition>> {
        self.port.try_settlement().map(|settlement| match settlement.outcome {
            Settled::Written | Settled::Done => Ok(()),
            Settled::Refused(error) | Settled::Unknown(error) => Err(error.condition),
        })
    }

    async fn sent_body(&mut self) -> String {
        let envelope = self.edge.inbox.receive().await.unwrap();
        let body = StanzaRef::of(envelope.batch.element(0)).unwrap().body().unwrap().into_owned();
        // The receipts live on, so that nothing is settled.
        std::mem::forget(envelope.receipts);
        body
    }
}

#[tokio::test]
async fn a_message_undecided_for_20_s_is_answered_480() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.say("x");
    bench.store_write().await;
    assert_eq!(bench.sent_body().await, "x");
    bench.pass(Duration::from_secs(19));
    assert_eq!(bench.status(), 100, "RFC 4320 \u{a7}4.1, and nothing else");
    assert_eq!(bench.written.try_recv(), None);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.status(), 480);
    assert!(bench.shard.outward.deadline().is_none());
}

#[tokio::test]
async fn a_message_beyond_the_credit_of_the_link_is_answered_480_with_retry_after() {
    let mut bench = Bench::new(1).await;
    bench.register();
    bench.say("first");
    bench.store_write().await;
    assert_eq!(bench.sent_body().await, "first");
    bench.say("second");
    let response = bench.response();
    assert_eq!((response.status.code(), response.headers.retry_after()), (480, Some(60)));
}

#[tokio::test]
async fn messages_behind_a_first_one_wait_for_its_contact_and_keep_their_order() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.say("first");
    bench.say("second");
    assert!(
        bench.shard.book.contact(&address("romeo@contoso.example"), &address("juliet@fabrikam.example")).is_stranger()
    );
    bench.store_write().await;
    bench.say("third");
    for body in ["first", "second", "third"] {
        assert_eq!(bench.sent_body().await, body);
    }
}

#[tokio::test]
async fn a_message_whose_contact_cannot_be_stored_does_not_leave() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.shard.store.clone().close().await;
    bench.say("x");
    bench.store_write().await;
    assert_eq!(bench.status(), 500);
    assert_eq!(bench.shard.port.unsettled(), 0);
}

#[tokio::test]
async fn a_contact_that_does_not_answer_is_skipped_until_it_registers_again() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.partner_says("x", Duration::from_secs(60)).await;
    assert!(matches!(bench.message(), Message::Request(_)));
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.outcome(), None);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.outcome(), Some(Err(Condition::RemoteServerTimeout)));
    bench.partner_says("y", Duration::from_secs(60)).await;
    assert_eq!(bench.outcome(), Some(Err(Condition::RecipientUnavailable)));
    bench.register();
    bench.partner_says("z", Duration::from_secs(60)).await;
    let Message::Request(request) = bench.message() else { panic!("a request") };
    bench.arrive(Message::Response(Response::to(&request, Status::OK, "t")));
    assert_eq!(bench.outcome(), Some(Ok(())));
}

/// RFC 3428 §8: one in flight for a URI, and those that wait are bounded.
#[tokio::test]
async fn a_full_queue_of_a_contact_is_a_resource_constraint() {
    let mut bench = Bench::new(8).await;
    bench.register();
    for _ in 0..1 + transaction::Limits::default().waiting_per_uri_max {
        bench.partner_says("x", Duration::from_secs(60)).await;
        assert_eq!(bench.outcome(), None);
    }
    bench.partner_says("x", Duration::from_secs(60)).await;
    assert_eq!(bench.outcome(), Some(Err(Condition::ResourceConstraint)));
    assert!(matches!(bench.message(), Message::Request(_)));
    assert_eq!(bench.written.try_recv(), None);
}

#[tokio::test]
async fn a_message_in_flight_fails_with_its_connection() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.partner_says("x", Duration::from_secs(60)).await;
    bench.shard.arrival(Arrival::Closed { flow: FLOW, defect: None, reason: None });
    bench.shard.drain();
    assert_eq!(bench.outcome(), Some(Err(Condition::RecipientUnavailable)));
    assert!(bench.shard.registrar.is_empty());
}

#[tokio::test]
async fn nothing_is_delivered_after_the_deadline_of_its_envelope() {
    let mut bench = Bench::new(8).await;
    bench.register();
    bench.partner_says("late", Duration::ZERO).await;
    assert_eq!(bench.outcome(), Some(Err(Condition::RemoteServerTimeout)));
    assert_eq!(bench.written.try_recv(), None);

    bench.partner_says("in time", Duration::from_secs(5)).await;
    assert!(matches!(bench.message(), Message::Request(_)));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.outcome(), Some(Err(Condition::RemoteServerTimeout)));
    assert!(bench.shard.deliveries.deadline().is_none());
    let ledger = bench.shard.counters.snapshot().from_partners;
    assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
}

fn address(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}
