//! Stanzas end once, whatever the connection does.

use std::time::Duration;

use link::Settled;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use xmpp::stanza::{Condition, StanzaError, StanzaRef};

use crate::harness::{Authority, OURS, Org, THEIRS, federation, partner, row, settings, until};

#[tokio::test]
async fn a_refusal_of_the_inside_comes_back_as_one_error() {
    let (mut ours, mut theirs) = federation(row(2)).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    let envelope = theirs.receive().await;
    let error = StanzaError::new(Condition::Forbidden).with_text("Add the sender first.");
    envelope.receipts.settle_all(&Settled::Refused(Box::new(error)));

    let answer = ours.receive().await;
    let stanza = StanzaRef::of(answer.batch.element(0)).unwrap();
    assert_eq!((stanza.from(), stanza.to()), (Some("bob@fabrikam.example"), Some("alice@contoso.example")));
    assert_eq!((stanza.id(), stanza.is_error()), (Some("m1"), true));
    let error = stanza.error().unwrap();
    assert_eq!((error.condition, error.text.as_deref()), (Condition::Forbidden, Some("Add the sender first.")));

    // Refusing an error is the end of it (RFC 6120 §8.3.1).
    answer.receipts.settle_all(&Settled::Refused(Box::new(StanzaError::new(Condition::ServiceUnavailable))));
    let ledger = ours.balanced().await;
    assert_eq!(ledger.inbound.dropped.get("not_answerable"), Some(&1));
    let ledger = theirs.balanced().await;
    assert_eq!((ledger.inbound.answered, ledger.errors.delivered), (1, 1));
}

/// A relay between two organisations whose connections can be cut.
pub(crate) struct Relay {
    pub(crate) port: u16,
    cut: watch::Sender<u32>,
}

impl Relay {
    pub(crate) async fn to(target: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, watched) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut watched = watched.clone();
                watched.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = watched.changed() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let relay = Relay::to(theirs.address()).await;
    ours.publish([partner(THEIRS, row(2), authority.roots(), relay.port)], settings());
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], settings());
    for round in 0..3 {
        assert_eq!(ours.send(THEIRS, "bob", &round.to_string()).await, Ok(()));
        assert_eq!(theirs.receive_message().await.1, round.to_string());
        relay.cut();
        until("both sides see the end", || {
            ours.proxy.monitor().streams().is_empty() && theirs.proxy.monitor().streams().is_empty()
        })
        .await;
    }
    assert_eq!(ours.balanced().await.outbound.delivered, 3);
    assert_eq!(theirs.balanced().await.inbound.delivered, 3);
}

/// What is under way at the inside when the connection dies is still settled.
#[tokio::test]
async fn a_stanza_outlives_its_connection() {
    let (mut ours, mut theirs) = federation(row(7)).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    let envelope = theirs.receive().await;
    let ledger = ours.proxy.stop().await;
    assert!(ledger.outbound.is_balanced());
    until("the stream has ended", || theirs.proxy.monitor().streams().is_empty()).await;
    assert_eq!(theirs.proxy.monitor().ledger().inbound.queued, 1);
    envelope.receipts.settle_all(&Settled::Done);
    assert_eq!(theirs.balanced().await.inbound.delivered, 1);
}

#[tokio::test]
async fn a_stop_refuses_what_waits_and_ends_in_time() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    ours.publish([partner(THEIRS, row(2), authority.roots(), port)], settings());
    ours.hand_over(THEIRS, "bob", "Hello", Duration::from_secs(60));
    let monitor = ours.proxy.monitor();
    until("the stanza waits", || monitor.ledger().outbound.queued == 1).await;
    let (ledger, end) = tokio::join!(ours.proxy.stop(), ours.port.settlement());
    assert!(matches!(end.outcome, Settled::Refused(_)));
    assert_eq!((ledger.outbound.answered, ledger.outbound.queued), (1, 0));
}

/// A relay that lets nothing through before it is opened.
async fn gate(target: std::net::SocketAddr) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, opened) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut opened = opened.clone();
            tokio::spawn(async move {
                opened.wait_for(|open| *open).await.unwrap();
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, open)
}

/// XEP-0203: who gets a stanza late reads since when it was on its way, and from whose server it waited; one that came at once
/// carries no such mark, and the order of the pair is kept.
#[tokio::test]
async fn what_waited_for_a_stream_says_since_when_and_keeps_its_order() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let (port, open) = gate(theirs.address()).await;
    ours.publish([partner(THEIRS, row(2), authority.roots(), port)], settings());
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], settings());
    let before = net::clock::now().wall.to_string();
    for body in ["one", "two"] {
        ours.hand_over(THEIRS, "bob", body, Duration::from_secs(30));
    }
    let monitor = ours.proxy.monitor();
    until("both wait", || monitor.ledger().outbound.queued == 2).await;
    let after = net::clock::now().wall.to_string();
    // The rule speaks of this time: what waited for less is not called late.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    open.send_replace(true);
    for _ in 0..2 {
        assert_eq!(ours.end_of_one().await, Ok(()));
    }
    ours.hand_over(THEIRS, "bob", "three", Duration::from_secs(30));
    assert_eq!(ours.end_of_one().await, Ok(()));
    let mut received = Vec::new();
    while received.len() < 3 {
        let envelope = theirs.receive().await;
        for stanza in envelope.batch.elements().filter_map(StanzaRef::of) {
            let delay = stanza.element().child("delay", "urn:xmpp:delay");
            let attribute = |name| delay.and_then(|delay| delay.attribute(name)).map(|value| value.into_owned());
            received.push((stanza.body().unwrap().into_owned(), attribute("from"), attribute("stamp")));
        }
        envelope.receipts.settle_all(&Settled::Done);
    }
    let bodies: Vec<_> = received.iter().map(|(body, ..)| body.as_str()).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
    for (_, from, stamp) in &received[..2] {
        assert_eq!(from.as_deref(), Some(OURS));
        let stamp = stamp.as_deref().unwrap();
        assert!(before.as_str() <= stamp && stamp <= after.as_str(), "{before} {stamp} {after}");
    }
    assert_eq!(received[2].1, None);
    ours.balanced().await;
}
