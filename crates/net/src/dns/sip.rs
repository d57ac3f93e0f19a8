//! Where a SIP server is (RFC 3263 §4.2, RFC 2782), for a peer of our own side whose transport is known.
//!
//! A numeric host is itself; a host with a port has address records alone; a host without one has the SRV records of its
//! transport, and only where there are none its own addresses at the default port. A failed question is never "no
//! records". Any address may come out, private ones too: an administrator named the host.
//!
//! Left out: NAPTR, which only chooses a transport (§4.1) where none is configured; `sctp`.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    ADDRESSES_PER_TARGET_MAX, DnsError, NoAnswer, Resolver, Service, TARGETS_MAX, addresses, interleave, name, order,
};

/// What carries SIP.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SipTransport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl SipTransport {
    /// The labels of its SRV records: for TLS those of `sips` (RFC 3263 §4.2).
    pub fn service(self) -> &'static str {
        match self {
            Self::Udp => "_sip._udp",
            Self::Tcp => "_sip._tcp",
            Self::Tls => "_sips._tcp",
        }
    }

    /// RFC 3261 §19.1.2.
    pub fn port_default(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// Why a SIP server is not found. Each text is a clause for people.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SipDnsError {
    /// The SRV target is ".".
    #[error("DNS says that {0} is not offered (SRV target \".\")")]
    NotOffered(String),
    /// No host that was named has an address.
    #[error("{0} has no address in DNS")]
    NoAddress(String),
    /// A question was not answered; trying again later may help.
    #[error("the DNS lookup of {question} failed: {reason}")]
    Failed {
        /// What was asked for.
        question: String,
        /// What came instead of an answer.
        reason: NoAnswer,
    },
}

impl From<DnsError> for SipDnsError {
    fn from(error: DnsError) -> Self {
        match error {
            DnsError::Failed { question, reason } => Self::Failed { question: question.to_string(), reason },
            DnsError::NoAddress(host) => Self::NoAddress(host),
            other => Self::NoAddress(other.to_string()),
        }
    }
}

/// What must be asked for a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    /// Nothing.
    Known(SocketAddr),
    /// Its addresses, which count with this port.
    Addresses(u16),
    /// SRV records of this service; where there are none, its addresses with this port.
    Services(&'static str, u16),
}

/// RFC 3263 §4.2.
fn plan(host: &str, port: Option<u16>, transport: SipTransport) -> Plan {
    match (host.parse::<IpAddr>(), port) {
        (Ok(ip), port) => Plan::Known((ip, port.unwrap_or(transport.port_default())).into()),
        (Err(_), Some(port)) => Plan::Addresses(port),
        (Err(_), None) => Plan::Services(transport.service(), transport.port_default()),
    }
}

/// The hosts and ports to try in their order; none: the domain itself, at the default port.
fn choose(
    mut services: Vec<Service<(String, u16)>>,
    question: &str,
    random: &mut dyn FnMut() -> u32,
) -> Result<Option<Vec<(String, u16)>>, SipDnsError> {
    if services.is_empty() {
        return Ok(None);
    }
    services.retain(|service| !service.target.0.is_empty());
    if services.is_empty() {
        return Err(SipDnsError::NotOffered(question.to_owned()));
    }
    let mut targets = order(services, random);
    targets.truncate(TARGETS_MAX);
    Ok(Some(targets))
}

impl Resolver {
    /// The addresses of a SIP server in the order to try them; `host` is A-labels or an IP address without brackets, and
    /// `random` gives 32 uniform bits at each call.
    pub async fn locate_sip(
        &self,
        host: &str,
        port: Option<u16>,
        transport: SipTransport,
        random: &mut (dyn FnMut() -> u32 + Send),
    ) -> Result<Vec<SocketAddr>, SipDnsError> {
        match plan(host, port, transport) {
            Plan::Known(address) => Ok(vec![address]),
            Plan::Addresses(port) => self.addresses_of(vec![(host.to_owned(), port)]).await,
            Plan::Services(service, port) => {
                let question = format!("{service}.{host}");
                let failed = |reason| SipDnsError::Failed { question: question.clone(), reason };
                // A name too long for the labels of the service has no such records.
                let records = match name(&question) {
                    Some(name) => self.srv(name).await.map_err(failed)?,
                    None => Vec::new(),
                };
                let chosen = choose(records, &question, random)?;
                self.addresses_of(chosen.unwrap_or_else(|| vec![(host.to_owned(), port)])).await
            }
        }
    }

    /// All addresses of these hosts, each once. An error only where none has any: of a question that failed, else of the
    /// first host.
    async fn addresses_of(&self, targets: Vec<(String, u16)>) -> Result<Vec<SocketAddr>, SipDnsError> {
        let (mut found, mut error) = (Vec::new(), None);
        for (host, port) in targets {
            match addresses(&self.client, &host).await {
                Ok(mut addresses) => {
                    addresses.truncate(ADDRESSES_PER_TARGET_MAX);
                    for ip in interleave(addresses) {
                        let address = SocketAddr::new(ip, port);
                        if !found.contains(&address) {
                            found.push(address);
                        }
                    }
                }
                Err(failed @ DnsError::Failed { .. }) => error = Some(failed),
                Err(other) => error = error.or(Some(other)),
            }
        }
        match error {
            Some(error) if found.is_empty() => Err(error.into()),
            _ => Ok(found),
        }
    }
}

impl fmt::Display for SipTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3263 §4.2, and RFC 3261 §19.1.2 for the ports.
    #[test]
    fn what_is_asked_follows_from_host_port_and_transport() {
        use SipTransport as T;
        let known = |text: &str| Plan::Known(text.parse().unwrap());
        for (host, port, transport, expected) in [
            ("192.0.2.7", None, T::Udp, known("192.0.2.7:5060")),
            ("192.0.2.7", None, T::Tls, known("192.0.2.7:5061")),
            ("2001:db8::7", Some(5070), T::Tcp, known("[2001:db8::7]:5070")),
            ("pool.example", Some(5060), T::Udp, Plan::Addresses(5060)),
            ("pool.example", None, T::Udp, Plan::Services("_sip._udp", 5060)),
            ("pool.example", None, T::Tcp, Plan::Services("_sip._tcp", 5060)),
            ("pool.example", None, T::Tls, Plan::Services("_sips._tcp", 5061)),
        ] {
            assert_eq!(plan(host, port, transport), expected, "{host} {port:?} {transport}");
        }
    }

    #[test]
    fn records_are_ordered_and_a_dot_is_no_server() {
        let service = |priority, weight, host: &str| Service { priority, weight, target: (host.to_owned(), 5061) };
        let chosen = |services| {
            choose(services, "_sips._tcp.pool.example", &mut || 0)
                .map(|found| found.map(|found| found.into_iter().map(|(host, _)| host).collect::<Vec<_>>().join(" ")))
        };
        assert_eq!(chosen(vec![]), Ok(None));
        let services = vec![service(2, 9, "c"), service(1, 5, "b"), service(1, 0, "a"), service(0, 0, "")];
        assert_eq!(chosen(services), Ok(Some("a b c".to_owned())));
        let error = SipDnsError::NotOffered("_sips._tcp.pool.example".to_owned());
        assert_eq!(chosen(vec![service(0, 0, "")]), Err(error));
        assert_eq!(chosen((0..30).map(|n| service(n, 0, "x")).collect()).unwrap().unwrap().split(' ').count(), 8);
    }
}
