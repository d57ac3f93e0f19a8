//! The probes that run, and the last ones that have run.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lexicon::DomainPair;
use panel::ProbeState;
use policy::Partner;

/// Probes that run at the same time.
const RUNNING_MAX: usize = 4;

/// Probes that are remembered.
const REMEMBERED_MAX: usize = 32;

/// The probes of a server.
pub(crate) struct Probes {
    proxy: proxy::Monitor,
    entries: Mutex<VecDeque<Entry>>,
}

struct Entry {
    id: String,
    pair: DomainPair,
    probe: proxy::Probe,
    cancelled: bool,
}

impl Probes {
    pub(crate) fn new(proxy: proxy::Monitor) -> Self {
        Self { proxy, entries: Mutex::default() }
    }

    /// Starts one; none while too many run, or one between the same domains.
    pub(crate) fn start(&self, pair: DomainPair, settings: Partner) -> Option<String> {
        let mut entries = self.entries();
        let running = entries.iter().filter(|entry| !entry.probe.is_done());
        if running.clone().count() >= RUNNING_MAX || running.clone().any(|entry| entry.pair == pair) {
            return None;
        }
        let probe = self.proxy.probe(pair.clone(), Arc::new(settings))?;
        let id = net::entropy::row_id(net::clock::now().wall).to_string();
        if entries.len() == REMEMBERED_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { id: id.clone(), pair, probe, cancelled: false });
        Some(id)
    }

    pub(crate) fn state(&self, id: &str) -> Option<ProbeState> {
        let entries = self.entries();
        let entry = entries.iter().find(|entry| entry.id == id)?;
        // First whether it is done: then the report is the last one.
        let done = entry.probe.is_done();
        Some(ProbeState { pair: entry.pair.clone(), report: entry.probe.report(), done, cancelled: entry.cancelled })
    }

    pub(crate) fn cancel(&self, id: &str) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.iter_mut().find(|entry| entry.id == id) else { return false };
        entry.cancelled |= !entry.probe.is_done();
        entry.probe.cancel();
        true
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
