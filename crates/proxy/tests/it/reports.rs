//! Every attempt, in or out, ends as one report with the code of what happened.

use lexicon::{
    Direction, Method, Report,
    report::{Code, Purpose},
};
use link::EventInbox;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

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
        ours.send_within(THEIRS, "juliet", "Hi", std::time::Duration::from_secs(1)).await.unwrap_err();
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
