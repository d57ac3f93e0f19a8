//! The contract of the link, run against every implementation.
#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail has failed")]

mod event;

use std::time::{Duration, Instant};

use lexicon::{Domain, DomainPair};
use link::{LinkEnd, SendError, Settled};
use xmpp::{stanza::Condition, stanza::StanzaError, xml::Batch};

fn pair() -> DomainPair {
    let domain = |name| Domain::parse(name).unwrap();
    DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") }
}

fn batch(stanzas: usize) -> Batch {
    let stanza = "<message xmlns='jabber:server' from='a@fabrikam.example' to='b@contoso.example'/>";
    Batch::from_xml(stanza.repeat(stanzas)).unwrap()
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn ends() -> (LinkEnd, LinkEnd) {
    link::local(2)
}

#[tokio::test]
async fn every_stanza_is_settled_once_with_its_own_outcome() {
    let (left, mut right) = ends();
    let mut port = left.link.port(10);
    let id = port.try_send(pair(), batch(3), deadline()).unwrap();
    assert_eq!(port.unsettled(), 3);

    let mut receipts = right.inbox.receive().await.unwrap().receipts;
    let (first, second) = (receipts.next().unwrap(), receipts.next().unwrap());
    second.refuse(StanzaError::new(Condition::ServiceUnavailable));
    first.done();
    drop(receipts);

    let mut ended = Vec::new();
    while port.unsettled() > 0 {
        let settlement = port.settlement().await;
        assert_eq!(settlement.envelope, id);
        ended.push((settlement.stanzas, settlement.outcome));
    }
    assert!(
        matches!(&ended[0], (places, Settled::Refused(e)) if *places == (1..2) && e.condition == Condition::ServiceUnavailable)
    );
    assert!(matches!(&ended[1], (places, Settled::Done) if *places == (0..1)));
    assert!(
        matches!(&ended[2], (places, Settled::Refused(e)) if *places == (2..3) && e.condition == Condition::InternalServerError),
        "a receipt that was dropped refuses its stanza"
    );
}

#[tokio::test]
async fn an_envelope_that_nobody_opens_is_refused() {
    let (left, right) = ends();
    let mut port = left.link.port(10);
    port.try_send(pair(), batch(1), deadline()).unwrap();
    drop(right);
    assert!(matches!(port.settlement().await.outcome, Settled::Refused(_)));
    assert!(matches!(port.try_send(pair(), batch(1), deadline()), Err(SendError::Closed(_))));
}

#[tokio::test]
async fn without_credit_nothing_is_taken_until_a_settlement() {
    let (left, mut right) = ends();
    let mut port = left.link.port(2);
    port.try_send(pair(), batch(2), deadline()).unwrap();
    assert!(!port.has_credit());
    let Err(SendError::Full(back)) = port.try_send(pair(), batch(1), deadline()) else { panic!("over credit") };
    assert_eq!(back.len(), 1, "the batch comes back");

    right.inbox.receive().await.unwrap().receipts.settle_all(&Settled::Done);
    port.settlement().await;
    port.try_send(pair(), back, deadline()).unwrap();
}

#[tokio::test]
async fn the_link_holds_a_bounded_number_of_envelopes() {
    let (left, mut right) = ends();
    let mut port = left.link.port(10);
    for _ in 0..2 {
        port.try_send(pair(), batch(1), deadline()).unwrap();
    }
    assert!(matches!(port.try_send(pair(), batch(1), deadline()), Err(SendError::Full(_))));
    assert!(right.inbox.receive().await.is_some());
    port.room().await;
    port.try_send(pair(), batch(1), deadline()).unwrap();
}

#[tokio::test]
async fn envelopes_of_a_port_arrive_in_order() {
    let (left, mut right) = ends();
    let mut port = left.link.port(10);
    for stanzas in [1, 2] {
        port.try_send(pair(), batch(stanzas), deadline()).unwrap();
    }
    for stanzas in [1, 2] {
        assert_eq!(right.inbox.receive().await.unwrap().batch.len(), stanzas);
    }
}

#[tokio::test]
async fn stanzas_that_fare_alike_are_settled_together_and_credit_returns_with_their_end() {
    let (left, mut right) = ends();
    let mut port = left.link.port(3);
    port.try_send(pair(), batch(3), deadline()).unwrap();
    let mut receipt = right.inbox.receive().await.unwrap().receipts.whole();
    receipt.written();
    let written = port.settlement().await;
    assert!(matches!(written.outcome, Settled::Written));
    assert_eq!((written.stanzas, port.unsettled(), port.has_credit()), (0..3, 3, false));

    receipt.split_off_first(2).done();
    let done = port.settlement().await;
    assert!(matches!(done.outcome, Settled::Done));
    assert_eq!((done.stanzas, port.unsettled()), (0..2, 1));

    receipt.unknown(StanzaError::new(Condition::RemoteServerTimeout));
    let unknown = port.settlement().await;
    assert!(matches!(&unknown.outcome, Settled::Unknown(e) if e.condition == Condition::RemoteServerTimeout));
    assert_eq!((unknown.stanzas, port.unsettled()), (2..3, 0));
    assert!(port.try_settlement().is_none(), "an end is told once");
}
