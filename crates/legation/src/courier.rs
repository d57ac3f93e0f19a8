//! Carries what the store holds to the roles that have no database, and their reports to the store.
//!
//! The courier runs wherever a store is. Whenever partners, internal domains or settings change, it publishes a new
//! [`EdgeSnapshot`](policy::snapshot::EdgeSnapshot); several changes in a row may become one snapshot, the last always
//! arrives. A snapshot that cannot be read is an error in the log and leaves the last good one in force. The leg of inner
//! servers gets the same revision as it is [seen from there](EdgeSnapshot::of_inner_leg).

use std::{sync::Arc, time::Duration};

use link::EventInbox;
use policy::snapshot::EdgeSnapshot;
use store::{Store, StoreError};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::ops::Attempts;

/// Pause before a failed read of the store is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Reports written in one transaction at most.
const REPORTS_TOGETHER: usize = 256;

/// Pause after reports were written: so many transactions a second they cost at most, whatever strangers do.
const REPORTS_PAUSE: Duration = Duration::from_millis(250);

/// Where snapshots are published.
pub(crate) struct Publishers {
    /// For the edge towards partners, and everybody who judges by it.
    pub(crate) partners: watch::Sender<Option<Arc<EdgeSnapshot>>>,
    /// For the leg of inner servers.
    pub(crate) inner_servers: watch::Sender<Option<Arc<EdgeSnapshot>>>,
}

impl Publishers {
    async fn publish(&self, store: &Store) -> Result<(), StoreError> {
        let (snapshot, serving) = (store.snapshot().await?, store.serving().await?);
        self.inner_servers.send_replace(Some(Arc::new(snapshot.of_inner_leg(serving.inner_leg()))));
        self.partners.send_replace(Some(Arc::new(snapshot)));
        Ok(())
    }
}

/// Publishes the present snapshot, then follows the store until nobody watches any more or the store is closed.
pub(crate) async fn start(store: &Store, publisher: Publishers) -> Result<tokio::task::JoinHandle<()>, StoreError> {
    let mut topics = store.topics();
    topics.mark_unchanged();
    publisher.publish(store).await?;
    let store = store.clone();
    Ok(tokio::spawn(async move {
        let mut published = topics.borrow().edge;
        loop {
            tokio::select! {
                () = publisher.partners.closed() => return,
                changed = topics.changed() => if changed.is_err() { return },
            }
            let edge = topics.borrow_and_update().edge;
            if edge == published {
                continue;
            }
            match publisher.publish(&store).await {
                Ok(()) => published = edge,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the new policy was not read; the last one stays in force");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    topics.mark_changed();
                }
            }
        }
    }))
}

/// Writes the reports of a proxy to a store until it is stopped.
pub(crate) struct Reports {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Reports {
    pub(crate) fn keep(store: &Store, inbox: EventInbox, attempts: Arc<Attempts>) -> Self {
        let (stop, stopping) = oneshot::channel();
        Self { stop, task: tokio::spawn(keep_reports(store.clone(), inbox, attempts, stopping)) }
    }

    /// Writes what still waits, and ends.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn keep_reports(
    store: Store,
    mut inbox: EventInbox,
    attempts: Arc<Attempts>,
    mut stopping: oneshot::Receiver<()>,
) {
    loop {
        let reports = tokio::select! {
            reports = inbox.reports(REPORTS_TOGETHER) => reports,
            _ = &mut stopping => break,
        };
        attempts.count(&reports);
        if reports.is_empty() || !write(&store, &reports).await {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(REPORTS_PAUSE) => {}
            _ = &mut stopping => break,
        }
    }
    loop {
        let left = inbox.waiting(REPORTS_TOGETHER);
        if left.is_empty() || !write(&store, &left).await {
            return;
        }
    }
}

/// False once the store is closed. What cannot be written is lost: reports are worth less than the disk being full.
async fn write(store: &Store, reports: &[lexicon::Report]) -> bool {
    match store.add_reports(reports).await {
        Ok(()) => true,
        Err(StoreError::Closed) => false,
        Err(error) => {
            tracing::error!(%error, reports = reports.len(), "reports were not written");
            true
        }
    }
}
