//! Which addresses may be dialled (partner-policy §4, `allow_private_targets`).
//!
//! A partner's DNS answer is input from outside: without this rule it could point us at our own inside. Loopback,
//! link-local and private addresses are refused unless allowed; addresses that are no single host on the network
//! (unspecified, multicast, broadcast) are refused always. An IPv4 address inside an IPv6 one (mapped, or NAT64's
//! well-known prefix, RFC 6052) counts as the IPv4 address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network in CIDR form: `192.0.2.0/24`, `2001:db8::/32`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// A text is not a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is not a network (examples: 10.0.0.0/8, fd00::/8, 127.0.0.1)")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| NetworkError)?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| NetworkError)?;
        if prefix > longest {
            return Err(NetworkError);
        }
        Ok(Self { base, prefix })
    }
}

/// Whether loopback, link-local and private addresses may be dialled.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum PrivateTargets {
    /// None of them.
    #[default]
    Refuse,
    /// All of them.
    Allow,
    /// Those in one of these networks.
    Networks(Vec<Network>),
}

impl PrivateTargets {
    /// Whether `address` may be dialled.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = effective(address);
        match reach(address) {
            Reach::Public => true,
            Reach::NoHost => false,
            Reach::Private => match self {
                Self::Refuse => false,
                Self::Allow => true,
                Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
            },
        }
    }
}

enum Reach {
    Public,
    Private,
    NoHost,
}

fn effective(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => IpAddr::V6(v6),
    }
}

fn reach(address: IpAddr) -> Reach {
    let (no_host, private) = match address {
        IpAddr::V4(v4) => (is_no_host_v4(v4), is_private_v4(v4)),
        IpAddr::V6(v6) => (v6.is_unspecified() || v6.is_multicast(), is_private_v6(v6)),
    };
    match (no_host, private) {
        (true, _) => Reach::NoHost,
        (false, true) => Reach::Private,
        (false, false) => Reach::Public,
    }
}

fn is_no_host_v4(v4: Ipv4Addr) -> bool {
    v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast()
}

/// RFC 1918, loopback, link-local, shared space of carriers (RFC 6598).
fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || site_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn private_targets_are_refused_unless_allowed() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(!PrivateTargets::Refuse.permits(ip(text)), "{text}");
            assert!(PrivateTargets::Allow.permits(ip(text)), "{text}");
        }
    }

    #[test]
    fn public_targets_are_always_permitted_and_no_hosts_never() {
        for text in ["192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "64:ff9b::c000:201"] {
            assert!(PrivateTargets::Refuse.permits(ip(text)), "{text}");
        }
        for text in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0"] {
            assert!(!PrivateTargets::Allow.permits(ip(text)), "{text}");
        }
    }

    #[test]
    fn a_list_of_networks_allows_what_lies_inside() {
        let rule = PrivateTargets::Networks(vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()]);
        for (text, permitted) in
            [("10.1.2.3", true), ("10.2.0.1", false), ("::1", true), ("127.0.0.1", false), ("::ffff:10.1.9.9", true)]
        {
            assert_eq!(rule.permits(ip(text)), permitted, "{text}");
        }
    }

    #[test]
    fn reads_networks() {
        for (text, contains, not) in [
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert!(network.contains(ip(contains)) && !network.contains(ip(not)), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/x", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
