//! Programs that serve a domain of ours over a connection that they open (XEP-0114, `jabber:component:accept`).
//!
//! A component proves a shared secret, then speaks for every address of its one domain and of no other. Its stanzas are
//! those of a server in another namespace: they come out, and go in, as `jabber:server`; only the stanza itself and its
//! children of the same namespace are renamed, never what a foreign payload holds.
//!
//! There is no TLS and no feature here: the listener belongs on a local address. A component may be silent for as long
//! as it likes. The machine is driven like those of [`stream`](crate::stream).

use std::{collections::VecDeque, time::Instant};

use bytes::{Bytes, BytesMut};
use lexicon::{Domain, Now};

use crate::{
    stream::{Condition, StreamError, StreamLimits, error, seed::StreamIds},
    xml::{Batch, ElementRef, Frame, Framer, Framing, Limits, XmlWriter, ns},
};

mod failure;
mod read;
mod secret;

pub use failure::{ComponentFailure, ComponentRefusal};
pub use secret::ComponentSecret;

/// The namespace of the stream's content.
pub const NS: &str = "jabber:component:accept";

/// Bindings of the stream.
const CONTEXT: &[(&str, &str)] = &[("", NS), ("stream", ns::STREAM)];

/// How many bytes one read may bring.
const READ_BYTES_MAX: usize = 64 << 10;

/// What the shell tells.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes that arrived. All are taken.
    Bytes(&'a mut BytesMut),
    /// The answer to [`Output::AskDomain`]: the secret of its component.
    Domain(Result<ComponentSecret, ComponentRefusal>),
    /// Stanzas in `jabber:server` for addresses of the component's domain. Only after [`Output::Ready`] and before
    /// [`Output::Closed`]; at other times they come back as [`Output::Unsent`].
    Send(Batch),
    /// Close: cleanly without a condition, else with this stream error. The text goes to the component.
    Close(Option<Condition>, &'a str),
    /// The moment of `deadline` has come.
    Deadline,
    /// The component closed TCP, or the connection broke; empty for an orderly end.
    Disconnected(&'a str),
}

/// What is wanted from the shell.
#[derive(Debug)]
pub enum Output {
    /// Whether a component may serve this domain, and its secret.
    AskDomain(Domain),
    /// The component has proved its secret: it serves the domain.
    Ready(Domain),
    /// Stanzas from addresses of the domain, in `jabber:server`, in order.
    Stanzas(Batch),
    /// Not taken.
    Unsent(Batch),
    /// Write what is drained and drop the connection. None: closed cleanly.
    Closed(Option<ComponentFailure>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Header,
    /// The shell is asked.
    Asked,
    Handshake,
    Open,
    /// Our closing tag is out; until then the component may finish.
    Closing(Instant),
    Closed,
}

/// The connection of one component.
pub struct Component {
    limits: StreamLimits,
    phase: Phase,
    ids: StreamIds,
    id: Box<str>,
    domain: Option<Domain>,
    secret: Option<ComponentSecret>,
    /// The secret was proved.
    ready: bool,
    header_sent: bool,
    framer: Framer,
    arrived: BytesMut,
    unauthenticated: usize,
    ready_by: Instant,
    writes: Vec<Bytes>,
    write_bytes: usize,
    outputs: VecDeque<Output>,
}

impl Component {
    /// A connection accepted `now`; `seed` is 32 random bytes, from which the stream id is made. Of the limits, those of
    /// time after establishment, of pairs and of acknowledgements have no meaning here.
    pub fn new(limits: StreamLimits, seed: [u8; 32], now: Now) -> Self {
        Self {
            phase: Phase::Header,
            ids: StreamIds::new(seed),
            id: Box::default(),
            domain: None,
            secret: None,
            ready: false,
            header_sent: false,
            framer: Framer::new(Limits::unauthenticated(limits.unauthenticated_bytes_max)),
            arrived: BytesMut::new(),
            unauthenticated: 0,
            ready_by: now.instant + limits.establishment_timeout,
            writes: Vec::new(),
            write_bytes: 0,
            outputs: VecDeque::new(),
            limits,
        }
    }

    /// Takes an input. All outputs must be taken with [`poll`](Self::poll) before the next one.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Send(batch) => self.send(batch),
            Input::Bytes(bytes) if self.phase == Phase::Closed => bytes.clear(),
            Input::Bytes(bytes) => self.arrived.unsplit(bytes.split()),
            _ if self.phase == Phase::Closed => {}
            Input::Domain(answer) => self.judged(answer),
            Input::Close(None, _) => self.close(now),
            Input::Close(Some(condition), text) => self.fail_with(ComponentFailure::ClosedHere(condition), text),
            Input::Deadline => self.time(now),
            Input::Disconnected(text) => {
                let orderly = matches!(self.phase, Phase::Closing(_));
                self.closed((!orderly).then(|| ComponentFailure::Disconnected(text.into())));
            }
        }
        self.read();
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Moves the bytes to write to the end of `into`.
    pub fn drain(&mut self, into: &mut Vec<Bytes>) {
        self.write_bytes = 0;
        into.append(&mut self.writes);
    }

    /// When [`Input::Deadline`] is due; none while the component serves its domain.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Header | Phase::Asked | Phase::Handshake => Some(self.ready_by),
            Phase::Closing(until) => Some(until),
            Phase::Open | Phase::Closed => None,
        }
    }

    /// How many bytes should be read now; stop reading at zero.
    pub fn room(&self) -> usize {
        let reads = !matches!(self.phase, Phase::Asked | Phase::Closed);
        if reads && self.write_bytes < self.limits.write_bytes_max { READ_BYTES_MAX } else { 0 }
    }

    /// How many more bytes [`Input::Send`] should bring now.
    pub fn send_room(&self) -> usize {
        if self.phase == Phase::Open { self.limits.write_bytes_max.saturating_sub(self.write_bytes) } else { 0 }
    }

    /// The domain that the component wants to serve, or serves.
    pub fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }

    fn send(&mut self, batch: Batch) {
        if self.phase != Phase::Open {
            return self.outputs.push_back(Output::Unsent(batch));
        }
        self.write(|writer| {
            for stanza in batch.elements() {
                writer.renamed(stanza, ns::SERVER, NS);
            }
        });
    }

    fn judged(&mut self, answer: Result<ComponentSecret, ComponentRefusal>) {
        let Some(domain) = self.domain.clone().filter(|_| self.phase == Phase::Asked) else { return };
        match answer {
            Err(refusal) => self.fail(ComponentFailure::Refused { refusal, domain }),
            Ok(secret) => {
                self.secret = Some(secret);
                self.answer_header();
                self.phase = Phase::Handshake;
            }
        }
    }

    /// A header goes out before anything else, errors too (RFC 6120 §4.9.1.2).
    fn answer_header(&mut self) {
        if self.header_sent {
            return;
        }
        self.header_sent = true;
        self.id = self.ids.next().to_string().into();
        let (id, from) = (self.id.clone(), self.domain.as_ref().map(|domain| domain.as_unicode().to_owned()));
        self.write(|writer| {
            writer.stream_header(&[("from", from.as_deref()), ("id", Some(&id))]);
        });
    }

    fn write(&mut self, make: impl FnOnce(&mut XmlWriter)) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed) {
            return;
        }
        let mut writer = XmlWriter::within(CONTEXT);
        make(&mut writer);
        let bytes = writer.finish();
        self.write_bytes += bytes.len();
        self.writes.push(bytes);
    }

    fn time(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| deadline > now.instant) {
            return;
        }
        match self.phase {
            Phase::Closing(_) => self.closed(None),
            _ => self.fail(ComponentFailure::Timeout),
        }
    }

    fn close(&mut self, now: Now) {
        if matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        if !self.header_sent {
            return self.closed(None);
        }
        self.write(|writer| {
            writer.stream_end();
        });
        self.phase = Phase::Closing(now.instant + self.limits.close_timeout);
    }

    fn fail(&mut self, failure: ComponentFailure) {
        let text = failure.wire_text();
        self.fail_with(failure, &text);
    }

    fn fail_with(&mut self, failure: ComponentFailure, text: &str) {
        self.answer_header();
        let condition = failure.condition();
        self.write(|writer| {
            if let Some(condition) = condition {
                error::write(writer, condition, text);
            }
            writer.stream_end();
        });
        self.closed(Some(failure));
    }

    fn protocol(&mut self, condition: Condition, what: &'static str) {
        self.fail(ComponentFailure::Protocol(condition, what));
    }

    fn closed(&mut self, failure: Option<ComponentFailure>) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.arrived = BytesMut::new();
            self.outputs.push_back(Output::Closed(failure));
        }
    }
}
