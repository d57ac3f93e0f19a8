//! A name server on loopback answers from a table; the table's rules are those of RFC 6120 §3.2 and RFC 2782.

use std::{net::Ipv4Addr, sync::Arc};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Record, RecordType,
        rdata::{A, SRV},
    },
};
use tokio::net::UdpSocket;

use super::*;

/// Name (without the trailing dot), type, answer.
type Answers = Vec<(&'static str, RecordType, Result<Vec<RData>, ResponseCode>)>;

async fn serve(answers: Answers) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            socket.send_to(&reply(&answers, &question), peer).await.unwrap();
        }
    });
    address
}

fn reply(answers: &Answers, question: &Message) -> Vec<u8> {
    let query = question.queries[0].clone();
    let asked = (host(query.name()), query.query_type());
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.add_query(query.clone());
    let known = answers.iter().find(|(name, kind, _)| (*name, *kind) == (asked.0.as_str(), asked.1));
    match known {
        Some((_, _, Ok(data))) => {
            let records = data.iter().map(|data| Record::from_rdata(query.name().clone(), 60, data.clone()));
            message.add_answers(records);
        }
        Some((_, _, Err(code))) => message.metadata.response_code = *code,
        None if answers.iter().any(|(name, ..)| *name == asked.0) => {}
        None => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.to_vec().unwrap()
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(target).unwrap()))
}

fn a(a: u8, b: u8, c: u8, d: u8) -> RData {
    RData::A(A(Ipv4Addr::new(a, b, c, d)))
}

async fn locate(answers: Answers, permits: fn(IpAddr) -> bool) -> Result<Vec<String>, DnsError> {
    let server = serve(answers).await;
    let config = DnsConfig { name_servers: vec![server], timeout: Duration::from_millis(500), ..DnsConfig::default() };
    let resolver = Resolver::new(config).unwrap();
    let domain = Domain::parse("fabrikam.example").unwrap();
    let found = resolver.locate(&domain, None, &permits, &mut || 0).await?;
    Ok(found.iter().map(SocketAddr::to_string).collect())
}

const SERVICE: &str = "_xmpp-server._tcp.fabrikam.example";

#[tokio::test]
async fn srv_targets_come_by_priority_with_their_ports() {
    let answers = vec![
        (SERVICE, RecordType::SRV, Ok(vec![srv(2, 0, 5270, "b.example."), srv(1, 0, 5269, "a.example.")])),
        ("a.example", RecordType::A, Ok(vec![a(192, 0, 2, 1)])),
        ("b.example", RecordType::A, Ok(vec![a(192, 0, 2, 2)])),
    ];
    assert_eq!(locate(answers, |ip| !ip.is_loopback()).await.unwrap(), ["192.0.2.1:5269", "192.0.2.2:5270"]);
}

#[tokio::test]
async fn without_srv_the_domain_itself_is_dialled_at_5269() {
    let answers = vec![("fabrikam.example", RecordType::A, Ok(vec![a(192, 0, 2, 9)]))];
    assert_eq!(locate(answers, |ip| !ip.is_loopback()).await.unwrap(), ["192.0.2.9:5269"]);
}

#[tokio::test]
async fn the_target_dot_means_no_service_and_no_fallback() {
    let answers = vec![
        (SERVICE, RecordType::SRV, Ok(vec![srv(0, 0, 0, ".")])),
        ("fabrikam.example", RecordType::A, Ok(vec![a(192, 0, 2, 9)])),
    ];
    assert_eq!(locate(answers, |ip| !ip.is_loopback()).await, Err(DnsError::NoService));
}

#[tokio::test]
async fn an_srv_answer_whose_targets_fail_is_not_followed_by_the_domain_itself() {
    let answers = vec![
        (SERVICE, RecordType::SRV, Ok(vec![srv(0, 0, 5269, "gone.example.")])),
        ("fabrikam.example", RecordType::A, Ok(vec![a(192, 0, 2, 9)])),
    ];
    assert_eq!(locate(answers, |ip| !ip.is_loopback()).await, Err(DnsError::NotFound));
}

#[tokio::test]
async fn a_failed_srv_question_is_not_absence() {
    let answers = vec![
        (SERVICE, RecordType::SRV, Err(ResponseCode::ServFail)),
        ("fabrikam.example", RecordType::A, Ok(vec![a(192, 0, 2, 9)])),
    ];
    let error = locate(answers, |ip| !ip.is_loopback()).await.unwrap_err();
    assert!(matches!(error, DnsError::Failed(_)), "{error}");
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_not_found() {
    assert_eq!(locate(Vec::new(), |ip| !ip.is_loopback()).await, Err(DnsError::NotFound));
}

#[tokio::test]
async fn a_target_inside_is_refused_and_named() {
    let answers = || vec![("fabrikam.example", RecordType::A, Ok(vec![a(127, 0, 0, 1)]))];
    let refused = locate(answers(), |ip| !ip.is_loopback()).await;
    assert_eq!(refused, Err(DnsError::Private(IpAddr::V4(Ipv4Addr::LOCALHOST))));
    assert_eq!(locate(answers(), |_| true).await.unwrap(), ["127.0.0.1:5269"]);
}

#[tokio::test]
async fn a_silent_name_server_is_a_failure() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = DnsConfig {
        name_servers: vec![silent.local_addr().unwrap()],
        timeout: Duration::from_millis(50),
        ..DnsConfig::default()
    };
    let domain = Domain::parse("fabrikam.example").unwrap();
    let found = Resolver::new(config).unwrap().targets(&domain, &mut || 0).await;
    assert!(matches!(found, Err(DnsError::Failed(_))), "{found:?}");
}

#[tokio::test]
async fn an_override_is_not_asked_about() {
    let domain = Domain::parse("fabrikam.example").unwrap();
    let target: Target = "127.0.0.1:15269".parse().unwrap();
    let overrides = BTreeMap::from([(domain.clone(), vec![target.clone()])]);
    let config = DnsConfig { name_servers: vec!["127.0.0.1:1".parse().unwrap()], overrides, ..DnsConfig::default() };
    let resolver = Resolver::new(config).unwrap();
    assert_eq!(resolver.targets(&domain, &mut || 0).await.unwrap(), [target]);
    let found = resolver.locate(&domain, None, &|_| true, &mut || 0).await.unwrap();
    assert_eq!(found, ["127.0.0.1:15269".parse::<SocketAddr>().unwrap()]);
    let via = "fabrikam.example:7".parse().unwrap();
    let found = resolver.locate(&domain, Some(&via), &|_| true, &mut || 0).await.unwrap();
    assert_eq!(found, ["127.0.0.1:7".parse::<SocketAddr>().unwrap()], "the port of whom is asked for counts");
}

#[test]
fn reads_hosts_with_and_without_port() {
    for (text, host, port) in [
        ("xmpp.fabrikam.example", "xmpp.fabrikam.example", 5269),
        ("XMPP.Fabrikam.Example.:5270", "xmpp.fabrikam.example", 5270),
        ("192.0.2.1", "192.0.2.1", 5269),
        ("192.0.2.1:1", "192.0.2.1", 1),
        ("[2001:db8::1]:9", "2001:db8::1", 9),
        ("[2001:db8::1]", "2001:db8::1", 5269),
        ("2001:db8::1", "2001:db8::1", 5269),
        ("bücher.example", "xn--bcher-kva.example", 5269),
    ] {
        assert_eq!(text.parse(), Ok(Target { host: host.to_owned(), port }), "{text}");
    }
    for text in ["", ":5269", "a b", "host:0", "host:65536", "host:", "a:b:c"] {
        assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
    }
}
