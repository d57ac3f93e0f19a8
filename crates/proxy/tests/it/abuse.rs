//! Peers that are not kind: what they get, and what it costs.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Authority, OURS, Org, THEIRS, federation_of, partner, patiently, row, settings, until};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns:db='jabber:server:dialback' version='1.0'";

/// Sends `text` and reads to the end.
async fn say(org: &Org, text: &str) -> String {
    let mut stream = TcpStream::connect(org.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn ours(number: u8) -> Org {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    ours.publish([partner(THEIRS, row(number), authority.roots(), 1)], settings());
    ours
}

/// Unknown partner → policy-violation saying so.
#[tokio::test]
async fn an_unknown_partner_is_told_so() {
    let ours = ours(2).await;
    let answer = say(&ours, &format!("{HEADER} from='stranger.example' to='{OURS}'>")).await;
    assert!(answer.contains("<policy-violation"), "{answer}");
    assert!(answer.contains("stranger.example is not a federation partner"), "{answer}");
    assert!(answer.ends_with("</stream:stream>"), "{answer}");
}

#[tokio::test]
async fn a_domain_that_is_not_served_is_told_so() {
    let ours = ours(2).await;
    let answer = say(&ours, &format!("{HEADER} from='{THEIRS}' to='elsewhere.example'>")).await;
    assert!(answer.contains("<host-unknown"), "{answer}");
}

#[tokio::test]
async fn stanzas_before_authorisation_are_refused() {
    let ours = ours(17).await;
    let stanza = "<message from='bob@fabrikam.example' to='alice@contoso.example'><body>Hi</body></message>";
    let answer = say(&ours, &format!("{HEADER} from='{THEIRS}' to='{OURS}'>{stanza}")).await;
    assert!(answer.contains("<stream:error>") && answer.contains("<not-authorized"), "{answer}");
    assert_eq!(ours.balanced().await.inbound.accepted, 0);
}

#[tokio::test]
async fn input_without_end_is_cut_off_before_authorisation() {
    let ours = ours(17).await;
    let endless = format!("{HEADER} from='{THEIRS}' to='{OURS}'><x xmlns='urn:x'>{}", "a".repeat(20_000));
    let answer = say(&ours, &endless).await;
    assert!(answer.contains("<policy-violation"), "{answer}");
}

#[tokio::test]
async fn what_is_not_the_xml_of_a_stream_is_answered_and_closed() {
    for (text, condition) in [
        ("GET / HTTP/1.1\r\nHost: contoso.example\r\n\r\n", "not-well-formed"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "restricted-xml"),
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='fabrikam.example' to='contoso.example'>",
            "invalid-namespace",
        ),
    ] {
        let ours = ours(17).await;
        let answer = say(&ours, text).await;
        assert!(answer.contains(condition), "{text}: {answer}");
    }
}

/// A key that nobody issued is called invalid, whoever asks.
#[tokio::test]
async fn a_key_that_was_not_issued_is_invalid() {
    let ours = ours(17).await;
    let verify = format!("<db:verify from='{THEIRS}' to='{OURS}' id='123'>abc</db:verify>");
    let mut stream = TcpStream::connect(ours.address()).await.unwrap();
    stream.write_all(format!("{HEADER} from='{THEIRS}' to='{OURS}'>{verify}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("<db:verify") {
        let mut bytes = [0; 4096];
        let count = patiently(stream.read(&mut bytes)).await.unwrap();
        assert_ne!(count, 0, "{answer}");
        answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(answer.contains("type='invalid'"), "{answer}");
}

/// An answer that nobody asked for authorises nothing (the attack of 2012, XEP-0220 §3.1).
#[tokio::test]
async fn an_unsolicited_answer_authorises_nothing() {
    let ours = ours(17).await;
    let forged = format!("<db:result from='{THEIRS}' to='{OURS}' type='valid'/>");
    let stanza = "<message from='bob@fabrikam.example' to='alice@contoso.example'><body>Hi</body></message>";
    let answer = say(&ours, &format!("{HEADER} from='{THEIRS}' to='{OURS}'>{forged}{stanza}")).await;
    assert!(answer.contains("<stream:error>"), "{answer}");
    assert_eq!(ours.balanced().await.inbound.accepted, 0);
}

/// A forged key is put to the real domain's server, on a connection of our own, and called invalid there.
#[tokio::test]
async fn a_forged_key_does_not_authorise() {
    let authority = Authority::new();
    let (ours, theirs) = federation_of(row(17), &authority, authority.roots()).await;
    let key = format!("<db:result from='{THEIRS}' to='{OURS}'>0123456789abcdef</db:result>");
    let answer = say(&ours, &format!("{HEADER} from='{THEIRS}' to='{OURS}'>{key}")).await;
    assert!(answer.contains("type='invalid'"), "{answer}");
    assert_eq!(ours.balanced().await.inbound.accepted, 0);
    drop(theirs);
}

#[tokio::test]
async fn half_open_connections_of_one_address_are_limited() {
    let mut ours = ours(2).await;
    let mut few = settings();
    few.half_open_per_address = 3;
    ours.publish([], few);
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(TcpStream::connect(ours.address()).await.unwrap());
    }
    let monitor = ours.proxy.monitor();
    until("three are held", || monitor.streams().len() == 3).await;
    let mut fourth = TcpStream::connect(ours.address()).await.unwrap();
    let mut nothing = Vec::new();
    let _ = patiently(fourth.read_to_end(&mut nothing)).await;
    assert!(nothing.is_empty());
    assert_eq!(monitor.connections_refused()["half_open_per_address"], 1);
    kept.clear();
    until("their places are given back", || monitor.streams().is_empty()).await;
    let mut others = Vec::new();
    until("another one is held", || {
        // The place is given back a moment after the stream has left the list.
        let other = std::net::TcpStream::connect(ours.address()).unwrap();
        others.push(other);
        !monitor.streams().is_empty()
    })
    .await;
}

#[tokio::test]
async fn establishment_is_bounded_in_time() {
    let mut ours = ours(2).await;
    let mut hasty = settings();
    hasty.stream_establishment_timeout = std::time::Duration::from_millis(200);
    ours.publish([partner(THEIRS, row(2), policy::TrustRoots::System, 1)], hasty);
    let answer = say(&ours, &format!("{HEADER} from='{THEIRS}' to='{OURS}'>")).await;
    assert!(answer.contains("<connection-timeout"), "{answer}");
}
