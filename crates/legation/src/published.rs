//! What to publish in DNS for each internal domain, and what a name server says about each line now.
//!
//! Partners find us by SRV records of the domain (RFC 6120 §3.2.1, XEP-0368), SIP clients find the registrar by theirs
//! (RFC 3263 §4). A line is present, absent, or differs on the word of a name server; a question that failed says nothing.
//! The host to publish is told by the configuration file; without it only ports are compared. Priority and weight are the
//! administrator's choice and never differ.
//!
//! Left out: what the deployment's own DNS needs for its own users.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lexicon::Domain;
use net::dns::{DnsConfig, NoAnswer, Resolver, ResolverError, SrvRecord};
use panel::{
    DnsRecord, DnsZone,
    api::v1::dto::{ListenerSeen, dns_state},
};
use store::{Backend, InternalDomain, Serving};
use tokio::time::{Instant, timeout_at};

use crate::{
    Config,
    ports::{self, Port},
};

mod wanted;

use wanted::{Wanted, What};

/// Questions that wait for an answer at a time.
const QUESTIONS_MAX: usize = 32;

/// Longest wait for all answers together; who has asked waits no longer than a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// Stands for a host that the configuration file does not name.
const HOST_UNKNOWN: &str = "HOST";

/// Where we are reached: listeners with their real ports, and the hosts that are to be published.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) xmpp_host: Option<Domain>,
    pub(crate) sip_host: Option<Domain>,
    pub(crate) xmpp: Vec<SocketAddr>,
    pub(crate) xmpp_tls: Vec<SocketAddr>,
    pub(crate) sip_udp: Vec<SocketAddr>,
    pub(crate) sip_tcp: Vec<SocketAddr>,
    pub(crate) sip_tls: Vec<SocketAddr>,
    /// For inner XMPP servers.
    pub(crate) inner: Vec<SocketAddr>,
}

impl Reach {
    /// As the configuration file says, for a server that does not run.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            xmpp_host: config.xmpp.host.clone(),
            sip_host: config.sip.host.clone(),
            xmpp: config.xmpp.listen.clone(),
            xmpp_tls: config.xmpp.listen_tls.clone(),
            sip_udp: config.sip.udp.clone(),
            sip_tcp: config.sip.tcp.clone(),
            sip_tls: config.sip.tls.clone(),
            inner: [&config.inner.listen[..], &config.inner.listen_tls].concat(),
        }
    }
}

impl Reach {
    /// Each port, and whether it answers now.
    async fn ports(&self) -> Vec<ListenerSeen> {
        let all = [
            ("xmpp", "tcp", &self.xmpp),
            ("xmpp", "tls", &self.xmpp_tls),
            ("inner", "tcp", &self.inner),
            ("sip", "udp", &self.sip_udp),
            ("sip", "tcp", &self.sip_tcp),
            ("sip", "tls", &self.sip_tls),
        ];
        let mut seen = Vec::new();
        for (name, transport, addresses) in all {
            for address in addresses {
                let port = if transport == "udp" { ports::held(*address) } else { ports::connect(*address).await };
                let (state, note) = match port {
                    Port::Open => ("open", None),
                    Port::Closed(why) => ("closed", Some(why)),
                    Port::Unknown(why) => ("failed", Some(why)),
                };
                let (name, transport, address) = (name.to_owned(), transport.to_owned(), address.to_string());
                seen.push(ListenerSeen { name, transport, address, state: state.to_owned(), note });
            }
        }
        seen
    }
}

/// Asks for every line of the domains of `serving`. What is configured as known without asking is asked all the same:
/// that is for us alone. `partners` are the domains of enabled partners.
pub(crate) async fn check(
    dns: &DnsConfig,
    reach: &Reach,
    serving: &Serving,
    partners: &[Domain],
) -> Result<Vec<DnsZone>, ResolverError> {
    // A resolver of its own: nothing is remembered from before.
    let resolver = Arc::new(Resolver::new(DnsConfig { overrides: Default::default(), ..dns.clone() })?);
    let of_domain = |domain| wanted::of(domain, serving, partners, reach);
    let lines: Vec<Vec<Wanted>> = serving.domains.iter().map(of_domain).collect();
    let (answers, ports) = tokio::join!(ask_all(resolver, lines.concat()), reach.ports());
    let mut answers = answers.into_iter();
    let zones = serving.domains.iter().zip(lines).map(|(domain, lines)| DnsZone {
        domain: domain.name.as_ascii().to_owned(),
        records: answers.by_ref().take(lines.len()).flatten().collect(),
        ports: ports.clone(),
        notes: notes(domain, serving, reach),
    });
    Ok(zones.collect())
}

/// The lines in their order, so many at a time. What was not answered in time is not known.
async fn ask_all(resolver: Arc<Resolver>, lines: Vec<Wanted>) -> Vec<Option<DnsRecord>> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut answers = Vec::with_capacity(lines.len());
    for some in lines.chunks(QUESTIONS_MAX) {
        let asked: Vec<_> = some
            .iter()
            .map(|wanted| {
                let (resolver, wanted) = (Arc::clone(&resolver), wanted.clone());
                tokio::spawn(async move { timeout_at(deadline, ask(&resolver, &wanted)).await })
            })
            .collect();
        for (wanted, task) in some.iter().zip(asked) {
            answers.push(match task.await {
                Ok(Ok(answer)) => answer,
                _ => Some(told(wanted, Verdict::failed(NoAnswer::TimedOut))),
            });
        }
    }
    answers
}

/// The line with its state; none if it is one that should not be there, and is not.
async fn ask(resolver: &Resolver, wanted: &Wanted) -> Option<DnsRecord> {
    let verdict = match &wanted.what {
        What::Services { ports, host } => {
            let found = resolver.srv_records(&wanted.name).await;
            found.map_or_else(Verdict::failed, |found| services(&found, ports, host.as_ref()))
        }
        What::NoService => match resolver.srv_records(&wanted.name).await {
            Ok(found) if found.iter().any(|record| !record.host.is_empty()) => not_offered(&found),
            _ => return None,
        },
        What::Addresses { listeners } => {
            let found = resolver.address_records(&wanted.name).await;
            found.map_or_else(Verdict::failed, |found| wanted::addresses(&found, listeners))
        }
    };
    Some(told(wanted, verdict))
}

/// What is for the deployment's DNS may be answered otherwise there.
const OF_OUR_SERVERS: &str = "as the name servers of this server say; those of the deployment count";

fn told(wanted: &Wanted, verdict: Verdict) -> DnsRecord {
    let note = match (wanted.is_inner, verdict.note) {
        (true, Some(note)) => Some(format!("{note}; {OF_OUR_SERVERS}")),
        (true, None) => Some(OF_OUR_SERVERS.to_owned()),
        (false, note) => note,
    };
    DnsRecord {
        name: wanted.name.clone(),
        kind: if matches!(wanted.what, What::Addresses { .. }) { "A/AAAA" } else { "SRV" }.to_owned(),
        value: wanted.value(),
        purpose: wanted.purpose.to_owned(),
        scope: if wanted.is_inner { "inner" } else { "public" }.to_owned(),
        needed: wanted.needed,
        state: verdict.state.to_owned(),
        found: verdict.found,
        note,
    }
}

/// What was found of a line.
#[derive(Debug, Default, Eq, PartialEq)]
struct Verdict {
    state: &'static str,
    found: Vec<String>,
    note: Option<String>,
}

impl Verdict {
    /// Nobody has said whether it is there.
    fn failed(reason: NoAnswer) -> Self {
        Self {
            state: dns_state::FAILED,
            found: Vec::new(),
            note: Some(format!("it is not known whether it is there: {reason}")),
        }
    }
}

/// SRV records beside the ports and the host that they should name.
fn services(found: &[SrvRecord], ports: &[u16], host: Option<&Domain>) -> Verdict {
    let leads_here = |record: &&SrvRecord| {
        ports.contains(&record.port)
            && host.is_none_or(|host| record.host == host.as_ascii())
            && !record.host.is_empty()
    };
    let (here, elsewhere): (Vec<_>, Vec<_>) = found.iter().partition(leads_here);
    let missing: Vec<_> = ports.iter().filter(|port| !here.iter().any(|record| record.port == **port)).collect();
    let (state, note) = match (found, here.as_slice(), elsewhere.as_slice()) {
        ([], ..) => (dns_state::ABSENT, None),
        (_, [], _) if found.iter().all(|record| record.host.is_empty()) => {
            (dns_state::DIFFERS, Some("the target \".\" says that the service is not offered".to_owned()))
        }
        (_, [], _) => (dns_state::DIFFERS, Some("it leads elsewhere".to_owned())),
        (_, _, [other, ..]) => (dns_state::DIFFERS, Some(format!("it also leads elsewhere: {other}"))),
        _ if !missing.is_empty() => {
            let missing = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            (dns_state::PRESENT, Some(format!("port {missing} is listened on too and not published")))
        }
        _ if host.is_none() => {
            (dns_state::PRESENT, Some("only the port was compared, since no host is configured".to_owned()))
        }
        _ => (dns_state::PRESENT, None),
    };
    Verdict { state, found: found.iter().map(ToString::to_string).collect(), note }
}

/// A service that is published and not listened for.
fn not_offered(found: &[SrvRecord]) -> Verdict {
    Verdict {
        state: dns_state::DIFFERS,
        found: found.iter().map(ToString::to_string).collect(),
        note: Some("nothing listens for it here: take it out of DNS, or configure a listener".to_owned()),
    }
}

/// Sentences that belong to no line.
fn notes(domain: &InternalDomain, serving: &Serving, reach: &Reach) -> Vec<String> {
    let name = &domain.name;
    let mut notes = vec![format!("the certificate that is shown to partners must name {name}")];
    if reach.xmpp_host.is_none() {
        notes.push(format!(
            "{HOST_UNKNOWN} stands for the name that partners connect to: say it as xmpp.host in the configuration file"
        ));
    }
    if domain.backends.contains(&Backend::Xmpp) {
        let lead_here = "must lead partners' domains to this server, by static route or in the DNS that it asks; the public \
                         records of the domain lead here and not to it";
        notes.push(format!("the XMPP server of {name} {lead_here}"));
    }
    let is_lync = |trunk: &&policy::Trunk| {
        trunk.dialect == policy::trunk::Dialect::Lync && domain.backends.contains(&Backend::Trunk(trunk.name.clone()))
    };
    if let Some(trunk) = serving.trunks.iter().find(is_lync) {
        let text = "needs _sipfederationtls._tcp of partners' domains only where its Edge discovers them; an Edge that names \
                    this server for each allowed domain, and a static route, need no DNS";
        notes.push(format!("the deployment behind the trunk {} {text}", trunk.name));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> SrvRecord {
        let fields: Vec<_> = text.split(' ').collect();
        let number = |index: usize| fields[index].parse().unwrap();
        let host = fields[3].trim_end_matches('.').to_owned();
        SrvRecord { priority: number(0), weight: number(1), port: number(2), host }
    }

    #[test]
    fn a_line_is_present_absent_or_differs() {
        let host = Domain::parse("xmpp.contoso.example").unwrap();
        for (found, ports, state, note) in [
            (&[][..], &[5269][..], "absent", None),
            (&["10 5 5269 xmpp.contoso.example."], &[5269], "present", None),
            (&["0 0 5269 xmpp.contoso.example."], &[5269, 5270], "present", Some("port 5270")),
            (&["0 0 5269 old.contoso.example."], &[5269], "differs", Some("elsewhere")),
            (&["0 0 5222 xmpp.contoso.example."], &[5269], "differs", Some("elsewhere")),
            (
                &["0 0 5269 xmpp.contoso.example.", "5 0 5269 old.contoso.example."],
                &[5269],
                "differs",
                Some("5 0 5269 old.contoso.example."),
            ),
            (&["0 0 0 ."], &[5269], "differs", Some("not offered")),
        ] {
            let records: Vec<_> = found.iter().map(|text| record(text)).collect();
            let verdict = services(&records, ports, Some(&host));
            assert_eq!((verdict.state, &verdict.found), (state, &found.iter().map(ToString::to_string).collect()));
            let told = verdict.note.unwrap_or_default();
            assert!(note.map_or(told.is_empty(), |part| told.contains(part)), "{found:?}: {told}");
        }
    }

    #[test]
    fn without_a_configured_host_only_the_port_is_compared() {
        let verdict = services(&[record("0 0 5269 any.example.")], &[5269], None);
        assert_eq!(verdict.state, "present");
        assert!(verdict.note.unwrap().contains("only the port"));
        assert_eq!(services(&[record("0 0 5222 any.example.")], &[5269], None).state, "differs");
    }

    #[test]
    fn a_question_that_failed_is_not_absence() {
        let verdict = Verdict::failed(NoAnswer::TimedOut);
        assert_eq!(verdict.state, "failed");
        assert!(verdict.note.unwrap().contains("no name server answered in time"));
    }
}
