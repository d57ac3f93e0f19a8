//! How a partner is: its last attempts, and the streams that live now.

use std::{collections::HashMap, sync::Arc};

use lexicon::{Direction, Method, Timestamp, report::Code};
use policy::diagnosis::{self, PartnerState, partner_state};
use store::{Edge, LastOfPartners, LastReports, StoredPartner};

use super::{
    dto::{LastAttempt, Partner, Stream},
    problem::Refused,
};
use crate::Means;

/// What the state of partners is made from.
pub(crate) struct States {
    last: Arc<LastOfPartners>,
    /// By direction and the partner's domain.
    streams: HashMap<(String, String), Vec<Stream>>,
    edge: Arc<Edge>,
}

impl States {
    /// Of all partners.
    pub(crate) async fn read(means: &Means) -> Result<Self, Refused> {
        let (last, edge) = (means.store.last_of_partners().await?, means.store.edge().await?);
        let mut streams: HashMap<_, Vec<_>> = HashMap::new();
        for stream in means.live.streams() {
            streams.entry((stream.direction.clone(), stream.remote.clone())).or_default().push(stream);
        }
        Ok(Self { last, streams, edge })
    }

    /// All partners, by primary domain.
    pub(crate) fn partners(&self) -> &[StoredPartner] {
        &self.edge.partners
    }

    /// How a partner is.
    pub(crate) fn of(&self, stored: &StoredPartner) -> PartnerState {
        let attempts: Vec<_> = self.last_of(stored).map(|last| self.attempt(last)).collect();
        partner_state(stored.partner.enabled, stored.partner.row().methods, &attempts)
    }

    /// When its last success was.
    pub(crate) fn last_success(&self, stored: &StoredPartner) -> Option<Timestamp> {
        self.last_of(stored).filter_map(|last| Some(last.success?.0)).max()
    }

    /// Those that count.
    fn last_of<'a>(&'a self, stored: &StoredPartner) -> impl Iterator<Item = &'a LastReports> {
        let last = self.last.get(&stored.partner.primary_domain).into_iter().flatten();
        last.filter(|last| self.is_current(last))
    }

    /// The partner with its state and its last success and failure.
    pub(crate) fn show(&self, stored: &StoredPartner) -> Partner {
        let mut partner = Partner::from(stored);
        let last: Vec<_> = self.last_of(stored).collect();
        partner.state = Some(self.of(stored).as_str().to_owned());
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
        let snapshot = &self.edge.snapshot;
        let partner = snapshot.partner_of(&last.remote);
        partner.is_some_and(|partner| partner.primary_domain == last.partner)
            && last.local.as_ref().is_none_or(|local| snapshot.is_internal(local))
    }

    /// A stream that lives outweighs a failed attempt: anybody can claim to be the partner and fail.
    fn attempt(&self, last: &LastReports) -> diagnosis::LastAttempt {
        let live = (!self.streams.is_empty())
            .then(|| self.streams.get(&(last.direction.as_str().to_owned(), last.remote.as_ascii().to_owned())))
            .flatten()
            .into_iter()
            .flatten()
            .find(|stream| last.local.as_ref().is_none_or(|local| stream.local == local.as_ascii()));
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
