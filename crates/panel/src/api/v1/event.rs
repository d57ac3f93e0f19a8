//! What happens, as it happens: server-sent events (WHATWG HTML §9.2).
//!
//! `report` is the end of a connection attempt, and its id is the report's: who reconnects with `Last-Event-ID` misses none,
//! also across a restart of the server, as far as reports are kept. `changed` says that configuration, users or contacts
//! have changed, `running` that streams, registrations or sessions have; both tell the state at that time and have no id.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hyper::body::Frame;
use lexicon::{RowId, Timestamp};
use serde_json::json;
use store::{ReportFilter, Revisions};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time,
};

use super::{
    body::{Nothing, Parameters},
    dto::{Report, Running},
};
use crate::Means;

/// How often it is looked what has happened.
const INTERVAL: Duration = Duration::from_secs(1);
/// Looks without an event after which a comment is sent, so that who listens knows that nothing has happened.
const QUIET_LOOKS_MAX: u32 = 5;
/// Who takes nothing for this long listens no more.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who may listen at a time.
const LISTENERS_MAX: usize = 64;
/// Reports that were missed and are told again at most.
const MISSED_MAX: usize = 1000;
/// Events that wait for a slow listener; beyond it nothing is looked at for them.
const WAITING_MAX: usize = 64;

static LISTENERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LISTENERS_MAX)));

/// Put into requests by the way in: it becomes true when the server stops.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(pub(crate) watch::Receiver<bool>);

pub(crate) async fn stream(
    State(means): State<Means>,
    stopped: Option<axum::Extension<Stopped>>,
    headers: HeaderMap,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Response {
    let Ok(permit) = Arc::clone(&LISTENERS).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<RowId>().ok());
    let (events, waiting) = mpsc::channel(WAITING_MAX);
    let teller = Teller { means, events, last, running: None, revisions: None, quiet: 0 };
    tokio::spawn(teller.tell(permit, stopped.map(|axum::Extension(stopped)| stopped)));
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (kind, Body::new(Events(waiting))).into_response()
}

/// The events as they come; the body ends with their sender.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Looks and tells, for one listener.
struct Teller {
    means: Means,
    events: mpsc::Sender<Bytes>,
    /// The report that was told last; none: those from now on.
    last: Option<RowId>,
    running: Option<Running>,
    revisions: Option<Revisions>,
    /// Looks since the last event.
    quiet: u32,
}

impl Teller {
    async fn tell(mut self, _permit: OwnedSemaphorePermit, stopped: Option<Stopped>) {
        let stop = async {
            match stopped {
                Some(Stopped(mut stopped)) => drop(stopped.wait_for(|stop| *stop).await),
                None => std::future::pending().await,
            }
        };
        tokio::pin!(stop);
        let mut ticks = time::interval(INTERVAL);
        let closed = self.events.clone();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = closed.closed() => return,
                () = &mut stop => return,
            }
            if self.look().await.is_none() {
                return;
            }
        }
    }

    /// Tells what has happened since the last look; none: nobody listens any more.
    async fn look(&mut self) -> Option<()> {
        let revisions = *self.means.store.topics().borrow();
        if self.revisions.replace(revisions).is_some_and(|before| before != revisions) {
            self.say("event: changed\ndata: {}\n\n".to_owned()).await?;
        }
        let status = self.means.live.status().await;
        let running = Running {
            streams: status.streams.len() as u64,
            registrations: status.registrations,
            message_sessions: status.message_sessions,
            messages_per_minute: status.messages_per_minute,
        };
        if self.running.replace(running) != Some(running) {
            self.say(format!("event: running\ndata: {}\n\n", json!(running))).await?;
        }
        for report in self.reports().await {
            let id = report.id.clone();
            let report = Report { steps: Vec::new(), ..report };
            self.say(format!("event: report\nid: {id}\ndata: {}\n\n", json!(report))).await?;
        }
        self.quiet += 1;
        if self.quiet > QUIET_LOOKS_MAX {
            self.say(":\n\n".to_owned()).await?;
        }
        Some(())
    }

    async fn say(&mut self, event: String) -> Option<()> {
        self.quiet = 0;
        time::timeout(PATIENCE, self.events.send(event.into())).await.ok()?.ok()
    }

    /// Those behind the last one, oldest first.
    async fn reports(&mut self) -> Vec<Report> {
        let (mut missed, mut after) = (Vec::new(), None);
        loop {
            let filter = ReportFilter { after, limit: 50, ..ReportFilter::default() };
            let page = match self.means.store.reports(&filter).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "reports could not be read for who listens");
                    return Vec::new();
                }
            };
            let Some(last) = self.last else {
                self.last = Some(page.first().map_or_else(lowest, |newest| newest.id));
                return Vec::new();
            };
            let (length, found) = (page.len(), missed.len());
            missed.extend(page.into_iter().take_while(|report| report.id > last));
            let is_all = missed.len() < found + length || length < 50;
            if is_all || missed.len() >= MISSED_MAX {
                break;
            }
            after = missed.last().map(|report| report.id);
        }
        if let Some(newest) = missed.first() {
            self.last = Some(newest.id);
        }
        missed.iter().rev().map(Report::from).collect()
    }
}

/// An id before all others.
fn lowest() -> RowId {
    RowId::new(Timestamp::from_millis(0), [0; 10])
}
