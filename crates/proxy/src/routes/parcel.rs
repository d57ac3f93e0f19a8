//! One stanza on its way to a partner, and the duty to end it.

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

/// The duty to tell once how a stanza ended.
#[derive(Debug)]
pub(crate) struct Ticket {
    duty: Duty,
    /// When the stanza came to the routes.
    since: Timestamp,
    /// When its sender gives up.
    pub(crate) deadline: Instant,
}

#[derive(Debug)]
enum Duty {
    /// The inside waits for it.
    Settle(Receipt),
    /// Nobody does: it is an error about a partner's stanza, which nothing may answer.
    Count,
}

impl Ticket {
    pub(crate) fn for_inside(receipt: Receipt, since: Now, deadline: Instant) -> Self {
        Self { duty: Duty::Settle(receipt), since: since.wall, deadline }
    }

    pub(crate) fn for_answer(since: Now, deadline: Instant) -> Self {
        Self { duty: Duty::Count, since: since.wall, deadline }
    }

    /// The stanza was written to an authorised stream.
    pub(crate) fn delivered(self, counters: &Counters) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.deliver(1);
                receipt.done();
            }
            Duty::Count => counters.errors.deliver(1),
        }
    }

    /// It will not be.
    pub(crate) fn refused(self, counters: &Counters, error: StanzaError) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.answer(1);
                receipt.refuse(error);
            }
            Duty::Count => counters.errors.drop_silently(1, Dropped::ErrorUndeliverable),
        }
    }

    /// It was on its way when the stream ended: the partner may have it, and the sender is told that nobody knows.
    pub(crate) fn lost(self, counters: &Counters, error: StanzaError) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.lose(1);
                receipt.refuse(error);
            }
            Duty::Count => counters.errors.lose(1),
        }
    }

    /// A later presence took its place.
    pub(crate) fn superseded(self, counters: &Counters) {
        match self.duty {
            Duty::Settle(receipt) => {
                counters.outbound.drop_silently(1, Dropped::Superseded);
                receipt.done();
            }
            Duty::Count => counters.errors.drop_silently(1, Dropped::Superseded),
        }
    }
}

/// A stanza that a route gave to the stream of its pair.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// A batch of one.
    pub(crate) stanza: Batch,
    pub(crate) ticket: Ticket,
}

impl Parcel {
    /// Writes the stanza as sent by `from`, the local domain, on a stream between servers.
    pub(crate) fn write(&self, writer: &mut XmlWriter, from: &str, now: Now) {
        let element = self.stanza.element(0);
        let delayed = now.wall.as_millis() - self.ticket.since.as_millis() > DELAY_SHOWN_MS;
        if delayed && !element.is("iq", ns::SERVER) {
            write_delayed(writer, element, from, self.ticket.since);
        } else {
            writer.element(element);
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
