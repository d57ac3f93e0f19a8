//! What a component sends: its header, the handshake, stanzas.

use lexicon::{Domain, JidRef};

use super::{
    Batch, Component, ComponentFailure, Condition, ElementRef, Frame, Framing, Limits, NS, Output, Phase, StreamError,
    XmlWriter, error, ns,
};

/// Why reading goes no further.
type Fault = (Condition, &'static str);

impl Component {
    pub(super) fn read(&mut self) {
        while !matches!(self.phase, Phase::Asked | Phase::Closed) {
            let before = self.arrived.len();
            let frame = self.framer.next(&mut self.arrived);
            if !self.ready {
                self.unauthenticated += before - self.arrived.len();
                if self.unauthenticated > self.limits.unauthenticated_bytes_max {
                    return self.protocol(Condition::PolicyViolation, "too many bytes before the handshake");
                }
            }
            match frame {
                Err(error) => return self.fail(error.into()),
                Ok(None) => return,
                Ok(Some(Frame::Whitespace)) => {}
                Ok(Some(Frame::Header(header))) => self.header(&header),
                Ok(Some(Frame::Elements(batch))) => self.elements(&batch),
                Ok(Some(Frame::Close)) => {
                    self.answer_header();
                    self.write(|writer| {
                        writer.stream_end();
                    });
                    self.closed(None);
                }
            }
        }
    }

    fn header(&mut self, header: &Batch) {
        if self.phase != Phase::Header {
            return;
        }
        let root = header.element(0);
        if root.namespace() != ns::STREAM {
            return self.protocol(Condition::InvalidNamespace, "the stream namespace is wrong");
        }
        if root.name() != "stream" {
            return self.protocol(Condition::BadFormat, "the root element is not a stream");
        }
        if root.declaration("") != Some(NS) {
            return self.protocol(Condition::InvalidNamespace, "the content namespace is not jabber:component:accept");
        }
        let Some(domain) = root.attribute("to").and_then(|to| Domain::parse(&to).ok()) else {
            return self.protocol(Condition::ImproperAddressing, "the header has no usable to");
        };
        self.domain = Some(domain.clone());
        self.phase = Phase::Asked;
        self.outputs.push_back(Output::AskDomain(domain));
    }

    fn elements(&mut self, batch: &Batch) {
        let mut writer = XmlWriter::new();
        let mut fault = None;
        for element in batch.elements() {
            if element.is("error", ns::STREAM) {
                return self.peer_error(writer, error::read(element));
            }
            if !self.ready {
                fault = self.handshake(element).err();
            } else if is_stanza(element) {
                fault = self.admit(element).err();
                if fault.is_none() {
                    writer.renamed(element, NS, ns::SERVER);
                }
            } else {
                fault = Some((Condition::UnsupportedStanzaType, "an element that is no stanza"));
            }
            if fault.is_some() || self.phase == Phase::Closed {
                break;
            }
        }
        self.pass(writer);
        if let Some((condition, what)) = fault {
            self.protocol(condition, what);
        }
    }

    fn peer_error(&mut self, writer: XmlWriter, error: StreamError) {
        self.pass(writer);
        self.write(|writer| {
            writer.stream_end();
        });
        self.closed(Some(ComponentFailure::PeerError(error)));
    }

    fn pass(&mut self, writer: XmlWriter) {
        if !writer.is_empty() {
            self.outputs.push_back(Output::Stanzas(writer.into_batch()));
        }
    }

    fn handshake(&mut self, element: ElementRef<'_>) -> Result<(), Fault> {
        if !element.is("handshake", NS) {
            return Err((Condition::NotAuthorized, "something else than the handshake"));
        }
        let (Some(secret), Some(domain)) = (self.secret.take(), self.domain.clone()) else { return Ok(()) };
        if !secret.is_proved(element.text().trim_ascii(), &self.id) {
            self.fail(ComponentFailure::HandshakeFailed(domain));
            return Ok(());
        }
        self.write(|writer| {
            writer.leaf("handshake", NS, "");
        });
        self.phase = Phase::Open;
        self.ready = true;
        self.framer.set_limits(Limits::stanzas(self.limits.stanza_bytes_max));
        self.framer.set_framing(Framing::Batched);
        self.outputs.push_back(Output::Ready(domain));
        Ok(())
    }

    /// Both addresses must be there, and the sender one of the component's domain (XEP-0114 §3).
    fn admit(&self, element: ElementRef<'_>) -> Result<(), Fault> {
        let address = |name| element.attribute(name);
        let missing = (Condition::ImproperAddressing, "a stanza without from and to");
        let (from, to) = (address("from").ok_or(missing)?, address("to").ok_or(missing)?);
        let domain = |text: &str| {
            let jid = JidRef::split(text).ok()?;
            jid.to_bare().ok().map(|bare| bare.domain().clone())
        };
        let malformed = (Condition::ImproperAddressing, "a stanza with a malformed address");
        domain(&to).ok_or(malformed)?;
        if self.domain != Some(domain(&from).ok_or(malformed)?) {
            return Err((Condition::InvalidFrom, "a stanza of a domain that the component does not serve"));
        }
        Ok(())
    }
}

fn is_stanza(element: ElementRef<'_>) -> bool {
    element.namespace() == NS && matches!(element.name(), "message" | "presence" | "iq")
}
