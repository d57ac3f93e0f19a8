//! What discovery finds: hosts, and the addresses they stand for, each with the way TLS begins there.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use lexicon::Domain;

use super::XMPP_SERVER_PORT;

/// What stands before an override that means direct TLS.
const DIRECT_TLS_PREFIX: &str = "xmpps:";

/// How TLS begins at a place. XEP-0368 §3: the kind of the record decides, and neither is ever tried for the other.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// In plaintext, then STARTTLS (`_xmpp-server._tcp`).
    #[default]
    Starttls,
    /// With the first byte (`_xmpps-server._tcp`).
    DirectTls,
}

impl Kind {
    /// The labels of its SRV records.
    pub fn service(self) -> &'static str {
        match self {
            Self::Starttls => "_xmpp-server._tcp",
            Self::DirectTls => "_xmpps-server._tcp",
        }
    }
}

/// A host, by name or address, a port, and how TLS begins there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// A-labels without a trailing dot, or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS begins.
    pub kind: Kind,
}

/// The notation that is read, always with the port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::DirectTls {
            f.write_str(DIRECT_TLS_PREFIX)?;
        }
        match self.host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port).fmt(f),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A text is not `host`, `host:port` or `xmpps:host:port`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this is not a host with an optional port (examples: xmpp.fabrikam.example, 192.0.2.1:5269, [2001:db8::1]:5269; \
     direct TLS always with its port: xmpps:xmpp.fabrikam.example:5270)"
)]
pub struct TargetError;

/// `host`, `host:port`, `[v6]:port`, with port 5269 when none is given. `xmpps:` before it means direct TLS, for which no
/// port is registered (XEP-0368, "IANA Considerations"), so that one must be given.
impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, place) = match text.strip_prefix(DIRECT_TLS_PREFIX) {
            Some(place) => (Kind::DirectTls, place),
            None => (Kind::Starttls, text),
        };
        let (host, port) = place_of(place)?;
        let default = (kind == Kind::Starttls).then_some(XMPP_SERVER_PORT);
        let port = port.or(default).filter(|port| *port > 0).ok_or(TargetError)?;
        Ok(Self { host, port, kind })
    }
}

fn place_of(text: &str) -> Result<(String, Option<u16>), TargetError> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), Some(address.port())));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip.to_string(), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| TargetError)?)),
        None => (text, None),
    };
    let host = Domain::parse(host).map_err(|_| TargetError)?;
    Ok((host.as_ascii().to_owned(), port))
}

/// An address to dial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    /// How TLS begins there.
    pub kind: Kind,
}

/// The notation of overrides.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.kind == Kind::DirectTls { DIRECT_TLS_PREFIX } else { "" };
        write!(f, "{prefix}{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_with_and_without_port() {
        for (text, host, port) in [
            ("xmpp.fabrikam.example", "xmpp.fabrikam.example", 5269),
            ("XMPP.Fabrikam.Example.:5270", "xmpp.fabrikam.example", 5270),
            ("192.0.2.1", "192.0.2.1", 5269),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("[2001:db8::1]:9", "2001:db8::1", 9),
            ("[2001:db8::1]", "2001:db8::1", 5269),
            ("2001:db8::1", "2001:db8::1", 5269),
            ("bücher.example", "xn--bcher-kva.example", 5269),
        ] {
            assert_eq!(text.parse(), Ok(Target { host: host.to_owned(), port, kind: Kind::Starttls }), "{text}");
        }
        for text in ["", ":5269", "a b", "host:0", "host:65536", "host:", "a:b:c", "xmpp:host:5269"] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
        }
    }

    #[test]
    fn direct_tls_is_written_with_its_port() {
        for (text, host, port) in [
            ("xmpps:xmpp.fabrikam.example:5270", "xmpp.fabrikam.example", 5270),
            ("xmpps:192.0.2.1:443", "192.0.2.1", 443),
            ("xmpps:[2001:db8::1]:5270", "2001:db8::1", 5270),
        ] {
            let target = Target { host: host.to_owned(), port, kind: Kind::DirectTls };
            assert_eq!(target.to_string(), text);
            assert_eq!(text.parse(), Ok(target), "{text}");
        }
        for text in ["xmpps:", "xmpps:host", "xmpps:192.0.2.1", "xmpps:host:0", "xmpps:xmpps:host:1"] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
        }
    }
}
