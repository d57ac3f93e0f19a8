//! Direct TLS (XEP-0368): the kind of a target decides how TLS begins, in both directions and for verification.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use lexicon::{Direction, Method};
use net::{
    dns::Target,
    tls::{Identities, Secured, Tls},
};
use policy::{Negotiation, Partner};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Authority, OURS, Org, THEIRS, domain, partner, patiently, row, settings};

/// The targets that each side finds for the other, from the addresses for STARTTLS and direct TLS.
type Found = fn(SocketAddr, SocketAddr) -> Vec<String>;

/// Two addresses that are free now: each side must know the other's before either listens.
fn addresses() -> [SocketAddr; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

/// Without a proxy FQDN: the server is found by the static overrides.
fn found_partner(name: &str, negotiation: Negotiation, authority: &Authority) -> Partner {
    let mut partner = partner(name, negotiation, authority.roots(), 1);
    partner.proxy_fqdn = None;
    partner
}

async fn federation(negotiation: Negotiation, found: Found) -> (Org, Org) {
    let authority = Authority::new();
    let places = [(OURS, addresses()), (THEIRS, addresses())];
    let [mut ours, mut theirs] = [None, None];
    for (index, org) in [&mut ours, &mut theirs].into_iter().enumerate() {
        let ((name, [plain, direct]), (other, [other_plain, other_direct])) = (places[index], places[1 - index]);
        let targets = found(other_plain, other_direct).iter().map(|text| text.parse::<Target>().unwrap()).collect();
        let mut started = Org::start_changed(name, Some(&authority), |config| {
            config.listen = vec![plain];
            config.listen_tls = vec![direct];
            config.dns.overrides.insert(domain(other), targets);
        })
        .await;
        started.publish([found_partner(other, negotiation, &authority)], settings());
        *org = Some(started);
    }
    (ours.unwrap(), theirs.unwrap())
}

async fn converse(number: u8, found: Found, method: Method) {
    let (mut ours, mut theirs) = federation(row(number), found).await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()), "row {number}");
    theirs.receive_message().await;
    assert_eq!(theirs.send(OURS, "carol", "Hello back").await, Ok(()), "row {number}");
    ours.receive_message().await;
    for org in [&ours, &theirs] {
        for direction in [Direction::Inbound, Direction::Outbound] {
            assert_eq!(org.methods(direction), [method], "row {number}, {direction} of {}", org.name);
        }
        org.balanced().await;
    }
}

#[tokio::test]
async fn external_over_direct_tls_in_both_directions() {
    converse(2, |_, direct| vec![format!("xmpps:{direct}")], Method::SaslOverTls).await;
}

/// The verification stream goes to the same target.
#[tokio::test]
async fn dialback_and_its_verification_over_direct_tls() {
    converse(13, |_, direct| vec![format!("xmpps:{direct}")], Method::TlsDialback).await;
}

#[tokio::test]
async fn a_direct_tls_port_that_is_closed_is_followed_by_the_next_target() {
    converse(2, |plain, _| vec!["xmpps:127.0.0.1:1".to_owned(), plain.to_string()], Method::SaslOverTls).await;
}

#[tokio::test]
async fn a_partner_that_excludes_tls_is_dialled_in_plaintext_although_it_has_direct_tls() {
    converse(17, |plain, direct| vec![format!("xmpps:{direct}"), plain.to_string()], Method::TcpDialback).await;
}

/// XEP-0368 §3: where the record says direct TLS, there is no other way in.
#[tokio::test]
async fn a_failed_handshake_is_not_followed_by_plaintext() {
    let (mut ours, theirs) = federation(row(9), |plain, _| vec![format!("xmpps:{plain}")]).await;
    let error = ours.send_within(THEIRS, "bob", "Hello", Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.text.as_deref(), Some("The TLS handshake with the server of fabrikam.example failed."));
    assert!(theirs.methods(Direction::Inbound).is_empty());
}

async fn dial(ours: &Org, authority: &Authority) -> Secured<TcpStream> {
    let files = TempDir::new().unwrap();
    let tls = Tls::new(Identities::load(&[authority.issue(THEIRS, &files)]).unwrap()).unwrap();
    let socket = TcpStream::connect(ours.proxy.addresses_tls()[0]).await.unwrap();
    tls.connect_direct(socket, &domain(THEIRS), &domain(OURS)).await.unwrap()
}

async fn answer_to_a_header(number: u8) -> String {
    let authority = Authority::new();
    let mut ours = Org::start_changed(OURS, Some(&authority), |config| {
        config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
    })
    .await;
    ours.publish([found_partner(THEIRS, row(number), &authority)], settings());
    let mut peer = dial(&ours, &authority).await;
    let header = format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{THEIRS}' to='{OURS}' version='1.0'>"
    );
    peer.write_all(header.as_bytes()).await.unwrap();
    peer.flush().await.unwrap();
    let mut answer = String::new();
    let mut buffer = [0; 2048];
    while !answer.contains("</stream:features>") && !answer.contains("</stream:stream>") {
        let count = patiently(peer.read(&mut buffer)).await.unwrap_or(0);
        assert!(count > 0, "it ended: {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    answer
}

/// partner-policy §2: "direct TLS refused after the header with `policy-violation`".
#[tokio::test]
async fn a_partner_that_excludes_tls_is_refused_after_its_header() {
    let answer = answer_to_a_header(17).await;
    assert!(answer.contains("<policy-violation"), "{answer}");
}

/// XEP-0368 §3: "STARTTLS MUST NOT be used over direct TLS connections."
#[tokio::test]
async fn starttls_is_not_offered_inside_direct_tls() {
    let answer = answer_to_a_header(2).await;
    assert!(answer.contains("EXTERNAL") && !answer.contains("starttls"), "{answer}");
}
