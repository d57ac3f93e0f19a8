//! Trunks as the shard knows them: how their targets stand, and what is on its way to them.
//!
//! `sending` chooses a target for each request and another one when that fails (RFC 3263 §4.3), `health` asks the targets
//! and opens connections, `receiving` tells which trunk a request came from. What waits for the network is done by tasks
//! ([`Dialler`]), which report as arrivals.

mod health;
mod receiving;
mod sending;
mod ways;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use ::sip::{FlowId, Request, transaction::Ticket};
use bytes::Bytes;
use lexicon::Timestamp;
use policy::{Trunk, TrunkName, peer::HostPort};
use xmpp::stanza::StanzaError;

pub(super) use ways::literal;

use super::Shard;
use crate::{
    TargetState, TargetStatus, TrunkConnection, TrunkStatus,
    trunk::{Dialler, Found, Place, Way},
};

/// How often the names of targets are asked for; answers of DNS are kept as long as they say.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(60);
/// When a name that could not be resolved is asked for again.
const RESOLVE_AGAIN: Duration = Duration::from_secs(5);

/// All trunks that may be used.
#[derive(Debug)]
pub(super) struct Trunks {
    lines: BTreeMap<TrunkName, Line>,
    /// Requests that were not answered yet.
    jobs: HashMap<Ticket, Job>,
    /// OPTIONS of ours that were not answered yet.
    probes: HashMap<Ticket, Place>,
    /// When a request without an answer makes us ask its target, in order.
    doubts: VecDeque<(Instant, Ticket)>,
    /// Requests to be given to another target, in their order.
    homeless: BTreeSet<Ticket>,
    failed: Vec<(Ticket, StanzaError)>,
    /// Which trunks a TLS connection has proved to be, and when that was judged.
    proven: HashMap<FlowId, (Instant, Vec<TrunkName>)>,
    dialler: Dialler,
    made: u64,
    wake: Option<Instant>,
}

/// A trunk.
#[derive(Debug)]
struct Line {
    trunk: Trunk,
    way: Way,
    made: u64,
    targets: Vec<Target>,
    /// Targets that stand for no address.
    missing: Vec<Missing>,
    resolve_at: Option<Instant>,
    /// Requests that wait for any target to answer, and until when.
    parked: VecDeque<Ticket>,
    parked_until: Option<Instant>,
}

#[derive(Debug)]
struct Missing {
    configured: HostPort,
    since: Timestamp,
    error: String,
}

/// An address of a trunk.
#[derive(Debug)]
struct Target {
    configured: HostPort,
    address: SocketAddr,
    state: TargetState,
    since: Timestamp,
    last_error: Option<String>,
    round_trip_ms: Option<u64>,
    /// The connection that requests go out on.
    flow: Option<FlowId>,
    /// Whether something was answered on it.
    answers: bool,
    dialling: bool,
    /// When the requests that wait for the connection go elsewhere.
    hedge_at: Option<Instant>,
    /// The connection takes long: others are preferred.
    hedged: bool,
    waiting: VecDeque<Ticket>,
    /// Responses whose own connection is gone.
    late: Vec<Bytes>,
    check_at: Option<Instant>,
    failures: u32,
    probe: Option<Probe>,
    /// It has asked for no requests until then (RFC 3261 §21.5.4).
    busy_until: Option<Instant>,
}

/// OPTIONS on its way.
#[derive(Debug)]
struct Probe {
    ticket: Ticket,
    sent_at: Instant,
    give_up_at: Instant,
}

/// A request on its way to a trunk.
#[derive(Debug)]
struct Job {
    trunk: TrunkName,
    request: Request,
    /// Where it is now.
    at: Option<SocketAddr>,
    tried: Vec<SocketAddr>,
    /// How often the way it took was lost.
    lost: u32,
}

impl Target {
    fn new(configured: HostPort, address: SocketAddr, now: lexicon::Now) -> Self {
        Self {
            configured,
            address,
            state: TargetState::Unknown,
            since: now.wall,
            last_error: None,
            round_trip_ms: None,
            flow: None,
            answers: false,
            dialling: false,
            hedge_at: None,
            hedged: false,
            waiting: VecDeque::new(),
            late: Vec::new(),
            check_at: Some(now.instant),
            failures: 0,
            probe: None,
            busy_until: None,
        }
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.busy_until.is_some_and(|until| until > now)
    }

    fn is_usable(&self, now: Instant) -> bool {
        self.state != TargetState::Down && !self.hedged && !self.is_busy(now)
    }

    fn stands(&mut self, state: TargetState, now: Timestamp) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    fn status(&self) -> TargetStatus {
        TargetStatus {
            target: self.configured.clone(),
            address: Some(self.address),
            state: self.state,
            since: self.since,
            last_error: self.last_error.clone(),
            round_trip_ms: self.round_trip_ms,
        }
    }
}

impl Line {
    fn find(&self, address: SocketAddr) -> Option<usize> {
        self.targets.iter().position(|target| target.address == address)
    }

    fn has_other(&self, index: usize, now: Instant) -> bool {
        self.targets.iter().enumerate().any(|(other, target)| other != index && target.is_usable(now))
    }

    fn deadline(&self) -> Option<Instant> {
        let of_target = |target: &Target| {
            let probe = target.probe.as_ref().map(|probe| probe.give_up_at);
            [target.check_at.filter(|_| target.probe.is_none() && !target.dialling), target.hedge_at, probe]
        };
        let of_targets = self.targets.iter().flat_map(of_target);
        of_targets.chain([self.resolve_at, self.parked_until]).flatten().min()
    }

    /// In the order of configuration.
    fn statuses(&self) -> Vec<TargetStatus> {
        let mut rows = Vec::new();
        for configured in &self.trunk.targets {
            rows.extend(self.targets.iter().filter(|target| target.configured == *configured).map(Target::status));
            let missing = self.missing.iter().filter(|missing| missing.configured == *configured);
            rows.extend(missing.map(|missing| TargetStatus {
                target: configured.clone(),
                address: None,
                state: TargetState::Down,
                since: missing.since,
                last_error: Some(missing.error.clone()),
                round_trip_ms: None,
            }));
        }
        rows
    }
}

impl Trunks {
    pub(super) fn new(dialler: Dialler) -> Self {
        Self {
            lines: BTreeMap::new(),
            jobs: HashMap::new(),
            probes: HashMap::new(),
            doubts: VecDeque::new(),
            homeless: BTreeSet::new(),
            failed: Vec::new(),
            proven: HashMap::new(),
            dialler,
            made: 0,
            wake: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.wake, self.doubts.front().map(|(at, _)| *at)].into_iter().flatten().min()
    }

    /// Something is to be done at that time.
    fn arm(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// The line and the index of a target, unless it has changed since.
    fn target(&mut self, place: &Place) -> Option<&mut Target> {
        let line = self.lines.get_mut(&place.trunk).filter(|line| line.made == place.made)?;
        line.targets.iter_mut().find(|target| target.address == place.address)
    }
}

impl Shard {
    /// Takes the trunks as they are configured now; one that has not changed goes on as it is.
    pub(super) fn take_trunks(&mut self) {
        self.trunks.proven.clear();
        let mut before = std::mem::take(&mut self.trunks.lines);
        let wanted: Vec<_> = self.serving.trunks().filter(|trunk| trunk.enabled).cloned().collect();
        for trunk in wanted {
            let local = self.serving.domain_of(&trunk.name).cloned();
            let kept = before.remove(&trunk.name);
            let line = match kept {
                // Live connections keep the certificate that they have shown.
                Some(line) if line.trunk == trunk => Line { way: Way { local, ..line.way.clone() }, ..line },
                other => {
                    if let Some(line) = other {
                        self.end_line(line);
                    }
                    self.trunks.made += 1;
                    let (made, now) = (self.trunks.made, self.now.instant);
                    let way = Way::of(&trunk, local);
                    Line {
                        trunk,
                        way,
                        made,
                        targets: Vec::new(),
                        missing: Vec::new(),
                        resolve_at: Some(now),
                        parked: VecDeque::new(),
                        parked_until: None,
                    }
                }
            };
            self.trunks.lines.insert(line.trunk.name.clone(), line);
        }
        for line in before.into_values() {
            self.end_line(line);
        }
        self.trunks.arm(self.now.instant);
    }

    /// A line is gone: what waits for it is placed anew, and its connections end.
    fn end_line(&mut self, line: Line) {
        self.trunks.homeless.extend(line.parked);
        for target in line.targets {
            self.trunks.homeless.extend(target.waiting);
            if let Some(flow) = target.flow {
                self.lose(flow, None);
            }
        }
    }

    /// The addresses of a trunk's targets as they are now; those known before keep their state.
    pub(super) fn resolved(&mut self, name: &TrunkName, made: u64, found: Vec<Found>) {
        let now = self.now;
        let Some(line) = self.trunks.lines.get_mut(name).filter(|line| line.made == made) else { return };
        let mut before = std::mem::take(&mut line.targets);
        let missing_before = std::mem::take(&mut line.missing);
        for Found { target: configured, addresses } in found {
            let error = match addresses {
                Ok(addresses) => {
                    for address in addresses {
                        if line.find(address).is_some() {
                            continue;
                        }
                        let known = before.iter().position(|target| target.address == address);
                        let target = known.map(|index| before.swap_remove(index));
                        line.targets.push(target.unwrap_or_else(|| Target::new(configured.clone(), address, now)));
                    }
                    continue;
                }
                Err(error) => error,
            };
            // What was found before is used until DNS says otherwise.
            let kept: Vec<_> = before.extract_if(.., |target| target.configured == configured).collect();
            if kept.is_empty() {
                let since = missing_before.iter().find(|missing| missing.configured == configured);
                let since = since.map_or(now.wall, |missing| missing.since);
                line.missing.push(Missing { configured, since, error });
            } else {
                line.targets.extend(kept);
            }
        }
        let usable = line.targets.iter().any(|target| target.is_usable(now.instant));
        let again = if line.missing.is_empty() { RESOLVE_INTERVAL } else { RESOLVE_AGAIN };
        let has_names = line.trunk.targets.iter().any(|target| target.address(0).is_none());
        line.resolve_at = has_names.then(|| now.instant + again);
        for target in before {
            self.trunks.homeless.extend(target.waiting);
            if let Some(flow) = target.flow {
                self.lose(flow, None);
            }
        }
        if usable {
            self.unpark(name);
        }
        self.trunks.arm(now.instant);
    }

    /// What a test of a trunk needs, whether it is enabled or not.
    pub(super) fn trunk_for_test(&self, name: &TrunkName) -> Option<(Box<Trunk>, Dialler, Way)> {
        let trunk = self.serving.trunk(name)?.clone();
        let way = Way::of(&trunk, self.serving.domain_of(name).cloned());
        Some((Box::new(trunk), self.trunks.dialler.clone(), way))
    }

    /// All trunks, by name.
    pub(super) fn trunk_statuses(&self) -> Vec<TrunkStatus> {
        let status = |trunk: &Trunk| {
            let line = self.trunks.lines.get(&trunk.name);
            TrunkStatus {
                name: trunk.name.clone(),
                enabled: trunk.enabled,
                transport: trunk.transport,
                targets: line.map_or_else(|| self.unasked(trunk), Line::statuses),
                connections: line.map(|line| self.connections_of(line)).unwrap_or_default(),
            }
        };
        let mut all: Vec<_> = self.serving.trunks().map(status).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The targets of a trunk that is switched off.
    fn unasked(&self, trunk: &Trunk) -> Vec<TargetStatus> {
        let row = |target: &HostPort| TargetStatus {
            target: target.clone(),
            address: None,
            state: TargetState::Unknown,
            since: self.now.wall,
            last_error: None,
            round_trip_ms: None,
        };
        trunk.targets.iter().map(row).collect()
    }

    fn connections_of(&self, line: &Line) -> Vec<TrunkConnection> {
        let ours = |flow: FlowId| line.targets.iter().any(|target| target.flow == Some(flow));
        let proven =
            |flow: FlowId| self.trunks.proven.get(&flow).is_some_and(|(_, names)| names.contains(&line.trunk.name));
        let of_line = self.flows.connections().filter(|(flow, _)| ours(*flow) || proven(*flow));
        let mut rows: Vec<_> = of_line
            .map(|(_, connection)| TrunkConnection {
                peer: connection.peer,
                outgoing: connection.outgoing,
                transport: connection.transport.as_str(),
                since: connection.since,
                names: connection
                    .identity
                    .iter()
                    .flat_map(|identity| identity.names.iter().map(|name| name.as_ascii().to_owned()))
                    .collect(),
            })
            .collect();
        rows.sort_by_key(|row| (row.since, row.peer));
        rows
    }
}
