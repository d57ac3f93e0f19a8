//! Requests of others.

use std::time::Instant;

use data_encoding::HEXLOWER;

use super::{
    super::{
        Flow, Output, SendError, ServerId,
        keys::Key,
        server::{self, Acked, Server},
        timers::Owner,
    },
    Layer,
};
use crate::message::{Method, Name, Request, Response, Status};

/// Retry-After of what comes beyond the limits: unanswered requests have ended by then, or half of them.
const OVERLOAD_RETRY_SECONDS: u32 = 16;

impl Layer {
    pub(super) fn request(&mut self, now: Instant, flow: Flow, request: Request) {
        let is_ack = request.method == Method::Ack;
        let sought = if is_ack { &Method::Invite } else { &request.method };
        let (Ok(key), Ok(origin)) = (self.keys.of(&request, sought), self.keys.origin(&request)) else {
            self.counters.requests_unusable += 1;
            return;
        };
        let known = self.by_key.get(&key).copied();
        match known {
            _ if is_ack => self.ack(now, known, origin, flow, request),
            Some(id) => self.repeated(id),
            None => self.begin(now, key, origin, flow, request),
        }
    }

    fn repeated(&mut self, id: u64) {
        self.counters.requests_repeated += 1;
        let Some(server) = self.servers.get(&id) else { return };
        let bytes = server.on_retransmission();
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Transmit { flow: server.flow.id, bytes });
        }
    }

    /// The ACK to a refusal has the branch of its INVITE (§17.1.1.3), that to a 2xx has one of its own (§13.2.2.4).
    fn ack(&mut self, now: Instant, known: Option<u64>, origin: Key, flow: Flow, request: Request) {
        let id = known.or_else(|| self.by_origin.get(&origin).copied());
        let Some((id, server)) = id.and_then(|id| Some((id, self.servers.get_mut(&id)?))) else {
            self.counters.acks_stray += 1;
            return;
        };
        if known.is_none() && !server.is_accepted() {
            self.counters.acks_stray += 1;
            return;
        }
        let old = server.deadline();
        let acked = server.on_ack(now);
        self.timers.set(Owner::Server(id), Some(old), Some(server.deadline()));
        match acked {
            Acked::Refusal => {}
            Acked::Acceptance => self.outputs.push_back(Output::Acknowledged { id: ServerId(id), flow, request }),
            Acked::Stray => self.counters.acks_stray += 1,
        }
    }

    fn begin(&mut self, now: Instant, key: Key, origin: Key, flow: Flow, request: Request) {
        if self.unanswered >= self.limits.servers_max {
            self.counters.requests_refused += 1;
            return self.refuse(&key, &flow, &request);
        }
        let is_merged = request.method != Method::Cancel
            && request.headers.to().is_ok_and(|to| to.tag().is_none())
            && self.by_origin.contains_key(&origin);
        self.made += 1;
        let id = self.made;
        let kept = (!is_merged && request.method != Method::Cancel).then_some(origin);
        let server = Server::new(now, key, kept, flow.clone(), &request);
        self.timers.set(Owner::Server(id), None, Some(server.deadline()));
        self.by_key.insert(key, id);
        self.by_origin.extend(kept.map(|origin| (origin, id)));
        self.servers.insert(id, server);
        self.unanswered += 1;
        if is_merged {
            self.counters.requests_merged += 1;
            let response = Response::to(&request, Status::LOOP_DETECTED, &self.tokens.make());
            self.respond(now, ServerId(id), &response);
        } else if request.method == Method::Cancel {
            self.cancel_theirs(now, ServerId(id), &flow, &request);
        } else {
            self.outputs.push_back(Output::Request { id: ServerId(id), flow, request });
        }
    }

    /// Answers without a transaction; the tag is the same for each repetition (§8.2.7).
    fn refuse(&mut self, key: &Key, flow: &Flow, request: &Request) {
        if request.method == Method::Benotify {
            return;
        }
        let mut response = Response::to(request, Status::SERVICE_UNAVAILABLE, &HEXLOWER.encode(&key[..8]));
        let _a_number = response.headers.push(Name::RetryAfter, OVERLOAD_RETRY_SECONDS);
        self.outputs.push_back(Output::Transmit { flow: flow.id, bytes: response.to_bytes() });
    }

    /// RFC 3261 §9.2. Who cancels has to be where the INVITE came from.
    fn cancel_theirs(&mut self, now: Instant, id: ServerId, flow: &Flow, request: &Request) {
        let invite = self.keys.of(request, &Method::Invite).ok().and_then(|key| self.by_key.get(&key)).copied();
        let invite = invite.and_then(|id| Some((id, self.servers.get(&id)?)));
        let invite = invite.filter(|(_, server)| server.flow.id == flow.id);
        let status = if invite.is_some() { Status::OK } else { Status::NO_SUCH_TRANSACTION };
        let pending = invite.filter(|(_, server)| !server.is_answered()).map(|(id, _)| ServerId(id));
        let response = Response::to(request, status, &self.tokens.make());
        self.respond(now, id, &response);
        self.outputs.extend(pending.map(Output::Cancelled));
    }

    pub(super) fn respond(&mut self, now: Instant, ServerId(id): ServerId, response: &Response) {
        let Some(server) = self.servers.get_mut(&id) else {
            self.counters.answers_dropped += 1;
            return;
        };
        let (old, was_answered) = (server.deadline(), server.is_answered());
        let Some(bytes) = server.on_response(now, response) else {
            self.counters.answers_dropped += 1;
            return;
        };
        self.timers.set(Owner::Server(id), Some(old), Some(server.deadline()));
        self.outputs.push_back(Output::Transmit { flow: server.flow.id, bytes });
        if was_answered || !server.is_answered() {
            return;
        }
        // Who was challenged asks again, and not everybody with a new number.
        let challenged = matches!(response.status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED);
        if challenged && let Some(origin) = server.origin.take() {
            self.by_origin.remove(&origin);
        }
        self.unanswered -= 1;
        self.answered.push_back(id);
        self.forget_answered();
    }

    /// Keeps the list of answered requests within its limit and free of those that have ended in order.
    fn forget_answered(&mut self) {
        while let Some(id) = self.answered.front().copied() {
            let alive = self.servers.contains_key(&id);
            if alive && self.answered.len() <= self.limits.answered_max {
                return;
            }
            self.answered.pop_front();
            if alive {
                self.counters.answered_evicted += 1;
                self.remove_server(id);
            }
        }
    }

    fn remove_server(&mut self, id: u64) {
        let Some(server) = self.servers.remove(&id) else { return };
        self.timers.set(Owner::Server(id), Some(server.deadline()), None);
        self.by_key.remove(&server.key);
        if let Some(origin) = &server.origin
            && self.by_origin.get(origin) == Some(&id)
        {
            self.by_origin.remove(origin);
        }
        if !server.is_answered() {
            self.unanswered -= 1;
        }
    }

    /// An accepted INVITE stays: its ACK may come on another flow (RFC 6026 §7.1).
    pub(super) fn server_flow_lost(&mut self, id: u64) {
        let Some(server) = self.servers.get(&id) else { return };
        if server.is_accepted() {
            return;
        }
        if server.is_invite() && !server.is_answered() {
            self.outputs.push_back(Output::Abandoned { id: ServerId(id), error: SendError::FlowLost });
        }
        self.remove_server(id);
        self.forget_answered();
    }

    pub(super) fn server_due(&mut self, now: Instant, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match server.on_deadline(now) {
            server::Due::Send(bytes) => {
                self.timers.set(Owner::Server(id), None, Some(server.deadline()));
                if !bytes.is_empty() {
                    self.outputs.push_back(Output::Transmit { flow: server.flow.id, bytes });
                }
            }
            server::Due::Refuse(trying) => {
                self.timers.set(Owner::Server(id), None, Some(server.deadline()));
                self.counters.requests_expired += 1;
                let response = trying.into_refusal(Status::TEMPORARILY_UNAVAILABLE, &self.tokens.make());
                self.respond(now, ServerId(id), &response);
                self.outputs.push_back(Output::Abandoned { id: ServerId(id), error: SendError::TimedOut });
            }
            server::Due::Terminated => {
                self.counters.requests_expired += u64::from(!server.is_answered());
                self.counters.refusals_unacknowledged += u64::from(server.awaits_ack());
                self.remove_server(id);
                self.forget_answered();
            }
        }
    }
}
