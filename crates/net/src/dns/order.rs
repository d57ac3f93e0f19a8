//! The order in which SRV targets are tried (RFC 2782, "Weight").

use super::Target;

/// An SRV record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service<T = Target> {
    /// Lower comes first.
    pub priority: u16,
    /// The share among records of one priority.
    pub weight: u16,
    /// Where the service is.
    pub target: T,
}

/// Orders by priority, and within one priority by weighted choice, whatever the kind (XEP-0368 §3), with the 32 uniform bits that `random` gives.
pub fn order<T>(mut services: Vec<Service<T>>, random: &mut dyn FnMut() -> u32) -> Vec<T> {
    // Records of weight 0 come first inside a priority, so that they keep a very small chance.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let priority = first.priority;
        let alike = services.iter().take_while(|service| service.priority == priority);
        let sum: u64 = alike.clone().map(|service| u64::from(service.weight)).sum();
        let chosen = u64::from(random()) % (sum + 1);
        let mut running = 0;
        let index = alike
            .take_while(|service| {
                running += u64::from(service.weight);
                running < chosen
            })
            .count();
        ordered.push(services.remove(index).target);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Kind;

    fn service(priority: u16, weight: u16, host: &str) -> Service {
        Service { priority, weight, target: Target { host: host.to_owned(), port: 5269, kind: Kind::Starttls } }
    }

    fn hosts(services: &[Service], mut random: impl FnMut() -> u32) -> Vec<String> {
        order(services.to_vec(), &mut random).into_iter().map(|target| target.host).collect()
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_its_weight() {
        let services = [service(20, 65535, "c"), service(10, 0, "a"), service(15, 1, "b")];
        for random in [0, 1, u32::MAX] {
            assert_eq!(hosts(&services, || random), ["a", "b", "c"]);
        }
    }

    /// RFC 2782: the first record whose running sum is at least the random number from 0 to the sum, inclusive.
    #[test]
    fn the_running_sum_chooses_among_equal_priorities() {
        let services = [service(0, 3, "c"), service(0, 0, "a"), service(0, 1, "b")];
        for (random, first) in [(0, "a"), (1, "b"), (2, "c"), (3, "c"), (4, "c")] {
            assert_eq!(hosts(&services, || random)[0], first, "{random}");
        }
    }

    #[test]
    fn every_target_is_tried_once() {
        let services: Vec<_> = (0..9).map(|i| service(i % 3, i * 7, &i.to_string())).collect();
        let mut state = 1_u32;
        let mut ordered = hosts(&services, || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        });
        ordered.sort();
        assert_eq!(ordered, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    }
}
