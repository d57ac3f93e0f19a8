//! How a partner is: its last attempts, and the streams that live now.

use lexicon::{Direction, Method, report::Code};
use policy::{
    EdgeSnapshot,
    diagnosis::{self, partner_state},
};
use store::{LastReports, StoredPartner};

use super::{
    dto::{LastAttempt, Partner, Stream},
    problem::Refused,
};
use crate::Means;

/// What the state of partners is made from.
pub(crate) struct States {
    last: Vec<LastReports>,
    streams: Vec<Stream>,
    snapshot: EdgeSnapshot,
}

impl States {
    /// Of all partners.
    pub(crate) async fn read(means: &Means) -> Result<Self, Refused> {
        let (last, snapshot) = (means.store.last_reports(None).await?, means.store.snapshot().await?);
        Ok(Self { last, streams: means.live.streams(), snapshot })
    }

    /// The partner with its state and its last success and failure.
    pub(crate) fn show(&self, stored: &StoredPartner) -> Partner {
        let mut partner = Partner::from(stored);
        let primary = &stored.partner.primary_domain;
        let last: Vec<_> = self.last.iter().filter(|last| last.partner == *primary && self.is_current(last)).collect();
        let attempts: Vec<_> = last.iter().map(|last| self.attempt(last)).collect();
        let state = partner_state(stored.partner.enabled, stored.partner.row().methods, &attempts);
        partner.state = Some(state.as_str().to_owned());
        let successes = last.iter().filter_map(|last| {
            let (at, id) = last.success?;
            Some((at, told(last, at.to_string(), id.to_string(), Code::Ok.as_str())))
        });
        partner.last_success = successes.max_by_key(|(at, _)| *at).map(|(_, told)| told);
        let failures = last.iter().filter_map(|last| {
            let (at, id, result) = last.failure.as_ref()?;
            Some((*at, told(last, at.to_string(), id.to_string(), result.as_str())))
        });
        partner.last_failure = failures.max_by_key(|(at, _)| *at).map(|(_, told)| told);
        partner
    }

    /// Domains that were removed since do not count.
    fn is_current(&self, last: &LastReports) -> bool {
        let partner = self.snapshot.partner_of(&last.remote);
        partner.is_some_and(|partner| partner.primary_domain == last.partner)
            && last.local.as_ref().is_none_or(|local| self.snapshot.is_internal(local))
    }

    /// A stream that lives outweighs a failed attempt: anybody can claim to be the partner and fail.
    fn attempt(&self, last: &LastReports) -> diagnosis::LastAttempt {
        let live = self.streams.iter().find(|stream| {
            stream.direction == last.direction.as_str()
                && stream.remote == last.remote.as_ascii()
                && last.local.as_ref().is_none_or(|local| stream.local == local.as_ascii())
        });
        let live = live.and_then(|stream| Method::ALL.into_iter().find(|method| method.as_str() == stream.method));
        diagnosis::LastAttempt {
            direction: last.direction,
            local: last.local.clone(),
            remote: last.remote.clone(),
            method: live.or(last.method),
            strongest: last.strongest,
        }
    }
}

fn told(last: &LastReports, at: String, report: String, result: &str) -> LastAttempt {
    let direction: Direction = last.direction;
    LastAttempt {
        at,
        direction: direction.as_str().to_owned(),
        local: last.local.as_ref().map(|local| local.as_ascii().to_owned()),
        remote: last.remote.as_ascii().to_owned(),
        result: result.to_owned(),
        report,
    }
}
