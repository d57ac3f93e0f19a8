//! All transactions of a shard.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use lexicon::Now;

use super::{
    FlowId, Input, Output, SendError, Ticket,
    client::Client,
    keys::{Key, Keys},
    queue::{Queues, Waiting},
    server::Server,
    timers::{Owner, Timers},
};
use crate::{message::Message, token::Tokens};

mod receiving;
mod sending;

/// How much a layer holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of ours in flight, or whose repeated answers are still absorbed. Each INVITE may have a CANCEL besides.
    pub clients_max: usize,
    /// Requests received and not yet answered. Beyond it: 503 with Retry-After.
    pub servers_max: usize,
    /// Answered requests remembered against repetition. Beyond it the oldest is forgotten.
    pub answered_max: usize,
    /// MESSAGE requests that wait for one URI.
    pub waiting_per_uri_max: usize,
    /// MESSAGE requests that wait in all.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_max: 65_536,
            servers_max: 16_384,
            answered_max: 65_536,
            waiting_per_uri_max: 128,
            waiting_max: 16_384,
        }
    }
}

/// What was dropped or absorbed, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// ACK requests that belong to no answered INVITE.
    pub acks_stray: u64,
    /// Answers of ours that came too late, twice, or that may not be sent.
    pub answers_dropped: u64,
    /// Answered requests forgotten before their time.
    pub answered_evicted: u64,
    /// Refused INVITEs whose ACK did not come within 32 s.
    pub refusals_unacknowledged: u64,
    /// Requests received whose time went by without an answer.
    pub requests_expired: u64,
    /// Requests that came on a second path while the first was under way, and were answered 482.
    pub requests_merged: u64,
    /// Requests received beyond the limit and answered 503.
    pub requests_refused: u64,
    /// Requests received without a usable Via.
    pub requests_unusable: u64,
    /// Repetitions of requests, absorbed.
    pub requests_repeated: u64,
    /// Requests of ours sent again.
    pub retransmissions: u64,
    /// Provisional responses, and repetitions of final ones.
    pub responses_absorbed: u64,
    /// Responses that came on another flow than the connection on which the request went.
    pub responses_misplaced: u64,
    /// Responses to nothing that we sent, or no longer.
    pub responses_stray: u64,
}

/// All transactions of a shard.
#[derive(Debug)]
pub struct Layer {
    limits: Limits,
    tokens: Tokens,
    made: u64,
    clients: BTreeMap<u64, Client>,
    by_ticket: BTreeMap<Ticket, u64>,
    queues: Queues,
    servers: BTreeMap<u64, Server>,
    keys: Keys,
    by_key: BTreeMap<Key, u64>,
    by_origin: BTreeMap<Key, u64>,
    answered: VecDeque<u64>,
    unanswered: usize,
    timers: Timers,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Layer {
    /// A layer without transactions. `seed` is secret: branches follow from it.
    pub fn new(limits: Limits, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        let keys = Keys::new(tokens.seed());
        Self {
            limits,
            tokens,
            made: 0,
            clients: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            queues: Queues::default(),
            servers: BTreeMap::new(),
            keys,
            by_key: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            answered: VecDeque::new(),
            unanswered: 0,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one input. All outputs are to be polled before the next.
    pub fn handle(&mut self, now: Now, input: Input) {
        let now = now.instant;
        match input {
            Input::Received { flow, message: Message::Request(request) } => self.request(now, flow, request),
            Input::Received { flow, message: Message::Response(response) } => self.response(now, flow.id, response),
            Input::Send { ticket, flow, request } => self.send(now, Waiting { ticket, flow, request }),
            Input::SendOnce { flow, request } => self.send_once(&flow, request),
            Input::Cancel(ticket) => self.cancel_ours(now, ticket),
            Input::Respond { id, response } => self.respond(now, id, &response),
            Input::Withdraw(ticket) => self.withdraw(now, ticket),
            Input::FlowLost(flow) => self.flow_lost(now, flow),
            Input::Abandon(flow) => self.abandon(now, flow),
            Input::Tick => {}
        }
        self.expire(now);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// How many more requests can be sent or made to wait.
    pub fn room(&self) -> usize {
        let waiting = self.limits.waiting_max.saturating_sub(self.queues.waiting());
        self.limits.clients_max.saturating_sub(self.clients.len()).min(waiting)
    }

    /// What was dropped or absorbed so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Transactions held: requests of ours, waiting ones, requests received.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.clients.len(), self.queues.waiting(), self.servers.len())
    }

    fn fail(&mut self, ticket: Ticket, error: SendError) {
        self.outputs.push_back(Output::Answer { ticket, answer: Err(error) });
    }

    /// What we sent or would send on this flow fails.
    fn abandon(&mut self, now: Instant, flow: FlowId) {
        for ticket in self.queues.flow_lost(flow) {
            self.fail(ticket, SendError::FlowLost);
        }
        let clients: Vec<_> = self.clients.iter().filter(|(_, c)| c.flow == flow).map(|(id, _)| *id).collect();
        for id in clients {
            self.finish(now, id, Err(SendError::FlowLost));
            self.remove_client(id);
        }
    }

    fn flow_lost(&mut self, now: Instant, flow: FlowId) {
        self.abandon(now, flow);
        let servers: Vec<_> = self.servers.iter().filter(|(_, s)| s.flow.id == flow).map(|(id, _)| *id).collect();
        for id in servers {
            self.server_flow_lost(id);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(owner) = self.timers.due(now) {
            match owner {
                Owner::Client(id) => self.client_due(now, id),
                Owner::Server(id) => self.server_due(now, id),
            }
        }
    }
}
