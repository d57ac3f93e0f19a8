//! Proof of life on a stream that we send on (partner-policy §4, XEP-0199 §4.2, XEP-0478 §3.1).
//!
//! A TCP connection whose other end has vanished swallows stanzas for many minutes. So after a silence of the partner it
//! is asked, and a stream on which no answer comes is ended. Any byte on the stream proves life; the answer to a ping may
//! also come on the partner's own stream, where it is recognised by its id and goes no further.

use std::time::{Duration, Instant};

use lexicon::{DomainPair, Now};

use super::{core::Core, rules::StreamLimits};
use crate::{
    stanza::{StanzaKind, StanzaRef},
    xml::{XmlWriter, ns},
};

/// The namespace of pings.
pub(super) const NS_PING: &str = "urn:xmpp:ping";

/// What the ids of our pings begin with.
const ID_PREFIX: &str = "keep-alive:";

/// A peer that ends streams after a shorter silence is not kept awake.
const IDLE_KEPT_AWAKE_MIN: Duration = Duration::from_secs(30);

/// Whether `stanza` answers a ping of [`Outbound`](super::Outbound), with a result or an error. The machines consume
/// such stanzas of authorised pairs and tell [`Output::ProofOfLife`](super::Output::ProofOfLife).
pub fn is_answer(stanza: &StanzaRef<'_>) -> bool {
    let is_domain = |address: Option<&str>| address.is_some_and(|address| !address.contains(['@', '/']));
    stanza.kind() == StanzaKind::Iq
        && matches!(stanza.stanza_type(), Some("result" | "error"))
        && stanza.id().is_some_and(|id| id.starts_with(ID_PREFIX))
        && is_domain(stanza.from())
        && is_domain(stanza.to())
}

/// Whether `stanza` is anybody's ping: no sign that the stream is in use.
pub(super) fn is_ping(stanza: &StanzaRef<'_>) -> bool {
    stanza.kind() == StanzaKind::Iq && stanza.child("ping", NS_PING).is_some()
}

/// What must happen at the end of a silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    Ask,
    AskAgain,
    Close,
    GiveUp,
}

#[derive(Debug)]
pub(super) struct Liveness {
    /// The partner's setting.
    pub(super) keep_alive: bool,
    /// Of what the peer says it tolerates (XEP-0478).
    pub(super) idle: Option<Duration>,
    proof_at: Instant,
    written_at: Instant,
    asked_at: Option<Instant>,
    pings: u32,
}

impl Liveness {
    pub(super) fn new(now: Now) -> Self {
        let now = now.instant;
        Self { keep_alive: false, idle: None, proof_at: now, written_at: now, asked_at: None, pings: 0 }
    }

    pub(super) fn proved(&mut self, now: Now) {
        self.proof_at = now.instant;
        self.asked_at = None;
    }

    pub(super) fn written(&mut self, now: Now) {
        self.written_at = now.instant;
    }

    pub(super) fn asked(&mut self, now: Now) {
        self.asked_at = Some(now.instant);
    }

    /// When the silence ends, and how.
    pub(super) fn next(&self, limits: &StreamLimits) -> Option<(Instant, Need)> {
        if let Some(asked_at) = self.asked_at {
            return Some((asked_at + limits.keep_alive_timeout, Need::GiveUp));
        }
        let ask = self.keep_alive.then(|| (self.proof_at + limits.keep_alive_interval, Need::Ask));
        let idle = self.idle.map(|idle| {
            let need = if self.keep_alive && idle >= IDLE_KEPT_AWAKE_MIN { Need::Ask } else { Need::Close };
            (self.written_at + idle - idle / 10, need)
        });
        ask.into_iter().chain(idle).min_by_key(|(at, _)| *at)
    }

    /// Writes a ping.
    fn ping(&mut self, writer: &mut XmlWriter, pair: &DomainPair) {
        let id = format!("{ID_PREFIX}{}", self.pings);
        self.pings = self.pings.wrapping_add(1);
        let DomainPair { local, remote } = pair;
        writer.start("iq", ns::SERVER).attribute("from", local.as_unicode()).attribute("to", remote.as_unicode());
        writer.attribute("id", &id).attribute("type", "get").start("ping", NS_PING).end().end();
    }
}

impl Core {
    /// The partner has answered on another stream.
    pub(super) fn proof_of_life(&mut self, now: Now, pair: &DomainPair) {
        if self.sends(pair) {
            self.liveness.proved(now);
        }
    }

    /// Asks the peer whether it lives.
    pub(super) fn ask_for_life(&mut self, now: Now) {
        let Some(pair) = self.sending_pair().cloned() else { return };
        self.liveness.asked(now);
        if self.request_ack(now) {
            return;
        }
        let mut writer = XmlWriter::new();
        self.liveness.ping(&mut writer, &pair);
        self.write_bytes(writer.finish());
    }
}
