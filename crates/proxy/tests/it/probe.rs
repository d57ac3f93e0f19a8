//! A probe learns what would happen and changes nothing.

use std::sync::Arc;

use lexicon::{
    Direction, Method, Report,
    report::{Code, Purpose},
};
use policy::Partner;
use proxy::Probe;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Authority, OURS, Org, THEIRS, federation, pair, partner, patiently, row, settings, until};

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

fn header(from: &str, id: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{from}' to='{OURS}' {id} version='1.0'>"
    )
}

/// Reads until `part` has come, or to the end.
async fn hear(stream: &mut TcpStream, part: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(part) {
        let mut bytes = [0; 4096];
        let count = patiently(stream.read(&mut bytes)).await.unwrap();
        heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        if count == 0 {
            break;
        }
    }
    heard
}

/// What `from` hears on a connection of its own after its header and `text`, up to `part`.
async fn ask(ours: &Org, from: &str, text: &str, part: &str) -> String {
    let mut stream = TcpStream::connect(ours.address()).await.unwrap();
    stream.write_all(format!("{}{text}", header(from, "")).as_bytes()).await.unwrap();
    hear(&mut stream, part).await
}

fn question(from: &str, id: &str, key: &str) -> String {
    format!("<db:verify from='{from}' to='{OURS}' id='{id}'>{key}</db:verify>")
}

/// A key is vouched for only to the domain that is probed, with the id of the probe's own stream, and while it lasts.
#[tokio::test]
async fn a_probed_stranger_may_ask_after_the_probes_key_and_nothing_else() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    ours.publish([], settings());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unsaved = partner(THEIRS, row(17), authority.roots(), listener.local_addr().unwrap().port());
    let probe = ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(unsaved));
    let (mut probed, _) = patiently(listener.accept()).await.unwrap();
    hear(&mut probed, "<stream:stream").await;
    let features = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";
    probed.write_all(format!("{}{features}", header(THEIRS, "id='there'")).as_bytes()).await.unwrap();
    let heard = hear(&mut probed, "</db:result>").await;
    let (_, rest) = heard.split_once("<db:result ").unwrap();
    let key = rest.split_once('>').unwrap().1.split_once('<').unwrap().0.to_owned();

    for (id, key, verdict) in [
        ("there", key.as_str(), "type='valid'"),
        ("elsewhere", key.as_str(), "type='invalid'"),
        ("there", "another-key", "type='invalid'"),
    ] {
        let heard = ask(&ours, THEIRS, &question(THEIRS, id, key), verdict).await;
        assert!(heard.contains(verdict), "{id} {key}: {heard}");
    }
    let stranger = ask(&ours, "litware.example", &question("litware.example", "there", &key), "</stream:stream>").await;
    assert!(stranger.contains("<policy-violation") && !stranger.contains("type='valid'"), "{stranger}");
    // It may prove itself, by its own authoritative server, and then ask too; its stanzas end the stream.
    let own_key = format!("<db:result from='{THEIRS}' to='{OURS}'>a-key</db:result>");
    let vouches = async {
        let (mut authority, _) = patiently(listener.accept()).await.unwrap();
        hear(&mut authority, "<stream:stream").await;
        authority.write_all(format!("{}{features}", header(THEIRS, "id='authority'")).as_bytes()).await.unwrap();
        let asked = hear(&mut authority, "</db:verify>").await;
        let id = asked.split_once(" id='").unwrap().1.split_once('\'').unwrap().0.to_owned();
        let valid = format!("<db:verify from='{THEIRS}' to='{OURS}' id='{id}' type='valid'/>");
        authority.write_all(valid.as_bytes()).await.unwrap();
        authority
    };
    let then = format!(
        "{}<message from='bob@{THEIRS}' to='alice@{OURS}'><body>Hi</body></message>",
        question(THEIRS, "there", &key)
    );
    let (proved, _authority) = tokio::join!(prove_then(&ours, &own_key, &then), vouches);
    assert!(proved.contains("<db:verify ") && proved.contains("type='valid'"), "{proved}");
    assert!(proved.contains("<policy-violation"), "{proved}");
    let stanza = format!("<message from='bob@{THEIRS}' to='alice@{OURS}'><body>Hi</body></message>");
    let refused = ask(&ours, THEIRS, &stanza, "</stream:stream>").await;
    assert!(refused.contains("<stream:error>"), "{refused}");

    // Nor is anybody there for a second attempt.
    drop((probed, listener));
    done(probe).await;
    let afterwards = ask(&ours, THEIRS, &question(THEIRS, "there", &key), "</stream:stream>").await;
    assert!(!afterwards.contains("type='valid'"), "{afterwards}");
    assert_eq!(ours.balanced().await.inbound.accepted, 0, "no stanza passes");
}

/// Shows a key on a stream of its own, and goes on once it was found valid; all that was heard.
async fn prove_then(ours: &Org, own_key: &str, then: &str) -> String {
    let mut stream = TcpStream::connect(ours.proxy.addresses()[0]).await.unwrap();
    stream.write_all(format!("{}{own_key}", header(THEIRS, "")).as_bytes()).await.unwrap();
    let mut heard = hear(&mut stream, "type='valid'").await;
    stream.write_all(then.as_bytes()).await.unwrap();
    heard.push_str(&hear(&mut stream, "</stream:stream>").await);
    heard
}

fn numbers(report: &Report) -> Vec<u8> {
    policy::diagnosis::rows_that_work(report).iter().map(|working| working.row.number).collect()
}

fn tries(report: &Report) -> Vec<(Method, Option<Code>)> {
    report.tries.iter().map(|tried| (tried.method, tried.result.known())).collect()
}

/// Dialback is tried on a connection of its own where EXTERNAL was enough, since what is advised must have been seen to work.
#[tokio::test]
async fn a_method_that_was_not_needed_is_tried_before_it_is_advised() {
    use Method::{SaslOverTls, TlsDialback};
    let (ours, theirs) = federation(row(7)).await;
    let saved = Partner::clone(&ours.publish.borrow().clone().unwrap().partners()[0]);
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(saved))).await;
    assert_eq!((report.result.known(), report.method), (Some(Code::Ok), Some(SaslOverTls)), "{report:?}");
    assert_eq!(tries(&report), [(SaslOverTls, Some(Code::Ok)), (TlsDialback, Some(Code::Ok))]);
    assert_eq!(numbers(&report), [1, 2, 3, 4, 7, 8, 9, 10, 13, 15]);
    // The other way round: where the settings exclude SASL, what a certificate could do is seen too.
    let mut without = partner(THEIRS, row(13), Authority::new().roots(), theirs.address().port());
    without.trust_roots = ours.publish.borrow().clone().unwrap().partners()[0].trust_roots.clone();
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(without))).await;
    assert_eq!((report.result.known(), report.method), (Some(Code::Ok), Some(TlsDialback)), "{report:?}");
    assert_eq!(tries(&report), [(TlsDialback, Some(Code::Ok)), (SaslOverTls, Some(Code::Ok))]);
    until("no stream is left", || ours.proxy.monitor().streams().is_empty()).await;
}

/// A server that offers dialback and cannot reach us to verify: offered is not enough.
#[tokio::test]
async fn dialback_that_is_offered_and_fails_is_not_advised() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let saved = partner(THEIRS, row(7), authority.roots(), theirs.address().port());
    ours.publish([saved.clone()], settings());
    theirs.publish([partner(OURS, row(7), authority.roots(), 1)], settings());
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(saved))).await;
    assert_eq!(report.result.known(), Some(Code::Ok), "{report:?}");
    assert_eq!(tries(&report)[1], (Method::TlsDialback, Some(Code::DialbackRefused)));
    assert_eq!(numbers(&report), [1, 2, 3, 4, 7, 8, 9, 10]);
}

/// A probe that fails by EXTERNAL, whose settings permit nothing else, still learns that dialback would do.
#[tokio::test]
async fn a_probe_that_fails_by_external_tries_dialback_for_its_advice() {
    let authority = Authority::new();
    let (mut ours, mut theirs) = (Org::start(OURS, &authority).await, Org::start(THEIRS, &authority).await);
    let (our_port, their_port) = (ours.address().port(), theirs.address().port());
    ours.publish([partner(THEIRS, row(7), authority.roots(), their_port)], settings());
    // They do not know our authority, so they offer no EXTERNAL.
    theirs.publish([partner(OURS, row(7), Authority::new().roots(), our_port)], settings());
    let strict = partner(THEIRS, row(2), authority.roots(), their_port);
    let report = done(ours.proxy.monitor().probe(pair(OURS, THEIRS), Arc::new(strict))).await;
    assert_eq!(report.result.known(), Some(Code::ExternalAbsent), "the settings permit no dialback: {report:?}");
    assert_eq!(tries(&report)[1], (Method::TlsDialback, Some(Code::Ok)));
    assert_eq!(numbers(&report), [7, 9, 13, 15]);
}
