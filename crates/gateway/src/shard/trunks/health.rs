//! Whether the targets of trunks answer: OPTIONS (RFC 3261 §11), and the connections that it needs.
//!
//! Every target is asked at once, then every [`CHECK_INTERVAL`], sooner while it is down, and at once when it is in doubt.
//! Any answer but 503 shows that it lives. A target that is down gets no requests while another is not.

use std::time::{Duration, Instant};

use ::sip::{
    Flow, FlowId, Response, Status,
    transaction::{Input, SendError, Ticket},
};
use policy::{TrunkName, trunk::TrunkTransport};

use super::Probe;
use crate::{
    TargetState,
    shard::Shard,
    sip::{Connection, stream::Ending},
    trunk::{DialFailure, Place, options},
};

/// Between two questions to a target that answers.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// The first wait for a target that is down; it doubles.
const DOWN_INTERVAL: Duration = Duration::from_secs(5);
/// The longest.
const DOWN_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// When a target whose connection has ended in peace is asked anew.
const RECONNECT: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long where a request waits for the target, and another target could have it.
const PATIENCE_IN_DOUBT: Duration = Duration::from_millis(1400);

impl Shard {
    /// What time alone does.
    pub(in crate::shard) fn tick_trunks(&mut self) {
        let now = self.now.instant;
        self.doubt(now);
        if self.trunks.wake.is_none_or(|wake| wake > now) {
            return;
        }
        let names: Vec<_> = self.trunks.lines.keys().cloned().collect();
        for name in &names {
            self.tick_trunk(name, now);
        }
        self.trunks.wake = self.trunks.lines.values().filter_map(super::Line::deadline).min();
    }

    fn tick_trunk(&mut self, name: &TrunkName, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(name) else { return };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let (made, parked) = (line.made, is_due(line.parked_until));
        if is_due(line.resolve_at) {
            line.resolve_at = None;
            self.trunks.dialler.resolve(&line.trunk, made);
        }
        let (mut hedged, mut silent, mut unasked) = (Vec::new(), Vec::new(), Vec::new());
        for target in &mut line.targets {
            let place = Place { trunk: name.clone(), made, address: target.address };
            if is_due(target.hedge_at) {
                target.hedge_at = None;
                hedged.push(place);
            } else if is_due(target.probe.as_ref().map(|probe| probe.give_up_at)) {
                silent.push(place);
            } else if is_due(target.check_at) && target.probe.is_none() && !target.dialling {
                target.check_at = None;
                unasked.push(place);
            }
        }
        hedged.iter().for_each(|place| self.hedge(place));
        silent.iter().for_each(|place| self.target_down(place, "no answer to OPTIONS came in time"));
        unasked.iter().for_each(|place| self.ask(place, PATIENCE));
        if parked {
            self.give_up_parked(name);
        }
    }

    /// A connection takes long: what waits for it goes to another target, if there is one.
    fn hedge(&mut self, place: &Place) {
        let now = self.now.instant;
        let Some(line) = self.trunks.lines.get_mut(&place.trunk) else { return };
        let Some(index) = line.find(place.address) else { return };
        if line.has_other(index, now) {
            let target = &mut line.targets[index];
            target.hedged = true;
            self.trunks.homeless.extend(std::mem::take(&mut target.waiting));
        }
    }

    /// Opens the connection of a target unless that is under way.
    pub(super) fn dial(&mut self, place: &Place, hedge_at: Option<Instant>) {
        let Some(line) = self.trunks.lines.get_mut(&place.trunk) else { return };
        let way = line.way.clone();
        let Some(target) = self.trunks.target(place) else { return };
        target.hedge_at = target.hedge_at.or(hedge_at.filter(|_| !target.hedged));
        let started = std::mem::replace(&mut target.dialling, true);
        let configured = target.configured.clone();
        if !started {
            self.trunks.dialler.dial(place.clone(), configured, way);
        }
        if let Some(at) = hedge_at {
            self.trunks.arm(at);
        }
    }

    /// A connection to a target was opened, or could not be.
    pub(in crate::shard) fn dialled(&mut self, place: &Place, outcome: Result<(FlowId, Box<Connection>), DialFailure>) {
        let Some(target) = self.trunks.target(place) else { return };
        (target.dialling, target.hedge_at, target.hedged) = (false, None, false);
        match outcome {
            Ok((id, connection)) => {
                (target.flow, target.answers) = (Some(id), false);
                let (waiting, late) = (std::mem::take(&mut target.waiting), std::mem::take(&mut target.late));
                self.flows.open(id, connection);
                late.into_iter().for_each(|bytes| self.write(id, bytes));
                let Some(flow) = self.flows.flow(id) else { return };
                waiting.into_iter().for_each(|ticket| self.launch_job(ticket, flow.clone()));
                self.ask(place, PATIENCE);
            }
            Err(error) => {
                let late = std::mem::take(&mut target.late);
                late.iter().for_each(|_| self.counters.sip("answer_undeliverable"));
                self.target_down(place, &error);
            }
        }
    }

    /// Sends OPTIONS to a target, once it has a connection.
    fn ask(&mut self, place: &Place, patience: Duration) {
        let now = self.now.instant;
        let Some(line) = self.trunks.lines.get(&place.trunk) else { return };
        let (transport, way) = (line.trunk.transport, line.way.clone());
        let Some(target) = self.trunks.target(place) else { return };
        let (configured, connection) = (target.configured.clone(), target.flow);
        let flow: Option<Flow> = match transport {
            TrunkTransport::Udp => self.flows.datagrams_to(place.address, now),
            TrunkTransport::Tcp | TrunkTransport::Tls => connection.and_then(|flow| self.flows.flow(flow)),
        };
        let Some(flow) = flow else {
            return match transport {
                TrunkTransport::Udp => self.target_down(place, "no UDP address of this server reaches it"),
                TrunkTransport::Tcp | TrunkTransport::Tls => self.dial(place, None),
            };
        };
        let Some(request) = options(&configured, &way, &mut self.tokens) else { return };
        let ticket = self.next_ticket();
        let give_up_at = now + patience;
        if let Some(target) = self.trunks.target(place) {
            target.check_at = None;
            target.probe = Some(Probe { ticket, sent_at: now, give_up_at });
        }
        self.trunks.probes.insert(ticket, place.clone());
        self.trunks.arm(give_up_at);
        self.inputs.push_back(Input::Send { ticket, flow, request });
    }

    /// A request waits for the target, and another target could have it.
    pub(super) fn suspect(&mut self, place: &Place) {
        let give_up_at = self.now.instant + PATIENCE_IN_DOUBT;
        let Some(target) = self.trunks.target(place) else { return };
        match &mut target.probe {
            Some(probe) => {
                probe.give_up_at = probe.give_up_at.min(give_up_at);
                self.trunks.arm(give_up_at);
            }
            None if target.dialling => {}
            None => self.ask(place, PATIENCE_IN_DOUBT),
        }
    }

    /// Whether the end of a request was that of an OPTIONS; then it is taken here.
    pub(in crate::shard) fn probe_answered(&mut self, ticket: Ticket, answer: &Result<Response, SendError>) -> bool {
        let Some(place) = self.trunks.probes.remove(&ticket) else { return false };
        let now = self.now;
        let Some(target) = self.trunks.target(&place) else { return true };
        let Some(probe) = target.probe.take_if(|probe| probe.ticket == ticket) else { return true };
        match answer {
            Ok(response) if response.status == Status::SERVICE_UNAVAILABLE => {
                self.target_down(&place, "it answered OPTIONS with 503");
            }
            Ok(_) => {
                if target.state != TargetState::Up {
                    tracing::info!(trunk = %place.trunk, address = %place.address, "a target of a trunk answers");
                }
                target.stands(TargetState::Up, now.wall);
                let took = now.instant.saturating_duration_since(probe.sent_at);
                target.round_trip_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                (target.answers, target.failures) = (true, 0);
                target.check_at = Some(now.instant + CHECK_INTERVAL);
                self.trunks.arm(now.instant + CHECK_INTERVAL);
                self.unpark(&place.trunk);
            }
            Err(error) => self.target_down(&place, &error.to_string()),
        }
        true
    }

    /// A target does not answer: what is on its way to it goes to another one, if there is one.
    fn target_down(&mut self, place: &Place, error: &str) {
        let now = self.now;
        let Some(line) = self.trunks.lines.get_mut(&place.trunk).filter(|line| line.made == place.made) else { return };
        let Some(index) = line.find(place.address) else { return };
        let (has_other, transport) = (line.has_other(index, now.instant), line.trunk.transport);
        let target = &mut line.targets[index];
        if target.state != TargetState::Down {
            tracing::warn!(trunk = %place.trunk, address = %place.address, error, "a target of a trunk is down");
        }
        target.stands(TargetState::Down, now.wall);
        target.last_error = Some(error.to_owned());
        let wait = DOWN_INTERVAL.saturating_mul(1 << target.failures.min(4)).min(DOWN_INTERVAL_MAX);
        target.failures += 1;
        let check_at = now.instant + wait;
        target.check_at = Some(check_at);
        let probe = target.probe.take().map(|probe| probe.ticket);
        let waiting = std::mem::take(&mut target.waiting);
        // Without another target a connection is kept for what may still be answered on it, but not for long.
        let gives_up = has_other || target.failures > 1;
        let connection = if gives_up { target.flow.take() } else { None };
        self.trunks.homeless.extend(waiting);
        self.trunks.arm(check_at);
        if let Some(ticket) = probe {
            self.trunks.probes.remove(&ticket);
            self.inputs.push_back(Input::Withdraw(ticket));
        }
        if let Some(flow) = connection {
            self.lose(flow, None);
        }
        if has_other
            && transport == TrunkTransport::Udp
            && let Some(flow) = self.flows.datagrams_to(place.address, now.instant)
        {
            self.inputs.push_back(Input::Abandon(flow.id));
        }
    }

    /// A connection is gone: if it was that of a target, the target is asked anew, or is down if it never answered there.
    pub(in crate::shard) fn connection_ended(&mut self, flow: FlowId, reason: Option<&Ending>) {
        self.trunks.proven.remove(&flow);
        let now = self.now.instant;
        let mut ended = None;
        for line in self.trunks.lines.values_mut() {
            for target in line.targets.iter_mut().filter(|target| target.flow == Some(flow)) {
                target.flow = None;
                target.check_at = Some(now + RECONNECT);
                ended = Some((
                    Place { trunk: line.trunk.name.clone(), made: line.made, address: target.address },
                    target.answers && target.probe.is_none(),
                ));
            }
        }
        let Some((place, was_well)) = ended else { return };
        self.trunks.arm(now + RECONNECT);
        if !was_well {
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            self.target_down(&place, &format!("it closed the connection{reason}"));
        }
    }
}
