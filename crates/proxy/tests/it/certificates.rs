//! Our certificates read again, and those of partners: pins, and what the status shows.

use lexicon::{Direction, Method};
use net::tls::{CertificateFiles, Identities};
use policy::partner::Pin;
use tempfile::TempDir;
use tokio::net::TcpStream;
use xmpp::stanza::Condition;

use crate::harness::{Authority, OURS, Org, THEIRS, domain, federation_of, partner, row, settings};

/// What an organisation's proxy shows: SHA-256 of the key.
fn key_of(org: &Org) -> [u8; 32] {
    let tls = org.proxy.certificates().in_use();
    tls.identities().iter().next().unwrap().spki_sha256
}

/// partner-policy §1: "if set, the peer's key must be one of them". A pin alone is no trust: the chain counts too.
#[tokio::test]
async fn a_pin_lets_the_pinned_key_in_and_no_other() {
    let authority = Authority::new();
    for (pins_theirs, expected) in [(true, Ok(())), (false, Err(Condition::PolicyViolation))] {
        let mut ours = Org::start(OURS, &authority).await;
        let mut theirs = Org::start(THEIRS, &authority).await;
        let mut pinned = partner(THEIRS, row(2), authority.roots(), theirs.address().port());
        pinned.pins = vec![Pin([7; 32])];
        if pins_theirs {
            pinned.pins.push(Pin(key_of(&theirs)));
        }
        let back = partner(OURS, row(2), authority.roots(), ours.address().port());
        ours.publish([pinned], settings());
        theirs.publish([back], settings());
        let sent = ours.send(THEIRS, "bob", "Hello").await;
        assert_eq!(sent.as_ref().map_err(|error| error.condition).copied(), expected);
        match sent {
            Ok(()) => drop(theirs.receive_message().await),
            Err(error) => assert!(error.text.unwrap().contains("none of the pinned ones")),
        }
        if pins_theirs {
            assert_eq!(theirs.send(OURS, "carol", "Hello back").await, Ok(()));
            ours.receive_message().await;
            assert_eq!(ours.methods(Direction::Inbound), [Method::SaslOverTls]);
        }
    }
}

/// A pin that comes later ends the streams that it does not permit.
#[tokio::test]
async fn a_pin_is_judged_for_live_streams_too() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    theirs.receive_message().await;
    let mut pinned = partner(THEIRS, row(2), authority.roots(), theirs.address().port());
    pinned.pins = vec![Pin([7; 32])];
    ours.publish([pinned], settings());
    crate::harness::until("no stream is left", || ours.proxy.monitor().streams().is_empty()).await;
}

#[tokio::test]
async fn the_partners_certificate_is_shown_with_the_stream() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(2), &authority, authority.roots()).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    theirs.receive_message().await;
    let key = key_of(&theirs);
    let shown = ours.proxy.monitor().streams().remove(0).certificate.unwrap();
    assert_eq!((shown.spki_sha256, shown.names.dns), (key, vec![THEIRS.to_owned()]));
    assert!(shown.issuer.contains("Test CA"), "{}", shown.issuer);
}

/// The certificate that a new connection meets.
async fn met(ours: &Org) -> [u8; 32] {
    let socket = TcpStream::connect(ours.proxy.addresses_tls()[0]).await.unwrap();
    let tls = net::tls::Tls::new(Identities::default()).unwrap();
    let secured = tls.connect_direct(socket, &domain(THEIRS), &domain(OURS)).await.unwrap();
    secured.facts().peer.as_ref().unwrap().spki_sha256
}

#[tokio::test]
async fn certificates_are_read_again_without_touching_streams() {
    let authority = Authority::new();
    let mut ours = Org::start_changed(OURS, Some(&authority), |config| {
        config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
    })
    .await;
    let mut theirs = Org::start(THEIRS, &authority).await;
    ours.publish([partner(THEIRS, row(2), authority.roots(), theirs.address().port())], settings());
    theirs.publish([partner(OURS, row(2), authority.roots(), ours.address().port())], settings());
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    theirs.receive_message().await;
    let streams = |org: &Org| org.proxy.monitor().streams().iter().map(|stream| stream.number).collect::<Vec<_>>();
    let (before, old) = (streams(&ours), met(&ours).await);

    let files = TempDir::new().unwrap();
    let renewed = authority.issue(OURS, &files);
    ours.proxy.certificates().reload(std::slice::from_ref(&renewed)).unwrap();
    let new = met(&ours).await;
    assert_ne!(new, old);

    let absent = CertificateFiles { certificate: files.path().join("absent.pem"), ..renewed };
    let error = ours.proxy.certificates().reload(&[absent]).unwrap_err();
    assert!(error.to_string().contains("there is no such file"), "{error}");
    assert_eq!(met(&ours).await, new, "what cannot be read changes nothing");

    assert_eq!(ours.send(THEIRS, "bob", "Still here").await, Ok(()));
    theirs.receive_message().await;
    assert!(before.iter().all(|number| streams(&ours).contains(number)));
}
