//! One machine against a peer that the test plays line by line.

use bytes::{Bytes, BytesMut};
use lexicon::{CertificateFault, Domain, Method, MethodSet, Now};
use xmpp::stream::{
    Extensions, Inbound, InboundConfig, Input, Outbound, OutboundConfig, Output, PairRules, Purpose, Refusal, Secret,
    StreamFailure, StreamLimits, TlsUse,
};

use crate::pair::{domain, pair, start, tls_facts};

/// The header of a partner's server.
pub(crate) const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
    xmlns:stream='http://etherx.jabber.org/streams' from='fabrikam.example' to='contoso.example' version='1.0'>";
/// The same as answer to ours.
pub(crate) const ANSWER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
    xmlns:stream='http://etherx.jabber.org/streams' from='fabrikam.example' to='contoso.example' version='1.0' \
    id='D60000229F'>";
pub(crate) const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const AUTH: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
pub(crate) const KEY: &str = "<db:result from='fabrikam.example' to='contoso.example'>key</db:result>";

/// Rules with these methods, for a partner that is not asked for proof of life.
pub(crate) fn rules(tls: TlsUse, methods: &[Method]) -> PairRules {
    let dialback = methods.iter().any(|method| *method != Method::SaslOverTls);
    PairRules { tls, methods: MethodSet::of(methods), dialback, certificate: Ok(()), keep_alive: false }
}

enum Machine {
    In(Box<Inbound>),
    Out(Box<Outbound>),
}

/// The machine under test and all that it did.
pub(crate) struct Script {
    machine: Machine,
    pub(crate) now: Now,
    /// What policy answers; it may change between lines.
    pub(crate) answer: Result<PairRules, Refusal>,
    /// Whether [`Output::AskPair`] is answered at once.
    pub(crate) answers: bool,
    /// Outputs not yet looked at, [`Output::AskPair`] left out when it is answered.
    pub(crate) outputs: Vec<Output>,
    pub(crate) closed: Option<Option<StreamFailure>>,
    written: Vec<u8>,
    heard: usize,
}

impl Script {
    pub(crate) fn inbound(answer: Result<PairRules, Refusal>) -> Self {
        Self::inbound_within(answer, StreamLimits::default())
    }

    pub(crate) fn inbound_within(answer: Result<PairRules, Refusal>, limits: StreamLimits) -> Self {
        Self::inbound_with(answer, limits, Extensions::default())
    }

    pub(crate) fn inbound_with(
        answer: Result<PairRules, Refusal>,
        limits: StreamLimits,
        extensions: Extensions,
    ) -> Self {
        let config =
            InboundConfig { tls_available: true, secret: Secret::new("s3cr3tf0rd14lb4ck"), limits, extensions };
        let now = start();
        Self::new(Machine::In(Box::new(Inbound::new(config, [7; 32], now))), now, answer)
    }

    pub(crate) fn outbound(answer: Result<PairRules, Refusal>) -> Self {
        Self::outbound_for(answer, Purpose::Stanzas(pair("contoso.example", "fabrikam.example")), true)
    }

    pub(crate) fn outbound_for(answer: Result<PairRules, Refusal>, purpose: Purpose, sasl: bool) -> Self {
        Self::outbound_with(answer, purpose, sasl, Extensions::default())
    }

    pub(crate) fn outbound_with(
        answer: Result<PairRules, Refusal>,
        purpose: Purpose,
        sasl: bool,
        extensions: Extensions,
    ) -> Self {
        let secret = Secret::new("s3cr3tf0rd14lb4ck");
        let config = OutboundConfig { purpose, sasl, secret, limits: StreamLimits::default(), extensions };
        let now = start();
        let mut script = Self::new(Machine::Out(Box::new(Outbound::new(config, now))), now, answer);
        script.take();
        script
    }

    fn new(machine: Machine, now: Now, answer: Result<PairRules, Refusal>) -> Self {
        let (outputs, written) = (Vec::new(), Vec::new());
        Self { machine, now, answer, answers: true, outputs, closed: None, written, heard: 0 }
    }

    /// An inbound stream inside TLS whose features have been sent; the peer's certificate names `certificate`.
    pub(crate) fn inbound_in_tls(
        answer: Result<PairRules, Refusal>,
        certificate: Result<&str, CertificateFault>,
    ) -> Self {
        let mut script = Self::inbound(answer);
        script.say(HEADER).say(STARTTLS);
        assert!(script.hear().contains("<proceed"), "{:?}", script.closed);
        script.tls(certificate.map(domain)).say(HEADER);
        script.outputs.clear();
        script
    }

    /// An inbound stream with the pair of the headers authorised by TLS dialback, or by TCP dialback.
    pub(crate) fn inbound_open() -> Self {
        let rules = rules(TlsUse::Optional, &[Method::TlsDialback, Method::TcpDialback]);
        let mut script = Self::inbound(Ok(rules));
        script.say(HEADER).say(KEY);
        let pair = pair("contoso.example", "fabrikam.example");
        script.input(Input::DialbackVerdict(&pair, xmpp::stream::DialbackVerdict::Valid));
        assert!(script.hear().contains("type='valid'"));
        script.outputs.clear();
        script
    }

    /// The peer sends `text`.
    pub(crate) fn say(&mut self, text: &str) -> &mut Self {
        self.say_bytes(text.as_bytes())
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.input(Input::Bytes(&mut BytesMut::from(bytes)))
    }

    /// TLS is up.
    pub(crate) fn tls(&mut self, certificate: Result<Domain, CertificateFault>) -> &mut Self {
        self.input(Input::Tls(tls_facts(&certificate)))
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> &mut Self {
        match &mut self.machine {
            Machine::In(machine) => machine.handle(self.now, input),
            Machine::Out(machine) => machine.handle(self.now, input),
        }
        self.take();
        self
    }

    fn take(&mut self) {
        loop {
            let output = match &mut self.machine {
                Machine::In(machine) => machine.poll(),
                Machine::Out(machine) => machine.poll(),
            };
            match output {
                None => break,
                Some(Output::AskPair { pair, .. }) if self.answers => {
                    let input = Input::PairRules(&pair, self.answer.clone());
                    match &mut self.machine {
                        Machine::In(machine) => machine.handle(self.now, input),
                        Machine::Out(machine) => machine.handle(self.now, input),
                    }
                }
                Some(Output::Closed(failure)) => {
                    assert!(self.closed.is_none(), "a stream ends once");
                    self.closed = Some(failure);
                }
                Some(output) => {
                    assert!(self.closed.is_none(), "nothing comes after the end: {output:?}");
                    self.outputs.push(output);
                }
            }
        }
        let mut bytes: Vec<Bytes> = Vec::new();
        match &mut self.machine {
            Machine::In(machine) => machine.drain(&mut bytes),
            Machine::Out(machine) => machine.drain(&mut bytes),
        }
        bytes.iter().for_each(|bytes| self.written.extend_from_slice(bytes));
    }

    /// What the machine wrote since the last look.
    pub(crate) fn hear(&mut self) -> String {
        let text = String::from_utf8(self.written[self.heard..].to_vec()).expect("streams are UTF-8");
        self.heard = self.written.len();
        text
    }

    /// Why the stream ended.
    pub(crate) fn failure(&self) -> &StreamFailure {
        self.closed.as_ref().expect("the stream has ended").as_ref().expect("it ended for a reason")
    }

    /// The deadline passes.
    pub(crate) fn wait(&mut self) -> &mut Self {
        let deadline = match &self.machine {
            Machine::In(machine) => machine.deadline(),
            Machine::Out(machine) => machine.deadline(),
        };
        let deadline = deadline.expect("a stream that lives has a deadline");
        self.now = self.now + deadline.duration_since(self.now.instant);
        self.input(Input::Deadline)
    }

    pub(crate) fn facts(&self) -> &xmpp::stream::StreamFacts {
        match &self.machine {
            Machine::In(machine) => machine.facts(),
            Machine::Out(machine) => machine.facts(),
        }
    }

    pub(crate) fn room(&self) -> usize {
        match &self.machine {
            Machine::In(machine) => machine.room(),
            Machine::Out(machine) => machine.room(),
        }
    }

    /// Stanzas sent by an outbound stream and not acknowledged.
    pub(crate) fn unacked(&self) -> Option<u64> {
        match &self.machine {
            Machine::In(_) => None,
            Machine::Out(machine) => machine.unacked(),
        }
    }

    /// Takes the outputs seen so far.
    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }
}

/// Whether `text` is a stream error with this condition, after which the stream was closed.
pub(crate) fn is_stream_error(text: &str, condition: &str) -> bool {
    text.contains(&format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"))
        && text.ends_with("</stream:error></stream:stream>")
}
