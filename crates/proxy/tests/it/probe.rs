//! A probe learns what would happen and changes nothing.

use std::sync::Arc;

use lexicon::{
    Direction, Method, Report,
    report::{Code, Purpose},
};
use policy::Partner;
use proxy::Probe;

use crate::harness::{Authority, OURS, Org, THEIRS, federation, pair, partner, row, settings, until};

async fn done(probe: Option<Probe>) -> Report {
    let probe = probe.expect("the proxy is at work");
    until("the probe ends", || probe.is_done()).await;
    probe.report().expect("a probe that is done has a report")
}

#[tokio::test]
async fn a_probe_is_authorised_by_each_method_and_leaves_nothing_behind() {
    for (number, method) in [(2, Method::SaslOverTls), (13, Method::TlsDialback), (17, Method::TcpDialback)] {
        let (ours, theirs) = federation(row(number)).await;
        let snapshot = ours.publish.borrow().clone().unwrap();
        let saved = Partner::clone(&snapshot.partners()[0]);
        let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(saved))).await;
        assert_eq!((report.purpose, report.result.known()), (Purpose::Probe, Some(Code::Ok)), "{report:?}");
        assert_eq!(report.method, Some(method), "{report:?}");
        until("no stream is left", || ours.proxy.monitor().streams().is_empty()).await;
        let (ours, theirs) = (ours.balanced().await, theirs.balanced().await);
        assert_eq!((ours.outbound.accepted, theirs.inbound.accepted), (0, 0), "no stanza passes");
    }
}

/// The settings that are tried count, also where the domain is nobody's partner: its server may ask after our key.
#[tokio::test]
async fn settings_that_were_never_saved_are_tried() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let (our_port, their_port) = (ours.address().port(), theirs.address().port());
    ours.publish([], settings());
    for (number, method) in [(2, Method::SaslOverTls), (13, Method::TlsDialback), (17, Method::TcpDialback)] {
        theirs.publish([partner(OURS, row(number), authority.roots(), our_port)], settings());
        let unsaved = partner(THEIRS, row(number), authority.roots(), their_port);
        let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(unsaved))).await;
        assert_eq!((report.method, report.partner.as_ref()), (Some(method), None), "{report:?}");
    }
    assert_eq!(ours.methods(Direction::Inbound), [], "who is probed is authorised by nothing");
    // Afterwards its server is a stranger again.
    ours.send(THEIRS, "juliet", "Hi").await.unwrap_err();
}

#[tokio::test]
async fn a_probe_tells_the_step_that_failed() {
    let authority = Authority::new();
    let (ours, theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let unsaved = partner(THEIRS, row(2), authority.roots(), theirs.address().port());
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(unsaved))).await;
    assert_eq!(report.result.known(), Some(Code::PartnerError), "{report:?}");
    assert!(report.detail.contains("policy-violation"), "{report:?}");
    let nowhere = partner(THEIRS, row(2), authority.roots(), 1);
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(nowhere))).await;
    assert_eq!(report.result.known(), Some(Code::ConnectRefused), "{report:?}");
}
