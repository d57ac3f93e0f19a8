//! What the edge tells those who keep records: reports of connection attempts.
//!
//! Telling never waits and never grows: what the other end has not taken when its place is full is dropped and counted.
//! Reports about partners and those about strangers have places of their own, so that who is no partner cannot crowd out
//! what an administrator wants to know.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use lexicon::Report;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Reports about partners that wait at most.
pub const PARTNER_REPORTS_MAX: usize = 1024;

/// Reports about strangers that wait at most.
pub const STRANGER_REPORTS_MAX: usize = 64;

/// Makes both ends.
pub fn events() -> (Events, EventInbox) {
    let (partners, from_partners) = mpsc::channel(PARTNER_REPORTS_MAX);
    let (strangers, from_strangers) = mpsc::channel(STRANGER_REPORTS_MAX);
    let dropped = Arc::<Dropped>::default();
    let events = Events { partners, strangers, dropped: Arc::clone(&dropped) };
    (events, EventInbox { partners: from_partners, strangers: from_strangers })
}

#[derive(Debug, Default)]
struct Dropped(AtomicU64);

/// The end that tells. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Events {
    partners: mpsc::Sender<Report>,
    strangers: mpsc::Sender<Report>,
    dropped: Arc<Dropped>,
}

impl Events {
    /// Tells of an attempt, or counts that nobody could take the report.
    pub fn report(&self, report: Report) {
        let place = if report.partner.is_some() { &self.partners } else { &self.strangers };
        // Without a listener there is nobody to miss it.
        if let Err(TrySendError::Full(_)) = place.try_send(report) {
            self.dropped.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reports that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.0.load(Ordering::Relaxed)
    }
}

/// The end that listens.
#[derive(Debug)]
pub struct EventInbox {
    partners: mpsc::Receiver<Report>,
    strangers: mpsc::Receiver<Report>,
}

impl EventInbox {
    /// Waits for reports and takes at most `max`, those about partners first; none once nobody tells any more. Cancel
    /// safe.
    pub async fn reports(&mut self, max: usize) -> Vec<Report> {
        let mut taken = Vec::new();
        let (partners, strangers) = (&mut self.partners, &mut self.strangers);
        let first = tokio::select! {
            biased;
            Some(report) = partners.recv() => report,
            Some(report) = strangers.recv() => report,
            else => return taken,
        };
        taken.push(first);
        self.take(&mut taken, max);
        taken
    }

    /// At most `max` of those that wait now, those about partners first.
    pub fn waiting(&mut self, max: usize) -> Vec<Report> {
        let mut taken = Vec::new();
        self.take(&mut taken, max);
        taken
    }

    fn take(&mut self, taken: &mut Vec<Report>, max: usize) {
        for place in [&mut self.partners, &mut self.strangers] {
            while taken.len() < max
                && let Ok(report) = place.try_recv()
            {
                taken.push(report);
            }
        }
    }
}
