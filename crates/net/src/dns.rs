//! Where a domain's XMPP server is (RFC 6120 §3.2, RFC 2782).
//!
//! SRV `_xmpp-server._tcp` first. Three results are kept apart: there are records (their order is [`order`]'s, and no
//! fallback follows when all their targets fail), there are none (then the domain's own addresses at port 5269), or the
//! question failed. A failed question is never "no records": a broken name server must not send us elsewhere. The only
//! target "." says that the service is not offered.
//!
//! Static overrides stand in the place of SRV. Left out: direct TLS records, DNSSEC, TLSA.

mod order;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError as WireError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData},
};
use lexicon::Domain;

pub use order::{Service, order};

/// RFC 6120 §14.7: the port of `xmpp-server`.
pub const XMPP_SERVER_PORT: u16 = 5269;

/// Targets of one domain that are looked at.
const TARGETS_MAX: usize = 8;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// A-labels without a trailing dot, or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port).fmt(f),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A text is not `host` or `host:port`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this is not a host with an optional port (examples: xmpp.fabrikam.example, 192.0.2.1:5269, [2001:db8::1]:5269)"
)]
pub struct TargetError;

/// `host`, `host:port`, `[v6]:port`; the port is 5269 when none is given.
impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: XMPP_SERVER_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| TargetError)?),
            None => (text, XMPP_SERVER_PORT),
        };
        let host = Domain::parse(host).map_err(|_| TargetError)?;
        if port == 0 {
            return Err(TargetError);
        }
        Ok(Self { host: host.as_ascii().to_owned(), port })
    }
}

/// Whom to ask, and what not to ask.
#[derive(Clone, Debug, Default)]
pub struct DnsConfig {
    /// Name servers, each asked by UDP and, when an answer is too long, by TCP. None: those of the operating system.
    pub name_servers: Vec<SocketAddr>,
    /// Domains whose targets are known without asking. A target that is named itself here has the addresses listed for
    /// it, with the port of the target.
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
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        let client = builder.build().map_err(|error| ResolverError(error.to_string()))?;
        Ok(Self { client, overrides: config.overrides })
    }

    /// The targets of `domain` in the order to try them; `random` gives 32 uniform bits at each call.
    pub async fn targets(
        &self,
        domain: &Domain,
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<Vec<Target>, DnsError> {
        if let Some(targets) = self.overrides.get(domain) {
            return Ok(targets.clone());
        }
        match self.services(domain).await? {
            Some(services) => {
                let offered: Vec<_> = services.into_iter().filter(|service| !service.target.host.is_empty()).collect();
                if offered.is_empty() {
                    return Err(DnsError::NoService);
                }
                let mut targets = order(offered, random);
                targets.truncate(TARGETS_MAX);
                Ok(targets)
            }
            None => Ok(vec![Target { host: domain.as_ascii().to_owned(), port: XMPP_SERVER_PORT }]),
        }
    }

    /// The addresses of `target`; an IP address is its own.
    pub async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, DnsError> {
        if let Ok(ip) = target.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, target.port)]);
        }
        if let Some(known) = Domain::parse(&target.host).ok().and_then(|host| self.overrides.get(&host)) {
            let addresses = known.iter().filter_map(|known| known.host.parse().ok());
            return Ok(addresses.map(|ip| SocketAddr::new(ip, target.port)).collect());
        }
        let found = self.client.lookup_ip(name(&target.host)?).await.map_err(|error| failure(&error))?;
        let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, target.port)).collect();
        if addresses.is_empty() { Err(DnsError::NotFound) } else { Ok(addresses) }
    }

    /// The addresses to dial for `domain`, best first: of `via` when it is given (a partner's proxy FQDN), else of the
    /// domain's targets. Addresses that are not permitted are left out; when only such are found, that is the error.
    pub async fn locate(
        &self,
        domain: &Domain,
        via: Option<&Target>,
        permits: &(dyn Fn(IpAddr) -> bool + Sync),
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<Vec<SocketAddr>, DnsError> {
        let targets = match via {
            Some(target) => vec![target.clone()],
            None => self.targets(domain, random).await?,
        };
        let (mut addresses, mut refused, mut failed) = (Vec::new(), None, None);
        for target in &targets {
            match self.addresses(target).await {
                Ok(found) => {
                    let (permitted, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| permits(a.ip()));
                    refused = refused.or(others.first().copied());
                    addresses.extend(permitted);
                }
                Err(error @ DnsError::Failed(_)) => failed = Some(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        match refused {
            Some(address) => Err(DnsError::Private(address.ip())),
            None => Err(failed.unwrap_or(DnsError::NotFound)),
        }
    }

    /// The SRV records; `None` when there are none. An empty host is the target ".".
    async fn services(&self, domain: &Domain) -> Result<Option<Vec<Service>>, DnsError> {
        let question = name(&format!("_xmpp-server._tcp.{}", domain.as_ascii()))?;
        let answer = match self.client.srv_lookup(question).await {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() => return Ok(None),
            Err(error) => return Err(failure(&error)),
        };
        let services: Vec<_> = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    target: Target { host: host(&srv.target), port: srv.port },
                }),
                _ => None,
            })
            .collect();
        Ok((!services.is_empty()).then_some(services))
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn name(host: &str) -> Result<Name, DnsError> {
    Name::from_ascii(format!("{host}.")).map_err(|_| DnsError::NotFound)
}

fn host(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

fn failure(error: &NetError) -> DnsError {
    match error {
        NetError::Dns(WireError::NoRecordsFound(_)) => DnsError::NotFound,
        NetError::Dns(WireError::ResponseCode(code)) => DnsError::Failed(format!("the name server answered {code}")),
        NetError::Timeout => DnsError::Failed("no name server answered in time".to_owned()),
        NetError::NoConnections | NetError::Io(_) => DnsError::Failed("no name server can be reached".to_owned()),
        other => DnsError::Failed(other.to_string()),
    }
}

/// The operating system's configuration of name servers cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the system's name servers ({0}); configure name servers")]
pub struct ResolverError(String);

/// Why a domain's server is not found. Each text finishes the sentence "fabrikam.example: …".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DnsError {
    /// Neither SRV nor address records: the domain has no server, or does not exist.
    #[error("DNS knows no server for the domain")]
    NotFound,
    /// The SRV target is ".".
    #[error("DNS says that the domain offers no XMPP federation (SRV target \".\")")]
    NoService,
    /// The question was not answered; trying again later may help.
    #[error("the DNS lookup failed: {0}")]
    Failed(String),
    /// Only addresses that may not be dialled were found.
    #[error("the address {0} may not be dialled (setting allow_private_targets)")]
    Private(IpAddr),
}

#[cfg(test)]
mod tests;
