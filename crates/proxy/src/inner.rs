//! The leg of inner XMPP servers: what is different from partners.
//!
//! Our own servers are dialled, for stanzas and to verify their dialback keys, at their configured targets alone: the
//! public records of their domains lead to our own edge. A connection may speak for a domain only from where that domain's
//! server may come: from the configured networks, or, without any, from the addresses of its targets. Names are resolved
//! by address records only; what a name meant when a connection was accepted counts for its whole life.

use std::{collections::BTreeSet, net::IpAddr, num::NonZeroU16, sync::Arc};

use lexicon::{Domain, report::Leg};
use net::dns::{DnsError, Endpoint, Kind, Resolver, Target, XMPP_SERVER_PORT};
use policy::{
    EdgeSnapshot, InnerServer,
    peer::{Host, HostPort},
};
use tokio::task::JoinSet;

use crate::edge::Edge;

/// The addresses of the server behind `domain`, in the order of its targets.
pub(crate) async fn locate(
    resolver: &Resolver,
    snapshot: &EdgeSnapshot,
    domain: &Domain,
) -> Result<Vec<Endpoint>, DnsError> {
    let targets = snapshot.inner_server(domain).map_or(&[][..], |server| &server.targets);
    resolver.resolve(&targets.iter().map(target).collect::<Vec<_>>()).await
}

/// Where a connection came from, as far as it matters for whom it may speak.
#[derive(Debug)]
pub(crate) struct Source {
    address: IpAddr,
    /// Names among the targets of servers that stand for this address.
    names: BTreeSet<Domain>,
}

impl Source {
    /// Of a connection from `address`; none where it does not matter.
    pub(crate) async fn of(edge: &Arc<Edge>, address: IpAddr) -> Option<Self> {
        if edge.leg() != Leg::Inner {
            return None;
        }
        let address = address.to_canonical();
        let snapshot = edge.snapshot();
        let servers = snapshot.partners().iter().filter_map(|partner| snapshot.inner_server(&partner.primary_domain));
        let mut asked: BTreeSet<_> = servers.flat_map(names_of).cloned().collect();
        let mut questions: JoinSet<_> =
            asked.iter().cloned().map(|name| is_at(Arc::clone(edge), name, address)).collect();
        let mut names = BTreeSet::new();
        while let Some(answer) = questions.join_next().await {
            names.extend(answer.ok().flatten().and_then(|name| asked.take(&name)));
        }
        Some(Self { address, names })
    }

    /// Whether the server behind `domain` may come from there.
    pub(crate) fn may_be(&self, snapshot: &EdgeSnapshot, domain: &Domain) -> bool {
        snapshot.inner_server(domain).is_some_and(|server| {
            server.may_come_from(self.address) || names_of(server).any(|name| self.names.contains(name))
        })
    }
}

/// `name`, if it stands for `address`. One that cannot be resolved now permits nothing: the connection may come again.
async fn is_at(edge: Arc<Edge>, name: Domain, address: IpAddr) -> Option<Domain> {
    let target = Target { host: name.as_ascii().to_owned(), port: XMPP_SERVER_PORT, kind: Kind::Starttls };
    let found = edge.resolver.resolve(&[target]).await.unwrap_or_default();
    found.iter().any(|endpoint| endpoint.address.ip().to_canonical() == address).then_some(name)
}

/// The names from whose addresses it may come.
fn names_of(server: &InnerServer) -> impl Iterator<Item = &Domain> {
    let targets = if server.sources.is_empty() { &server.targets[..] } else { &[] };
    targets.iter().filter_map(|target| match &target.host {
        Host::Name(name) => Some(name),
        Host::Address(_) => None,
    })
}

fn target(target: &HostPort) -> Target {
    let host = match &target.host {
        Host::Name(name) => name.as_ascii().to_owned(),
        Host::Address(address) => address.to_string(),
    };
    let port = target.port.map_or(XMPP_SERVER_PORT, NonZeroU16::get);
    Target { host, port, kind: Kind::Starttls }
}
