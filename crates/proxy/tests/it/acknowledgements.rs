//! Stream management between two proxies (XEP-0198): a stanza ends when the partner's inside has settled it.

use std::time::Duration;

use link::Settled;
use xmpp::stanza::Condition;

use crate::{
    delivery::Relay,
    harness::{Authority, OURS, Org, THEIRS, partner, patiently, row, settings, until},
};

const SOON: Duration = Duration::from_secs(20);

/// Two organisations that acknowledge, with a connection from us to them that can be cut.
async fn federation() -> (Org, Org, Relay) {
    let authority = Authority::new();
    let mut ours =
        Org::start_changed(OURS, Some(&authority), |config| config.extensions.stream_management = true).await;
    let mut theirs =
        Org::start_changed(THEIRS, Some(&authority), |config| config.extensions.stream_management = true).await;
    let relay = Relay::to(theirs.address()).await;
    ours.publish([partner(THEIRS, row(2), authority.roots(), relay.port)], settings());
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], settings());
    (ours, theirs, relay)
}

#[tokio::test]
async fn a_stanza_ends_when_the_partner_has_settled_it() {
    let (mut ours, mut theirs, _relay) = federation().await;
    for body in ["one", "two"] {
        ours.hand_over(THEIRS, "bob", body, SOON);
        let envelope = theirs.receive().await;
        assert!(matches!(patiently(ours.port.settlement()).await.outcome, Settled::Written));
        assert_eq!(ours.proxy.monitor().ledger().outbound.queued, 1, "written is not delivered");
        envelope.receipts.settle_all(&Settled::Done);
        assert_eq!(ours.end_of_one().await, Ok(()));
    }
    assert_eq!(ours.balanced().await.outbound.delivered, 2);
    theirs.balanced().await;
}

/// A refusal settles too: its error comes by its own way.
#[tokio::test]
async fn many_stanzas_in_any_order_are_all_acknowledged() {
    let (mut ours, mut theirs, _relay) = federation().await;
    for number in 0..50 {
        ours.hand_over(THEIRS, "bob", &number.to_string(), SOON);
    }
    let (mut received, mut envelopes) = (0, Vec::new());
    while received < 50 {
        let envelope = theirs.receive().await;
        received += envelope.batch.len();
        envelopes.push(envelope);
    }
    for envelope in envelopes.into_iter().rev() {
        envelope.receipts.settle_all(&Settled::Done);
    }
    for _ in 0..50 {
        assert_eq!(ours.end_of_one().await, Ok(()));
    }
    assert_eq!(ours.balanced().await.outbound.delivered, 50);
}

/// The partner may have it: it is not sent again, its sender gets one error, and it is counted.
#[tokio::test]
async fn a_stanza_without_acknowledgement_ends_with_one_error_and_is_counted() {
    let (mut ours, mut theirs, relay) = federation().await;
    ours.hand_over(THEIRS, "bob", "one", SOON);
    let envelope = theirs.receive().await;
    assert!(matches!(patiently(ours.port.settlement()).await.outcome, Settled::Written));
    relay.cut();
    let Settled::Unknown(error) = patiently(ours.port.settlement()).await.outcome else { panic!("nobody can know") };
    assert_eq!(error.condition, Condition::RemoteServerTimeout);
    assert!(error.text.unwrap().ends_with("It is not known whether this arrived."));
    let monitor = ours.proxy.monitor();
    until("it is counted", || monitor.ledger().outbound.queued == 0).await;
    let outbound = monitor.ledger().outbound;
    assert!(outbound.is_balanced(), "{outbound:?}");
    assert_eq!((outbound.delivery_unknown, outbound.answered), (1, 0));
    envelope.receipts.settle_all(&Settled::Done);

    ours.hand_over(THEIRS, "bob", "two", SOON);
    assert_eq!(theirs.receive_message().await.1, "two", "the first is not sent again");
    assert_eq!(ours.end_of_one().await, Ok(()));
}
