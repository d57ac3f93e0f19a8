//! Nothing grows without bound, and a limit has its own answer (partner-policy §1, §4).

use std::time::{Duration, Instant};

use lexicon::Direction;
use link::Settled;
use net::dns::{Kind, Target};
use policy::Partner;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use xmpp::stanza::Condition;

use crate::harness::{
    Authority, OURS, Org, THEIRS, domain, federation, federation_of, first, partner, patiently, row, settings,
};

const OURS_TOO: &str = "it.contoso.example";
const THEIRS_TOO: &str = "it.fabrikam.example";
const SOON: Duration = Duration::from_secs(20);

/// Both sides with a second domain each, and a partner limit of one connection in each direction.
async fn two_domains_each() -> (Org, Org) {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    let mut them = partner(THEIRS, row(7), authority.roots(), theirs.address().port());
    them.additional_domains = vec![domain(THEIRS_TOO)];
    them.connection_limit = Some(2);
    ours.publish_with(&[OURS, OURS_TOO], [them], settings());
    let mut us = partner(OURS, row(7), authority.roots(), ours.address().port());
    us.additional_domains = vec![domain(OURS_TOO)];
    theirs.publish_with(&[THEIRS, THEIRS_TOO], [us], settings());
    assert_eq!(ours.send(THEIRS, "bob", "one").await, Ok(()));
    theirs.receive_message().await;
    (ours, theirs)
}

#[tokio::test]
async fn at_the_connection_limit_a_second_domain_of_ours_shares_the_stream() {
    let (mut ours, mut theirs) = two_domains_each().await;
    ours.hand_over_from(OURS_TOO, THEIRS, "bob", "two", SOON);
    assert_eq!(ours.end_of_one().await, Ok(()));
    assert_eq!(theirs.receive_message().await, (format!("alice@{OURS_TOO}"), "two".to_owned()));
    let streams = ours.proxy.monitor().streams();
    let outbound: Vec<_> = streams.iter().filter(|stream| stream.direction == Direction::Outbound).collect();
    assert_eq!((outbound.len(), outbound[0].authorised.len()), (1, 2));
    ours.balanced().await;
}

/// XEP-0220 §2.6.2: its server understands dialback errors and is found at the same address and port.
#[tokio::test]
async fn at_the_connection_limit_a_second_domain_of_theirs_at_the_same_address_shares_the_stream() {
    let (mut ours, mut theirs) = two_domains_each().await;
    ours.hand_over(THEIRS_TOO, "bob", "two", SOON);
    assert_eq!(ours.end_of_one().await, Ok(()));
    let envelope = theirs.receive().await;
    assert_eq!(envelope.pair.local, domain(THEIRS_TOO));
    envelope.receipts.settle_all(&Settled::Done);
    let streams = ours.proxy.monitor().streams();
    let outbound: Vec<_> = streams.iter().filter(|stream| stream.direction == Direction::Outbound).collect();
    assert_eq!((outbound.len(), outbound[0].authorised.len()), (1, 2));
    ours.balanced().await;
}

/// Found at another port: it waits, and its sender is told which limit it waited for.
#[tokio::test]
async fn at_the_connection_limit_a_domain_of_theirs_elsewhere_waits_and_is_told() {
    let authority = Authority::new();
    let (ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    let address = theirs.address();
    let at = |port| Target { host: address.ip().to_string(), port, kind: Kind::Starttls };
    let mut here = Org::start_changed("here.example", Some(&authority), |config| {
        config.dns.overrides.insert(domain(THEIRS), vec![at(address.port())]);
        config.dns.overrides.insert(domain(THEIRS_TOO), vec![at(9)]);
    })
    .await;
    let mut them = partner(THEIRS, row(7), authority.roots(), 0);
    them.proxy_fqdn = None;
    them.additional_domains = vec![domain(THEIRS_TOO)];
    them.connection_limit = Some(2);
    here.publish([them], settings());
    let us = partner("here.example", row(7), authority.roots(), here.address().port());
    theirs.publish([us, partner(OURS, row(7), authority.roots(), ours.address().port())], settings());
    assert_eq!(here.send(THEIRS, "bob", "one").await, Ok(()));
    theirs.receive_message().await;
    let error = here.send_within(THEIRS_TOO, "bob", "two", Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.condition, Condition::ResourceConstraint);
    here.balanced().await;
    ours.balanced().await;
}

/// Two partners may be hosted at one address: the one's stanzas never take a connection to the other.
#[tokio::test]
async fn at_the_connection_limit_a_connection_to_another_partner_is_not_shared() {
    const ANOTHER: &str = "tailspin.example";
    let authority = Authority::new();
    let (mut theirs, mut another) = (Org::start(THEIRS, &authority).await, Org::start(ANOTHER, &authority).await);
    let at =
        |org: &Org| Target { host: org.address().ip().to_string(), port: org.address().port(), kind: Kind::Starttls };
    let (their_place, other_place) = (at(&theirs), at(&another));
    let mut ours = Org::start_changed(OURS, Some(&authority), |config| {
        config.dns.overrides.insert(domain(THEIRS), vec![their_place]);
        config.dns.overrides.insert(domain(THEIRS_TOO), vec![other_place.clone()]);
        config.dns.overrides.insert(domain(ANOTHER), vec![other_place]);
    })
    .await;
    let found = |name: &str| Partner { proxy_fqdn: None, ..partner(name, row(7), authority.roots(), 0) };
    let them = Partner { additional_domains: vec![domain(THEIRS_TOO)], connection_limit: Some(2), ..found(THEIRS) };
    ours.publish([them, found(ANOTHER)], settings());
    for org in [&mut theirs, &mut another] {
        org.publish([partner(OURS, row(7), authority.roots(), ours.address().port())], settings());
        assert_eq!(ours.send(org.name, "bob", "one").await, Ok(()));
        org.receive_message().await;
    }
    let error = ours.send_within(THEIRS_TOO, "bob", "two", Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.condition, Condition::ResourceConstraint);
    ours.balanced().await;
}

/// An inside that does not settle stops the reading; what is read then is settled like everything else.
#[tokio::test]
async fn an_inside_without_credit_holds_the_partner_back() {
    const COUNT: usize = 900;
    let (mut ours, mut theirs) = federation(row(2)).await;
    for number in 0..COUNT {
        ours.hand_over(THEIRS, "bob", &format!("{number} {}", "x".repeat(200)), SOON);
    }
    let mut held = Vec::new();
    let monitor = theirs.proxy.monitor();
    let mut accepted = 0;
    while let Ok(Some(envelope)) = tokio::time::timeout(Duration::from_millis(500), theirs.inside.inbox.receive()).await
    {
        accepted += envelope.batch.len();
        held.push(envelope);
    }
    assert!((256..COUNT).contains(&accepted), "{accepted} were handed to an inside that settles nothing");
    assert!(monitor.ledger().inbound.accepted < COUNT as u64);
    for envelope in held {
        envelope.receipts.settle_all(&Settled::Done);
    }
    while accepted < COUNT {
        let envelope = theirs.receive().await;
        accepted += envelope.batch.len();
        envelope.receipts.settle_all(&Settled::Done);
    }
    for _ in 0..COUNT {
        assert_eq!(ours.end_of_one().await, Ok(()));
    }
    assert_eq!(theirs.balanced().await.inbound.delivered, COUNT as u64);
}

/// XEP-0478 §3: never send a peer more than it advertised; tell the sender.
#[tokio::test]
async fn a_stanza_above_their_limit_is_refused_and_no_other_one_is_lost() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let mut small = settings();
    small.stanza_bytes_max = 10_000;
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], small);
    for round in 0..2 {
        assert_eq!(ours.send(THEIRS, "bob", &format!("small {round}")).await, Ok(()));
        assert_eq!(theirs.receive_message().await.1, format!("small {round}"));
        let error = ours.send(THEIRS, "bob", &"x".repeat(20_000)).await.unwrap_err();
        assert_eq!(error.condition, Condition::PolicyViolation);
        assert!(error.text.unwrap().contains("10000 bytes"));
    }
    assert_eq!(ours.methods(Direction::Outbound).len(), 1);
    assert_eq!(theirs.balanced().await.inbound.accepted, 2);
    ours.balanced().await;
}

/// Passes bytes on until it is told to stop, and then keeps the connection.
async fn valve(target: std::net::SocketAddr) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (close, closed) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(target).await.unwrap();
            let (mut near_read, mut near_write) = near.into_split();
            let (mut far_read, mut far_write) = far.into_split();
            let mut closed = closed.clone();
            tokio::spawn(async move { tokio::io::copy(&mut far_read, &mut near_write).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(count @ 1..) = near_read.read(&mut bytes).await {
                    closed.wait_for(|closed| !closed).await.unwrap();
                    far_write.write_all(&bytes[..count]).await.unwrap();
                }
            });
        }
    });
    (port, close)
}

#[tokio::test]
async fn a_partner_that_reads_nothing_fills_no_more_than_its_queue() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let (port, closed) = valve(theirs.address()).await;
    let mut narrow = settings();
    narrow.queue_bytes = 64 << 10;
    ours.publish([partner(THEIRS, row(2), authority.roots(), port)], narrow);
    assert_eq!(ours.send(THEIRS, "bob", "first").await, Ok(()));
    theirs.receive_message().await;
    closed.send_replace(true);
    let body = "x".repeat(20_000);
    let (mut full, mut sent) = (false, 0);
    while !full {
        ours.hand_over(THEIRS, "bob", &body, Duration::from_secs(60));
        sent += 1;
        tokio::task::yield_now().await;
        while let Some(settlement) = ours.port.try_settlement() {
            if let Settled::Refused(error) = settlement.outcome {
                assert_eq!(error.condition, Condition::ResourceConstraint);
                full = true;
            }
        }
        assert!(sent < 5_000, "a queue of 64 KiB took {sent} stanzas of 20 kB");
    }
    closed.send_replace(false);
    let started = Instant::now();
    while ours.port.unsettled() > 0 {
        tokio::select! {
            envelope = theirs.receive() => envelope.receipts.settle_all(&Settled::Done),
            settlement = patiently(ours.port.settlement()) => drop(settlement),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
    ours.balanced().await;
}

#[tokio::test]
async fn a_partner_above_its_rate_is_read_slower() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let mut slow = settings();
    slow.partner_stanzas_per_second = 20;
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], slow);
    // 200 are the burst; the reading of one socket's worth beyond it is paid back by waiting.
    const COUNT: usize = 220;
    let started = Instant::now();
    for number in 0..COUNT {
        ours.hand_over(THEIRS, "bob", &format!("{number} {}", "x".repeat(1000)), SOON);
    }
    let mut bodies = Vec::new();
    while bodies.len() < COUNT {
        let envelope = theirs.receive().await;
        bodies.extend((0..envelope.batch.len()).map(|index| first(&envelope.batch.single(index)).1));
        envelope.receipts.settle_all(&Settled::Done);
    }
    assert!(started.elapsed() > Duration::from_millis(200), "{:?}", started.elapsed());
}
