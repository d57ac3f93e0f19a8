//! Peers that do not read: what waits for them is bounded, others are served, and each stanza has one end.

use std::time::{Duration, Instant};

use link::Settled;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use xmpp::stanza::Condition;

use crate::harness::{Authority, OURS, Org, THEIRS, partner, patiently, row, settings};

const STUCK: &str = "litware.example";
const COUNT: usize = 10_000;
const BODY_BYTES: usize = 1_000;

/// A server that takes our dialback key for good, and after that nothing. Told to end, it closes.
async fn stuck() -> (u16, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let header = format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns:db='jabber:server:dialback' from='{STUCK}' to='{OURS}' id='stuck' version='1.0'>\
             <stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"
        );
        stream.write_all(header.as_bytes()).await.unwrap();
        let mut heard = String::new();
        while !heard.contains("</db:result>") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert_ne!(count, 0, "{heard}");
            heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        let valid = format!("<db:result from='{STUCK}' to='{OURS}' type='valid'/>");
        stream.write_all(valid.as_bytes()).await.unwrap();
        let _ = ended.await;
    });
    (port, end)
}

/// partner-policy §4: what waits is bounded by the queue of the pair; beyond it the sender is told at once.
#[tokio::test]
async fn ten_thousand_stanzas_to_a_server_that_stops_reading_are_bounded_and_bounce_once() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let (port, end) = stuck().await;
    let mut limits = settings();
    limits.queue_stanzas = 100;
    limits.queue_bytes = 128 << 10;
    limits.queue_age = Duration::from_secs(1);
    let honest = partner(THEIRS, row(2), authority.roots(), theirs.address().port());
    ours.publish([honest, partner(STUCK, row(17), authority.roots(), port)], limits);
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], settings());

    let body = "x".repeat(BODY_BYTES);
    let (mut full, mut delivered, mut most) = (0, 0, 0);
    for number in 0..COUNT {
        ours.hand_over(STUCK, "iago", &body, Duration::from_secs(60));
        if number % 50 == 0 {
            tokio::task::yield_now().await;
            most = most.max(ours.proxy.monitor().ledger().outbound.queued);
        }
        // The link gives credit for 2,048: what has an end makes room.
        while ours.port.unsettled() > 1_000 {
            match patiently(ours.port.settlement()).await.outcome {
                Settled::Refused(error) => {
                    assert_eq!(error.condition, Condition::ResourceConstraint);
                    full += 1;
                }
                _ => delivered += 1,
            }
        }
    }
    // Its queue, what the stream has taken from it, and what the link holds; the sockets of this machine take megabytes.
    assert!(most < 3_000, "{most} stanzas waited");
    // The other partner does not notice.
    ours.hand_over(THEIRS, "bob", "Hello", Duration::from_secs(20));
    assert_eq!(theirs.receive_message().await.1, "Hello");
    assert_eq!(theirs.send(OURS, "carol", "Hello back").await, Ok(()));
    ours.receive_message().await;

    end.send(()).unwrap();
    let begun = Instant::now();
    let mut ends = full + delivered;
    while ends < COUNT + 1 {
        let settlement = patiently(ours.port.settlement()).await;
        ends += 1;
        full += usize::from(matches!(settlement.outcome, Settled::Refused(_)));
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(timeout(Duration::from_millis(200), ours.port.settlement()).await.is_err(), "one end for each");
    assert!(full > COUNT / 2, "only {full} of {COUNT} bounced");
    let ledger = ours.proxy.monitor().ledger().outbound;
    assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
    assert_eq!(ledger.accepted, COUNT as u64 + 1);
}

/// XEP-0205: what we answer to a peer that reads nothing of it is bounded, since then nothing more is read from it.
#[tokio::test]
async fn a_peer_that_asks_and_never_reads_is_read_no_further() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let port = theirs.address().port();
    ours.publish([partner(THEIRS, row(17), authority.roots(), port)], settings());
    theirs.publish([partner(OURS, row(17), authority.roots(), ours.address().port())], settings());
    // Asked for nothing but a question about a key: each one has an answer.
    let question = format!("<db:verify from='{THEIRS}' to='{OURS}' id='x'>no key</db:verify>").repeat(100);
    let header = format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{THEIRS}' to='{OURS}' version='1.0'>"
    );
    for _ in 0..20 {
        let mut stream = TcpStream::connect(ours.address()).await.unwrap();
        stream.write_all(header.as_bytes()).await.unwrap();
        let mut written = 0;
        // Before authorisation there is a budget: the stream ends.
        while let Ok(Ok(())) = timeout(Duration::from_millis(500), stream.write_all(question.as_bytes())).await {
            written += question.len();
            assert!(written < 32 << 20, "{written} bytes were read from a peer that reads nothing");
        }
    }
    assert_eq!(theirs.send(OURS, "carol", "Hello").await, Ok(()));
    ours.receive_message().await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
}
