//! What the roles watch.
//!
//! The proxy has no database. It holds the newest [`EdgeSnapshot`] and re-judges its streams whenever a newer one
//! arrives; before the first one it does not listen.

use std::sync::Arc;

use policy::snapshot::EdgeSnapshot;
use tokio::sync::watch;

/// The newest policy of the edge; `None` until the first is published.
pub type Snapshots = watch::Receiver<Option<Arc<EdgeSnapshot>>>;

/// A publisher and the first watcher of snapshots.
pub fn snapshots() -> (watch::Sender<Option<Arc<EdgeSnapshot>>>, Snapshots) {
    watch::channel(None)
}
