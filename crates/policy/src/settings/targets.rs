//! Which addresses may be dialled that are not public.
//!
//! A partner's DNS is the partner's: without this rule its records could make us connect to machines of ours.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Most networks in the list.
const NETWORKS_MAX: usize = 64;

/// Loopback, link-local and private addresses that may be dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PrivateTargets {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Those in these networks.
    Networks(Vec<Network>),
}

impl PrivateTargets {
    /// Whether `address` may be dialled. Public addresses always may; multicast ones and the unspecified one never.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        if address.is_multicast() || address.is_unspecified() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return false;
        }
        !is_private(address)
            || match self {
                Self::None => false,
                Self::All => true,
                Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
            }
    }
}

/// The IPv4 address that an IPv6 address stands for (RFC 4291 §2.5.5.2, RFC 6052 §2.1), else the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        other => other.to_canonical(),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || a == 0 || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// `true`, `false`, or networks separated by commas.
impl fmt::Display for PrivateTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("false"),
            Self::All => f.pad("true"),
            Self::Networks(networks) => f.pad(&networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for PrivateTargets {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "true" => Ok(Self::All),
            "false" => Ok(Self::None),
            list => {
                let networks: Vec<Network> =
                    list.split(',').map(|item| item.trim().parse()).collect::<Result<_, _>>()?;
                if networks.len() > NETWORKS_MAX { Err(NetworkError) } else { Ok(Self::Networks(networks)) }
            }
        }
    }
}

/// An address and the number of leading bits that count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is neither a flag nor a list of networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are true, false, or up to {NETWORKS_MAX} networks such as 10.0.0.0/8,fd00::/8")]
pub struct NetworkError;

impl Network {
    /// Whether it is every address of its family.
    pub fn is_everywhere(&self) -> bool {
        self.prefix == 0
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
            IpAddr::V6(v6) => (v6.to_bits(), false),
        };
        let ((own, own_v4), (other, other_v4)) = (bits(self.address), bits(address));
        own_v4 == other_v4 && (own ^ other).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// `address/prefix`, or one address; bits beyond the prefix must be zero.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| NetworkError)?,
            Some(_) => return Err(NetworkError),
            None => bits,
        };
        let beyond = match address {
            IpAddr::V4(v4) => {
                v4 & Ipv4Addr::from_bits(u32::MAX.checked_shr(prefix.into()).unwrap_or(0)) != Ipv4Addr::UNSPECIFIED
            }
            IpAddr::V6(v6) => {
                v6 & Ipv6Addr::from_bits(u128::MAX.checked_shr(prefix.into()).unwrap_or(0)) != Ipv6Addr::UNSPECIFIED
            }
        };
        if prefix > bits || beyond { Err(NetworkError) } else { Ok(Self { address, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_dialled_only_where_permitted() {
        let networks = "10.1.0.0/16,127.0.0.1,fd00:1::/32".parse::<PrivateTargets>().unwrap();
        for (address, in_list, always, never) in [
            ("192.0.2.1", true, true, false),
            ("8.8.8.8", true, true, false),
            ("2001:db8::1", true, true, false),
            ("127.0.0.1", true, false, false),
            ("127.0.0.2", false, false, false),
            ("10.1.255.1", true, false, false),
            ("10.2.0.1", false, false, false),
            ("172.16.0.1", false, false, false),
            ("192.168.0.1", false, false, false),
            ("169.254.169.254", false, false, false),
            ("100.64.0.1", false, false, false),
            ("::1", false, false, false),
            ("fe80::1", false, false, false),
            ("fd00:1::1", true, false, false),
            ("fd00:2::1", false, false, false),
            ("::ffff:10.1.0.1", true, false, false),
            ("::ffff:192.168.0.1", false, false, false),
            ("64:ff9b::c0a8:1", false, false, false),
            ("0.0.0.0", false, false, true),
            ("::", false, false, true),
            ("224.0.0.1", false, false, true),
            ("ff02::1", false, false, true),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(networks.permits(address), in_list, "{address}");
            assert_eq!(PrivateTargets::None.permits(address), always, "{address}");
            assert_eq!(PrivateTargets::All.permits(address), !never, "{address}");
        }
    }

    #[test]
    fn is_read_as_it_is_shown() {
        for text in ["true", "false", "10.0.0.0/8", "10.0.0.0/8,::1/128", "0.0.0.0/0"] {
            assert_eq!(text.parse::<PrivateTargets>().map(|targets| targets.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("192.0.2.1".parse::<Network>().map(|network| network.to_string()), Ok("192.0.2.1/32".to_owned()));
        for text in ["", "yes", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/+8", "10.0.0.0/8,"] {
            assert_eq!(text.parse::<PrivateTargets>(), Err(NetworkError), "{text}");
        }
    }
}
