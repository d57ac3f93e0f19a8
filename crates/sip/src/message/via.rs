//! Via (RFC 3261 §20.42, §18.2; RFC 3581): who sent a request and where its answer goes.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    FieldError,
    scan::{Params, is_token, trim},
    uri::split_hostport,
};

/// What a branch made by RFC 3261 begins with.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Via {
    /// The transport, in upper case.
    pub transport: String,
    /// The sent-by host, as written.
    pub host: String,
    /// The sent-by port.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// Reads one value.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        Self::read(text).ok_or(FieldError::Via)
    }

    fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return None;
        }
        let rest = trim(rest);
        let (transport, rest) = rest.split_at(rest.find([' ', '\t'])?);
        if !is_token(transport) {
            return None;
        }
        let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = split_hostport(trim(sent_by))?;
        Some(Self {
            transport: transport.to_ascii_uppercase(),
            host: host.to_owned(),
            port,
            params: Params::parse_header(params)?,
        })
    }

    /// The branch; empty if there is none.
    pub fn branch(&self) -> &str {
        self.params.value("branch").unwrap_or("")
    }

    /// Notes where a request came from: `received` if sent-by does not say so (§18.2.1) or `rport` asks, and the port
    /// into `rport` (RFC 3581 §4).
    pub fn note_source(&mut self, source: SocketAddr) {
        let ip = source.ip().to_canonical();
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        let said = self.host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        if asked || said != Some(ip) {
            self.params.set("received", Some(&ip.to_string()));
        } else {
            self.params.remove("received");
        }
    }

    /// Where an answer over UDP goes: to the source if `rport` asked for that, else to the source's address and the
    /// port of sent-by, 5060 without one (§18.2.2).
    pub fn reply_target(&self, source: SocketAddr) -> SocketAddr {
        if self.params.has("rport") { source } else { SocketAddr::new(source.ip(), self.port.unwrap_or(5060)) }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blanks_where_the_grammar_permits_them() {
        let via = Via::parse("SIP  / 2.0  / TCP     spindle.example.com   ;   branch  =   z9hG4bK9ikj8  ").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8");
        let via =
            Via::parse("SIP / 2.0 / UDP first.example.com: 4000;ttl=16;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1")
                .unwrap();
        assert_eq!((via.port, via.branch()), (Some(4000), "z9hG4bKa7c6a8dlze.1"));
        assert_eq!(
            Via::parse("SIP/2.0/UDP [2001:db8::9]:6050;received=2001:db8::1;branch=z9hG4bKas3").unwrap().host,
            "[2001:db8::9]"
        );
        for bad in ["SIP/2.0/UDP 192.0.2.15;;,;,,", "SIP/7.0/UDP a.example", "SIP/2.0/UDP", "SIP/2.0/UDP a:b", ""] {
            assert_eq!(Via::parse(bad), Err(FieldError::Via), "{bad}");
        }
    }

    /// RFC 3581 §4 and §5.
    #[test]
    fn rport_and_received_name_the_source() {
        let source: SocketAddr = "192.0.2.1:9988".parse().unwrap();
        let mut via = Via::parse("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff").unwrap();
        assert_eq!(via.reply_target(source), source);
        via.note_source(source);
        assert_eq!(via.to_string(), "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1");

        let mut via = Via::parse("SIP/2.0/UDP bobspc.biloxi.com;branch=z9hG4bKa").unwrap();
        via.note_source(source);
        assert_eq!(via.params.value("received"), Some("192.0.2.1"));
        assert_eq!(via.reply_target(source), "192.0.2.1:5060".parse().unwrap());

        let mut via = Via::parse("SIP/2.0/UDP 192.0.2.1:4540;branch=z9hG4bKa;received=203.0.113.9").unwrap();
        via.note_source(source);
        assert_eq!(via.params.value("received"), None);
    }
}
