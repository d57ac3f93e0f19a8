//! Stanzas both ways on one connection (XEP-0288).

use std::time::Duration;

use lexicon::Direction;
use link::Settled;
use xmpp::stanza::{Condition, StanzaError, StanzaRef};

use crate::{
    delivery::Relay,
    harness::{Authority, OURS, Org, THEIRS, partner, row, settings, until},
};

const SOON: Duration = Duration::from_secs(20);

/// Two organisations that speak everything, by this row, with a connection from us to them that can be cut.
async fn federation(number: u8) -> (Org, Org, Relay, Authority) {
    let authority = Authority::new();
    let all = |config: &mut proxy::ProxyConfig| config.extensions = proxy::Extensions::ALL;
    let mut ours = Org::start_changed(OURS, Some(&authority), all).await;
    let mut theirs = Org::start_changed(THEIRS, Some(&authority), all).await;
    let relay = Relay::to(theirs.address()).await;
    ours.publish([partner(THEIRS, row(number), authority.roots(), relay.port)], settings());
    theirs.publish([partner(OURS, row(number), authority.roots(), ours.address().port())], settings());
    (ours, theirs, relay, authority)
}

/// A message each way; then how many connections there are at their side, by direction.
async fn exchange(ours: &mut Org, theirs: &mut Org) -> (usize, usize) {
    ours.hand_over(THEIRS, "bob", "there", SOON);
    assert_eq!(theirs.receive_message().await.1, "there");
    assert_eq!(ours.end_of_one().await, Ok(()));
    theirs.hand_over(OURS, "alice", "and back", SOON);
    assert_eq!(ours.receive_message().await.1, "and back");
    assert_eq!(theirs.end_of_one().await, Ok(()));
    let streams = theirs.proxy.monitor().streams();
    let count = |direction| streams.iter().filter(|stream| stream.direction == direction).count();
    (count(Direction::Inbound), count(Direction::Outbound))
}

#[tokio::test]
async fn an_answer_takes_the_connection_that_the_message_came_on() {
    for number in [2, 13] {
        let (mut ours, mut theirs, _relay, _authority) = federation(number).await;
        assert_eq!(exchange(&mut ours, &mut theirs).await, (1, 0), "row {number}");
        // An error takes it too.
        ours.hand_over(THEIRS, "bob", "unwanted", SOON);
        let refusal = StanzaError::new(Condition::Forbidden);
        theirs.receive().await.receipts.settle_all(&Settled::Refused(Box::new(refusal)));
        assert_eq!(ours.end_of_one().await, Ok(()));
        let answer = ours.receive().await;
        assert!(StanzaRef::of(answer.batch.element(0)).unwrap().is_error());
        answer.receipts.settle_all(&Settled::Done);
        let (ours, theirs) = (ours.balanced().await, theirs.balanced().await);
        assert_eq!((ours.inbound.accepted, theirs.outbound.delivered, theirs.errors.delivered), (2, 1, 1));
    }
}

#[tokio::test]
async fn without_the_partners_consent_each_side_opens_its_own() {
    let (mut ours, mut theirs, _relay, authority) = federation(2).await;
    let mut plain = Org::start("plain.example", &authority).await;
    plain.publish([partner(THEIRS, row(2), authority.roots(), theirs.address().port())], settings());
    let us = partner(OURS, row(2), authority.roots(), ours.address().port());
    theirs.publish([us, partner("plain.example", row(2), authority.roots(), plain.address().port())], settings());
    assert_eq!(plain.send(THEIRS, "bob", "there").await, Ok(()));
    theirs.receive_message().await;
    theirs.hand_over("plain.example", "alice", "and back", SOON);
    assert_eq!(plain.receive_message().await.1, "and back");
    assert_eq!(plain.methods(Direction::Inbound).len(), 1);
    assert_eq!(exchange(&mut ours, &mut theirs).await, (2, 1));
}

/// What was on its way is told as unknown; what comes later takes a connection of its own.
#[tokio::test]
async fn a_route_outlives_the_connection_of_the_partners_that_carried_it() {
    let (mut ours, mut theirs, relay, _authority) = federation(2).await;
    assert_eq!(exchange(&mut ours, &mut theirs).await, (1, 0));
    theirs.hand_over(OURS, "alice", "lost", SOON);
    let envelope = ours.receive().await;
    relay.cut();
    assert_eq!(theirs.end_of_one().await.unwrap_err().condition, Condition::RemoteServerTimeout);
    envelope.receipts.settle_all(&Settled::Done);
    until("their stream has ended", || theirs.proxy.monitor().streams().is_empty()).await;
    theirs.hand_over(OURS, "alice", "again", SOON);
    assert_eq!(ours.receive_message().await.1, "again");
    assert_eq!(theirs.end_of_one().await, Ok(()));
    assert_eq!(theirs.methods(Direction::Outbound).len(), 1);
    let outbound = theirs.proxy.monitor().ledger().outbound;
    assert_eq!((outbound.is_balanced(), outbound.delivery_unknown, outbound.queued), (true, 1, 0));
}

/// Policy ends both ways at once (partner-policy §1).
#[tokio::test]
async fn a_disabled_partner_is_sent_nothing_on_its_own_connection() {
    let (mut ours, mut theirs, _relay, authority) = federation(2).await;
    assert_eq!(exchange(&mut ours, &mut theirs).await, (1, 0));
    let mut us = partner(OURS, row(2), authority.roots(), ours.address().port());
    us.enabled = false;
    theirs.publish([us], settings());
    let error = theirs.send(OURS, "alice", "no more").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    until("their stream has ended", || theirs.proxy.monitor().streams().is_empty()).await;
    theirs.balanced().await;
}
