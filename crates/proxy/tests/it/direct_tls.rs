//! Direct TLS (XEP-0368): the kind of a target decides how TLS begins, in both directions and for verification.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use lexicon::{Direction, Method, report::Code};
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

/// Each side finds the targets that `found` gives for the other, from the addresses for STARTTLS and direct TLS.
async fn federation(negotiation: Negotiation, found: impl Fn(SocketAddr, SocketAddr) -> Vec<String>) -> (Org, Org) {
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

async fn converse(number: u8, found: impl Fn(SocketAddr, SocketAddr) -> Vec<String>, method: Method) {
    let (ours, theirs) = federation(row(number), found).await;
    talk(number, ours, theirs, method).await;
}

async fn talk(number: u8, mut ours: Org, mut theirs: Org, method: Method) {
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

/// A target that accepts connections and has `says` to say to the first bytes of a handshake; nothing: it stays silent.
async fn no_tls(says: &'static [u8]) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.write_all(says).await;
                if says.is_empty() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

/// XEP-0368 §3: the records are tried one after the other, whatever their kind.
#[tokio::test]
async fn a_handshake_that_fails_is_followed_by_the_next_target_and_told() {
    let broken = no_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let (mut ours, theirs) = federation(row(2), |plain, _| vec![format!("xmpps:{broken}"), plain.to_string()]).await;
    let mut told = ours.proxy.take_reports().unwrap();
    talk(2, ours, theirs, Method::SaslOverTls).await;
    let report = loop {
        let report = patiently(told.reports(1)).await.pop().unwrap();
        if report.direction == Direction::Outbound {
            break report;
        }
    };
    let dials: Vec<_> = report.dials.iter().map(|dial| (dial.address.as_str(), dial.result.known())).collect();
    assert_eq!(dials.len(), 2, "{report:?}");
    assert_eq!(dials[0], (broken.to_string().as_str(), Some(Code::TlsFailed)), "{report:?}");
    assert_eq!(dials[1].1, Some(Code::Ok), "{report:?}");
    assert_eq!(report.result.known(), Some(Code::Ok));
}

/// Two of three direct targets fail, one of them by silence; verification streams go the same way.
#[tokio::test]
async fn a_target_that_stays_silent_takes_only_its_share_of_the_time() {
    let (silent, broken) = (no_tls(b"").await, no_tls(b"?").await);
    let found = |_, direct| vec![format!("xmpps:{silent}"), format!("xmpps:{broken}"), format!("xmpps:{direct}")];
    let (mut ours, mut theirs) = federation(row(13), found).await;
    let authority = Authority::new();
    let mut hasty = settings();
    hasty.stream_establishment_timeout = Duration::from_secs(4);
    for (org, other) in [(&mut ours, THEIRS), (&mut theirs, OURS)] {
        org.publish([found_partner(other, row(13), &authority)], hasty.clone());
    }
    talk(13, ours, theirs, Method::TlsDialback).await;
}

/// partner-policy §2: "A protocol-level TLS failure ends the attempt: no retry in plaintext." The same server would be used
/// in plaintext if no handshake had failed before.
#[tokio::test]
async fn after_a_failed_handshake_optional_tls_is_required() {
    let broken = no_tls(b"?").await;
    for (is_broken, number) in [(false, 9), (true, 9), (true, 15)] {
        let mut theirs = Org::start_with(THEIRS, None).await;
        let plain = theirs.address();
        let authority = Authority::new();
        let mut targets = vec![plain.to_string().parse::<Target>().unwrap()];
        if is_broken {
            targets.insert(0, format!("xmpps:{broken}").parse().unwrap());
        }
        let mut ours = Org::start_changed(OURS, Some(&authority), |config| {
            config.dns.overrides.insert(domain(THEIRS), targets);
        })
        .await;
        theirs.publish([partner(OURS, row(number), authority.roots(), ours.address().port())], settings());
        ours.publish([found_partner(THEIRS, row(number), &authority)], settings());
        let sent = ours.send_within(THEIRS, "bob", "Hello", Duration::from_secs(3)).await;
        assert_eq!(sent.is_ok(), !is_broken, "row {number}: {sent:?}");
        if is_broken {
            let text = sent.unwrap_err().text.unwrap();
            assert!(text.contains("does not offer STARTTLS"), "row {number}: {text}");
            assert!(ours.methods(Direction::Outbound).is_empty());
        }
    }
}

async fn dial(ours: &Org, authority: &Authority) -> Secured<TcpStream> {
    let files = TempDir::new().unwrap();
    let tls = Tls::new(Identities::load(&[authority.issue(THEIRS, &files)]).unwrap()).unwrap();
    let socket = TcpStream::connect(ours.proxy.addresses_tls()[0]).await.unwrap();
    tls.connect_direct(socket, &domain(THEIRS), &domain(OURS)).await.unwrap()
}

/// partner-policy §1, `connection_limit`: the partner's places are for those who are authorised as the partner.
#[tokio::test]
async fn who_only_claims_to_be_a_partner_takes_none_of_its_places() {
    let (mut ours, mut theirs) = federation(row(7), |plain, _| vec![plain.to_string()]).await;
    let mut them = Partner::clone(&ours.publish.borrow().clone().unwrap().partners()[0]);
    them.connection_limit = Some(2);
    ours.publish([them], settings());
    let (villain, mut held) = (Authority::new(), Vec::new());
    for _ in 0..4 {
        let mut peer = dial(&ours, &villain).await;
        let header = format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='{THEIRS}' \
             to='{OURS}' version='1.0'>\
             <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
        );
        peer.write_all(header.as_bytes()).await.unwrap();
        peer.flush().await.unwrap();
        let mut answer = String::new();
        while !answer.contains("<not-authorized") {
            let mut buffer = [0; 2048];
            let count = patiently(peer.read(&mut buffer)).await.unwrap();
            assert!(count > 0, "it ended: {answer}");
            answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        held.push(peer);
    }
    assert_eq!(theirs.send(OURS, "carol", "Hello").await, Ok(()));
    ours.receive_message().await;
    drop(held);
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
