//! A probe: a connection that is made only to produce a report, with the settings of a partner or with others that were
//! never saved.
//!
//! It looks up, dials and negotiates as any stream to the domain would, and closes as soon as the pair is authorised: no
//! stanza passes, no route and no limit of the partner learns of it. A method that the server offers and that was not tried
//! so gets a connection of its own, since only what was seen to work may be advised. While a probe runs, the domain's server may ask whether
//! the probe's own dialback key is valid, even where it is no partner; nothing else is served to it.

use std::sync::{Arc, Weak};

use lexicon::{
    Direction, DomainPair, Method, Report,
    report::{Code, Purpose, Recorded, Tried},
};
use net::clock;
use policy::{Negotiation, Partner, Requirement};
use tokio::{sync::watch, task::JoinHandle};
use xmpp::stream::{self, Extensions, Input, Outbound, OutboundConfig, Output, Refusal};

use crate::{
    dial,
    edge::Edge,
    pump::Pump,
    reports::{End, Seen, Story},
};

/// A probe at work, or done. Dropped, it is cancelled.
#[derive(Debug)]
pub struct Probe {
    told: watch::Receiver<Option<Report>>,
    task: JoinHandle<()>,
}

impl Probe {
    /// What is known so far; when the probe [is done](Self::is_done), its report. None at the very beginning.
    pub fn report(&self) -> Option<Report> {
        self.told.borrow().clone()
    }

    /// Whether nothing more will be learned.
    pub fn is_done(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it where it is.
    pub fn cancel(&self) {
        self.task.abort();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a probe from the local to the remote domain of `pair`; none once the proxy has stopped.
pub(crate) fn start(edge: &Weak<Edge>, pair: DomainPair, settings: Arc<Partner>) -> Option<Probe> {
    let edge = edge.upgrade()?;
    let (tell, told) = watch::channel(None);
    let task = tokio::spawn(async move {
        let mut stopping = edge.stopping.clone();
        let mut story = Story::outbound(pair.clone(), Purpose::Probe).with_settings(Arc::clone(&settings));
        let report = tokio::select! {
            report = run(&edge, &pair, &settings, &mut story, &tell) => report,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        edge.events.report(report.clone());
        tell.send_replace(Some(report));
    });
    Some(Probe { told, task })
}

/// The domain's server may ask after the key of an attempt, by the settings that it tries, as long as this lives.
struct Permission<'a>(&'a Edge, &'a DomainPair);

impl<'a> Permission<'a> {
    fn give(edge: &'a Edge, pair: &'a DomainPair, settings: &Arc<Partner>) -> Self {
        edge.probes().insert(pair.clone(), Arc::clone(settings));
        Self(edge, pair)
    }
}

impl Drop for Permission<'_> {
    fn drop(&mut self) {
        self.0.probes().remove(self.1);
    }
}

async fn run(
    edge: &Edge,
    pair: &DomainPair,
    settings: &Arc<Partner>,
    story: &mut Story,
    tell: &watch::Sender<Option<Report>>,
) -> Report {
    let tell_unfinished = |report: &Report| {
        tell.send_replace(Some(Report { result: Code::ClosedHere.into(), ..report.clone() }));
    };
    let mut report = attempt(edge, pair, settings, story, &tell_unfinished).await;
    for method in untried(&report) {
        tell_unfinished(&report);
        let alone = Arc::new(Partner { negotiation: only(method), ..Partner::clone(settings) });
        let mut story = Story::outbound(pair.clone(), Purpose::Probe).with_settings(Arc::clone(&alone));
        let further = attempt(edge, pair, &alone, &mut story, &|_| {}).await;
        add(&mut report, method, further, settings);
    }
    report
}

/// Methods that the server offers on connections like that of `report`, and that were not tried on it. After a failure of
/// TLS itself none: then nothing is tried in plaintext.
fn untried(report: &Report) -> Vec<Method> {
    let Some(offered) = &report.offered else { return Vec::new() };
    if matches!(report.result.known(), Some(Code::TlsFailed | Code::StarttlsFailed)) {
        return Vec::new();
    }
    let is_good = |verdict: &Option<Recorded>| verdict.as_ref().is_some_and(Recorded::is_ok);
    let certificate = report.certificate.as_ref();
    let certificate_good = certificate.is_some_and(|seen| is_good(&seen.chain) && is_good(&seen.identity));
    let is_offered = |method: &Method| match (method, report.tls.is_some()) {
        (Method::SaslOverTls, true) => certificate_good && offered.mechanisms.iter().any(|name| name == "EXTERNAL"),
        (Method::TlsDialback, true) | (Method::TcpDialback, false) => offered.dialback,
        _ => false,
    };
    let was_tried = |method: &Method| report.tries.iter().any(|tried| tried.method == *method);
    Method::ALL.into_iter().filter(|method| is_offered(method) && !was_tried(method)).collect()
}

/// Settings that permit one method.
fn only(method: Method) -> Negotiation {
    use Requirement::{NotSupported, Required};
    let (tls, sasl, dialback) = match method {
        Method::SaslOverTls => (Required, Required, false),
        Method::TlsDialback => (Required, NotSupported, true),
        Method::TcpDialback => (NotSupported, NotSupported, true),
    };
    Negotiation { tls, sasl, dialback }
}

/// What became of a method on a connection of its own. Where `settings` permit it and nothing stronger came about, a
/// stream would have been authorised by it after all.
fn add(report: &mut Report, method: Method, further: Report, settings: &Partner) {
    let Report { tries, result, detail, duration_ms, .. } = further;
    let tried = tries.into_iter().rev().find(|tried| tried.method == method);
    let tried = tried.unwrap_or(Tried { method, result, detail });
    report.duration_ms += duration_ms;
    if !report.result.is_ok() && tried.result.is_ok() && settings.row().permits(method) {
        report.result = Code::Ok.into();
        report.method = Some(method);
        report.detail = String::new();
    }
    report.tries.push(tried);
}

/// One connection, told as far as it has come whenever something happens.
async fn attempt(
    edge: &Edge,
    pair: &DomainPair,
    settings: &Arc<Partner>,
    story: &mut Story,
    tell: &(dyn Fn(&Report) + Sync),
) -> Report {
    let _permission = Permission::give(edge, pair, settings);
    let connected = dial::connect(edge, pair, story).await;
    let Ok((socket, peer)) = connected else { return story.without_stream(edge) };
    tell(&story.so_far(edge));
    let now = clock::now();
    let number = edge.streams.open(Direction::Outbound, peer, now.wall);
    let _listed = edge.streams.listed(number);
    let config = OutboundConfig {
        purpose: stream::Purpose::Stanzas(pair.clone()),
        sasl: true,
        secret: edge.secret(),
        limits: edge.limits(),
        extensions: Extensions::default(),
    };
    let mut pump = Pump::new(Outbound::new(config, now), socket, Direction::Outbound, edge.tls.load_full());
    let mut report = None;
    loop {
        while let Some(output) = pump.machine.poll() {
            match output {
                Output::AskPair { pair: asked, .. } if asked == *pair => {
                    let rules = story.tighten(edge.rules_by(settings, pump.chain(), clock::now()));
                    pump.feed(Input::PairRules(&asked, Ok(rules)));
                }
                Output::AskPair { pair: asked, .. } => {
                    pump.feed(Input::PairRules(&asked, Err(Refusal::PartnerUnknown)));
                }
                Output::StartTls { local, remote } => pump.start_tls(local, remote),
                Output::KeySent(of, id) => edge.streams.key_sent(number, of, id),
                Output::Authorised(of, method) => {
                    let seen = Seen { facts: pump.machine.facts(), chain: pump.chain() };
                    report = Some(story.ended(edge, Some(&of), seen, End::Authorised(method)));
                    pump.feed(Input::Close(None, ""));
                }
                Output::Closed(failure) => {
                    let seen = Seen { facts: pump.machine.facts(), chain: pump.chain() };
                    let failed = || story.ended(edge, Some(pair), seen, End::Failed(failure.as_ref()));
                    let report = report.unwrap_or_else(failed);
                    tokio::spawn(pump.finish());
                    return report;
                }
                _ => {}
            }
        }
        if report.is_none() {
            let seen = Seen { facts: pump.machine.facts(), chain: pump.chain() };
            tell(&story.ended(edge, Some(pair), seen, End::Failed(None)));
        }
        pump.step(true).await;
    }
}
