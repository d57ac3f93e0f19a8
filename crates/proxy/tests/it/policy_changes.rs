//! A change reaches live streams within a second (partner-policy §1).

use std::time::{Duration, Instant};

use xmpp::stanza::Condition;

use crate::harness::{Authority, OURS, Org, THEIRS, federation_of, partner, row, settings, until};

async fn connected() -> (Authority, Org, Org) {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    theirs.receive_message().await;
    assert_eq!(theirs.send(OURS, "bob", "Hello").await, Ok(()));
    ours.receive_message().await;
    (authority, ours, theirs)
}

#[tokio::test]
async fn a_disabled_partner_loses_its_streams() {
    let (authority, mut ours, theirs) = connected().await;
    let mut off = partner(THEIRS, row(7), authority.roots(), theirs.address().port());
    off.enabled = false;
    let changed = Instant::now();
    ours.publish([off], settings());
    until("no stream is left", || {
        ours.proxy.monitor().streams().is_empty() && theirs.proxy.monitor().streams().is_empty()
    })
    .await;
    assert!(changed.elapsed() < Duration::from_secs(1));
    let error = ours.send(THEIRS, "bob", "Hello?").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    ours.balanced().await;
}

#[tokio::test]
async fn a_stricter_row_ends_streams_that_it_does_not_permit() {
    let (authority, mut ours, theirs) = connected().await;
    let port = theirs.address().port();
    // EXTERNAL authorised the streams, so they outlive a row without dialback …
    ours.publish([partner(THEIRS, row(2), authority.roots(), port)], settings());
    assert_eq!(ours.send(THEIRS, "bob", "Still here").await, Ok(()));
    assert_eq!(ours.proxy.monitor().streams().len(), 2);
    // … and not one without SASL.
    let changed = Instant::now();
    ours.publish([partner(THEIRS, row(13), authority.roots(), port)], settings());
    until("no stream is left", || ours.proxy.monitor().streams().is_empty()).await;
    assert!(changed.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn other_roots_end_streams_that_they_do_not_vouch_for() {
    let (_, mut ours, theirs) = connected().await;
    let port = theirs.address().port();
    ours.publish([partner(THEIRS, row(2), Authority::new().roots(), port)], settings());
    until("no stream is left", || ours.proxy.monitor().streams().is_empty()).await;
}

#[tokio::test]
async fn a_change_of_another_partner_leaves_streams_alone() {
    let (authority, mut ours, theirs) = connected().await;
    let same = partner(THEIRS, row(7), authority.roots(), theirs.address().port());
    let other = partner("litware.example", row(2), authority.roots(), 1);
    let before: Vec<_> = ours.proxy.monitor().streams().iter().map(|stream| stream.number).collect();
    ours.publish([same, other], settings());
    assert_eq!(ours.send(THEIRS, "bob", "Still here").await, Ok(()));
    let after: Vec<_> = ours.proxy.monitor().streams().iter().map(|stream| stream.number).collect();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_partner_that_is_enabled_again_is_tried_at_once() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    theirs.publish([], settings());
    assert!(ours.send(THEIRS, "bob", "Hello").await.is_err());
    theirs.publish([partner(OURS, row(7), authority.roots(), ours.address().port())], settings());
    ours.publish([partner(THEIRS, row(7), authority.roots(), theirs.address().port())], settings());
    assert_eq!(ours.send(THEIRS, "bob", "Hello again").await, Ok(()));
    assert_eq!(theirs.receive_message().await.1, "Hello again");
}
