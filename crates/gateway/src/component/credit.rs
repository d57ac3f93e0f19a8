//! How much of a component may be on its way: without credit its socket is not read.
//!
//! A stanza holds its credit until it was settled, and one that is answered with an error until that was written to the
//! component. So a component that sends and does not read stops itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Stanzas of one component on their way at most, about: what was read together is taken whole. More than wait for one
/// domain pair by default, so that one partner that cannot be reached does not stop the others.
pub(crate) const STANZAS_MAX: usize = 2048;

/// Bytes of them, about.
const BYTES_MAX: usize = 4 << 20;

/// What a component has on its way.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    stanzas: AtomicUsize,
    bytes: AtomicUsize,
    returned: Notify,
}

impl Credit {
    /// Whether more may be read.
    pub(crate) fn is_left(&self) -> bool {
        self.stanzas.load(Ordering::Relaxed) < STANZAS_MAX && self.bytes.load(Ordering::Relaxed) < BYTES_MAX
    }

    /// Credit for one stanza, whether or not any is left.
    pub(crate) fn take(credit: &Arc<Self>, bytes: usize) -> Permit {
        credit.stanzas.fetch_add(1, Ordering::Relaxed);
        credit.bytes.fetch_add(bytes, Ordering::Relaxed);
        Permit { credit: Arc::clone(credit), bytes }
    }

    /// Waits until credit was returned since the last time. Cancel safe.
    pub(crate) async fn returned(&self) {
        self.returned.notified().await;
    }
}

/// The credit of one stanza; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    credit: Arc<Credit>,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.credit.stanzas.fetch_sub(1, Ordering::Relaxed);
        self.credit.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.credit.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_ends_with_stanzas_or_with_bytes_and_comes_back() {
        let credit = Arc::new(Credit::default());
        let many: Vec<_> = (0..STANZAS_MAX).map(|_| Credit::take(&credit, 1)).collect();
        assert!(!credit.is_left());
        drop(many);
        assert!(credit.is_left());
        let large = Credit::take(&credit, BYTES_MAX);
        assert!(!credit.is_left());
        drop(large);
        assert!(credit.is_left());
    }
}
