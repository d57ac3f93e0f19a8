//! What counts as one: an address of IPv4, a /64 of IPv6 (one customer has that); and what counts as neighbours of each
//! other: a /24, a /48. Whoever can use many addresses mostly has them side by side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address, or one customer's /64 of IPv6.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Network(IpAddr);

/// Networks beside each other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Neighbours(IpAddr);

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(cut(v6, 64)),
            v4 => v4,
        })
    }

    pub(super) fn neighbours(self) -> Neighbours {
        Neighbours(match self.0 {
            IpAddr::V6(v6) => IpAddr::V6(cut(v6, 48)),
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        })
    }
}

fn cut(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> bits))
}
