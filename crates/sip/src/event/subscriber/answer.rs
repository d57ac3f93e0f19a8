//! What an answer to our SUBSCRIBE means (RFC 6665 §4.1.2.1, §4.1.2.2; RFC 8048 §5.2).

use std::time::{Duration, Instant};

use super::{AGAIN_MAX, EXPIRES_MAX_S, Ended, Subscriber, TIMER_N, WatchId, again_after};
use crate::message::{Name, Response, Status};

/// How often in a row a longer life is asked for at once.
const RAISES_MAX: u32 = 2;

pub(super) fn take(subscriber: &mut Subscriber, now: Instant, id: WatchId, answer: Option<&Response>) {
    let Some(watch) = subscriber.watches.get_mut(&id) else { return };
    watch.in_flight = false;
    if watch.is_stopping {
        // A dialog that a NOTIFY has made meanwhile is ended in its turn.
        let is_over = !answer.is_some_and(|answer| answer.status.is_success());
        if is_over && (watch.stop_sent || watch.dialog.is_none()) {
            subscriber.end(id, Ended::Stopped);
        }
        return;
    }
    let (code, retry_after) = match answer {
        Some(answer) if answer.status.is_success() => return accepted(subscriber, now, id, answer),
        Some(answer) if answer.status == Status::INTERVAL_TOO_BRIEF => return too_brief(subscriber, now, id, answer),
        Some(answer) => (answer.status.code(), answer.headers.retry_after()),
        None => (408, None),
    };
    let is_first = watch.dialog.is_none();
    match code {
        403 | 603 => subscriber.end(id, Ended::Rejected),
        404 | 604 if is_first => subscriber.end(id, Ended::NotFound),
        405 | 489 | 501 if is_first => subscriber.end(id, Ended::Unsupported),
        404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604 if !is_first => {
            subscriber.lost(now, id, Some(Duration::ZERO));
        }
        // §4.1.2.2: any other failure of a refresh leaves the subscription until its time; then another dialog is opened.
        _ if !is_first => {
            watch.failures = watch.failures.saturating_add(1);
            let wait = wait(retry_after, watch.failures);
            watch.refresh_at = Some(now + wait).filter(|at| watch.expires_at.is_none_or(|expires| *at < expires));
        }
        _ => {
            subscriber.lost(now, id, None);
            let Some(watch) = subscriber.watches.get_mut(&id) else { return };
            if retry_after.is_some() {
                watch.again_at = Some(now + wait(retry_after, watch.failures));
            }
        }
    }
}

fn accepted(subscriber: &mut Subscriber, now: Instant, id: WatchId, answer: &Response) {
    let Some(watch) = subscriber.watches.get_mut(&id) else { return };
    if watch.is_notified {
        return;
    }
    // §4.1.2.1: a 2xx without a longer life than was asked for; the NOTIFY says whether it is permitted.
    let granted_s = answer.headers.expires().unwrap_or(watch.wanted.expires_s).min(watch.wanted.expires_s);
    watch.lives_for(now, granted_s);
    watch.give_up_at = Some(now + TIMER_N);
    if watch.dialog.is_none() {
        // Nothing can be refreshed before there is a dialog.
        watch.refresh_at = None;
    }
}

/// §4.1.2.1: asked again for as long as the other side wants it, if that can be.
fn too_brief(subscriber: &mut Subscriber, now: Instant, id: WatchId, answer: &Response) {
    let Some(watch) = subscriber.watches.get_mut(&id) else { return };
    let min = answer.headers.first(Name::MinExpires).and_then(|text| text.trim().parse::<u32>().ok());
    let min = min.filter(|min| *min > watch.wanted.expires_s && *min <= EXPIRES_MAX_S);
    match min.filter(|_| watch.failures < RAISES_MAX) {
        Some(min) => {
            watch.wanted.expires_s = min;
            watch.failures += 1;
            if watch.dialog.is_some() {
                watch.refresh_at = Some(now);
            } else {
                subscriber.open(now, id);
            }
        }
        None => subscriber.lost(now, id, None),
    }
}

fn wait(retry_after_s: Option<u32>, failures: u32) -> Duration {
    retry_after_s.map_or_else(|| again_after(failures), |seconds| Duration::from_secs(seconds.into()).min(AGAIN_MAX))
}
