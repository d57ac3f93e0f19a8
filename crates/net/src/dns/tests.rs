//! The rules of RFC 6120 §3.2, RFC 2782 and XEP-0368 §3 and §5 against a name server on loopback.

mod server;

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::rdata::{A, AAAA, SRV},
};
use tokio::net::UdpSocket;

use super::*;
use server::{Reply, Server, Table};

const STARTTLS: &str = "_xmpp-server._tcp.fabrikam.example";
const DIRECT: &str = "_xmpps-server._tcp.fabrikam.example";

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(target).unwrap()))
}

fn services(name: &'static str, records: Vec<RData>) -> (&'static str, RecordType, Reply) {
    (name, RecordType::SRV, Reply::Records(records))
}

/// One address, 192.0.2.`last`.
fn a(name: &'static str, last: u8) -> (&'static str, RecordType, Reply) {
    (name, RecordType::A, Reply::Records(vec![RData::A(A(Ipv4Addr::new(192, 0, 2, last)))]))
}

fn resolver(server: SocketAddr) -> Resolver {
    let timeout = Duration::from_millis(500);
    Resolver::new(DnsConfig { name_servers: vec![server], timeout, ..DnsConfig::default() }).unwrap()
}

async fn ask(resolver: &Resolver, permits: fn(IpAddr) -> bool) -> Result<Vec<String>, DnsError> {
    let domain = Domain::parse("fabrikam.example").unwrap();
    let found = resolver.locate(&domain, None, &permits, &mut || 0).await?;
    Ok(found.iter().map(Endpoint::to_string).collect())
}

async fn locate(table: Table) -> Result<Vec<String>, DnsError> {
    let server = Server::start(table).await;
    ask(&resolver(server.address), |ip| !ip.is_loopback()).await
}

fn failed(question: Question, reason: NoAnswer) -> DnsError {
    DnsError::Failed { question, reason }
}

#[tokio::test]
async fn both_kinds_make_one_list_by_priority_and_each_target_keeps_its_kind() {
    let table = vec![
        services(STARTTLS, vec![srv(2, 0, 5269, "b.example."), srv(4, 0, 5299, "d.example.")]),
        services(DIRECT, vec![srv(3, 0, 5270, "c.example."), srv(1, 0, 443, "a.example.")]),
        a("a.example", 1),
        a("b.example", 2),
        a("c.example", 3),
        a("d.example", 4),
    ];
    let expected = ["xmpps:192.0.2.1:443", "192.0.2.2:5269", "xmpps:192.0.2.3:5270", "192.0.2.4:5299"];
    assert_eq!(locate(table).await.unwrap(), expected);
}

/// RFC 2782, "Weight": with equal priorities the running sum over both kinds chooses.
#[tokio::test]
async fn weights_of_both_kinds_are_one_lottery() {
    let table = || {
        vec![
            services(STARTTLS, vec![srv(1, 10, 5269, "b.example.")]),
            services(DIRECT, vec![srv(1, 30, 5270, "a.example.")]),
            a("a.example", 1),
            a("b.example", 2),
        ]
    };
    let domain = Domain::parse("fabrikam.example").unwrap();
    for (random, first) in [(0, "192.0.2.2:5269"), (10, "192.0.2.2:5269"), (11, "xmpps:192.0.2.1:5270")] {
        let server = Server::start(table()).await;
        let found = resolver(server.address).locate(&domain, None, &|_| true, &mut || random).await.unwrap();
        assert_eq!(found[0].to_string(), first, "{random}");
    }
}

#[tokio::test]
async fn without_srv_of_either_kind_the_domain_itself_is_dialled_at_5269() {
    assert_eq!(locate(vec![a("fabrikam.example", 9)]).await.unwrap(), ["192.0.2.9:5269"]);
}

#[tokio::test]
async fn the_target_dot_is_honoured_for_each_kind() {
    let dot = || vec![srv(0, 0, 0, ".")];
    let host = || vec![srv(0, 0, 5269, "a.example.")];
    let rest = || [a("a.example", 1), a("fabrikam.example", 9)];
    for (direct, starttls, expected) in [
        (Some(dot()), None, Err(DnsError::NoService)),
        (None, Some(dot()), Err(DnsError::NoService)),
        (Some(dot()), Some(dot()), Err(DnsError::NoService)),
        (Some(dot()), Some(host()), Ok("192.0.2.1:5269")),
        (Some(host()), Some(dot()), Ok("xmpps:192.0.2.1:5269")),
    ] {
        let mut table: Table = rest().into();
        table.extend(direct.map(|records| services(DIRECT, records)));
        table.extend(starttls.map(|records| services(STARTTLS, records)));
        let found = locate(table).await;
        assert_eq!(found.as_ref().map(|found| found[0].as_str()), expected.as_ref().copied());
    }
}

#[tokio::test]
async fn an_srv_answer_whose_targets_fail_is_not_followed_by_the_domain_itself() {
    let gone = || vec![srv(0, 0, 5269, "gone.example.")];
    for name in [STARTTLS, DIRECT] {
        let found = locate(vec![services(name, gone()), a("fabrikam.example", 9)]).await;
        assert_eq!(found, Err(DnsError::NoAddress("gone.example".to_owned())), "{name}");
    }
}

#[tokio::test]
async fn a_failed_srv_question_is_not_absence() {
    use NoAnswer as N;
    for (reply, reason) in [
        (Reply::Code(ResponseCode::ServFail), N::ServerFailure),
        (Reply::Code(ResponseCode::Refused), N::Refused),
        (Reply::Silence, N::TimedOut),
        (Reply::Referral, N::Referral),
    ] {
        for (name, kind) in [(STARTTLS, Kind::Starttls), (DIRECT, Kind::DirectTls)] {
            let found = locate(vec![(name, RecordType::SRV, reply.clone()), a("fabrikam.example", 9)]).await;
            assert_eq!(found, Err(failed(Question::Services(kind), reason.clone())), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_question_for_one_kind_leaves_the_records_of_the_other() {
    let table = vec![
        (DIRECT, RecordType::SRV, Reply::Code(ResponseCode::ServFail)),
        services(STARTTLS, vec![srv(0, 0, 5269, "a.example.")]),
        a("a.example", 1),
    ];
    assert_eq!(locate(table).await.unwrap(), ["192.0.2.1:5269"]);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_by_tcp() {
    let records = vec![srv(2, 0, 5269, "b.example."), srv(1, 0, 5269, "a.example.")];
    let table = vec![(STARTTLS, RecordType::SRV, Reply::Truncated(records)), a("a.example", 1), a("b.example", 2)];
    assert_eq!(locate(table).await.unwrap(), ["192.0.2.1:5269", "192.0.2.2:5269"]);
}

#[tokio::test]
async fn a_failed_question_for_addresses_is_told_unless_the_other_family_answers() {
    let six = RData::AAAA(AAAA("2001:db8::1".parse::<Ipv6Addr>().unwrap()));
    let table = |a: Reply, aaaa: Reply| {
        vec![
            services(STARTTLS, vec![srv(0, 0, 5269, "a.example.")]),
            ("a.example", RecordType::A, a),
            ("a.example", RecordType::AAAA, aaaa),
        ]
    };
    let servfail = || Reply::Code(ResponseCode::ServFail);
    let found = locate(table(servfail(), Reply::Records(vec![six]))).await;
    assert_eq!(found.unwrap(), ["[2001:db8::1]:5269"]);
    let question = Question::Addresses("a.example".to_owned());
    let found = locate(table(servfail(), Reply::Records(Vec::new()))).await;
    assert_eq!(found, Err(failed(question, NoAnswer::ServerFailure)));
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_not_found() {
    assert_eq!(locate(Vec::new()).await, Err(DnsError::NotFound));
}

#[tokio::test]
async fn a_target_inside_is_refused_and_named() {
    let inside = || vec![("fabrikam.example", RecordType::A, Reply::Records(vec![RData::A(A(Ipv4Addr::LOCALHOST))]))];
    assert_eq!(locate(inside()).await, Err(DnsError::Private(IpAddr::V4(Ipv4Addr::LOCALHOST))));
    let server = Server::start(inside()).await;
    assert_eq!(ask(&resolver(server.address), |_| true).await.unwrap(), ["127.0.0.1:5269"]);
}

#[tokio::test]
async fn what_does_not_exist_is_not_asked_for_again() {
    let server = Server::start(Vec::new()).await;
    let resolver = resolver(server.address);
    assert_eq!(ask(&resolver, |_| true).await, Err(DnsError::NotFound));
    let asked = server.asked();
    assert_eq!(asked, 4, "two kinds, two families");
    assert_eq!(ask(&resolver, |_| true).await, Err(DnsError::NotFound));
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn a_failure_is_asked_about_again() {
    let server = Server::start(vec![(STARTTLS, RecordType::SRV, Reply::Code(ResponseCode::ServFail))]).await;
    let resolver = resolver(server.address);
    assert!(ask(&resolver, |_| true).await.is_err());
    let asked = server.asked();
    assert!(ask(&resolver, |_| true).await.is_err());
    assert!(server.asked() > asked);
}

#[tokio::test]
async fn no_more_targets_and_addresses_are_looked_at_than_the_bounds() {
    let addresses = (1..=200).map(|last| RData::A(A(Ipv4Addr::new(192, 0, 2, last)))).collect();
    let targets = (0..30).map(|port| srv(0, 0, 6000 + port, "many.example.")).collect();
    let table = vec![
        (STARTTLS, RecordType::SRV, Reply::Truncated(targets)),
        ("many.example", RecordType::A, Reply::Truncated(addresses)),
    ];
    assert_eq!(locate(table).await.unwrap().len(), TARGETS_MAX * ADDRESSES_PER_TARGET_MAX);
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
    assert_eq!(found, Err(failed(Question::Services(Kind::Starttls), NoAnswer::TimedOut)));
}

#[tokio::test]
async fn an_override_is_not_asked_about() {
    let domain = Domain::parse("fabrikam.example").unwrap();
    let targets: Vec<Target> = ["127.0.0.1:15269", "xmpps:127.0.0.1:15270"].map(|text| text.parse().unwrap()).into();
    let overrides = BTreeMap::from([(domain.clone(), targets.clone())]);
    let config = DnsConfig { name_servers: vec!["127.0.0.1:1".parse().unwrap()], overrides, ..DnsConfig::default() };
    let resolver = Resolver::new(config).unwrap();
    assert_eq!(resolver.targets(&domain, &mut || 0).await.unwrap(), targets);
    let shown = |found: Vec<Endpoint>| found.iter().map(Endpoint::to_string).collect::<Vec<_>>();
    let found = resolver.locate(&domain, None, &|_| true, &mut || 0).await.unwrap();
    assert_eq!(shown(found), ["127.0.0.1:15269", "xmpps:127.0.0.1:15270"]);
    let via = "fabrikam.example:7".parse().unwrap();
    let found = resolver.locate(&domain, Some(&via), &|_| true, &mut || 0).await.unwrap();
    assert_eq!(shown(found), ["127.0.0.1:7"], "the port of whom is asked for counts");
}

#[tokio::test]
async fn a_proxy_fqdn_stands_in_the_place_of_srv() {
    let table = vec![services(DIRECT, vec![srv(0, 0, 5270, "a.example.")]), a("a.example", 1), a("proxy.example", 5)];
    let server = Server::start(table).await;
    let (resolver, domain) = (resolver(server.address), Domain::parse("fabrikam.example").unwrap());
    let via: Target = "proxy.example:5300".parse().unwrap();
    let found = resolver.locate(&domain, Some(&via), &|_| true, &mut || 0).await.unwrap();
    assert_eq!(found[0].to_string(), "192.0.2.5:5300");
    let via: Target = "gone.example".parse().unwrap();
    let found = resolver.locate(&domain, Some(&via), &|_| true, &mut || 0).await;
    assert_eq!(found, Err(DnsError::NoAddress("gone.example".to_owned())));
}

#[test]
fn families_take_turns_and_keep_their_order() {
    let given = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3"].map(|ip| ip.parse().unwrap());
    let ordered: [IpAddr; 4] = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"].map(|ip| ip.parse().unwrap());
    assert_eq!(interleave(given.to_vec()), ordered);
}

async fn sip(table: Table, host: &str, port: Option<u16>, transport: SipTransport) -> Result<Vec<String>, SipDnsError> {
    let server = Server::start(table).await;
    let found = resolver(server.address).locate_sip(host, port, transport, &mut || 0).await?;
    Ok(found.iter().map(SocketAddr::to_string).collect())
}

/// RFC 3263 §4.2: SRV of the transport, in order of priority, each with all its addresses.
#[tokio::test]
async fn a_sip_server_is_found_by_the_records_of_its_transport() {
    let six = || RData::AAAA(AAAA("2001:db8::1".parse::<Ipv6Addr>().unwrap()));
    let table = || {
        vec![
            services("_sips._tcp.pool.example", vec![srv(2, 0, 5071, "b.example."), srv(1, 0, 5061, "a.example.")]),
            services("_sip._udp.pool.example", vec![srv(1, 0, 5090, "b.example.")]),
            a("a.example", 1),
            ("a.example", RecordType::AAAA, Reply::Records(vec![six()])),
            a("b.example", 2),
            a("pool.example", 9),
        ]
    };
    for (port, transport, expected) in [
        (None, SipTransport::Tls, &["[2001:db8::1]:5061", "192.0.2.1:5061", "192.0.2.2:5071"][..]),
        (None, SipTransport::Udp, &["192.0.2.2:5090"]),
        (None, SipTransport::Tcp, &["192.0.2.9:5060"]),
        (Some(5080), SipTransport::Tls, &["192.0.2.9:5080"]),
    ] {
        assert_eq!(sip(table(), "pool.example", port, transport).await.unwrap(), expected, "{port:?} {transport}");
    }
}

/// A name server that fails must not send us to the domain's own address; one that says no does.
#[tokio::test]
async fn a_failed_question_for_sip_records_is_not_absence() {
    let table = |reply| vec![("_sip._tcp.pool.example", RecordType::SRV, reply), a("pool.example", 9)];
    let asked = async |reply| sip(table(reply), "pool.example", None, SipTransport::Tcp).await;
    let failed = |reason| SipDnsError::Failed { question: "_sip._tcp.pool.example".to_owned(), reason };
    assert_eq!(asked(Reply::Code(ResponseCode::ServFail)).await, Err(failed(NoAnswer::ServerFailure)));
    assert_eq!(asked(Reply::Silence).await, Err(failed(NoAnswer::TimedOut)));
    assert_eq!(asked(Reply::Code(ResponseCode::NXDomain)).await.unwrap(), ["192.0.2.9:5060"]);
    let not_offered = SipDnsError::NotOffered("_sip._tcp.pool.example".to_owned());
    assert_eq!(asked(Reply::Records(vec![srv(0, 0, 0, ".")])).await, Err(not_offered));
    let gone = Reply::Records(vec![srv(0, 0, 5060, "gone.example.")]);
    assert_eq!(asked(gone).await, Err(SipDnsError::NoAddress("gone.example".to_owned())), "no fallback follows");
}
