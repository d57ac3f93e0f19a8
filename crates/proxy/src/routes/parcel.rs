//! Stanzas on their way to a partner, and the duty to end each of them.

use std::time::Instant;

use lexicon::{Now, Timestamp};
use link::Receipt;
use xmpp::{
    stanza::StanzaError,
    xml::{Batch, ElementRef, XmlWriter, ns},
};

use crate::ledger::{Counters, Dropped};

/// Delayed delivery (XEP-0203).
const DELAY: &str = "urn:xmpp:delay";

/// A stanza that waited longer says since when.
const DELAY_SHOWN_MS: i64 = 2_000;

/// The duty to tell once how some stanzas in a row ended.
#[derive(Debug)]
pub(crate) struct Ticket {
    duty: Duty,
    /// When the stanzas came to the routes.
    since: Timestamp,
    /// When their sender gives up.
    pub(crate) deadline: Instant,
}

#[derive(Debug)]
enum Duty {
    /// The inside waits for them.
    Settle(Receipt),
    /// Nobody does: so many are errors about a partner's stanzas, which nothing may answer.
    Count(usize),
}

impl Ticket {
    pub(crate) fn for_inside(receipt: Receipt, since: Now, deadline: Instant) -> Self {
        Self { duty: Duty::Settle(receipt), since: since.wall, deadline }
    }

    pub(crate) fn for_answers(count: usize, since: Now, deadline: Instant) -> Self {
        Self { duty: Duty::Count(count), since: since.wall, deadline }
    }

    /// For how many stanzas it stands.
    pub(crate) fn count(&self) -> usize {
        match &self.duty {
            Duty::Settle(receipt) => receipt.count(),
            Duty::Count(count) => *count,
        }
    }

    /// Parts the duty of the first `count` stanzas from the rest.
    pub(crate) fn split_off_first(&mut self, count: usize) -> Self {
        let duty = match &mut self.duty {
            Duty::Settle(receipt) => Duty::Settle(receipt.split_off_first(count)),
            Duty::Count(all) => {
                *all -= count;
                Duty::Count(count)
            }
        };
        Self { duty, ..*self }
    }

    /// The stanzas are beyond recall, and the partner's acknowledgement is awaited.
    pub(crate) fn written(&self) {
        if let Duty::Settle(receipt) = &self.duty {
            receipt.written();
        }
    }

    /// The stanzas were written to an authorised stream, or acknowledged where that is done.
    pub(crate) fn delivered(self, counters: &Counters) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.deliver(receipt.count());
                receipt.done();
            }
            Duty::Count(count) => counters.errors.deliver(count),
        }
    }

    /// They will not be.
    pub(crate) fn refused(self, counters: &Counters, error: StanzaError) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.answer(receipt.count());
                receipt.refuse(error);
            }
            Duty::Count(count) => counters.errors.drop_silently(count, Dropped::ErrorUndeliverable),
        }
    }

    /// They were on their way when the stream ended: the partner may have them, and the sender is told that nobody knows.
    pub(crate) fn lost(self, counters: &Counters, error: StanzaError) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.lose(receipt.count());
                receipt.unknown(error);
            }
            Duty::Count(count) => counters.errors.lose(count),
        }
    }

    /// A later presence took their place.
    pub(crate) fn superseded(self, counters: &Counters) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.drop_silently(receipt.count(), Dropped::Superseded);
                receipt.done();
            }
            Duty::Count(count) => counters.errors.drop_silently(count, Dropped::Superseded),
        }
    }
}

/// Stanzas of one pair that travel together from a route to the stream of the pair.
#[derive(Debug)]
pub(crate) struct Parcel {
    stanzas: Batch,
    pub(crate) ticket: Ticket,
    bytes: usize,
    longest: usize,
}

impl Parcel {
    pub(crate) fn new(stanzas: Batch, ticket: Ticket) -> Self {
        let lengths = || stanzas.elements().map(|element| element.raw().len());
        let (bytes, longest) = (lengths().sum(), lengths().max().unwrap_or_default());
        Self { stanzas, ticket, bytes, longest }
    }

    pub(crate) fn count(&self) -> usize {
        self.stanzas.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of its longest stanza.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// One parcel for each stanza.
    pub(crate) fn singles(self) -> impl Iterator<Item = Self> {
        let Self { stanzas, mut ticket, .. } = self;
        (0..stanzas.len()).map(move |index| Self::new(stanzas.single(index), ticket.split_off_first(1)))
    }

    /// What it is made of.
    pub(crate) fn into_parts(self) -> (Batch, Ticket) {
        (self.stanzas, self.ticket)
    }

    /// Writes the stanzas as sent by `from`, the local domain, on a stream between servers.
    pub(crate) fn write(&self, writer: &mut XmlWriter, from: &str, now: Now) {
        let delayed = now.wall.as_millis() - self.ticket.since.as_millis() > DELAY_SHOWN_MS;
        for element in self.stanzas.elements() {
            if delayed && !element.is("iq", ns::SERVER) {
                write_delayed(writer, element, from, self.ticket.since);
            } else {
                writer.forward(element, &[]);
            }
        }
    }
}

fn write_delayed(writer: &mut XmlWriter, element: ElementRef<'_>, from: &str, since: Timestamp) {
    writer.start(element.name(), element.namespace());
    for attribute in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
        writer.attribute(attribute.name(), &attribute.value());
    }
    writer.attribute_if("xml:lang", element.lang().as_deref());
    writer.content_of(element);
    writer.start("delay", DELAY).attribute("from", from).attribute("stamp", &since.to_string()).end();
    writer.end();
}
