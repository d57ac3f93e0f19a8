//! Every attempt, in or out, ends as one report with the code of what happened.

use std::time::Duration;

use lexicon::{
    Direction, Method, Report,
    report::{Code, Purpose},
};
use link::EventInbox;
use net::tls::{Identities, Tls};
use proxy::ProxyConfig;
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::harness::{
    Authority, OURS, Org, THEIRS, domain, federation, federation_of, partner, patiently, row, settings,
};

/// The next report that is not about a key.
async fn next(reports: &mut EventInbox) -> Report {
    loop {
        let report = patiently(reports.reports(1)).await.pop().expect("the proxy is at work");
        if report.purpose == Purpose::Stanzas {
            return report;
        }
    }
}

#[tokio::test]
async fn a_success_is_reported_on_both_sides_with_what_was_seen() {
    for (number, method) in [(2, Method::SaslOverTls), (13, Method::TlsDialback), (17, Method::TcpDialback)] {
        let (mut ours, mut theirs) = federation(row(number)).await;
        let mut told = [ours.proxy.take_reports().unwrap(), theirs.proxy.take_reports().unwrap()];
        ours.send(THEIRS, "juliet", "Hi").await.unwrap();
        let out = next(&mut told[0]).await;
        let inbound = next(&mut told[1]).await;
        for (report, direction, partner) in [(&out, Direction::Outbound, THEIRS), (&inbound, Direction::Inbound, OURS)]
        {
            assert_eq!((report.direction, &report.result), (direction, &Code::Ok.into()), "{report:?}");
            assert_eq!(report.method, Some(method), "{report:?}");
            assert_eq!(report.partner, Some(domain(partner)), "{report:?}");
            assert_eq!(report.tls.is_some(), method != Method::TcpDialback, "{report:?}");
            assert!(report.peer.as_ref().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{report:?}");
        }
        assert!(out.lookup.is_some_and(|lookup| lookup.via.is_some() && lookup.result.is_ok()));
        assert_eq!((out.dials.len(), inbound.lookup), (1, None));
        let Some(certificate) = out.certificate else { continue };
        assert_eq!((certificate.chain, certificate.identity), (Some(Code::Ok.into()), Some(Code::Ok.into())));
        assert_eq!(certificate.names, [THEIRS]);
        assert!(certificate.not_after > certificate.not_before);
    }
}

/// The chain is judged apart from the name.
#[tokio::test]
async fn an_untrusted_certificate_is_reported_on_both_sides() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (mut ours, mut theirs) = federation_of(row(2), &authority, other.roots()).await;
    let mut told = [ours.proxy.take_reports().unwrap(), theirs.proxy.take_reports().unwrap()];
    ours.send(THEIRS, "juliet", "Hi").await.unwrap_err();
    // Their server judges first, since ours shows its certificate in the handshake; we are told by a stream error.
    for (told, code) in told.iter_mut().zip([Code::PartnerError, Code::CertificateUntrustedIssuer]) {
        let report = next(told).await;
        assert_eq!((report.result.known(), report.method), (Some(code), None), "{report:?}");
        let certificate = report.certificate.unwrap();
        assert_eq!(certificate.chain, Some(Code::CertificateUntrustedIssuer.into()));
        assert_eq!(certificate.identity, Some(Code::Ok.into()));
    }
}

#[tokio::test]
async fn a_partner_that_cannot_be_reached_is_reported_by_the_step_that_failed() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut told = ours.proxy.take_reports().unwrap();
    let mut unresolved = partner(THEIRS, row(2), authority.roots(), 1);
    let nobody = unresolved.clone();
    unresolved.proxy_fqdn = None;
    for (with, code) in [(nobody, Code::ConnectRefused), (unresolved, Code::DnsFailed)] {
        ours.publish([with], settings());
        ours.send_within(THEIRS, "juliet", "Hi", Duration::from_secs(1)).await.unwrap_err();
        // An attempt under the old settings may have begun before.
        let mut report = next(&mut told).await;
        while report.result != code.into() {
            assert_eq!(report.result, Code::ConnectRefused.into(), "{report:?}");
            report = next(&mut told).await;
        }
        assert_eq!(report.direction, Direction::Outbound);
        assert_eq!(report.dials.len(), usize::from(code == Code::ConnectRefused), "{report:?}");
        assert!(!report.detail.is_empty(), "{report:?}");
    }
}

#[tokio::test]
async fn who_is_no_partner_is_reported_without_one() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut told = ours.proxy.take_reports().unwrap();
    let header = format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='evil.example' \
         to='{OURS}' version='1.0'>"
    );
    for (said, code) in [(header.as_str(), Code::NotAPartner), ("GET / HTTP/1.1\r\n\r\n", Code::XmlInvalid)] {
        let mut socket = TcpStream::connect(ours.address()).await.unwrap();
        socket.write_all(said.as_bytes()).await.unwrap();
        let report = next(&mut told).await;
        assert_eq!((report.result.known(), report.partner), (Some(code), None), "{said}");
    }
    drop(TcpStream::connect(ours.address()).await.unwrap());
    assert_eq!(next(&mut told).await.result, Code::Disconnected.into());
}

/// The partner's second domain finds no place; so do bytes beyond what a stranger may send.
#[tokio::test]
async fn limits_are_reported_by_their_codes() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = federation_of(row(7), &authority, authority.roots()).await;
    let mut told = ours.proxy.take_reports().unwrap();
    let second = "it.fabrikam.example";
    let mut them = partner(THEIRS, row(7), authority.roots(), theirs.address().port());
    them.additional_domains = vec![domain(second)];
    them.connection_limit = Some(2);
    ours.publish([them], settings());
    let us = partner(OURS, row(7), authority.roots(), ours.address().port());
    theirs.publish_with(&[THEIRS, second], [us], settings());
    theirs.send(OURS, "alice", "one").await.unwrap();
    assert_eq!(next(&mut told).await.result, Code::Ok.into());
    theirs.hand_over_from(second, OURS, "alice", "two", Duration::from_secs(1));
    theirs.end_of_one().await.unwrap_err();
    let report = next(&mut told).await;
    let seen = (report.result.known(), report.direction, report.partner);
    assert_eq!(seen, (Some(Code::ConnectionLimit), Direction::Inbound, Some(domain(THEIRS))));

    let mut socket = TcpStream::connect(ours.address()).await.unwrap();
    let endless = format!("<stream:stream xmlns='jabber:server' from='{}", "a".repeat(20_000));
    socket.write_all(endless.as_bytes()).await.unwrap();
    loop {
        let report = next(&mut told).await;
        if report.result == Code::StreamLimit.into() {
            break;
        }
        assert_eq!(report.result, Code::ConnectionLimit.into(), "a route tries again: {report:?}");
    }
}

/// Row 8 permits SASL over TLS alone: a key is not even verified.
#[tokio::test]
async fn a_method_that_the_row_excludes_is_reported() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let listen_tls = |config: &mut ProxyConfig| config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
    let mut ours = Org::start_changed(OURS, Some(&authority), listen_tls).await;
    ours.publish([partner(THEIRS, row(8), authority.roots(), 1)], settings());
    let mut told = ours.proxy.take_reports().unwrap();
    let identities = Identities::load(&[authority.issue(THEIRS, &files)]).unwrap();
    let socket = TcpStream::connect(ours.proxy.addresses_tls()[0]).await.unwrap();
    let tls = Tls::new(identities).unwrap();
    let mut stream = tls.connect_direct(socket, &domain(THEIRS), &domain(OURS)).await.unwrap();
    let key = format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{THEIRS}' to='{OURS}' version='1.0'>\
         <db:result from='{THEIRS}' to='{OURS}'>a-key</db:result>"
    );
    stream.write_all(key.as_bytes()).await.unwrap();
    let report = next(&mut told).await;
    assert_eq!(report.result, Code::MethodNotPermitted.into(), "{report:?}");
    assert_eq!(report.tries.last().map(|tried| tried.method), Some(Method::TlsDialback), "{report:?}");
}

/// A server whose queue of connections is full drops every further one.
#[tokio::test]
async fn a_server_that_does_not_answer_the_connection_is_reported() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut told = ours.proxy.take_reports().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    let mut hasty = settings();
    hasty.stream_establishment_timeout = Duration::from_secs(1);
    ours.publish([partner(THEIRS, row(2), authority.roots(), address.port())], hasty);
    ours.send_within(THEIRS, "juliet", "Hi", Duration::from_secs(2)).await.unwrap_err();
    let report = next(&mut told).await;
    assert_eq!(report.result, Code::ConnectTimeout.into(), "{report:?}");
}
