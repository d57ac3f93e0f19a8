//! How far the stanzas of one connection are settled in the order in which they came: what the partner may be told
//! (XEP-0198). The inside settles in any order.

use std::collections::VecDeque;

/// Bounded like what is in flight.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The number of the first batch that is not settled.
    first: u64,
    /// Of each batch from that on: its stanzas, and how many are not settled.
    batches: VecDeque<(usize, usize)>,
    settled: usize,
}

impl Progress {
    /// A batch has come; its number.
    pub(crate) fn begin(&mut self, stanzas: usize) -> u64 {
        self.batches.push_back((stanzas, stanzas));
        self.first + self.batches.len() as u64 - 1
    }

    /// So many stanzas of the batch with this number are settled.
    pub(crate) fn settle(&mut self, number: u64, stanzas: usize) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some((_, left)) = place.and_then(|place| self.batches.get_mut(place)) else { return };
        *left = left.saturating_sub(stanzas);
        while let Some((stanzas, _)) = self.batches.pop_front_if(|(_, left)| *left == 0) {
            self.first += 1;
            self.settled += stanzas;
        }
    }

    /// So many more are settled, in order.
    pub(crate) fn take(&mut self) -> usize {
        std::mem::take(&mut self.settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_counts_when_everything_before_it_is() {
        let mut progress = Progress::default();
        let (one, two, three) = (progress.begin(1), progress.begin(2), progress.begin(1));
        progress.settle(two, 1);
        progress.settle(three, 1);
        assert_eq!(progress.take(), 0);
        progress.settle(one, 1);
        assert_eq!((progress.take(), progress.take()), (1, 0));
        progress.settle(two, 1);
        assert_eq!(progress.take(), 3);
        let four = progress.begin(1);
        progress.settle(one, 1);
        progress.settle(four, 1);
        assert_eq!(progress.take(), 1);
    }
}
