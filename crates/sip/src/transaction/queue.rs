//! Whose turn it is: one MESSAGE in flight for each destination URI, the others wait in order (RFC 3428 §8).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{Flow, Ticket};
use crate::message::Request;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) flow: Flow,
    pub(super) request: Request,
}

#[derive(Debug, Default)]
pub(super) struct Queues {
    /// An entry stands while a MESSAGE to the URI is in flight.
    by_uri: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    by_ticket: BTreeMap<Ticket, Arc<str>>,
}

impl Queues {
    /// Gives the request back if it is its turn; `Ok(None)` if it waits, `Err` if the queue is full.
    pub(super) fn enter(
        &mut self,
        uri: &Arc<str>,
        waiting: Waiting,
        per_uri_max: usize,
        all_max: usize,
    ) -> Result<Option<Waiting>, Ticket> {
        let Some(queue) = self.by_uri.get_mut(uri) else {
            self.by_uri.insert(Arc::clone(uri), VecDeque::new());
            return Ok(Some(waiting));
        };
        if queue.len() >= per_uri_max || self.by_ticket.len() >= all_max {
            return Err(waiting.ticket);
        }
        self.by_ticket.insert(waiting.ticket, Arc::clone(uri));
        queue.push_back(waiting);
        Ok(None)
    }

    /// The one in flight has ended: the next has the turn, or the queue goes.
    pub(super) fn next(&mut self, uri: &Arc<str>) -> Option<Waiting> {
        let next = self.by_uri.get_mut(uri)?.pop_front();
        match &next {
            Some(waiting) => drop(self.by_ticket.remove(&waiting.ticket)),
            None => drop(self.by_uri.remove(uri)),
        }
        next
    }

    pub(super) fn withdraw(&mut self, ticket: Ticket) -> bool {
        let Some(uri) = self.by_ticket.remove(&ticket) else { return false };
        if let Some(queue) = self.by_uri.get_mut(&uri) {
            queue.retain(|waiting| waiting.ticket != ticket);
        }
        true
    }

    /// Takes out what waits for a flow that is gone.
    pub(super) fn flow_lost(&mut self, flow: super::FlowId) -> Vec<Ticket> {
        let mut lost = Vec::new();
        for queue in self.by_uri.values_mut() {
            queue.retain(|waiting| {
                let stays = waiting.flow.id != flow;
                if !stays {
                    lost.push(waiting.ticket);
                }
                stays
            });
        }
        for ticket in &lost {
            self.by_ticket.remove(ticket);
        }
        lost
    }

    pub(super) fn waiting(&self) -> usize {
        self.by_ticket.len()
    }
}
