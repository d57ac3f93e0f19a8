//! A marked message that an administrator sends to see whether an address is reached: who waits is told each hop as it is
//! passed, and what was answered.
//!
//! It asks no contact rule and opens no contact: it says what the way is worth, not who may use it. Nothing but its fixed
//! text is sent.

use std::time::{Duration, Instant};

use interwork::message::{self, Addresses, Text};
use lexicon::{BareJid, DomainPair, Jid};
use link::{EnvelopeId, Settled};
use tokio::sync::mpsc;
use xmpp::stanza::{Condition, StanzaError};

use super::{Shard, delivery::Sender, inward::Arrived};

/// How long a hop may take.
pub(crate) const HOP_MAX: Duration = Duration::from_secs(20);
/// How long an answer is waited for when nothing more is to be heard of the way.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Tests under way at most.
const TESTS_MAX: usize = 16;

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct TestMessage {
    pub(crate) from: BareJid,
    pub(crate) to: BareJid,
    pub(crate) text: String,
    pub(crate) told: mpsc::Sender<TestEvent>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum TestEvent {
    /// It was not sent.
    Refused(String),
    /// It has left on an authorised stream.
    Written,
    /// The partner's server has acknowledged it (XEP-0198); without a `Written` before, it has left and nobody acknowledges.
    Acknowledged,
    /// An endpoint, or the deployment behind a trunk, has taken it.
    Delivered,
    /// It was refused on the way, or by who it was for.
    Failed(StanzaError),
}

/// A test on its way to a partner.
#[derive(Debug)]
struct Test {
    envelope: EnvelopeId,
    id: String,
    from: BareJid,
    to: BareJid,
    told: mpsc::Sender<TestEvent>,
    until: Instant,
}

/// Tests on their way to partners.
#[derive(Debug, Default)]
pub(super) struct Tests(Vec<Test>);

impl Shard {
    pub(super) fn send_test(&mut self, order: TestMessage) {
        let TestMessage { from, to, text, told } = order;
        let refuse = |reason: String| drop(told.try_send(TestEvent::Refused(reason)));
        let Some(edge) = self.snapshot() else { return refuse("The gateway is starting".to_owned()) };
        let text = Text { body: text, subject: None, language: None, encrypted: false };
        if edge.is_internal(to.domain()) {
            if self.serving.speaks_xmpp(&to) {
                return refuse(format!("{to} is served by an inner XMPP server, which is asked by its own clients"));
            }
            let deadline = self.now.instant + HOP_MAX;
            return self.deliver(Sender::Test(told), &from, &Jid::from(to), &text, Some(deadline));
        }
        match edge.partner_of(to.domain()) {
            None => return refuse(format!("{} is not a federation partner", to.domain())),
            Some(partner) if !partner.enabled => return refuse(format!("{} is disabled", partner.primary_domain)),
            Some(_) => {}
        }
        let now = self.now.instant;
        self.tests.0.retain(|test| test.until > now);
        if self.tests.0.len() >= TESTS_MAX {
            return refuse("Too many tests are under way".to_owned());
        }
        let id = self.tokens.make();
        let (sender, recipient) = (Jid::from(from.clone()), Jid::from(to.clone()));
        let addresses = Addresses { from: &sender, to: &recipient, id: &id };
        let batch = message::stanza(addresses, &text, "chat", None);
        let pair = DomainPair { local: from.domain().clone(), remote: to.domain().clone() };
        let Ok(envelope) = self.port.try_send(pair, batch, now + HOP_MAX) else {
            return refuse("Too many messages are waiting".to_owned());
        };
        self.counters.from_users.received();
        self.outward.note_own(envelope);
        self.tests.0.push(Test { envelope, id, from, to, told, until: now + HOP_MAX + ANSWER_MAX });
    }

    /// News of a stanza on the link: who waits for a test is told.
    pub(super) fn test_settled(&self, envelope: EnvelopeId, outcome: &Settled) {
        let Some(test) = self.tests.0.iter().find(|test| test.envelope == envelope) else { return };
        let event = match outcome {
            Settled::Written => TestEvent::Written,
            Settled::Done => TestEvent::Acknowledged,
            Settled::Refused(error) | Settled::Unknown(error) => TestEvent::Failed((**error).clone()),
        };
        let _ = test.told.try_send(event);
    }

    /// An error from a partner; whether it answers a test.
    pub(super) fn test_failed(&mut self, arrived: &Arrived<'_>) -> bool {
        let Some(id) = arrived.stanza.id() else { return false };
        let is_it = |test: &Test| test.id == id && test.to == *arrived.from.bare() && test.from == *arrived.to.bare();
        let Some(index) = self.tests.0.iter().position(is_it) else { return false };
        let test = self.tests.0.swap_remove(index);
        let error = arrived.stanza.error().unwrap_or_else(|| Condition::UndefinedCondition.into());
        let _ = test.told.try_send(TestEvent::Failed(error));
        true
    }
}
