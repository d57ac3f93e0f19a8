//! partner-policy §2: the method that authorises a pair, in both directions.

use lexicon::{Direction, Method};

use crate::harness::{Authority, OURS, Org, THEIRS, federation, federation_of, partner, row, settings};

/// A message each way, and the method seen at both ends of both streams.
async fn converse(number: u8, trusted: bool, method: Method) {
    let authority = Authority::new();
    let roots = if trusted { authority.roots() } else { Authority::new().roots() };
    let (mut ours, mut theirs) = federation_of(row(number), &authority, roots).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()), "row {number}");
    assert_eq!(theirs.receive_message().await, (format!("alice@{OURS}"), "Hello".to_owned()));
    assert_eq!(theirs.send(OURS, "carol", "Hello back").await, Ok(()), "row {number}");
    assert_eq!(ours.receive_message().await, (format!("alice@{THEIRS}"), "Hello back".to_owned()));
    for org in [&ours, &theirs] {
        for direction in [Direction::Inbound, Direction::Outbound] {
            assert_eq!(org.methods(direction), [method], "row {number}, {direction} of {}", org.name);
        }
        let ledger = org.balanced().await;
        assert_eq!((ledger.inbound.delivered, ledger.outbound.delivered), (1, 1), "row {number}");
    }
    let (ours, theirs) = tokio::join!(ours.proxy.stop(), theirs.proxy.stop());
    assert!(ours.outbound.is_balanced() && theirs.outbound.is_balanced());
}

#[tokio::test]
async fn external_with_certificates_for_servers_only() {
    for number in [1, 2, 3, 4, 7, 8, 9, 10] {
        converse(number, true, Method::SaslOverTls).await;
    }
}

#[tokio::test]
async fn dialback_inside_tls() {
    converse(13, true, Method::TlsDialback).await;
    converse(15, true, Method::TlsDialback).await;
}

/// "If SASL over TLS is not available … TLS dialback follows only where the row permits it."
#[tokio::test]
async fn an_untrusted_certificate_leaves_dialback_where_the_row_permits_it() {
    converse(7, false, Method::TlsDialback).await;
    converse(9, false, Method::TlsDialback).await;
}

#[tokio::test]
async fn dialback_in_plaintext() {
    converse(17, true, Method::TcpDialback).await;
}

/// TLS optional, and a partner without a certificate of its own: it cannot offer STARTTLS, and uses ours.
#[tokio::test]
async fn plaintext_dialback_where_tls_is_optional_and_not_offered() {
    for number in [9, 15] {
        let authority = Authority::new();
        let mut ours = Org::start(OURS, &authority).await;
        let mut theirs = Org::start_with(THEIRS, None).await;
        let (our_port, their_port) = (ours.address().port(), theirs.address().port());
        ours.publish([partner(THEIRS, row(number), authority.roots(), their_port)], settings());
        theirs.publish([partner(OURS, row(number), authority.roots(), our_port)], settings());
        assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()), "row {number}");
        theirs.receive_message().await;
        assert_eq!(theirs.send(OURS, "carol", "Hello back").await, Ok(()), "row {number}");
        ours.receive_message().await;
        assert_eq!(ours.methods(Direction::Outbound), [Method::TcpDialback], "row {number}");
        assert_eq!(ours.methods(Direction::Inbound), [Method::TlsDialback], "row {number}");
    }
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    const COUNT: usize = 500;
    let (mut ours, mut theirs) = federation(row(2)).await;
    let receiving = async {
        let mut bodies = Vec::new();
        while bodies.len() < COUNT {
            let envelope = theirs.receive().await;
            bodies
                .extend((0..envelope.batch.len()).map(|index| crate::harness::first(&envelope.batch.single(index)).1));
            envelope.receipts.settle_all(&link::Settled::Done);
        }
        bodies
    };
    let sending = async {
        for number in 0..COUNT {
            assert_eq!(ours.send(THEIRS, "bob", &number.to_string()).await, Ok(()));
        }
    };
    let (bodies, ()) = tokio::join!(receiving, sending);
    assert_eq!(bodies, (0..COUNT).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(ours.balanced().await.outbound.delivered, COUNT as u64);
    assert_eq!(theirs.balanced().await.inbound.delivered, COUNT as u64);
}
