//! The lines that an internal domain needs, from its backends and our listeners.

use std::net::{IpAddr, SocketAddr};

use lexicon::Domain;
use panel::api::v1::dto::dns_state;
use policy::{Trunk, trunk::Dialect};
use store::{Backend, InternalDomain, Serving};

use super::{HOST_UNKNOWN, Reach, Verdict};

/// RFC 3261 §19.1.2: where SIP over TLS is expected.
const SIPS_PORT: u16 = 5061;

/// Priority and weight in what we propose; direct TLS comes first.
const USUAL: &str = "10 5";
const PREFERRED: &str = "5 5";

/// A line, or one that should not be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) what: What,
    pub(super) purpose: &'static str,
    pub(super) needed: bool,
    /// For the deployment's DNS alone.
    pub(super) is_inner: bool,
    ranks: &'static str,
}

/// What should be under the name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// SRV records, one for each port.
    Services { ports: Vec<u16>, host: Option<Domain> },
    /// No SRV records.
    NoService,
    /// Addresses at which these listeners are reached.
    Addresses { listeners: Vec<SocketAddr> },
}

impl Wanted {
    fn services(name: String, listeners: &[SocketAddr], host: Option<&Domain>, purpose: &'static str) -> Self {
        let mut ports: Vec<_> = listeners.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let what = What::Services { ports, host: host.cloned() };
        Self { name, what, purpose, needed: true, is_inner: false, ranks: USUAL }
    }

    /// As in a zone file; several lines are separated by commas.
    pub(super) fn value(&self) -> String {
        match &self.what {
            What::NoService => String::new(),
            What::Services { ports, host } => {
                let host = host.as_ref().map_or(HOST_UNKNOWN, Domain::as_ascii);
                let line = |port: &u16| format!("{} {port} {host}.", self.ranks);
                ports.iter().map(line).collect::<Vec<_>>().join(", ")
            }
            What::Addresses { listeners } => {
                let mut known: Vec<_> =
                    listeners.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()).collect();
                known.sort();
                known.dedup();
                match known.is_empty() {
                    true => "the public addresses of this server".to_owned(),
                    false => known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                }
            }
        }
    }
}

/// The lines of one domain, each host's addresses once.
pub(super) fn of(domain: &InternalDomain, serving: &Serving, partners: &[Domain], reach: &Reach) -> Vec<Wanted> {
    let mut lines = for_partners(&domain.name, reach);
    let has_registrar = domain.backends.is_empty() || domain.backends.contains(&Backend::Registrar);
    if has_registrar {
        lines.extend(for_clients(&domain.name, reach));
    }
    let serves = |trunk: &&Trunk| domain.backends.contains(&Backend::Trunk(trunk.name.clone()));
    if serving.trunks.iter().filter(serves).any(|trunk| trunk.dialect == Dialect::Lync) {
        lines.extend(partners.iter().map(|partner| for_edge(partner, reach)));
    }
    if domain.backends.contains(&Backend::Xmpp) && !reach.inner.is_empty() {
        lines.extend(partners.iter().map(|partner| for_inner_server(partner, reach)));
    }
    let mut hosts = vec![(&reach.xmpp_host, [&reach.xmpp[..], &reach.xmpp_tls].concat(), "the addresses of that host")];
    if has_registrar && reach.sip_host != reach.xmpp_host {
        let listeners = [&reach.sip_udp[..], &reach.sip_tcp, &reach.sip_tls].concat();
        hosts.push((&reach.sip_host, listeners, "the addresses of that host for SIP"));
    }
    for (host, listeners, purpose) in hosts {
        let Some(host) = host else { continue };
        let what = What::Addresses { listeners };
        let name = host.as_ascii().to_owned();
        lines.push(Wanted { name, what, purpose, needed: true, is_inner: false, ranks: USUAL });
    }
    lines
}

fn for_partners(domain: &Domain, reach: &Reach) -> Vec<Wanted> {
    let kinds = [
        ("_xmpp-server._tcp", &reach.xmpp, "partners, with STARTTLS", USUAL),
        ("_xmpps-server._tcp", &reach.xmpp_tls, "partners, with direct TLS", PREFERRED),
    ];
    let line = |(service, listeners, purpose, ranks): (&str, &Vec<SocketAddr>, _, _)| {
        let name = format!("{service}.{}", domain.as_ascii());
        match listeners.is_empty() {
            true => Wanted { name, what: What::NoService, purpose, needed: true, is_inner: false, ranks },
            false => Wanted { ranks, ..Wanted::services(name, listeners, reach.xmpp_host.as_ref(), purpose) },
        }
    };
    kinds.map(line).to_vec()
}

/// Clients that are told the server's name need none of them.
fn for_clients(domain: &Domain, reach: &Reach) -> Vec<Wanted> {
    let kinds = [
        ("_sips._tcp", &reach.sip_tls, "SIP clients, over TLS"),
        ("_sip._tcp", &reach.sip_tcp, "SIP clients, over TCP"),
        ("_sip._udp", &reach.sip_udp, "SIP clients, over UDP"),
    ];
    let offered = kinds.into_iter().filter(|(_, listeners, _)| !listeners.is_empty());
    let line = |(service, listeners, purpose): (&str, &Vec<SocketAddr>, _)| {
        let name = format!("{service}.{}", domain.as_ascii());
        Wanted { needed: false, ..Wanted::services(name, listeners, reach.sip_host.as_ref(), purpose) }
    };
    offered.map(line).collect()
}

/// An Edge that discovers a partner's domain by DNS must find us there.
fn for_edge(partner: &Domain, reach: &Reach) -> Wanted {
    let listeners = match reach.sip_tls.as_slice() {
        [] => vec![SocketAddr::from(([0, 0, 0, 0], SIPS_PORT))],
        listeners => listeners.to_vec(),
    };
    let name = format!("_sipfederationtls._tcp.{}", partner.as_ascii());
    let purpose = "an Edge that discovers partners";
    let line = Wanted::services(name, &listeners, reach.sip_host.as_ref(), purpose);
    Wanted { needed: false, is_inner: true, ..line }
}

/// The XMPP server behind a domain of ours must find partners' domains here, unless it has a static route. Which host it
/// connects to is not configured.
fn for_inner_server(partner: &Domain, reach: &Reach) -> Wanted {
    let name = format!("_xmpp-server._tcp.{}", partner.as_ascii());
    let line = Wanted::services(name, &reach.inner, None, "an XMPP server inside without static route");
    Wanted { needed: false, is_inner: true, ..line }
}

/// Addresses that were found beside those that are listened on.
pub(super) fn addresses(found: &[IpAddr], listeners: &[SocketAddr]) -> Verdict {
    let is_everywhere = listeners.iter().any(|listener| listener.ip().is_unspecified());
    let is_ours = |ip: &IpAddr| is_everywhere || listeners.iter().any(|listener| listener.ip() == *ip);
    let (state, note) = match found {
        [] => (dns_state::ABSENT, None),
        found if found.iter().any(is_ours) => (dns_state::PRESENT, None),
        _ => {
            let text = "none of them is listened on here: right only where a router or load balancer leads them here";
            (dns_state::DIFFERS, Some(text.to_owned()))
        }
    };
    Verdict { state, found: found.iter().map(ToString::to_string).collect(), note }
}

#[cfg(test)]
mod tests {
    use lexicon::{RowId, Timestamp};

    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn lines(backends: &[&str], reach: &Reach) -> Vec<String> {
        let at = Timestamp::from_millis(0);
        let contoso = InternalDomain {
            id: RowId::new(at, [0; 10]),
            name: domain("contoso.example"),
            backends: backends.iter().map(|text| text.parse().unwrap()).collect(),
            revision: 1,
            created_at: at,
            updated_at: at,
        };
        let mut lync = Trunk::new("lync".parse().unwrap());
        lync.dialect = Dialect::Lync;
        let serving = Serving { trunks: vec![lync, Trunk::new("pbx".parse().unwrap())], ..Serving::default() };
        let lines = of(&contoso, &serving, &[domain("fabrikam.example")], reach);
        lines.iter().map(|line| format!("{} {}", line.name, line.value())).collect()
    }

    fn reach() -> Reach {
        Reach {
            xmpp_host: Some(domain("xmpp.contoso.example")),
            sip_host: Some(domain("sip.contoso.example")),
            xmpp: vec!["[::]:5269".parse().unwrap(), "0.0.0.0:5269".parse().unwrap()],
            xmpp_tls: vec!["192.0.2.1:5270".parse().unwrap()],
            sip_udp: vec!["192.0.2.1:5060".parse().unwrap()],
            sip_tcp: vec!["192.0.2.1:5060".parse().unwrap()],
            sip_tls: Vec::new(),
            inner: Vec::new(),
        }
    }

    /// RFC 6120 §3.2.1, XEP-0368 §3, RFC 3263 §4.1.
    #[test]
    fn lines_follow_from_listeners_and_backends() {
        let partners = [
            "_xmpp-server._tcp.contoso.example 10 5 5269 xmpp.contoso.example.",
            "_xmpps-server._tcp.contoso.example 5 5 5270 xmpp.contoso.example.",
        ];
        let xmpp = ["xmpp.contoso.example 192.0.2.1"];
        let clients = [
            "_sip._tcp.contoso.example 10 5 5060 sip.contoso.example.",
            "_sip._udp.contoso.example 10 5 5060 sip.contoso.example.",
        ];
        let sip = ["sip.contoso.example 192.0.2.1"];
        let edge = ["_sipfederationtls._tcp.fabrikam.example 10 5 5061 sip.contoso.example."];
        assert_eq!(lines(&["registrar"], &reach()), [&partners[..], &clients, &xmpp, &sip].concat());
        assert_eq!(lines(&["trunk:pbx", "xmpp"], &reach()), [&partners[..], &xmpp].concat());
        assert_eq!(lines(&["trunk:lync"], &reach()), [&partners[..], &edge, &xmpp].concat());
        let with_tls = Reach { sip_tls: vec!["192.0.2.1:5071".parse().unwrap()], ..reach() };
        let sips = "_sips._tcp.contoso.example 10 5 5071 sip.contoso.example.";
        assert!(lines(&["registrar"], &with_tls).iter().any(|line| line == sips));
        let inner = Reach { inner: vec!["10.0.0.1:5269".parse().unwrap()], ..reach() };
        let server = ["_xmpp-server._tcp.fabrikam.example 10 5 5269 HOST."];
        assert_eq!(lines(&["xmpp"], &inner), [&partners[..], &server, &xmpp].concat());
    }

    #[test]
    fn a_host_that_is_not_configured_is_a_placeholder_without_addresses() {
        let reach = Reach { xmpp_host: None, sip_host: None, xmpp_tls: Vec::new(), ..reach() };
        let expected = ["_xmpp-server._tcp.contoso.example 10 5 5269 HOST.", "_xmpps-server._tcp.contoso.example "];
        assert_eq!(lines(&["xmpp"], &reach), expected);
    }

    #[test]
    fn addresses_are_those_that_are_listened_on() {
        let listeners = ["192.0.2.1:5269".parse().unwrap()];
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(addresses(&[], &listeners).state, "absent");
        assert_eq!(addresses(&[ip("192.0.2.9"), ip("192.0.2.1")], &listeners).state, "present");
        assert_eq!(addresses(&[ip("192.0.2.9")], &listeners).state, "differs");
        assert_eq!(addresses(&[ip("192.0.2.9")], &["[::]:5269".parse().unwrap()]).state, "present");
    }
}
