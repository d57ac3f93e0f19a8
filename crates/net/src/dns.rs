//! Where a domain's XMPP server is (RFC 6120 §3.2, RFC 2782, XEP-0368).
//!
//! SRV `_xmpps-server._tcp` (direct TLS) and `_xmpp-server._tcp` (STARTTLS) are asked for at the same time and make one
//! list by priority and weight; each target keeps its kind. Three results are kept apart: there are records (no fallback
//! follows when all their targets fail), there are none of either kind (then the domain's own addresses at port 5269), or
//! a question failed. A failed question is never "no records": a broken name server must not send us elsewhere. The only
//! target "." says that the kind is not offered; it forbids the fallback too.
//!
//! Static overrides stand in the place of SRV. Everything is bounded: targets of a domain, addresses of a target, answers
//! kept and how long. Left out: DNSSEC, TLSA.

mod error;
mod order;
mod published;
mod records;
mod sip;
mod target;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{Name, RData, RecordType},
};
use lexicon::Domain;
use tokio::task::JoinSet;

use error::absence;
use published::{Published, merge};

pub use error::{DnsError, NoAnswer, Question};
pub use order::{Service, order};
pub use records::SrvRecord;
pub use sip::{SipDnsError, SipTransport};
pub use target::{Endpoint, Kind, Target, TargetError};

/// RFC 6120 §14.7: the port of `xmpp-server`.
pub const XMPP_SERVER_PORT: u16 = 5269;

/// Targets of one domain that are looked at.
const TARGETS_MAX: usize = 8;

/// Addresses of one target that are looked at.
const ADDRESSES_PER_TARGET_MAX: usize = 8;

/// Answers that are kept.
const CACHE_ANSWERS_MAX: u64 = 1024;

/// How long an answer is kept at most, whatever its TTL.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(3600);

/// How long the absence of records is kept at most (RFC 2308 §5 proposes up to three hours; a partner that has just
/// published its records should not wait for that).
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(300);

/// Whom to ask, and what not to ask.
#[derive(Clone, Debug, Default)]
pub struct DnsConfig {
    /// Name servers, each asked by UDP and, when an answer is too long, by TCP. None: those of the operating system.
    pub name_servers: Vec<SocketAddr>,
    /// Domains whose targets are known without asking. A target that is named itself here has the addresses listed for
    /// it, with the port and kind of the target.
    pub overrides: BTreeMap<Domain, Vec<Target>>,
    /// How long one question to one server may take; zero: 3 s. Every question is tried twice.
    pub timeout: Duration,
}

/// Asks name servers.
pub struct Resolver {
    client: TokioResolver,
    overrides: BTreeMap<Domain, Vec<Target>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("overrides", &self.overrides).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Needs a tokio runtime.
    pub fn new(config: DnsConfig) -> Result<Self, ResolverError> {
        let mut builder = if config.name_servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| ResolverError(error.to_string()))?
        } else {
            let servers = config.name_servers.iter().map(name_server).collect();
            let resolver_config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let mut builder = TokioResolver::builder_with_config(resolver_config, TokioRuntimeProvider::default());
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        let options = builder.options_mut();
        options.timeout = if config.timeout.is_zero() { Duration::from_secs(3) } else { config.timeout };
        options.attempts = 2;
        options.cache_size = CACHE_ANSWERS_MAX;
        options.positive_max_ttl = Some(POSITIVE_TTL_MAX);
        options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
        let client = builder.build().map_err(|error| ResolverError(error.to_string()))?;
        Ok(Self { client, overrides: config.overrides })
    }

    /// The targets of `domain` in the order to try them; `random` gives 32 uniform bits at each call.
    pub async fn targets(
        &self,
        domain: &Domain,
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<Vec<Target>, DnsError> {
        Ok(self.discover(domain, random).await?.0)
    }

    /// The targets, and whether they are named by anybody or only the domain itself.
    async fn discover(
        &self,
        domain: &Domain,
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<(Vec<Target>, bool), DnsError> {
        if let Some(targets) = self.overrides.get(domain) {
            return Ok((targets.clone(), true));
        }
        let asked = tokio::join!(self.services(domain, Kind::DirectTls), self.services(domain, Kind::Starttls));
        let Some(services) = merge(asked.0, asked.1)? else {
            let host = domain.as_ascii().to_owned();
            return Ok((vec![Target { host, port: XMPP_SERVER_PORT, kind: Kind::Starttls }], false));
        };
        let mut targets = order(services, random);
        targets.truncate(TARGETS_MAX);
        Ok((targets, true))
    }

    /// The addresses to dial for `domain`, best first: of `via` when it is given (a partner's proxy FQDN), else of the
    /// domain's targets. Inside a target the address families take turns. Addresses that are not permitted are left
    /// out; when only such are found, that is the error.
    pub async fn locate(
        &self,
        domain: &Domain,
        via: Option<&Target>,
        permits: &(dyn Fn(IpAddr) -> bool + Sync),
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<Vec<Endpoint>, DnsError> {
        let (targets, named) = match via {
            Some(target) => (vec![target.clone()], true),
            None => self.discover(domain, random).await?,
        };
        self.endpoints(&targets, permits, named).await
    }

    /// The addresses of these targets, in their order, where nobody is asked for services. When there are none, that is
    /// the error.
    pub async fn resolve(&self, targets: &[Target]) -> Result<Vec<Endpoint>, DnsError> {
        self.endpoints(targets, &|_| true, true).await
    }

    async fn endpoints(
        &self,
        targets: &[Target],
        permits: &(dyn Fn(IpAddr) -> bool + Sync),
        named: bool,
    ) -> Result<Vec<Endpoint>, DnsError> {
        let (mut endpoints, mut refused, mut failed) = (Vec::<Endpoint>::new(), None, None);
        for (target, found) in targets.iter().zip(self.all_addresses(targets).await) {
            let addresses = match found {
                Ok(addresses) => addresses,
                Err(error @ DnsError::Failed { .. }) => {
                    failed = Some(error);
                    continue;
                }
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            let (mut permitted, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| permits(*ip));
            refused = refused.or(others.first().copied());
            permitted.truncate(ADDRESSES_PER_TARGET_MAX);
            for ip in interleave(permitted) {
                let endpoint = Endpoint { address: SocketAddr::new(ip, target.port), kind: target.kind };
                // An address counts once, with the kind of its first record.
                if !endpoints.iter().any(|known| known.address == endpoint.address) {
                    endpoints.push(endpoint);
                }
            }
        }
        if !endpoints.is_empty() {
            return Ok(endpoints);
        }
        Err(match (refused, failed) {
            (Some(ip), _) => DnsError::Private(ip),
            (None, Some(DnsError::NoAddress(_))) if !named => DnsError::NotFound,
            (None, failed) => failed.unwrap_or(DnsError::NotFound),
        })
    }

    /// The addresses of each target, asked for at the same time.
    async fn all_addresses(&self, targets: &[Target]) -> Vec<Result<Vec<IpAddr>, DnsError>> {
        let mut questions = JoinSet::new();
        let mut found: Vec<_> = targets.iter().map(|target| Err(DnsError::NoAddress(target.host.clone()))).collect();
        for (index, target) in targets.iter().enumerate() {
            match self.known_addresses(target) {
                Some(known) if known.is_empty() => {}
                Some(known) => found[index] = Ok(known),
                None => {
                    let (client, host) = (self.client.clone(), target.host.clone());
                    questions.spawn(async move { (index, addresses(&client, &host).await) });
                }
            }
        }
        while let Some(answer) = questions.join_next().await {
            if let Ok((index, answer)) = answer {
                found[index] = answer;
            }
        }
        found
    }

    /// Of an IP address, itself; of a host in the overrides, what they say.
    fn known_addresses(&self, target: &Target) -> Option<Vec<IpAddr>> {
        if let Ok(ip) = target.host.parse() {
            return Some(vec![ip]);
        }
        let known = self.overrides.get(&Domain::parse(&target.host).ok()?)?;
        Some(known.iter().filter_map(|known| known.host.parse().ok()).collect())
    }

    async fn services(&self, domain: &Domain, kind: Kind) -> Result<Published, DnsError> {
        let failed = |reason| DnsError::Failed { question: Question::Services(kind), reason };
        // The labels of a very long domain leave no room for those of the service: there can be no such record.
        let Some(question) = name(&format!("{}.{}", kind.service(), domain.as_ascii())) else {
            return Ok(Published::Absent);
        };
        let records = self.srv(question).await.map_err(failed)?;
        let services = records.into_iter().map(|record| Service {
            priority: record.priority,
            weight: record.weight,
            target: Target { host: record.target.0, port: record.target.1, kind },
        });
        Ok(Published::of(services.collect()))
    }

    /// The SRV records of a name with host and port, none if there are none; the host of the target "." is empty.
    async fn srv(&self, question: Name) -> Result<Vec<Service<(String, u16)>>, NoAnswer> {
        let answer = match self.client.lookup(question, RecordType::SRV).await {
            Ok(answer) => answer,
            Err(error) => return absence(&error).map(|()| Vec::new()),
        };
        let services = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                let target = (host(&srv.target), srv.port);
                Some(Service { priority: srv.priority, weight: srv.weight, target })
            }
            _ => None,
        });
        Ok(services.collect())
    }
}

/// The addresses of `host`, of both families. An answer for one family is enough; a failure is told only without any.
async fn addresses(client: &TokioResolver, host: &str) -> Result<Vec<IpAddr>, DnsError> {
    let none = || DnsError::NoAddress(host.to_owned());
    let failed = |reason| DnsError::Failed { question: Question::Addresses(host.to_owned()), reason };
    let name = name(host).ok_or_else(none)?;
    let asked = tokio::join!(client.lookup(name.clone(), RecordType::AAAA), client.lookup(name, RecordType::A));
    let (mut found, mut failure) = (Vec::new(), None);
    for answer in [asked.0, asked.1] {
        match answer {
            Ok(answer) => found.extend(answer.answers().iter().filter_map(|record| record.data.ip_addr())),
            Err(error) => failure = failure.or(absence(&error).err()),
        }
    }
    match failure {
        _ if !found.is_empty() => Ok(found),
        Some(reason) => Err(failed(reason)),
        None => Err(none()),
    }
}

/// RFC 8305 §4: the family of the first address leads, then the families take turns.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let count = addresses.len();
    let (leading, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| ip.is_ipv4() == first.is_ipv4());
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(leading.next());
        ordered.extend(other.next());
    }
    ordered
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn name(host: &str) -> Option<Name> {
    Name::from_ascii(format!("{host}.")).ok()
}

fn host(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

/// The operating system's configuration of name servers cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the system's name servers ({0}); configure name servers")]
pub struct ResolverError(String);

#[cfg(test)]
mod tests;
