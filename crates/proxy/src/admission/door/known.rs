//! The networks that partners were met in. Being here never authorises anything: it only means not to be taken for a
//! stranger when there is no room for all.

use std::collections::BTreeMap;

use super::network::Network;

/// Networks that are remembered; the one that was met the longest ago makes room. Many times the partners of a large
/// organisation, at 100 bytes each.
const KNOWN_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Known {
    next: u64,
    met: BTreeMap<Network, u64>,
    order: BTreeMap<u64, Network>,
}

impl Known {
    pub(super) fn has(&self, network: Network) -> bool {
        self.met.contains_key(&network)
    }

    pub(super) fn add(&mut self, network: Network) {
        self.next += 1;
        if let Some(before) = self.met.insert(network, self.next) {
            self.order.remove(&before);
        }
        self.order.insert(self.next, network);
        if self.met.len() > KNOWN_MAX
            && let Some((_, forgotten)) = self.order.pop_first()
        {
            self.met.remove(&forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn the_network_that_was_met_the_longest_ago_is_forgotten_first() {
        let network = |number: usize| {
            Network::of(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).expect("a small number"))))
        };
        let mut known = Known::default();
        (0..KNOWN_MAX).for_each(|number| known.add(network(number)));
        known.add(network(0));
        known.add(network(KNOWN_MAX));
        assert!(known.has(network(0)) && !known.has(network(1)) && known.has(network(KNOWN_MAX)));
        assert_eq!((known.met.len(), known.order.len()), (KNOWN_MAX, KNOWN_MAX));
    }
}
