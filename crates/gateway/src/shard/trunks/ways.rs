//! Ways to a trunk for what is bound to one of its systems: requests in a dialog, and the ACK to a 2xx (RFC 3261
//! §12.2.1.1, §13.2.2.4). They go where the dialog says as long as that is an address of the trunk, and nowhere else.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ::sip::{Flow, Transport, Uri, transaction::Ticket};
use policy::{TrunkName, trunk::TrunkTransport};

use crate::shard::Shard;

impl Shard {
    /// The target that a request of ours is at, until it is answered.
    pub(in crate::shard) fn target_of(&self, ticket: Ticket) -> Option<SocketAddr> {
        self.trunks.jobs.get(&ticket)?.at
    }

    /// A flow to a trunk that can be used now: to `named` if that is an address of the trunk's, else to its first target
    /// that is up.
    pub(in crate::shard) fn flow_to_trunk(&mut self, name: &TrunkName, named: Option<SocketAddr>) -> Option<Flow> {
        let now = self.now.instant;
        let line = self.trunks.lines.get(name)?;
        let known = named.filter(|at| line.find(*at).is_some());
        if line.trunk.transport == TrunkTransport::Udp {
            let may_send = |at: &SocketAddr| line.trunk.may_come_from(at.ip());
            let first = || line.targets.iter().find(|target| target.is_usable(now)).map(|target| target.address);
            let at = known.or_else(|| named.filter(may_send)).or_else(first)?;
            return self.flows.datagrams_to(at, now);
        }
        let mut chosen = line.targets.iter().filter(|target| known.is_none_or(|at| at == target.address));
        chosen.find_map(|target| self.flows.flow(target.flow?))
    }

    /// Our host and port as a trunk reaches us.
    pub(in crate::shard) fn own_host(&mut self, name: &TrunkName) -> Option<(Transport, Arc<str>)> {
        if let Some(flow) = self.flow_to_trunk(name, None) {
            return Some((flow.transport, flow.sent_by));
        }
        let line = self.trunks.lines.get(name)?;
        let transport = if line.trunk.transport == TrunkTransport::Tls { Transport::Tls } else { Transport::Tcp };
        let is_ipv4 = line.targets.first().is_none_or(|target| target.address.is_ipv4());
        let own = &self.trunks.dialler.own.0;
        let alike = own.iter().find(|(of, v4, _)| *of == transport && *v4 == is_ipv4);
        let found = alike.or_else(|| own.iter().find(|(of, ..)| *of == transport)).or_else(|| own.first());
        found.map(|(transport, _, host)| (*transport, Arc::clone(host)))
    }
}

/// The address in a URI, if its host is one.
pub(in crate::shard) fn literal(uri: &Uri) -> Option<SocketAddr> {
    let ip: IpAddr = uri.host().trim_matches(['[', ']']).parse().ok()?;
    let is_tls = uri.transport().is_some_and(|transport| transport.eq_ignore_ascii_case("tls"));
    Some(SocketAddr::new(ip, uri.port().unwrap_or(if is_tls { 5061 } else { 5060 })))
}
