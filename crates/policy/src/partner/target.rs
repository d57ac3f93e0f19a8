//! Where to connect instead of asking SRV.

use std::{fmt, num::NonZeroU16, str::FromStr};

use lexicon::{Domain, DomainError};

/// The port of XMPP between servers (RFC 6120 §14.7).
const PORT_DEFAULT: u16 = 5269;

/// A host name with an optional port. The certificate is still matched against the partner's domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyFqdn {
    /// Whose A and AAAA records are asked.
    pub host: Domain,
    /// 5269 if none.
    pub port: Option<NonZeroU16>,
}

impl ProxyFqdn {
    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.map_or(PORT_DEFAULT, NonZeroU16::get)
    }
}

/// `host` or `host:port`, the host as A-labels.
impl fmt::Display for ProxyFqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host.as_ascii())?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Why a text does not say where to connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyFqdnError {
    /// The host is not a name.
    #[error("{0}")]
    Host(#[from] DomainError),
    /// The port is not one.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

impl FromStr for ProxyFqdn {
    type Err = ProxyFqdnError;

    fn from_str(text: &str) -> Result<Self, ProxyFqdnError> {
        // A second colon, or a bracket, is an IPv6 address: not a name.
        if text.starts_with('[') || text.matches(':').count() > 1 {
            return Err(ProxyFqdnError::Host(DomainError::IpLiteral));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let host = Domain::parse(host)?;
        let parse = |port: &str| {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            if digits { port.parse().map_err(|_| ProxyFqdnError::Port) } else { Err(ProxyFqdnError::Port) }
        };
        Ok(Self { host, port: port.map(parse).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_host_with_an_optional_port() {
        for (text, host, port, shown) in [
            ("xmpp.fabrikam.example", "xmpp.fabrikam.example", 5269, "xmpp.fabrikam.example"),
            ("XMPP.Fabrikam.example.:15269", "xmpp.fabrikam.example", 15269, "xmpp.fabrikam.example:15269"),
            ("bücher.example:5270", "xn--bcher-kva.example", 5270, "xn--bcher-kva.example:5270"),
        ] {
            let parsed: ProxyFqdn = text.parse().unwrap();
            assert_eq!((parsed.host.as_ascii(), parsed.port()), (host, port), "{text}");
            assert_eq!(parsed.to_string(), shown);
        }
    }

    #[test]
    fn refuses_addresses_and_ports_that_are_none() {
        for (text, error) in [
            ("192.0.2.1", ProxyFqdnError::Host(DomainError::IpLiteral)),
            ("192.0.2.1:5269", ProxyFqdnError::Host(DomainError::IpLiteral)),
            ("2001:db8::1", ProxyFqdnError::Host(DomainError::IpLiteral)),
            ("[2001:db8::1]:5269", ProxyFqdnError::Host(DomainError::IpLiteral)),
            (":5269", ProxyFqdnError::Host(DomainError::Empty)),
            ("a.example:", ProxyFqdnError::Port),
            ("a.example:0", ProxyFqdnError::Port),
            ("a.example:+1", ProxyFqdnError::Port),
            ("a.example:65536", ProxyFqdnError::Port),
            ("a.example:xmpp", ProxyFqdnError::Port),
        ] {
            assert_eq!(text.parse::<ProxyFqdn>(), Err(error), "{text}");
        }
    }
}
