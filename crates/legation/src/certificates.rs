//! The certificates that we show: what they name, how long they last, and reading them again.
//!
//! Reading again takes the list of files from the configuration file as it is then, so that a certificate for a new
//! internal domain needs no restart. Live streams keep what they have shown; only new ones show the new certificates. What
//! cannot be read leaves everything as it was.
//!
//! A certificate that comes to its end is told in the log once at 30, 14 and 7 days, and at its end; in the status always.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use lexicon::{Domain, PeerCertificate, Timestamp};
use link::Snapshots;
use net::tls::{CertificateFiles, Identities};
use panel::api::v1::dto;

use crate::config::{Config, ConfigError};

/// Days before the end at which the log warns.
const WARNING_DAYS: [i64; 3] = [30, 14, 7];

/// How often the days are counted.
const WATCH_INTERVAL: Duration = Duration::from_secs(3600);

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// Why certificates are not read again; the old ones stay in use.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration file, which lists them, cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of the files cannot be used.
    #[error(transparent)]
    Certificate(#[from] proxy::ProxyError),
    /// One of those for SIP cannot be used.
    #[error(transparent)]
    Sip(#[from] gateway::GatewayError),
    /// One of those for the API cannot be used.
    #[error(transparent)]
    Admin(#[from] panel::WebError),
}

/// The files as they are listed now.
struct Files {
    xmpp: Vec<CertificateFiles>,
    inner: Vec<CertificateFiles>,
    sip: Vec<CertificateFiles>,
    admin: Vec<CertificateFiles>,
}

impl Files {
    /// Whether those that are shown to our own side can be read.
    fn check_others(&self) -> Result<(), ReloadError> {
        Identities::load(&self.inner).map_err(proxy::ProxyError::from)?;
        Identities::load(&self.sip).map_err(gateway::GatewayError::from)?;
        Identities::load(&self.admin).map_err(panel::WebError::from)?;
        Ok(())
    }
}

/// Those that each role shows.
#[derive(Clone)]
pub(crate) struct Shown {
    /// To partners.
    pub(crate) xmpp: proxy::Certificates,
    /// To inner XMPP servers.
    pub(crate) inner: proxy::Certificates,
    /// To SIP clients and trunks.
    pub(crate) sip: gateway::Certificates,
    /// To administrators' programs.
    pub(crate) admin: panel::WebCertificates,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Certificates {
    shown: Shown,
    config: Option<PathBuf>,
    snapshots: Snapshots,
}

impl Certificates {
    /// Of the roles; `config` is the file that lists them, if there is one.
    pub(crate) fn new(shown: Shown, config: Option<PathBuf>, snapshots: Snapshots) -> Self {
        Self { shown, config, snapshots }
    }

    /// Those in use.
    pub(crate) fn in_use(&self) -> dto::Certificates {
        self.describe(self.shown.xmpp.in_use().identities())
    }

    /// Those that reading again would bring into use.
    pub(crate) fn in_files(&self) -> Result<dto::Certificates, ReloadError> {
        let files = self.files()?;
        files.check_others()?;
        let identities = Identities::load(&files.xmpp).map_err(proxy::ProxyError::from)?;
        Ok(self.describe(&identities))
    }

    /// Reads them again.
    pub(crate) fn reload(&self) -> Result<dto::Certificates, ReloadError> {
        let files = self.files()?;
        // All or none: what cannot be read leaves everything as it was.
        files.check_others()?;
        self.shown.xmpp.reload(&files.xmpp)?;
        self.shown.inner.reload(&files.inner)?;
        self.shown.sip.reload(&files.sip)?;
        self.shown.admin.reload(&files.admin)?;
        let certificates = self.in_use();
        tracing::info!(count = certificates.items.len(), "certificates were read again");
        for warning in &certificates.warnings {
            tracing::warn!("{warning}");
        }
        Ok(certificates)
    }

    fn files(&self) -> Result<Files, ReloadError> {
        if let Some(path) = &self.config {
            let config = Config::load(path)?;
            let inner = config.inner_certificates().to_vec();
            let (sip, admin) = (config.sip.certificates, config.admin.certificates);
            return Ok(Files { xmpp: config.xmpp.certificates, inner, sip, admin });
        }
        let Shown { xmpp, inner, sip, admin } = &self.shown;
        let of = |tls: &net::tls::Tls| tls.identities().files().cloned().collect();
        let (xmpp, inner) = (of(&xmpp.in_use()), of(&inner.in_use()));
        Ok(Files { xmpp, inner, sip: of(&sip.in_use()), admin: of(&admin.in_use()) })
    }

    fn describe(&self, identities: &Identities) -> dto::Certificates {
        let snapshot = self.snapshots.borrow().clone();
        let internal: Vec<_> = snapshot.iter().flat_map(|snapshot| snapshot.internal_domains().cloned()).collect();
        describe(identities, &internal, net::clock::now().wall)
    }

    /// Warns in the log, for as long as the server runs.
    pub(crate) async fn watch(self) {
        let mut told = BTreeMap::new();
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        loop {
            ticks.tick().await;
            for warning in due(&mut told, &self.in_use().items) {
                tracing::warn!("{warning}");
            }
        }
    }
}

/// The warnings that have become due since the last time, by file and end of validity.
fn due(told: &mut BTreeMap<(String, String), i64>, certificates: &[dto::Certificate]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut now = BTreeMap::new();
    for certificate in certificates {
        let Some(step) = step(certificate.days_left) else { continue };
        let key = (certificate.certificate.clone(), certificate.not_after.clone());
        if told.get(&key) != Some(&step) {
            warnings.extend(warning(certificate));
        }
        now.insert(key, step);
    }
    *told = now;
    warnings
}

/// The smallest of the steps 30, 14, 7 and -1 (over) that the days have come down to.
fn step(days_left: i64) -> Option<i64> {
    if days_left < 0 { Some(-1) } else { WARNING_DAYS.into_iter().rev().find(|days| days_left <= *days) }
}

fn warning(certificate: &dto::Certificate) -> Option<String> {
    let (file, end) = (&certificate.certificate, &certificate.not_after);
    match certificate.state.as_str() {
        "expired" => Some(format!("the certificate {file} has expired ({end}): partners refuse it")),
        "not_yet_valid" => Some(format!("the certificate {file} is not valid before {}", certificate.not_before)),
        "expiring" => Some(format!("the certificate {file} expires in {} days ({end})", certificate.days_left)),
        _ => None,
    }
}

fn describe(identities: &Identities, internal: &[Domain], now: Timestamp) -> dto::Certificates {
    let mut items: Vec<_> = identities
        .iter()
        .zip(identities.files())
        .map(|(facts, files)| {
            let mut described = certificate(facts, now);
            described.certificate = files.certificate.display().to_string();
            described.key = files.key.display().to_string();
            described
        })
        .collect();
    let mut domains_without = Vec::new();
    for domain in internal {
        match identities.find(domain) {
            Some(index) => items[index].domains.push(domain.as_ascii().to_owned()),
            None => domains_without.push(domain.as_ascii().to_owned()),
        }
    }
    let mut warnings: Vec<_> = items.iter().filter_map(warning).collect();
    let unnamed = |domain| format!("no certificate names {domain}: partners cannot accept SASL EXTERNAL from it");
    warnings.extend(domains_without.iter().map(unnamed));
    dto::Certificates { items, domains_without, warnings }
}

fn certificate(facts: &PeerCertificate, now: Timestamp) -> dto::Certificate {
    let days_left = days_left(facts.not_after, now);
    let state = match step(days_left) {
        Some(-1) => "expired",
        _ if now < facts.not_before => "not_yet_valid",
        Some(_) => "expiring",
        None => "valid",
    };
    dto::Certificate {
        names: [&facts.names.dns, &facts.names.xmpp, &facts.names.srv].into_iter().flatten().cloned().collect(),
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        not_before: facts.not_before.to_string(),
        not_after: facts.not_after.to_string(),
        days_left,
        state: state.to_owned(),
        ..dto::Certificate::default()
    }
}

/// The warnings for partners' certificates that come to their end, one for each domain and certificate.
pub(crate) fn peers_near_end(streams: &[dto::Stream]) -> Vec<String> {
    let shown = streams.iter().filter_map(|stream| Some((&stream.remote, stream.certificate.as_ref()?)));
    let ending = shown.filter(|(_, certificate)| step(certificate.days_left).is_some());
    let warnings = ending.map(|(remote, certificate)| {
        let (days, end) = (certificate.days_left, &certificate.not_after);
        if days < 0 {
            format!("the certificate that {remote} shows has expired ({end})")
        } else {
            format!("the certificate that {remote} shows expires in {days} days ({end})")
        }
    });
    warnings.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Of a partner's certificate.
pub(crate) fn peer(facts: &PeerCertificate, now: Timestamp) -> dto::PeerCertificate {
    dto::PeerCertificate {
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        not_after: facts.not_after.to_string(),
        days_left: days_left(facts.not_after, now),
    }
}

/// Whole days, rounded down: the last day is day 0.
pub(crate) fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    not_after.as_millis().saturating_sub(now.as_millis()).div_euclid(DAY_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(days: i64) -> (PeerCertificate, Timestamp) {
        let now = Timestamp::from_millis(1_795_392_000_000);
        let after = |days: i64| Timestamp::from_millis(now.as_millis() + days * DAY_MILLIS);
        let facts = PeerCertificate {
            names: lexicon::CertificateNames::default(),
            subject: String::new(),
            issuer: String::new(),
            not_before: after(-90),
            not_after: after(days),
            spki_sha256: [0; 32],
        };
        (facts, now)
    }

    #[test]
    fn the_days_and_the_state_of_a_certificate() {
        for (days, state) in
            [(90, "valid"), (31, "valid"), (30, "expiring"), (1, "expiring"), (0, "expiring"), (-1, "expired")]
        {
            let (facts, now) = facts(days);
            let described = certificate(&facts, now);
            assert_eq!((described.days_left, described.state.as_str()), (days, state));
        }
        let (mut facts, now) = facts(90);
        facts.not_before = Timestamp::from_millis(now.as_millis() + 1);
        assert_eq!(certificate(&facts, now).state, "not_yet_valid");
    }

    #[test]
    fn partners_certificates_near_their_end_are_told_once_for_each() {
        let stream = |remote: &str, days_left| dto::Stream {
            remote: remote.to_owned(),
            certificate: Some(dto::PeerCertificate { days_left, not_after: "then".to_owned(), ..Default::default() }),
            ..dto::Stream::default()
        };
        let streams = [
            stream("a.example", 31),
            stream("b.example", 30),
            stream("b.example", 30),
            stream("c.example", -1),
            dto::Stream::default(),
        ];
        let told = [
            "the certificate that b.example shows expires in 30 days (then)",
            "the certificate that c.example shows has expired (then)",
        ];
        assert_eq!(peers_near_end(&streams), told);
    }

    /// 30, 14 and 7 days before the end, and at the end: each once.
    #[test]
    fn the_log_warns_once_at_each_step() {
        let mut told = BTreeMap::new();
        let mut warned = Vec::new();
        for days in (-2..=40).rev() {
            let (facts, now) = facts(days);
            let mut described = certificate(&facts, now);
            // One and the same certificate, seen later.
            described.not_after = "2027".to_owned();
            if !due(&mut told, &[described]).is_empty() {
                warned.push(days);
            }
        }
        assert_eq!(warned, [30, 14, 7, -1]);
    }
}
