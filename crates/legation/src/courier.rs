//! Carries what the store holds to the roles that have no database.
//!
//! The courier runs wherever a store is. Whenever partners, internal domains or settings change, it publishes a new
//! [`EdgeSnapshot`](policy::snapshot::EdgeSnapshot); several changes in a row may become one snapshot, the last always
//! arrives. A snapshot that cannot be read is an error in the log and leaves the last good one in force.

use std::{sync::Arc, time::Duration};

use policy::snapshot::EdgeSnapshot;
use store::{Store, StoreError};
use tokio::sync::watch;

/// Pause before a failed read of the store is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Publishes the present snapshot, then follows the store until nobody watches any more or the store is closed.
pub(crate) async fn start(
    store: &Store,
    publisher: watch::Sender<Option<Arc<EdgeSnapshot>>>,
) -> Result<tokio::task::JoinHandle<()>, StoreError> {
    let mut topics = store.topics();
    topics.mark_unchanged();
    publisher.send_replace(Some(Arc::new(store.snapshot().await?)));
    let store = store.clone();
    Ok(tokio::spawn(async move {
        let mut published = topics.borrow().edge;
        loop {
            tokio::select! {
                () = publisher.closed() => return,
                changed = topics.changed() => if changed.is_err() { return },
            }
            let edge = topics.borrow_and_update().edge;
            if edge == published {
                continue;
            }
            match store.snapshot().await {
                Ok(snapshot) => {
                    publisher.send_replace(Some(Arc::new(snapshot)));
                    published = edge;
                }
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
