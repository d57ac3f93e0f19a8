//! Requests to a trunk (RFC 3263 §4.3): each goes to the first target that is not known to be down.
//!
//! A target fails a request when it cannot be connected to, when its connection ends, when it answers 503, or when the
//! request has no answer and an OPTIONS shows the target dead. Then the next target gets it, as a new transaction with the
//! same Call-ID and CSeq. While a connection is being opened its requests wait at most [`HEDGE`] if there is another
//! target. With all targets down a request waits up to [`PARKED_MAX`] for one to answer.
//!
//! A request can be delivered twice only where the first target has taken it and was lost before its answer reached us:
//! a connection that ended in between, or a target that fell silent. A request that was never written, and one that was
//! answered, is never sent twice. The order of requests to one URI is kept: those of a failed target move together.

use std::time::{Duration, Instant};

use ::sip::{
    Flow, Request, Response, Status,
    transaction::{Input, SendError, Ticket},
};
use policy::{TrunkName, trunk::TrunkTransport};
use xmpp::stanza::{Condition, StanzaError};

use super::Job;
use crate::{TargetState, shard::Shard, trunk::Place};

/// How long requests wait for a connection when there is another target.
const HEDGE: Duration = Duration::from_millis(700);
/// How long a request may be without an answer before its target is asked.
const DOUBT: Duration = Duration::from_millis(400);
/// How long requests wait for any target to answer.
const PARKED_MAX: Duration = Duration::from_secs(2);
/// Requests that wait for one connection, or for any target of a trunk.
const WAITING_MAX: usize = 1024;
/// How often a request may be given to another target because its way was lost.
const LOST_MAX: u32 = 8;
/// Longest time for which a 503 keeps requests from its target.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

impl Shard {
    /// Sends a request to a trunk. Its end comes as that of any request.
    pub(in crate::shard) fn send_by_trunk(&mut self, ticket: Ticket, trunk: TrunkName, request: Request) {
        self.trunks.jobs.insert(ticket, Job { trunk, request, at: None, tried: Vec::new(), lost: 0 });
        self.place(ticket);
    }

    /// Nobody waits for the answer any more.
    pub(in crate::shard) fn withdraw(&mut self, ticket: Ticket) {
        self.trunks.jobs.remove(&ticket);
        self.inputs.push_back(Input::Withdraw(ticket));
    }

    /// Gives requests whose target has failed to others, before anything newer is sent, and ends what cannot be sent.
    pub(in crate::shard) fn settle_trunks(&mut self) {
        if !self.trunks.homeless.is_empty() {
            let newer = std::mem::take(&mut self.inputs);
            for ticket in std::mem::take(&mut self.trunks.homeless) {
                self.place(ticket);
            }
            self.inputs.extend(newer);
        }
        for (ticket, error) in std::mem::take(&mut self.trunks.failed) {
            self.trunks.jobs.remove(&ticket);
            self.fail_ticket(ticket, error);
        }
    }

    fn cannot_send(&mut self, ticket: Ticket, condition: Condition, text: &str) {
        self.trunks.failed.push((ticket, StanzaError::new(condition).with_text(text)));
    }

    /// Chooses a target for a request.
    pub(super) fn place(&mut self, ticket: Ticket) {
        let now = self.now.instant;
        let Some(job) = self.trunks.jobs.get_mut(&ticket) else { return };
        job.at = None;
        let Some(line) = self.trunks.lines.get_mut(&job.trunk) else {
            return self.cannot_send(ticket, Condition::ServiceUnavailable, "The recipient's system is switched off");
        };
        let is_new = job.tried.is_empty();
        if is_new && !line.parked.is_empty() {
            return self.park(ticket);
        }
        let free = |target: &super::Target| target.is_usable(now) && !job.tried.contains(&target.address);
        // While all are slow to connect, the first that is being connected to is as good as any.
        let slow = |target: &super::Target| target.hedged && !job.tried.contains(&target.address);
        let index = line.targets.iter().position(free).or_else(|| line.targets.iter().position(slow));
        match index {
            Some(index) => self.hand(ticket, index),
            None if is_new && line.targets.iter().any(|target| target.is_busy(now)) => {
                self.cannot_send(ticket, Condition::ResourceConstraint, "The recipient's system is overloaded");
            }
            None if is_new => self.park(ticket),
            None => self.cannot_send(ticket, Condition::RemoteServerTimeout, NO_TARGET),
        }
    }

    /// No target is up: all are asked now.
    fn park(&mut self, ticket: Ticket) {
        let now = self.now.instant;
        let Some(job) = self.trunks.jobs.get(&ticket) else { return };
        let Some(line) = self.trunks.lines.get_mut(&job.trunk) else { return };
        if line.parked.len() >= WAITING_MAX {
            return self.cannot_send(ticket, Condition::ResourceConstraint, "Too many messages are waiting");
        }
        line.parked.push_back(ticket);
        if line.parked_until.is_some() {
            return;
        }
        line.parked_until = Some(now + PARKED_MAX);
        for target in &mut line.targets {
            target.check_at = Some(now);
        }
        if line.targets.is_empty() {
            line.resolve_at = line.resolve_at.map(|_| now);
        }
        self.trunks.arm(now);
    }

    /// Gives a request to a target: at once, or when its connection is open.
    fn hand(&mut self, ticket: Ticket, index: usize) {
        let now = self.now.instant;
        let Some(job) = self.trunks.jobs.get_mut(&ticket) else { return };
        let Some(line) = self.trunks.lines.get_mut(&job.trunk) else { return };
        let Some(target) = line.targets.get_mut(index) else { return };
        job.tried.push(target.address);
        job.at = Some(target.address);
        let flow = match line.trunk.transport {
            TrunkTransport::Udp => self.flows.datagrams_to(target.address, now),
            TrunkTransport::Tcp | TrunkTransport::Tls => target.flow.and_then(|flow| self.flows.flow(flow)),
        };
        if let Some(flow) = flow {
            return self.launch_job(ticket, flow);
        }
        if line.trunk.transport == TrunkTransport::Udp {
            let text = "No UDP address of this server reaches the recipient's system";
            return self.cannot_send(ticket, Condition::InternalServerError, text);
        }
        if target.waiting.len() >= WAITING_MAX {
            return self.cannot_send(ticket, Condition::ResourceConstraint, "Too many messages are waiting");
        }
        target.waiting.push_back(ticket);
        let place = Place { trunk: line.trunk.name.clone(), made: line.made, address: target.address };
        self.dial(&place, Some(now + HEDGE));
    }

    /// Hands a request to the transactions.
    pub(super) fn launch_job(&mut self, ticket: Ticket, flow: Flow) {
        let Some(job) = self.trunks.jobs.get(&ticket) else { return };
        self.inputs.push_back(Input::Send { ticket, flow, request: job.request.clone() });
        self.trunks.doubts.push_back((self.now.instant + DOUBT, ticket));
    }

    /// A request has ended: what that means for its sender, or nothing yet, because another target gets it.
    pub(in crate::shard) fn trunk_answered(
        &mut self,
        ticket: Ticket,
        answer: Result<Response, SendError>,
    ) -> Option<Result<Response, SendError>> {
        let now = self.now;
        let Some(job) = self.trunks.jobs.get_mut(&ticket) else { return Some(answer) };
        let line = self.trunks.lines.get_mut(&job.trunk);
        let at = job.at;
        let target = line.and_then(|line| line.targets.iter_mut().find(|target| Some(target.address) == at));
        let moves = match (&answer, target) {
            (Ok(response), Some(target)) => {
                target.answers = true;
                if response.status == Status::SERVICE_UNAVAILABLE {
                    let wait = response.headers.retry_after().map(|seconds| Duration::from_secs(seconds.into()));
                    target.busy_until = wait.map(|wait| now.instant + wait.min(RETRY_AFTER_MAX));
                    target.last_error = Some("it answered a message with 503".to_owned());
                    self.has_untried(ticket)
                } else {
                    target.stands(TargetState::Up, now.wall);
                    false
                }
            }
            (Err(SendError::FlowLost), _) => {
                job.lost += 1;
                if job.lost == 1 {
                    // A connection may have been closed as idle while the request was on its way: once, the same target
                    // is tried anew.
                    job.tried.retain(|tried| Some(*tried) != at);
                }
                job.lost <= LOST_MAX
            }
            (Err(SendError::TimedOut), Some(target)) => {
                target.check_at = Some(now.instant);
                self.trunks.arm(now.instant);
                false
            }
            _ => false,
        };
        if moves {
            self.trunks.homeless.insert(ticket);
            return None;
        }
        self.trunks.jobs.remove(&ticket);
        Some(answer)
    }

    fn has_untried(&self, ticket: Ticket) -> bool {
        let Some(job) = self.trunks.jobs.get(&ticket) else { return false };
        let Some(line) = self.trunks.lines.get(&job.trunk) else { return false };
        let now = self.now.instant;
        line.targets.iter().any(|target| target.is_usable(now) && !job.tried.contains(&target.address))
    }

    /// A target answers: what waited for any gets it.
    pub(super) fn unpark(&mut self, trunk: &TrunkName) {
        let Some(line) = self.trunks.lines.get_mut(trunk) else { return };
        line.parked_until = None;
        let parked = std::mem::take(&mut line.parked);
        self.trunks.homeless.extend(parked);
    }

    /// No target has answered in time.
    pub(super) fn give_up_parked(&mut self, trunk: &TrunkName) {
        let Some(line) = self.trunks.lines.get_mut(trunk) else { return };
        line.parked_until = None;
        for ticket in std::mem::take(&mut line.parked) {
            self.cannot_send(ticket, Condition::RemoteServerTimeout, NO_TARGET);
        }
    }

    /// Requests that have had no answer for a while make us ask whether their target lives.
    pub(super) fn doubt(&mut self, now: Instant) {
        while let Some((at, ticket)) = self.trunks.doubts.front().copied() {
            if at > now {
                return;
            }
            self.trunks.doubts.pop_front();
            let Some(job) = self.trunks.jobs.get(&ticket) else { continue };
            let Some((line, address)) = self.trunks.lines.get(&job.trunk).zip(job.at) else { continue };
            let place = Place { trunk: line.trunk.name.clone(), made: line.made, address };
            if line.find(address).is_some_and(|index| line.has_other(index, now)) {
                self.suspect(&place);
            }
        }
    }
}

const NO_TARGET: &str = "The recipient's system does not answer";
