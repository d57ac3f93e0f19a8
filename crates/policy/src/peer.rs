//! How a machine of our own side is named: by host and port, and by the networks that it may connect from.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
};

use lexicon::{Domain, DomainError};

pub use crate::settings::Network;

/// A host name or an IP address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// A name whose addresses are asked.
    Name(Domain),
    /// The address itself.
    Address(IpAddr),
}

/// Where to connect: a host with an optional port. Without a port DNS may name one (RFC 3263 §4.1, RFC 6120 §3.2.1).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, if one was given.
    pub port: Option<NonZeroU16>,
}

/// Why a text is no host and port.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostPortError {
    /// The host is neither a name nor an address.
    #[error("{0}")]
    Host(#[from] DomainError),
    /// The port is not one.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

impl HostPort {
    /// The address itself, if none need be asked.
    pub fn address(&self, port_default: u16) -> Option<SocketAddr> {
        match &self.host {
            Host::Address(address) => Some((*address, self.port.map_or(port_default, NonZeroU16::get)).into()),
            Host::Name(_) => None,
        }
    }
}

/// A name as A-labels, an IPv6 address in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_ascii()),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// `host`, `host:port`, or an address; an IPv6 address with a port needs brackets.
impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: Host::Address(address), port: None });
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (address, None),
            Some((address, rest)) => (address, Some(rest.strip_prefix(':').ok_or(HostPortError::Port)?)),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(name(host)?),
        };
        let parse = |port: &str| {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            if digits { port.parse().map_err(|_| HostPortError::Port) } else { Err(HostPortError::Port) }
        };
        Ok(Self { host, port: port.map(parse).transpose()? })
    }
}

/// A name whose last label is a number is a mistyped address (RFC 1123 §2.1).
fn name(host: &str) -> Result<Domain, DomainError> {
    let domain = Domain::parse(host)?;
    let last = domain.as_ascii().rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) { Err(DomainError::NotADomainName) } else { Ok(domain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, shown, address) in [
            ("Pool.contoso.example:5061", "pool.contoso.example:5061", None),
            ("pool.contoso.example", "pool.contoso.example", None),
            ("192.0.2.7", "192.0.2.7", Some("192.0.2.7:5060")),
            ("192.0.2.7:5070", "192.0.2.7:5070", Some("192.0.2.7:5070")),
            ("2001:db8::7", "[2001:db8::7]", Some("[2001:db8::7]:5060")),
            ("[2001:db8::7]", "[2001:db8::7]", Some("[2001:db8::7]:5060")),
            ("[2001:db8::7]:5070", "[2001:db8::7]:5070", Some("[2001:db8::7]:5070")),
        ] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(parsed.address(5060), address.map(|address| address.parse().unwrap()), "{text}");
            assert_eq!(shown.parse(), Ok(parsed));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for (text, error) in [
            ("", HostPortError::Host(DomainError::Empty)),
            (":5060", HostPortError::Host(DomainError::Empty)),
            ("192.0.2.300:5060", HostPortError::Host(DomainError::NotADomainName)),
            ("a.example:", HostPortError::Port),
            ("a.example:0", HostPortError::Port),
            ("a.example:65536", HostPortError::Port),
            ("[2001:db8::7]5070", HostPortError::Port),
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(error), "{text}");
        }
    }
}
