//! All transactions of a shard.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use lexicon::Now;

use super::{
    Flow, FlowId, Input, Output, SendError, ServerId, Ticket,
    client::{self, Client},
    queue::{Queues, Waiting},
    server::{self, Key, Keys, Server},
    timers::{Owner, Timers},
};
use crate::{
    message::{Message, Method, Name, Request, Response, Status},
    token::Tokens,
};

/// How much a layer holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of ours in flight, or whose repeated answers are still absorbed.
    pub clients_max: usize,
    /// Requests received and not yet answered. Beyond it: 503.
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
    /// ACK requests that belong to no refused INVITE.
    pub acks_stray: u64,
    /// Answers of ours that came too late, twice, or that may not be sent.
    pub answers_dropped: u64,
    /// Answered requests forgotten before their time.
    pub answered_evicted: u64,
    /// Requests received whose 32 s went by without an answer.
    pub requests_expired: u64,
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
            Input::Received { message: Message::Response(response), .. } => self.response(now, response),
            Input::Send { ticket, flow, request } => self.send(now, Waiting { ticket, flow, request }),
            Input::Respond { id, response } => self.respond(now, id, &response),
            Input::Withdraw(ticket) => self.withdraw(ticket),
            Input::FlowLost(flow) => self.flow_lost(now, flow),
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

    fn send(&mut self, now: Instant, waiting: Waiting) {
        if waiting.request.method != Method::Message || waiting.request.headers.to().is_ok_and(|to| to.tag().is_some())
        {
            return self.start(now, waiting, None);
        }
        let uri: Arc<str> = waiting.request.uri.to_string().into();
        match self.queues.enter(&uri, waiting, self.limits.waiting_per_uri_max, self.limits.waiting_max) {
            Ok(Some(waiting)) => self.start(now, waiting, Some(uri)),
            Ok(None) => {}
            Err(ticket) => self.fail(ticket, SendError::QueueFull),
        }
    }

    fn fail(&mut self, ticket: Ticket, error: SendError) {
        self.outputs.push_back(Output::Answer { ticket, answer: Err(error) });
    }

    /// Sends a request; `turn` is the URI whose turn it holds. If it cannot be sent the next has the turn.
    fn start(&mut self, now: Instant, waiting: Waiting, turn: Option<Arc<str>>) {
        let mut next = Some(waiting);
        while let Some(waiting) = next.take() {
            let ticket = waiting.ticket;
            match self.launch(now, waiting, turn.clone()) {
                Ok(()) => return,
                Err(error) => self.fail(ticket, error),
            }
            next = turn.as_ref().and_then(|uri| self.queues.next(uri));
        }
    }

    fn launch(&mut self, now: Instant, waiting: Waiting, turn: Option<Arc<str>>) -> Result<(), SendError> {
        let Waiting { ticket, flow, mut request } = waiting;
        if self.clients.len() >= self.limits.clients_max {
            return Err(SendError::Overloaded);
        }
        if matches!(request.method, Method::Invite | Method::Ack) {
            return Err(SendError::Unsendable);
        }
        self.made += 1;
        let branch: Arc<str> = client::branch(self.made, &self.tokens.make()).into();
        let rport = if flow.transport.is_reliable() { "" } else { ";rport" };
        let via = format!("SIP/2.0/{} {};branch={branch}{rport}", flow.transport.as_str(), flow.sent_by);
        request.headers.push_front(Name::Via, via).map_err(|_| SendError::Unsendable)?;
        let bytes = request.to_bytes();
        let mut client = Client::new(now, ticket, &flow, request.method, branch, bytes.clone());
        client.turn = turn;
        self.timers.set(Owner::Client(self.made), None, Some(client.deadline()));
        self.clients.insert(self.made, client);
        self.by_ticket.insert(ticket, self.made);
        self.outputs.push_back(Output::Transmit { flow: flow.id, bytes });
        Ok(())
    }

    /// RFC 3261 §17.1.3: the branch of the topmost Via and the method of CSeq.
    fn response(&mut self, now: Instant, response: Response) {
        let (via, cseq) = (response.headers.via(), response.headers.cseq());
        let branch = via.as_ref().map_or("", |via| via.branch());
        let id = client::number_of(branch);
        let found = id.and_then(|id| Some((id, self.clients.get_mut(&id)?)));
        let is_ours =
            |client: &Client| *client.branch == *branch && cseq.is_ok_and(|cseq| cseq.method == client.method);
        let Some((id, client)) = found.filter(|(_, client)| is_ours(client)) else {
            self.counters.responses_stray += 1;
            return;
        };
        let old = client.deadline();
        if !client.on_response(now, response.status) {
            self.counters.responses_absorbed += 1;
            return;
        }
        self.timers.set(Owner::Client(id), Some(old), Some(client.deadline()));
        self.finish(now, id, Ok(response));
    }

    /// Hands up the end of a request and gives its turn on.
    fn finish(&mut self, now: Instant, id: u64, answer: Result<Response, SendError>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (ticket, turn) = (client.ticket.take(), client.turn.take());
        if let Some(ticket) = ticket {
            self.by_ticket.remove(&ticket);
            self.outputs.push_back(Output::Answer { ticket, answer });
        }
        if let Some(uri) = turn
            && let Some(waiting) = self.queues.next(&uri)
        {
            self.start(now, waiting, Some(uri));
        }
    }

    fn remove_client(&mut self, id: u64) {
        if let Some(client) = self.clients.remove(&id) {
            self.timers.set(Owner::Client(id), Some(client.deadline()), None);
        }
    }

    fn withdraw(&mut self, ticket: Ticket) {
        if self.queues.withdraw(ticket) {
            return;
        }
        let client = self.by_ticket.remove(&ticket).and_then(|id| self.clients.get_mut(&id));
        if let Some(client) = client {
            client.ticket = None;
        }
    }

    fn flow_lost(&mut self, now: Instant, flow: FlowId) {
        for ticket in self.queues.flow_lost(flow) {
            self.fail(ticket, SendError::FlowLost);
        }
        let clients: Vec<_> = self.clients.iter().filter(|(_, c)| c.flow == flow).map(|(id, _)| *id).collect();
        for id in clients {
            self.finish(now, id, Err(SendError::FlowLost));
            self.remove_client(id);
        }
        let servers: Vec<_> = self.servers.iter().filter(|(_, s)| s.flow.id == flow).map(|(id, _)| *id).collect();
        for id in servers {
            self.remove_server(id);
        }
    }

    fn request(&mut self, now: Instant, flow: Flow, request: Request) {
        let sought = if request.method == Method::Ack { &Method::Invite } else { &request.method };
        let Ok(key) = self.keys.of(&request, sought) else {
            self.counters.requests_unusable += 1;
            return;
        };
        let known = self.by_key.get(&key).copied();
        match (request.method == Method::Ack, known) {
            (true, Some(id)) => self.ack(now, id),
            (true, None) => self.counters.acks_stray += 1,
            (false, Some(id)) => self.repeated(id),
            (false, None) => self.begin(now, key, flow, request),
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

    fn ack(&mut self, now: Instant, id: u64) {
        if let Some(server) = self.servers.get_mut(&id) {
            let old = server.deadline();
            server.on_ack(now);
            self.timers.set(Owner::Server(id), Some(old), Some(server.deadline()));
        }
    }

    fn begin(&mut self, now: Instant, key: Key, flow: Flow, request: Request) {
        if self.unanswered >= self.limits.servers_max {
            self.counters.requests_refused += 1;
            if request.method != Method::Benotify {
                let response = Response::to(&request, Status::SERVICE_UNAVAILABLE, &self.tokens.make());
                self.outputs.push_back(Output::Transmit { flow: flow.id, bytes: response.to_bytes() });
            }
            return;
        }
        self.made += 1;
        let id = self.made;
        let server = Server::new(now, key, flow.clone(), &request);
        self.timers.set(Owner::Server(id), None, Some(server.deadline()));
        self.by_key.insert(key, id);
        self.servers.insert(id, server);
        self.unanswered += 1;
        if request.method == Method::Cancel {
            self.cancel(now, ServerId(id), &request);
        } else {
            self.outputs.push_back(Output::Request { id: ServerId(id), flow, request });
        }
    }

    /// RFC 3261 §9.2: an INVITE is refused at once, so a CANCEL always finds it answered and has no effect.
    fn cancel(&mut self, now: Instant, id: ServerId, request: &Request) {
        let invited = self.keys.of(request, &Method::Invite).is_ok_and(|key| self.by_key.contains_key(&key));
        let status = if invited { Status::OK } else { Status::NO_SUCH_TRANSACTION };
        let response = Response::to(request, status, &self.tokens.make());
        self.respond(now, id, &response);
    }

    fn respond(&mut self, now: Instant, ServerId(id): ServerId, response: &Response) {
        let Some(server) = self.servers.get_mut(&id) else {
            self.counters.answers_dropped += 1;
            return;
        };
        let old = server.deadline();
        let Some(bytes) = server.on_response(now, response) else {
            self.counters.answers_dropped += 1;
            return;
        };
        self.timers.set(Owner::Server(id), Some(old), Some(server.deadline()));
        self.outputs.push_back(Output::Transmit { flow: server.flow.id, bytes });
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
        if let Some(server) = self.servers.remove(&id) {
            self.timers.set(Owner::Server(id), Some(server.deadline()), None);
            self.by_key.remove(&server.key);
            if !server.is_answered() {
                self.unanswered -= 1;
            }
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

    fn client_due(&mut self, now: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.on_deadline(now) {
            client::Due::Resend => {
                self.counters.retransmissions += 1;
                self.timers.set(Owner::Client(id), None, Some(client.deadline()));
                self.outputs.push_back(Output::Transmit { flow: client.flow, bytes: client.bytes.clone() });
            }
            client::Due::TimedOut => {
                self.finish(now, id, Err(SendError::TimedOut));
                self.remove_client(id);
            }
            client::Due::Terminated => self.remove_client(id),
        }
    }

    fn server_due(&mut self, now: Instant, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match server.on_deadline(now) {
            server::Due::Send(bytes) => {
                self.timers.set(Owner::Server(id), None, Some(server.deadline()));
                if !bytes.is_empty() {
                    self.outputs.push_back(Output::Transmit { flow: server.flow.id, bytes });
                }
            }
            server::Due::Terminated => {
                self.counters.requests_expired += u64::from(!server.is_answered());
                self.remove_server(id);
                self.forget_answered();
            }
        }
    }
}
