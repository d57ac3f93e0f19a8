//! From a domain pair to a connection: discovery, dialling, and TLS at once where the partner's record says so (XEP-0368).
//!
//! Streams, verifications and probes all begin here, so each of them obeys the same overrides, proxy FQDN and address
//! rules, and tells the same story of what was found and tried.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use lexicon::DomainPair;
use net::{
    dial::dial,
    dns::{Endpoint, Kind},
};
use tokio::time::timeout;
use xmpp::{
    route::RouteFailure,
    stream::{self, StreamFailure},
};

use crate::{edge::Edge, failure, pump::Connected, reports::Story};

/// What one handshake may take of the time there is when another endpoint is left: so three silent ones do not keep us
/// from the fourth.
const HANDSHAKE_SHARE: u32 = 4;

/// Connects to the server of the remote domain, with TLS at once where its record says so (XEP-0368 §3). An endpoint whose
/// handshake fails is followed by the next one; what that means for the rules is told by [`Story::tighten`].
pub(crate) async fn connect(
    edge: &Edge,
    pair: &DomainPair,
    story: &mut Story,
) -> Result<(Connected, SocketAddr), RouteFailure> {
    let limit = edge.limits().establishment_timeout;
    let begun = Instant::now();
    let mut endpoints = look_up(edge, pair, story, limit).await?;
    let mut broken = None;
    loop {
        let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
        let dialled = dial(&addresses, limit.saturating_sub(begun.elapsed())).await;
        story.dialled(dialled.as_ref().map(|(_, peer)| *peer));
        let (socket, peer) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return Err(broken.map_or_else(|| failure::of_dial(&error), RouteFailure::Stream)),
        };
        if !endpoints.iter().any(|endpoint| endpoint.address == peer && endpoint.kind == Kind::DirectTls) {
            return Ok((Connected::Plain(socket), peer));
        }
        endpoints.retain(|endpoint| endpoint.address != peer);
        let left = limit.saturating_sub(begun.elapsed());
        let share = if endpoints.is_empty() { left } else { left.min(limit / HANDSHAKE_SHARE) };
        let tls = edge.tls.load_full();
        let failure = match timeout(share, tls.connect_direct(socket, &pair.local, &pair.remote)).await {
            Ok(Ok(secured)) => return Ok((Connected::Secured(Box::new(secured)), peer)),
            Ok(Err(error)) => StreamFailure::TlsHandshake(error.to_string().into()),
            Err(_) => StreamFailure::Timeout(stream::Stage::Tls),
        };
        story.broke(&failure);
        if endpoints.is_empty() {
            return Err(failure.into());
        }
        broken = Some(failure);
    }
}

/// The endpoints to try, best first. The addresses of a partner's server are no strangers at our own door.
async fn look_up(
    edge: &Edge,
    pair: &DomainPair,
    story: &mut Story,
    limit: Duration,
) -> Result<Vec<Endpoint>, RouteFailure> {
    let partner = story.partner(edge, &pair.remote);
    let found = timeout(limit, edge.locate(&pair.remote, partner.as_deref())).await;
    let via = partner.and_then(|partner| partner.proxy_fqdn.as_ref().map(ToString::to_string));
    story.found(via, found.as_ref().ok().map(|found| found.as_deref()));
    let found = found.map_err(|_| RouteFailure::Unresolved("no answer in time".to_owned()))?;
    let endpoints = found.map_err(|error| failure::of_dns(&error))?;
    if !story.is_probe() {
        endpoints.iter().for_each(|endpoint| edge.admission.door.know(endpoint.address.ip()));
    }
    Ok(endpoints)
}
