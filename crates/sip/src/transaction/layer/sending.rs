//! Requests of ours.

use std::{sync::Arc, time::Instant};

use super::{
    super::{
        Flow, FlowId, Output, SendError, Ticket,
        client::{self, Client, Heard},
        queue::Waiting,
        timers::Owner,
    },
    Layer,
};
use crate::message::{Method, Name, Request, Response};

impl Layer {
    pub(super) fn send(&mut self, now: Instant, waiting: Waiting) {
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
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return Err(SendError::Unsendable);
        }
        let branch = self.add_via(&flow, &mut request)?;
        let mut client = Client::new(now, Some(ticket), &flow, &request, branch);
        client.turn = turn;
        let id = self.made;
        self.by_ticket.insert(ticket, id);
        self.enter_client(id, client);
        Ok(())
    }

    fn enter_client(&mut self, id: u64, client: Client) {
        self.timers.set(Owner::Client(id), None, Some(client.deadline()));
        self.outputs.push_back(Output::Transmit { flow: client.flow, bytes: client.bytes.clone() });
        self.clients.insert(id, client);
    }

    /// Adds our Via, whose branch holds the number of this transaction.
    fn add_via(&mut self, flow: &Flow, request: &mut Request) -> Result<Arc<str>, SendError> {
        self.made += 1;
        let branch: Arc<str> = client::branch(self.made, &self.tokens.make()).into();
        let rport = if flow.transport.is_reliable() { "" } else { ";rport" };
        let via = format!("SIP/2.0/{} {};branch={branch}{rport}", flow.transport.as_str(), flow.sent_by);
        request.headers.push_front(Name::Via, via).map_err(|_| SendError::Unsendable)?;
        Ok(branch)
    }

    pub(super) fn send_once(&mut self, flow: &Flow, mut request: Request) {
        match self.add_via(flow, &mut request) {
            Ok(_) => self.outputs.push_back(Output::Transmit { flow: flow.id, bytes: request.to_bytes() }),
            Err(_) => self.counters.answers_dropped += 1,
        }
    }

    /// RFC 3261 §17.1.3: the branch of the topmost Via and the method of CSeq. The token in the branch proves that the
    /// sender has seen our request; on a connection the answer also has to come where the request went.
    pub(super) fn response(&mut self, now: Instant, flow: FlowId, response: Response) {
        // One that has another Via below ours is not for us (§8.1.3.3).
        let is_ours = response.headers.vias().nth(1).is_none();
        let Some(id) = self.client_of(&response).filter(|_| is_ours) else {
            self.counters.responses_stray += 1;
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.reliable && client.flow != flow {
            self.counters.responses_misplaced += 1;
            return;
        }
        let (old, ticket) = (client.deadline(), client.ticket);
        let heard = client.on_response(now, &response);
        self.timers.set(Owner::Client(id), Some(old), Some(client.deadline()));
        match heard {
            Heard::Absorbed => self.counters.responses_absorbed += 1,
            Heard::Provisional => {
                self.outputs.extend(ticket.map(|ticket| Output::Provisional { ticket, response }));
                self.cancel_if_due(now, id);
            }
            Heard::Final => {
                self.acknowledge(id);
                self.finish(now, id, Ok(response));
            }
            Heard::Again => self.outputs.extend(ticket.map(|ticket| Output::Again { ticket, response })),
            Heard::Refused => {
                self.counters.responses_absorbed += 1;
                self.acknowledge(id);
            }
        }
    }

    /// The transaction of a response. A CANCEL has the branch of its INVITE.
    fn client_of(&self, response: &Response) -> Option<u64> {
        let (via, cseq) = (response.headers.via().ok()?, response.headers.cseq().ok()?);
        let id = client::number_of(via.branch())?;
        let client = self.clients.get(&id).filter(|client| *client.branch == *via.branch())?;
        if client.method == cseq.method {
            return Some(id);
        }
        client.invite.as_ref().and_then(|invite| invite.cancelling).filter(|_| cseq.method == Method::Cancel)
    }

    /// Sends the ACK of a refusal, the first time or again.
    fn acknowledge(&mut self, id: u64) {
        if let Some(client) = self.clients.get(&id).filter(|client| !client.bytes.is_empty()) {
            self.outputs.push_back(Output::Transmit { flow: client.flow, bytes: client.bytes.clone() });
        }
    }

    /// Hands up the end of a request and gives its turn on. An accepted INVITE keeps its ticket for further 2xx.
    pub(super) fn finish(&mut self, now: Instant, id: u64, answer: Result<Response, SendError>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let accepted = client.invite.is_some() && answer.as_ref().is_ok_and(|response| response.status.is_success());
        let (ticket, turn) = (client.ticket, client.turn.take());
        if !accepted {
            client.ticket = None;
        }
        let told = ticket.filter(|ticket| self.by_ticket.remove(ticket).is_some());
        if let Some(ticket) = told {
            self.outputs.push_back(Output::Answer { ticket, answer });
        }
        if let Some(uri) = turn
            && let Some(waiting) = self.queues.next(&uri)
        {
            self.start(now, waiting, Some(uri));
        }
    }

    /// Forgets a request of ours, and its CANCEL, which has served then.
    pub(super) fn remove_client(&mut self, id: u64) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let Some(client) = self.clients.remove(&id) else { return };
            self.timers.set(Owner::Client(id), Some(client.deadline()), None);
            next = client.invite.and_then(|invite| invite.cancelling);
        }
    }

    pub(super) fn withdraw(&mut self, now: Instant, ticket: Ticket) {
        if self.queues.withdraw(ticket) {
            return;
        }
        let client = self.by_ticket.get(&ticket).and_then(|id| self.clients.get_mut(id));
        match client {
            Some(client) if client.invite.is_some() => self.cancel_ours(now, ticket),
            Some(client) => {
                client.ticket = None;
                self.by_ticket.remove(&ticket);
            }
            None => {}
        }
    }

    pub(super) fn cancel_ours(&mut self, now: Instant, ticket: Ticket) {
        let Some(id) = self.by_ticket.get(&ticket).copied() else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let old = client.deadline();
        let request = client.cancel(now);
        self.timers.set(Owner::Client(id), Some(old), Some(client.deadline()));
        self.send_cancel(now, id, request);
    }

    fn cancel_if_due(&mut self, now: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let old = client.deadline();
        let request = client.due_cancel(now);
        self.timers.set(Owner::Client(id), Some(old), Some(client.deadline()));
        self.send_cancel(now, id, request);
    }

    /// The CANCEL is a transaction of its own with the branch of the INVITE (§9.1).
    fn send_cancel(&mut self, now: Instant, invite: u64, request: Option<Request>) {
        let (Some(request), Some(client)) = (request, self.clients.get_mut(&invite)) else { return };
        self.made += 1;
        let cancelling = client.cancelling(now, &request);
        if let Some(invite) = &mut client.invite {
            invite.cancelling = Some(self.made);
        }
        self.enter_client(self.made, cancelling);
    }

    pub(super) fn client_due(&mut self, now: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.on_deadline(now) {
            client::Due::Resend => {
                self.counters.retransmissions += 1;
                self.timers.set(Owner::Client(id), None, Some(client.deadline()));
                self.outputs.push_back(Output::Transmit { flow: client.flow, bytes: client.bytes.clone() });
            }
            client::Due::Cancel => {
                let request = client.cancel(now);
                self.timers.set(Owner::Client(id), None, Some(client.deadline()));
                self.send_cancel(now, id, request);
            }
            client::Due::TimedOut => {
                self.finish(now, id, Err(SendError::TimedOut));
                self.remove_client(id);
            }
            client::Due::Terminated => self.remove_client(id),
        }
    }
}
