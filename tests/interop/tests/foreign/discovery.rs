//! Discovery against Knot: what it publishes, what it refuses, where it fails, and when it is silent.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use lexicon::Domain;
use net::dns::{DnsConfig, DnsError, Endpoint, Kind, NoAnswer, Question, Resolver};
use tempfile::TempDir;

use interop::dns::Dns;
use interop::loopback::Loopback;
use interop::process::until;

const STARTTLS: &str = "_xmpp-server._tcp SRV";
const DIRECT: &str = "_xmpps-server._tcp SRV";

/// A Knot with these zones beside those that fail or are refused.
fn knot(zones: &[(&str, String)]) -> (Dns, IpAddr, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let world = Loopback::new();
    let dns = Dns::start_with_records(folder.path(), world, zones);
    (dns, world.ip(), folder)
}

/// What is found for `domain`, in the notation of overrides.
fn locate(server: SocketAddr, domain: &str) -> Result<Vec<String>, DnsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let timeout = Duration::from_secs(1);
        let config = DnsConfig { name_servers: vec![server], timeout, ..DnsConfig::default() };
        let resolver = Resolver::new(config).expect("name servers are given");
        let domain = Domain::parse(domain).expect("the test names a domain");
        let found = resolver.locate(&domain, None, &|_| true, &mut || 0).await?;
        Ok(found.iter().map(Endpoint::to_string).collect())
    })
}

fn failed(kind: Kind, reason: NoAnswer) -> DnsError {
    DnsError::Failed { question: Question::Services(kind), reason }
}

#[test]
fn records_of_both_kinds_are_found_in_one_order() {
    let records = format!("{STARTTLS} 2 0 5269 xmpp\n{DIRECT} 1 0 443 xmpp\n{DIRECT} 3 0 5270 xmpp\n");
    let (dns, ip, _folder) = knot(&[("fabrikam.example", records)]);
    let expected = [format!("xmpps:{ip}:443"), format!("{ip}:5269"), format!("xmpps:{ip}:5270")];
    assert_eq!(locate(dns.address, "fabrikam.example").unwrap(), expected);
}

#[test]
fn the_dot_the_absence_and_the_missing_host_are_told_apart() {
    let zones = [
        ("absent.example", String::new()),
        ("dot.example", format!("{STARTTLS} 0 0 0 .\n")),
        ("direct-dot.example", format!("{DIRECT} 0 0 0 .\n")),
        ("fallback.example", format!("{DIRECT} 0 0 0 .\n{STARTTLS} 0 0 5269 xmpp\n")),
        ("gone.example", format!("{STARTTLS} 0 0 5269 gone\n")),
        // RFC 1034 §3.6.2: a host that is an alias is found all the same.
        ("alias.example", format!("{STARTTLS} 0 0 5269 www\nwww CNAME xmpp\n")),
        // More than one datagram holds: asked for again by TCP.
        ("many.example", (0..60).map(|port| format!("{STARTTLS} 0 0 {} xmpp\n", 5000 + port)).collect()),
    ];
    let (dns, ip, _folder) = knot(&zones);
    let ask = |domain: &str| locate(dns.address, domain);
    assert_eq!(ask("absent.example").unwrap(), [format!("{ip}:5269")]);
    assert_eq!(ask("dot.example"), Err(DnsError::NoService));
    assert_eq!(ask("direct-dot.example"), Err(DnsError::NoService));
    assert_eq!(ask("fallback.example").unwrap(), [format!("{ip}:5269")]);
    assert_eq!(ask("gone.example"), Err(DnsError::NoAddress("gone.gone.example".to_owned())));
    assert_eq!(ask("alias.example").unwrap(), [format!("{ip}:5269")]);
    assert_eq!(ask("many.example").unwrap().len(), 8);
    assert_eq!(ask("no-such.absent.example"), Err(DnsError::NotFound));
}

/// Knot has no such zone and answers REFUSED.
#[test]
fn a_refusal_is_not_absence() {
    let (dns, _, _folder) = knot(&[("fabrikam.example", String::new())]);
    assert_eq!(locate(dns.address, "contoso.example"), Err(failed(Kind::Starttls, NoAnswer::Refused)));
}

/// Knot should have the zone and cannot load it.
#[test]
fn a_failure_is_not_absence() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let zones = [("fabrikam.example", String::new())];
    let dns = Dns::start_with_failing(folder.path(), Loopback::new(), &zones, &["contoso.example"]);
    assert_eq!(locate(dns.address, "contoso.example"), Err(failed(Kind::Starttls, NoAnswer::ServerFailure)));
}

/// Knot delegates the zone to servers elsewhere and does not ask them.
#[test]
fn a_referral_is_not_absence() {
    let (dns, _, _folder) = knot(&[("fabrikam.example", "im NS ns.elsewhere.example.\n".to_owned())]);
    assert_eq!(locate(dns.address, "im.fabrikam.example"), Err(failed(Kind::Starttls, NoAnswer::Referral)));
}

/// A stopped Knot keeps its sockets and answers nothing.
#[test]
fn silence_is_not_absence() {
    let (dns, _, _folder) = knot(&[("fabrikam.example", String::new())]);
    signal("-STOP", dns.id());
    // A signal is not there yet when `kill` returns: every thread has to have come to its stop.
    until("a stopped name server", || is_stopped(dns.id()).then_some(()));
    let found = locate(dns.address, "fabrikam.example");
    signal("-CONT", dns.id());
    assert_eq!(found, Err(failed(Kind::Starttls, NoAnswer::TimedOut)));
    assert_eq!(locate(dns.address, "fabrikam.example").unwrap().len(), 1);
}

fn is_stopped(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("the process lives");
    let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).expect("the thread lives");
    threads.flatten().map(status).all(|status| status.contains("State:\tT"))
}

fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args([name, &id.to_string()]).status().expect("kill can be run");
    assert!(status.success());
}
