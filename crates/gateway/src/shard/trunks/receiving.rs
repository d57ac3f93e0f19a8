//! Requests of trunks: which trunk sent one, and what that permits (RFC 5922 §7.4, RFC 5923 §8.2, RFC 3261 §18.2.2).
//!
//! A request is a trunk's if the other end of its TLS connection has proved to be it, or, on a trunk without TLS, if it
//! came from one of its sources; and only where From is an address that this trunk serves. Nobody else's word for such an
//! address counts, not even a password.

use std::{net::IpAddr, time::Duration};

use ::sip::{Response, Status, Transport, Uri};
use interwork::{diagnostics::Diagnostics, error::Answer, uri};
use lexicon::{BareJid, Domain};
use policy::{
    TrunkName,
    trunk::{Dialect, TrunkTransport},
};

use super::Line;
use crate::{
    shard::{
        Shard,
        request::{Incoming, Origin},
    },
    trunk::{Place, Role, check},
};

/// How long the judgement of a connection's certificate stands.
const PROVEN_FOR: Duration = Duration::from_secs(300);
/// Responses that wait for a connection to one target.
const LATE_MAX: usize = 64;

impl Shard {
    /// Whether a request came from the trunk of this name, as far as its way goes.
    pub(in crate::shard) fn comes_from_trunk(&mut self, incoming: &Incoming, name: &TrunkName) -> bool {
        let Some(source) = self.flows.source(incoming.flow.id) else { return false };
        match incoming.flow.transport {
            Transport::Tls => self.proven_trunks(incoming).contains(name),
            Transport::Udp | Transport::Tcp => {
                let by_source = |line: &Line| line.trunk.transport != TrunkTransport::Tls;
                let line = self.trunks.lines.get(name).filter(|line| by_source(line));
                line.is_some_and(|line| line.trunk.may_come_from(source))
            }
        }
    }

    /// Which trunks the other end of a request's TLS connection has proved to be.
    pub(in crate::shard) fn proven_trunks(&mut self, incoming: &Incoming) -> Vec<TrunkName> {
        let (flow, now) = (incoming.flow.id, self.now);
        if let Some((at, proven)) = self.trunks.proven.get(&flow)
            && now.instant.saturating_duration_since(*at) < PROVEN_FOR
        {
            return proven.clone();
        }
        let Some(connection) = self.flows.connection(flow).filter(|connection| connection.identity.is_some()) else {
            return Vec::new();
        };
        let role = if connection.outgoing { Role::Server } else { Role::Client };
        let fits = |line: &&Line| {
            line.trunk.transport == TrunkTransport::Tls
                && line.trunk.may_come_from(connection.peer.ip())
                && match check(connection.identity.as_ref(), &line.way, role, now.wall) {
                    Ok(_) => true,
                    Err(error) => {
                        tracing::debug!(trunk = %line.trunk.name, peer = %connection.peer, error, "not the trunk");
                        false
                    }
                }
        };
        let proven: Vec<_> = self.trunks.lines.values().filter(fits).map(|line| line.trunk.name.clone()).collect();
        self.trunks.proven.insert(flow, (now.instant, proven.clone()));
        proven
    }

    /// Judges a request from `from`, which the trunk of this name serves; whether it may go on.
    pub(in crate::shard) fn admit_trunk(&mut self, incoming: &Incoming, from: &BareJid, name: &TrunkName) -> bool {
        if !self.comes_from_trunk(incoming, name) {
            self.note_unproven(incoming, name);
            self.stranger(incoming, "unknown_source", "This is not the system that serves that address");
            return false;
        }
        let to = incoming.request.headers.to().ok();
        if !to.is_some_and(|to| self.is_served(&to.uri)) {
            self.counters.sip("foreign_recipient");
            let answer = Answer::new(Status::FORBIDDEN);
            self.answer(incoming, answer.with_text("To is neither a federation partner's address nor ours"), &[]);
            return false;
        }
        self.memory.saw(from);
        self.flows.is_of_trunk(incoming.flow.id);
        self.take_alias(incoming, name);
        true
    }

    /// Whether a URI is of a domain of ours or of an enabled partner: nothing else is relayed.
    fn is_served(&self, uri: &Uri) -> bool {
        let Some(edge) = self.snapshot() else { return false };
        let domain = uri::to_jid(uri).ok().map(|jid| jid.domain().clone()).or_else(|| Domain::parse(uri.host()).ok());
        domain.is_some_and(|domain| {
            edge.is_internal(&domain) || edge.partner_of(&domain).is_some_and(|partner| partner.enabled)
        })
    }

    /// A connection whose certificate is not the trunk's is told in its state, if it comes from one of its addresses.
    fn note_unproven(&mut self, incoming: &Incoming, name: &TrunkName) {
        let Some(connection) = self.flows.connection(incoming.flow.id) else { return };
        let Some(line) = self.trunks.lines.get_mut(name) else { return };
        if connection.transport != Transport::Tls {
            return;
        }
        let Err(error) = check(connection.identity.as_ref(), &line.way, Role::Client, self.now.wall) else { return };
        let ip = connection.peer.ip().to_canonical();
        for target in line.targets.iter_mut().filter(|target| target.address.ip().to_canonical() == ip) {
            target.last_error = Some(format!("a request from there was refused: {error}"));
        }
    }

    /// RFC 5923 §8.2: the connection of a request with `alias` may be used for requests to the address that its Via
    /// advertises, here where that address is one of the trunk's and has no connection.
    fn take_alias(&mut self, incoming: &Incoming, name: &TrunkName) {
        let Ok(via) = incoming.request.headers.via() else { return };
        if incoming.flow.transport != Transport::Tls || !via.params.has("alias") {
            return;
        }
        let Some(source) = self.flows.source(incoming.flow.id) else { return };
        let Some(line) = self.trunks.lines.get_mut(name) else { return };
        let port = via.port.unwrap_or(5061);
        let is_it = |ip: IpAddr| ip.to_canonical() == source.to_canonical();
        let target = line.targets.iter_mut().find(|target| target.address.port() == port && is_it(target.address.ip()));
        if let Some(target) = target.filter(|target| target.flow.is_none() && !target.dialling) {
            target.flow = Some(incoming.flow.id);
            target.check_at = Some(self.now.instant);
            self.trunks.arm(self.now.instant);
        }
    }

    /// RFC 3261 §18.2.2: the connection of a request is gone, so its response goes to where the topmost Via says, if that
    /// is an address of the trunk.
    pub(in crate::shard) fn answer_elsewhere(&mut self, incoming: &Incoming, response: &Response) {
        let place = self.reply_place(incoming);
        let Some((place, flow)) = place else { return self.counters.sip("answer_undeliverable") };
        let bytes = response.to_bytes();
        if let Some(flow) = flow {
            return self.write(flow, bytes);
        }
        let Some(target) = self.trunks.target(&place).filter(|target| target.late.len() < LATE_MAX) else {
            return self.counters.sip("answer_undeliverable");
        };
        target.late.push(bytes);
        self.dial(&place, None);
    }

    fn reply_place(&self, incoming: &Incoming) -> Option<(Place, Option<::sip::FlowId>)> {
        let Some(Origin::Trunk(name)) = &incoming.origin else { return None };
        let line = self.trunks.lines.get(name).filter(|line| line.trunk.transport != TrunkTransport::Udp)?;
        let via = incoming.request.headers.via().ok()?;
        let host = via.params.value("received").unwrap_or(&via.host).trim_matches(['[', ']']);
        let ip = host.parse::<IpAddr>().ok()?.to_canonical();
        let port = via.port.unwrap_or(if incoming.flow.transport == Transport::Tls { 5061 } else { 5060 });
        let is_it = |target: &&super::Target| target.address.ip().to_canonical() == ip && target.address.port() == port;
        let target = line.targets.iter().find(is_it)?;
        let live = target.flow.filter(|flow| self.flows.connection(*flow).is_some());
        Some((Place { trunk: name.clone(), made: line.made, address: target.address }, live))
    }

    /// `ms-diagnostics` for a refusal to a deployment that reads it.
    pub(in crate::shard) fn diagnostics(&self, incoming: &Incoming, answer: &Answer) -> Option<String> {
        let Some(Origin::Trunk(name)) = &incoming.origin else { return None };
        let line = self.trunks.lines.get(name).filter(|line| line.trunk.dialect == Dialect::Lync)?;
        let source = line.way.local.as_ref().map_or("legation", Domain::as_ascii);
        (answer.status.class() >= 4).then(|| Diagnostics::of(answer, source).value())
    }
}
