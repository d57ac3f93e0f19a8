//! Session timers (RFC 4028): who refreshes a session, when, and when it is given up.

use std::time::{Duration, Instant};

use crate::message::{HeaderError, Headers, Name, Refresher, Request, Response, Status};

/// §4: the least Min-SE, and what its absence means.
const MIN_SE_SECONDS: u32 = 90;
/// §10: "the minimum of 32 seconds and one third of the session interval".
const EARLY_SECONDS_MAX: u32 = 32;

/// The timer of one session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interval {
    /// 0 while there is none.
    seconds: u32,
    /// The largest Min-SE that was seen; 0 if none was.
    min_seconds: u32,
    we_refresh: bool,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
}

/// What a request of the peer asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    seconds: Option<u32>,
    refresher: Option<Refresher>,
    supported: bool,
}

impl Asked {
    /// Reads a request; `Err` holds the Min-SE of a 422 (§9).
    pub(super) fn of(request: &Request, seconds_min: u32) -> Result<Self, u32> {
        let headers = &request.headers;
        let seconds_min = seconds_min.max(MIN_SE_SECONDS);
        let supported = headers.lists(Name::Supported, "timer") || headers.lists(Name::Require, "timer");
        let Some((seconds, refresher)) = headers.session_expires() else {
            return Ok(Self { seconds: None, refresher: None, supported });
        };
        match (seconds < seconds_min, supported) {
            (true, true) => Err(seconds_min),
            // Its sender would not understand 422, and so short an interval is nobody's to command (§11.1).
            (true, false) => Ok(Self::default()),
            (false, _) => Ok(Self { seconds: Some(seconds), refresher, supported }),
        }
    }
}

impl Interval {
    /// Notes Min-SE of a 422 or of a request (§7.4).
    pub(super) fn note_min(&mut self, headers: &Headers) {
        self.min_seconds = self.min_seconds.max(headers.min_se().unwrap_or(0));
    }

    /// Writes what a request of ours asks for: `first` for the INVITE that opens the session (§7.1), else the interval in
    /// use and the same refresher (§7.4).
    pub(super) fn ask(&self, headers: &mut Headers, first: Option<u32>) -> Result<(), HeaderError> {
        headers.push(Name::Supported, "timer")?;
        let wanted = first.or_else(|| (self.seconds > 0).then_some(self.seconds));
        if let Some(wanted) = wanted {
            let seconds = wanted.max(self.min_seconds).max(MIN_SE_SECONDS);
            match (first, self.we_refresh) {
                (Some(_), _) => headers.push(Name::SessionExpires, seconds)?,
                (None, true) => headers.push(Name::SessionExpires, format_args!("{seconds};refresher=uac"))?,
                (None, false) => headers.push(Name::SessionExpires, format_args!("{seconds};refresher=uas"))?,
            }
        }
        if self.min_seconds > 0 {
            headers.push(Name::MinSe, self.min_seconds)?;
        }
        Ok(())
    }

    /// Takes the 2xx to a request of ours (§7.2).
    pub(super) fn take_answer(&mut self, now: Instant, response: &Response) {
        match response.headers.session_expires() {
            Some((seconds, refresher)) => self.start(now, seconds, refresher != Some(Refresher::Uas)),
            None => self.stop(),
        }
    }

    /// Answers a request of the peer (§9, table 2) and counts from now.
    pub(super) fn answer(&mut self, now: Instant, asked: Asked, response: &mut Response) -> Result<(), HeaderError> {
        let headers = &mut response.headers;
        headers.push(Name::Supported, "timer")?;
        let Some(seconds) = asked.seconds else {
            self.stop();
            return Ok(());
        };
        let refresher = if asked.supported { asked.refresher.unwrap_or(Refresher::Uac) } else { Refresher::Uas };
        headers.push(Name::SessionExpires, format_args!("{seconds};refresher={}", refresher.as_str()))?;
        if asked.supported {
            headers.push(Name::Require, "timer")?;
        }
        self.start(now, seconds, refresher == Refresher::Uas);
        Ok(())
    }

    fn start(&mut self, now: Instant, seconds: u32, we_refresh: bool) {
        // A peer's answer may not make us refresh at its pleasure (§11.1).
        let seconds = seconds.max(MIN_SE_SECONDS);
        let early = EARLY_SECONDS_MAX.min(seconds / 3);
        (self.seconds, self.we_refresh) = (seconds, we_refresh);
        self.refresh_at = we_refresh.then(|| now + Duration::from_secs(u64::from(seconds) / 2));
        self.expires_at = Some(now + Duration::from_secs(u64::from(seconds - early)));
    }

    fn stop(&mut self) {
        *self = Self { min_seconds: self.min_seconds, ..Self::default() };
    }

    /// A refresh was tried, or could not be: once more when half of the time that is left has gone by.
    pub(super) fn tried(&mut self, now: Instant) {
        let left = self.expires_at.map(|at| at.saturating_duration_since(now) / 2);
        self.refresh_at = self.refresh_at.and(left).map(|left| now + left.max(Duration::from_secs(1)));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.refresh_at, self.expires_at].into_iter().flatten().min()
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_refresh_due(&self, now: Instant) -> bool {
        self.refresh_at.is_some_and(|at| at <= now)
    }
}

/// The 422 to a request whose interval is too short.
pub(super) fn too_small(request: &Request, tag: &str, seconds_min: u32) -> Response {
    let mut response = Response::to(request, Status::SESSION_INTERVAL_TOO_SMALL, tag);
    let _a_number = response.headers.push(Name::MinSe, seconds_min);
    response
}
