//! The other end of the link: what a proxy would be.

use std::time::Instant;

use interwork::typing::ChatState;
use lexicon::{DomainPair, JidRef};
use link::{Envelope, Inbox, LinkEnd, Port, Settled};
use tokio::time::timeout;
use xmpp::{
    stanza::{Condition, StanzaError, StanzaRef},
    xml::Batch,
};

use crate::scene::{PATIENCE, domain};

/// Sends partners' stanzas and receives those for partners.
pub(crate) struct Edge {
    port: Port,
    inbox: Inbox,
}

/// A message as it would go out to a partner.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) envelope: Envelope,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) id: String,
    pub(crate) kind: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) thread: Option<String>,
}

impl Sent {
    /// The chat state in it.
    pub(crate) fn state(&self) -> Option<ChatState> {
        ChatState::of(&StanzaRef::of(self.envelope.batch.element(0)).unwrap())
    }

    /// It was written to an authorised stream.
    pub(crate) fn written(self) {
        self.envelope.receipts.settle_all(&Settled::Done);
    }

    /// The proxy bounces it.
    pub(crate) fn bounced(self, error: StanzaError) {
        self.envelope.receipts.settle_all(&Settled::Refused(Box::new(error)));
    }
}

impl Edge {
    pub(crate) fn new(end: LinkEnd) -> Self {
        Self { port: end.link.port(1024), inbox: end.inbox }
    }

    /// The next stanza from the gateway.
    pub(crate) async fn next(&mut self) -> Sent {
        let envelope = timeout(PATIENCE, self.inbox.receive()).await.expect("a stanza comes").unwrap();
        let batch = envelope.batch.clone();
        assert_eq!(batch.len(), 1);
        let stanza = StanzaRef::of(batch.element(0)).unwrap();
        let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Sent {
            from: own(stanza.from()),
            to: own(stanza.to()),
            id: own(stanza.id()),
            kind: stanza.stanza_type().map(str::to_owned),
            body: stanza.body().map(|body| body.into_owned()),
            thread: stanza.thread().map(|thread| thread.into_owned()),
            envelope,
        }
    }

    /// Whether nothing has come.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::task::yield_now().await;
        let receive = self.inbox.receive();
        timeout(std::time::Duration::ZERO, receive).await.is_err()
    }

    /// Hands over a stanza without waiting for its end.
    pub(crate) fn send(&mut self, xml: &str) {
        self.send_for(xml, PATIENCE);
    }

    /// The same for a stanza that is of no use after `life`.
    pub(crate) fn send_for(&mut self, xml: &str, life: std::time::Duration) {
        let batch = Batch::from_xml(xml.to_owned()).unwrap();
        let stanza = StanzaRef::of(batch.element(0)).unwrap();
        let side = |address: Option<&str>| domain(JidRef::split(address.unwrap()).unwrap().domain);
        let pair = DomainPair { local: side(stanza.to()), remote: side(stanza.from()) };
        self.port.try_send(pair, batch.clone(), Instant::now() + life).unwrap();
    }

    /// The same once the link has room for it.
    pub(crate) async fn send_in_turn(&mut self, xml: &str) {
        self.port.room().await;
        self.send(xml);
    }

    /// How the oldest stanza that was handed over ended.
    pub(crate) async fn outcome(&mut self) -> Result<(), StanzaError> {
        let settlement = timeout(PATIENCE, self.port.settlement()).await.expect("a stanza ends");
        match settlement.outcome {
            Settled::Written | Settled::Done => Ok(()),
            Settled::Refused(error) | Settled::Unknown(error) => Err(*error),
        }
    }

    /// Hands over a stanza and waits for its end.
    pub(crate) async fn pass(&mut self, xml: &str) -> Result<(), StanzaError> {
        self.send(xml);
        self.outcome().await
    }

    /// The same for a chat message with the condition of its refusal.
    pub(crate) async fn say(&mut self, from: &str, to: &str, body: &str) -> Result<(), Condition> {
        self.pass(&message(from, to, body)).await.map_err(|error| error.condition)
    }
}

/// A chat message. The texts need no escaping.
pub(crate) fn message(from: &str, to: &str, body: &str) -> String {
    format!("<message from='{from}' to='{to}' type='chat' id='x1'><body>{body}</body></message>")
}
