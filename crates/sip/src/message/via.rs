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

    /// What can be told of a Via that is malformed or of another version: who sent it, and whether it asks for `rport`.
    /// Enough to send an error there.
    pub(crate) fn salvage(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('/')?;
        let (_, rest) = rest.split_once('/')?;
        let rest = trim(rest);
        let (transport, rest) = rest.split_at(rest.find([' ', '\t'])?);
        let (sent_by, params) = rest.split_at(rest.find([';', ',']).unwrap_or(rest.len()));
        let (host, port) = split_hostport(trim(sent_by))?;
        let mut via =
            Self { transport: transport.to_ascii_uppercase(), host: host.to_owned(), port, params: Params::NONE };
        if params.split([';', ',']).any(|param| trim(param).eq_ignore_ascii_case("rport")) {
            via.params.set("rport", None);
        }
        Some(via)
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
        let said = literal(&self.host).map(|ip| ip.to_canonical());
        if asked || said != Some(ip) {
            self.params.set("received", Some(&ip.to_string()));
        } else {
            self.params.remove("received");
        }
    }

    /// The address in `received`, with brackets or without (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        self.params.value("received").and_then(literal)
    }

    /// Where an answer over UDP goes (§18.2.2, RFC 3581 §4): to `maddr` if it names a machine, to the source if `rport`
    /// asked for that, else to the source's address and the port of sent-by, 5060 without one. `maddr` is not followed to
    /// where only this machine or a crowd would hear it, nor to a name.
    pub fn reply_target(&self, source: SocketAddr) -> SocketAddr {
        let port = self.port.unwrap_or(5060);
        match self.maddr(source.ip()) {
            Some(address) => SocketAddr::new(address, port),
            None if self.params.has("rport") => source,
            None => SocketAddr::new(source.ip(), port),
        }
    }

    /// Where an answer goes whose connection has ended (§18.2.2): to the source's address and the port of sent-by, 5061
    /// without one for TLS, else 5060.
    pub fn reopen_target(&self, source: IpAddr) -> SocketAddr {
        let port = if self.transport == "TLS" { 5061 } else { 5060 };
        SocketAddr::new(source, self.port.unwrap_or(port))
    }

    fn maddr(&self, source: IpAddr) -> Option<IpAddr> {
        let address = self.params.value("maddr").and_then(literal)?.to_canonical();
        let is_private_to_us = match address {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
        };
        let is_machine = !address.is_multicast() && !address.is_unspecified();
        let same_family = address.is_ipv4() == source.to_canonical().is_ipv4();
        (is_machine && same_family && (!is_private_to_us || address == source.to_canonical())).then_some(address)
    }
}

fn literal(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse().ok()
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

    /// RFC 3261 §18.2.2: "if the top Via has a maddr parameter, the response MUST be forwarded to the address listed there,
    /// using the port indicated in sent-by, or port 5060 if none is present"; RFC 3581 §4 applies where there is none.
    #[test]
    fn maddr_names_another_machine_and_no_crowd() {
        for (via, source, target) in [
            ("SIP/2.0/UDP a.example;maddr=192.0.2.7;rport", "192.0.2.1:9", "192.0.2.7:5060"),
            ("SIP/2.0/UDP a.example:5070;maddr=192.0.2.7", "192.0.2.1:9", "192.0.2.7:5070"),
            ("SIP/2.0/UDP a.example:5070;maddr=[2001:db8::7]", "[2001:db8::1]:9", "[2001:db8::7]:5070"),
            ("SIP/2.0/UDP a.example;maddr=224.2.0.1", "192.0.2.1:9", "192.0.2.1:5060"),
            ("SIP/2.0/UDP a.example;maddr=255.255.255.255", "192.0.2.1:9", "192.0.2.1:5060"),
            ("SIP/2.0/UDP a.example;maddr=127.0.0.1", "192.0.2.1:9", "192.0.2.1:5060"),
            ("SIP/2.0/UDP a.example;maddr=127.0.0.1", "127.0.0.1:9", "127.0.0.1:5060"),
            ("SIP/2.0/UDP a.example;maddr=0.0.0.0;rport", "192.0.2.1:9", "192.0.2.1:9"),
            ("SIP/2.0/UDP a.example;maddr=other.example", "192.0.2.1:9", "192.0.2.1:5060"),
        ] {
            let target: SocketAddr = target.parse().unwrap();
            assert_eq!(Via::parse(via).unwrap().reply_target(source.parse().unwrap()), target, "{via}");
        }
    }

    #[test]
    fn a_connection_that_has_ended_is_opened_to_the_port_of_sent_by() {
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        for (via, port) in [("TCP a.example", 5060), ("TLS a.example", 5061), ("TLS a.example:5070", 5070)] {
            let via = Via::parse(&format!("SIP/2.0/{via};branch=z9hG4bKa")).unwrap();
            assert_eq!(via.reopen_target(source), SocketAddr::new(source, port));
        }
    }
}
