//! What a sender inside is told when there is no way to the partner.

use std::time::{Duration, Instant};

use policy::Requirement::{NotSupported, Optional, Required};
use xmpp::stanza::Condition;

use crate::harness::{Authority, OURS, Org, THEIRS, federation_of, negotiation, partner, row, settings};

#[tokio::test]
async fn a_domain_that_is_no_partner_is_refused_at_once() {
    let mut ours = Org::start(OURS, &Authority::new()).await;
    let error = ours.send("stranger.example", "eve", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    assert!(error.text.unwrap().contains("stranger.example is not a federation partner"));
    let ledger = ours.balanced().await;
    assert_eq!((ledger.outbound.accepted, ledger.outbound.answered), (1, 1));
}

#[tokio::test]
async fn a_disabled_partner_is_refused_at_once() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut theirs = partner(THEIRS, row(2), authority.roots(), 1);
    theirs.enabled = false;
    ours.publish([theirs], settings());
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    assert!(error.text.unwrap().contains("disabled"));
}

#[tokio::test]
async fn tls_that_is_required_and_not_offered() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let plain = negotiation(NotSupported, NotSupported, true);
    theirs.publish([partner(OURS, plain, authority.roots(), ours.address().port())], settings());
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    let text = error.text.unwrap();
    assert!(text.contains("fabrikam.example") && text.contains("does not offer STARTTLS"), "{text}");
    ours.balanced().await;
}

#[tokio::test]
async fn a_certificate_that_is_required_and_not_trusted() {
    let authority = Authority::new();
    let (mut ours, theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let port = theirs.address().port();
    ours.publish([partner(THEIRS, row(2), Authority::new().roots(), port)], settings());
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    let text = error.text.unwrap();
    assert!(text.contains("certificate was not issued by a trusted authority"), "{text}");
}

/// Their settings demand a certificate of an authority that we do not have.
#[tokio::test]
async fn our_certificate_is_refused_by_the_partner() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let strict = negotiation(Required, Required, false);
    let port = ours.address().port();
    theirs.publish([partner(OURS, strict, Authority::new().roots(), port)], settings());
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerTimeout, "{error}");
    assert!(error.text.unwrap().contains("fabrikam.example refuses"));
}

#[tokio::test]
async fn a_partner_that_has_us_not_as_partner() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    theirs.publish([], settings());
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerTimeout);
    assert!(error.text.unwrap().contains("refuses"));
    ours.balanced().await;
    theirs.balanced().await;
}

/// What may help to wait for waits until its sender gives up, then says why.
#[tokio::test]
async fn a_partner_that_is_not_there() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ours.publish([partner(THEIRS, row(7), authority.roots(), closed)], settings());
    let error = ours.send_within(THEIRS, "bob", "Hello", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerTimeout);
    assert!(error.text.unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn a_look_up_that_fails_is_not_an_unknown_domain() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut unresolved = partner(THEIRS, row(7), authority.roots(), 1);
    unresolved.proxy_fqdn = None;
    ours.publish([unresolved], settings());
    let error = ours.send_within(THEIRS, "bob", "Hello", Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerTimeout);
    assert!(error.text.unwrap().contains("cannot be looked up"));
}

#[tokio::test]
async fn a_private_address_is_not_dialled_unless_allowed() {
    let authority = Authority::new();
    let (mut ours, _theirs) = federation_of(row(2), &authority, authority.roots()).await;
    let mut strict = settings();
    strict.allow_private_targets = policy::settings::PrivateTargets::None;
    let port = 5269;
    ours.publish([partner(THEIRS, row(2), authority.roots(), port)], strict);
    let error = ours.send(THEIRS, "bob", "Hello").await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerNotFound);
    assert!(ours.proxy.monitor().streams().is_empty());
}

/// A partner that accepts and says nothing costs a sender no more than its own deadline.
#[tokio::test]
async fn a_partner_that_stalls() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    ours.publish([partner(THEIRS, negotiation(Optional, Optional, true), authority.roots(), port)], settings());
    let started = Instant::now();
    let error = ours.send_within(THEIRS, "bob", "Hello", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerTimeout);
    assert!(started.elapsed() < Duration::from_secs(5));
}
