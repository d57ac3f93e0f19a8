//! The scripted partner: a second proxy that serves two partner domains, with a script where its gateway would be.

use std::{net::SocketAddr, time::Duration};

use lexicon::{Domain, DomainPair, JidRef};
use link::{LinkEnd, Settled};
use policy::{EdgeSnapshot, Negotiation, Partner, PartnerType, Requirement, Settings};
use tokio::time::timeout;
use xmpp::stanza::{
    Condition, StanzaKind, StanzaRef,
    build::{self, Head, Message},
};

use super::{DemoError, PATIENCE};

/// Stanzas on the way to the server.
const WINDOW: usize = 16;

/// What a user of a partner domain gets.
#[derive(Debug)]
pub(super) enum Heard {
    Message { from: String, to: String, body: String },
    Error { to: String, condition: Condition, text: Option<String> },
}

pub(super) struct ScriptedPartner {
    proxy: proxy::Running,
    link: LinkEnd,
}

impl ScriptedPartner {
    /// Serves `domains` with `config` and knows `contoso` as its one partner.
    pub(super) async fn start(
        config: proxy::ProxyConfig,
        domains: &[Domain],
        contoso: Partner,
        settings: Settings,
    ) -> Result<Self, DemoError> {
        let (publisher, snapshots) = link::snapshots();
        let snapshot = EdgeSnapshot::new(1, [contoso], domains.iter().cloned(), settings);
        publisher.send_replace(Some(std::sync::Arc::new(snapshot)));
        let (edge_end, link) = link::local(WINDOW);
        let proxy = proxy::start(config, snapshots, edge_end).await?;
        Ok(Self { proxy, link })
    }

    /// Its partner settings for the server: whatever the server's row permits.
    pub(super) fn settings_for(domain: Domain, authority: &str) -> Result<Partner, DemoError> {
        let negotiation = Negotiation { tls: Requirement::Required, sasl: Requirement::Optional, dialback: true };
        let trust_roots = authority.parse().map_err(|error| DemoError::Stage(format!("trust roots: {error}")))?;
        let partner_type = PartnerType::Federated;
        Ok(Partner { negotiation, trust_roots, partner_type, ..Partner::new(domain) })
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        self.proxy.addresses()
    }

    /// One of its users writes. Returns once the stanza was written to an authorised stream.
    pub(super) async fn say(&self, from: &str, to: &str, body: &str) -> Result<(), DemoError> {
        let message = Message { message_type: Some("chat"), body: Some(body), ..Message::default() };
        let batch = build::message(Head { from, to, id: Some("demo") }, message);
        let mut port = self.link.link.port(WINDOW);
        let deadline = net::clock::now().instant + PATIENCE;
        port.try_send(pair(from, to)?, batch, deadline).map_err(|error| DemoError::Unexpected(error.to_string()))?;
        match port.settlement().await.outcome {
            Settled::Written | Settled::Done => Ok(()),
            Settled::Refused(error) | Settled::Unknown(error) => {
                let reason = error.text.unwrap_or_else(|| error.condition.as_str().to_owned());
                Err(DemoError::Unexpected(format!("{from} cannot write to {to}: {reason}")))
            }
        }
    }

    /// The next message or error for one of its users.
    pub(super) async fn hear(&mut self, within: Duration) -> Option<Heard> {
        let envelope = timeout(within, self.link.inbox.receive()).await.ok().flatten()?;
        let heard = envelope.batch.elements().next().and_then(StanzaRef::of).and_then(|stanza| read(&stanza));
        envelope.receipts.settle_all(&Settled::Done);
        heard
    }

    pub(super) async fn stop(self) {
        self.proxy.stop().await;
    }
}

fn pair(from: &str, to: &str) -> Result<DomainPair, DemoError> {
    let domain = |address| {
        let parsed = JidRef::split(address).and_then(JidRef::to_bare).map(|bare| bare.domain().clone());
        parsed.map_err(|error| DemoError::Unexpected(format!("{address}: {error}")))
    };
    Ok(DomainPair { local: domain(from)?, remote: domain(to)? })
}

fn read(stanza: &StanzaRef<'_>) -> Option<Heard> {
    let (from, to) = (stanza.from()?.to_owned(), stanza.to()?.to_owned());
    match (stanza.kind(), stanza.error()) {
        (_, Some(error)) => Some(Heard::Error { to, condition: error.condition, text: error.text }),
        (StanzaKind::Message, None) => Some(Heard::Message { from, to, body: stanza.body()?.into_owned() }),
        _ => None,
    }
}
