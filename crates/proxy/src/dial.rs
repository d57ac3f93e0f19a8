//! From a domain pair to a connection: discovery, dialling, and TLS at once where the partner's record says so (XEP-0368).
//!
//! Streams, verifications and probes all begin here, so each of them obeys the same overrides, proxy FQDN and address
//! rules, and tells the same story of what was found and tried.

use std::{net::SocketAddr, time::Instant};

use lexicon::DomainPair;
use net::{dial::dial, dns::Kind};
use tokio::time::timeout;
use xmpp::{
    route::RouteFailure,
    stream::{self, StreamFailure},
};

use crate::{edge::Edge, failure, pump::Connected, reports::Story};

/// Connects to the server of the remote domain, with TLS at once where its record says so (XEP-0368 §3).
pub(crate) async fn connect(
    edge: &Edge,
    pair: &DomainPair,
    story: &mut Story,
) -> Result<(Connected, SocketAddr), RouteFailure> {
    let limit = edge.limits().establishment_timeout;
    let begun = Instant::now();
    let partner = story.partner(edge, &pair.remote);
    let found = timeout(limit, edge.locate(&pair.remote, partner.as_deref())).await;
    let via = partner.and_then(|partner| partner.proxy_fqdn.as_ref().map(ToString::to_string));
    story.found(via, found.as_ref().ok().map(|found| found.as_deref()));
    let found = found.map_err(|_| RouteFailure::Unresolved("no answer in time".to_owned()))?;
    let endpoints = found.map_err(|error| failure::of_dns(&error))?;
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    let dialled = dial(&addresses, limit.saturating_sub(begun.elapsed())).await;
    story.dialled(dialled.as_ref().map(|(_, peer)| *peer));
    let (socket, peer) = dialled.map_err(|error| failure::of_dial(&error))?;
    if !endpoints.iter().any(|endpoint| endpoint.address == peer && endpoint.kind == Kind::DirectTls) {
        return Ok((Connected::Plain(socket), peer));
    }
    let tls = edge.tls.load_full();
    let handshake = tls.connect_direct(socket, &pair.local, &pair.remote);
    let failure = match timeout(limit.saturating_sub(begun.elapsed()), handshake).await {
        Ok(Ok(secured)) => return Ok((Connected::Secured(Box::new(secured)), peer)),
        Ok(Err(error)) => StreamFailure::TlsHandshake(error.to_string().into()),
        Err(_) => StreamFailure::Timeout(stream::Stage::Tls),
    };
    story.broke(&failure);
    Err(failure.into())
}
