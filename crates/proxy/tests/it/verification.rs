//! Verification streams: their budget, and servers that are slow to let them go.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Authority, OURS, Org, THEIRS, domain, partner, patiently, row, settings};

/// Six times the budget of a partner (partner-policy §1: at most 4 at a time).
const DOMAINS: usize = 24;

fn header(from: &str, to: &str, id: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{from}' to='{to}' {id} version='1.0'>"
    )
}

/// Reads until `part` has been heard `times` times.
async fn hear(stream: &mut TcpStream, part: &str, times: usize) -> String {
    let mut heard = String::new();
    while heard.matches(part).count() < times {
        let mut bytes = [0; 16 << 10];
        let count = patiently(stream.read(&mut bytes)).await.unwrap();
        assert_ne!(count, 0, "the stream ended: {heard}");
        heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    heard
}

/// An authoritative server that calls every key valid and never closes.
async fn authoritative() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                hear(&mut stream, "version='1.0'", 2).await;
                let answer = header(THEIRS, OURS, "id='theirs'");
                stream.write_all(format!("{answer}<stream:features/>").as_bytes()).await.unwrap();
                let asked = hear(&mut stream, "</db:verify>", 1).await;
                let of = |name: &str| {
                    let (_, rest) = asked.split_once(&format!(" {name}='")).unwrap();
                    rest.split_once('\'').unwrap().0.to_owned()
                };
                let (from, to, id) = (of("to"), of("from"), of("id"));
                let verdict = format!("<db:verify from='{from}' to='{to}' id='{id}' type='valid'/>");
                stream.write_all(verdict.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

/// XEP-0220 §2.1.2 wants verification streams closed right after the answer; whether the other side closes too is its affair.
#[tokio::test]
async fn a_server_that_never_closes_does_not_keep_the_next_key_from_being_verified() {
    let authority = Authority::new();
    let mut ours = Org::start(OURS, &authority).await;
    let mut them = partner(THEIRS, row(17), authority.roots(), authoritative().await);
    let names: Vec<_> = (0..DOMAINS).map(|number| format!("d{number}.{THEIRS}")).collect();
    them.additional_domains = names.iter().map(|name| domain(name)).collect();
    ours.publish([them], settings());
    let mut stream = TcpStream::connect(ours.address()).await.unwrap();
    stream.write_all(header(THEIRS, OURS, "").as_bytes()).await.unwrap();
    hear(&mut stream, "</stream:features>", 1).await;
    let begun = Instant::now();
    for name in &names {
        let key = format!("<db:result from='{name}' to='{OURS}'>some key</db:result>");
        stream.write_all(key.as_bytes()).await.unwrap();
    }
    hear(&mut stream, "type='valid'", DOMAINS).await;
    // A place that is kept for as long as we wait for a close, a second, would make five of them.
    assert!(begun.elapsed() < Duration::from_secs(3), "{DOMAINS} keys took {:?}", begun.elapsed());
}
