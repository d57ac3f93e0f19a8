//! What a partner will see of each internal domain: found by DNS as a partner finds it, connected to, and secured.
//!
//! The connection names no partner, so that it counts for none and offers nothing to authorise; it ends after TLS. Which
//! methods are open is told from the certificate that was shown and from the partners' settings.

use std::time::Duration;

use lexicon::{Domain, Method};
use net::{
    dial::dial,
    dns::{DnsConfig, DnsError, Endpoint, Kind, Resolver},
    entropy,
    tls::{Identities, PeerChain, Roots, Secured, Tls, judge},
};
use store::inspection::Contents;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use xmpp::identity::certificate_names;

use super::Finding;
use crate::{Config, certificates::days_left};

/// Longest wait for a connection, and for everything on it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Octets read in plaintext at most.
const READ_BYTES_MAX: usize = 16 << 10;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

pub(super) async fn examine(config: &Config, runs: bool, contents: &Contents) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A partner does not know our overrides.
    let resolver = Resolver::new(DnsConfig { overrides: Default::default(), ..config.dns.clone() });
    let tls = Tls::new(Identities::default());
    let (Ok(resolver), Ok(tls)) = (resolver, tls) else {
        findings.push(Finding::fail("dns", "no name server can be asked", "set dns.name_servers"));
        return findings;
    };
    for domain in &contents.serving.domains {
        let name = &domain.name;
        let endpoints = match resolver.locate(name, None, &|_| true, &mut entropy::number).await {
            Ok(endpoints) => endpoints,
            Err(error) => {
                findings.push(not_found(name, &error));
                continue;
            }
        };
        let places = endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        findings.push(Finding::ok(name.to_string(), format!("found at {places}")));
        if !runs {
            let text = "not connected to, since the server does not run";
            findings.push(Finding::warn(name.to_string(), text, "start it, and run doctor again"));
            continue;
        }
        match timeout(TIMEOUT, connect(&endpoints, name, &tls)).await {
            Ok(Ok(chain)) => shown(name, &chain, contents, &mut findings),
            Ok(Err(finding)) => findings.push(*finding),
            Err(_) => {
                let text = format!("no answer within {} s", TIMEOUT.as_secs());
                findings.push(Finding::warn(name.to_string(), text, FROM_HERE));
            }
        }
    }
    findings
}

const FROM_HERE: &str = "from this machine; partners elsewhere may reach it where a router does not lead back inside";

fn not_found(domain: &Domain, error: &DnsError) -> Finding {
    match error {
        DnsError::Failed { .. } => Finding::warn(domain.to_string(), error.to_string(), "look at the name servers"),
        _ => {
            let remedy = format!("legation dns show {domain} tells what to publish");
            Finding::fail(domain.to_string(), error.to_string(), remedy)
        }
    }
}

/// The certificate that is shown to who addresses `domain`.
async fn connect(endpoints: &[Endpoint], domain: &Domain, tls: &Tls) -> Result<PeerChain, Box<Finding>> {
    let about = domain.to_string();
    let mut failures = Vec::new();
    for endpoint in endpoints {
        let stream = match dial(&[endpoint.address], TIMEOUT / 2).await {
            Ok((stream, _)) => stream,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        let secured = match endpoint.kind {
            Kind::DirectTls => tls.connect_direct(stream, domain, domain).await.map_err(|error| error.to_string()),
            Kind::Starttls => starttls(stream, domain, tls).await,
        };
        return secured.map(|secured| secured.peer_chain().clone()).map_err(|error| {
            let text = format!("{endpoint}: {error}");
            Box::new(Finding::fail(about, text, "legation cert list, and the log of the server at that address"))
        });
    }
    Err(Box::new(Finding::warn(about, failures.join("; "), FROM_HERE)))
}

/// RFC 6120 §5.4.2, without `from`: the server cannot know a partner, and must demand TLS.
async fn starttls(mut stream: TcpStream, domain: &Domain, tls: &Tls) -> Result<Secured<TcpStream>, String> {
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         to='{}' version='1.0'>",
        domain.as_unicode()
    );
    stream.write_all(header.as_bytes()).await.map_err(|error| error.to_string())?;
    let features = read_until(&mut stream, &["</stream:features>", "</stream:stream>"]).await?;
    if !features.contains("urn:ietf:params:xml:ns:xmpp-tls") {
        return Err("no TLS is offered there".to_owned());
    }
    stream.write_all(STARTTLS.as_bytes()).await.map_err(|error| error.to_string())?;
    let answer = read_until(&mut stream, &["<proceed", "<failure", "</stream:stream>"]).await?;
    if !answer.contains("<proceed") {
        return Err("TLS is refused there".to_owned());
    }
    tls.connect(stream, domain, domain).await.map_err(|error| error.to_string())
}

/// What comes in plaintext up to one of `ends` and its tag.
async fn read_until(stream: &mut TcpStream, ends: &[&str]) -> Result<String, String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        let end = ends.iter().find_map(|end| text.find(end).map(|at| at + end.len()));
        if end.is_some_and(|end| text[end - 1..].contains('>')) {
            return Ok(text.into_owned());
        }
        if read.len() > READ_BYTES_MAX {
            return Err("what answers there is no XMPP server".to_owned());
        }
        // Nothing can follow the answer in the same read: the other side waits for us.
        match stream.read_buf(&mut read).await {
            Ok(0) => return Err("the connection was closed before TLS".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn shown(domain: &Domain, chain: &PeerChain, contents: &Contents, findings: &mut Vec<Finding>) {
    let about = domain.to_string();
    let Some(Ok(facts)) = chain.iter().next().map(net::tls::read_certificate) else {
        return findings.push(Finding::fail(about, "no certificate is shown", "legation cert list"));
    };
    let now = net::clock::now().wall;
    let days = days_left(facts.not_after, now);
    let what = format!("the certificate of {}, issued by {}, {days} days left", facts.subject, facts.issuer);
    let verdict = judge(chain, &Roots::system(), now, &[]);
    let is_named = certificate_names(&facts.names, domain);
    findings.push(match (is_named, verdict) {
        (false, _) => Finding::fail(&about, format!("{what}, does not name the domain"), "legation cert list"),
        (true, Ok(())) => Finding::ok(&about, format!("{what}, names the domain and is trusted by this machine")),
        (true, Err(fault)) => {
            let remedy = "partners accept it only where they trust its authority by themselves";
            Finding::warn(&about, format!("{what}, names the domain; its chain {fault}"), remedy)
        }
    });
    let enabled: Vec<_> = contents.snapshot.partners().iter().filter(|partner| partner.enabled).collect();
    let count = |permits: &dyn Fn(Method) -> bool, methods: &[Method]| methods.iter().any(|method| permits(*method));
    let with = |methods: &[Method]| {
        enabled.iter().filter(|partner| count(&|method| partner.row().permits(method), methods)).count()
    };
    let (external, dialback) = (with(&[Method::SaslOverTls]), with(&[Method::TlsDialback, Method::TcpDialback]));
    let all = enabled.len();
    findings.push(Finding::ok(&about, format!(
        "SASL EXTERNAL is offered to {external} of {all} enabled partners when their certificate is good, and dialback is \
         open to {dialback} (by their settings)"
    )));
}
