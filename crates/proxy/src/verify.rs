//! Asking the authoritative server whether a dialback key is valid (XEP-0220 §2.1.2).
//!
//! Always on a connection of its own, never on the one the key came in on, which an impostor may have opened. These
//! connections have their own budget per partner and obey the partner's TLS setting, proxy FQDN and address rules.

use std::sync::Arc;

use lexicon::{Direction, DomainPair, report};
use net::clock;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use xmpp::{
    route::RouteFailure,
    stream::{
        DialbackError, DialbackVerdict, Extensions, Input, Outbound, OutboundConfig, Output, Purpose, Refusal, Stage,
        StreamFailure, VerifyRequest, dialback::DialbackCondition,
    },
};

use crate::{
    dial,
    edge::Edge,
    pump::{Connected, Pump},
    reports::{End, Seen, Story},
};

/// Asks, and sends the verdict to the connection that wants it.
pub(crate) async fn run(
    edge: Arc<Edge>,
    request: VerifyRequest,
    verdicts: mpsc::Sender<(DomainPair, DialbackVerdict)>,
) {
    let pair = request.pair.clone();
    let limit = edge.limits().establishment_timeout;
    let verdict = match timeout(limit, ask(&edge, request)).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(failure)) => {
            tracing::debug!(%pair, %failure, "a dialback key could not be verified");
            error_of(&failure)
        }
        Err(_) => error(DialbackCondition::RemoteServerTimeout, "the authoritative server did not answer in time"),
    };
    // The connection may have ended meanwhile; then nobody wants the verdict.
    let _ = verdicts.send((pair, verdict)).await;
}

async fn ask(edge: &Arc<Edge>, request: VerifyRequest) -> Result<DialbackVerdict, RouteFailure> {
    let pair = request.pair.clone();
    let unknown = StreamFailure::Refused(Refusal::PartnerUnknown);
    let snapshot = edge.snapshot();
    // Of one that is probed, by the settings that are tried.
    let probed = || edge.probes().get(&pair).cloned();
    let partner = snapshot.partner_of(&pair.remote).cloned().or_else(probed).ok_or(unknown)?;
    let budget = edge.admission.verifications(&partner.primary_domain);
    let place = budget.acquire_owned().await.map_err(|_| StreamFailure::PeerClosed(Stage::Verify))?;
    let mut story = Story::outbound(pair.clone(), report::Purpose::Verification).with_settings(partner);
    match dial::connect(edge, &pair, &mut story).await {
        Ok((stream, _)) => converse(edge, request, stream, (place, story)).await,
        Err(failure) => {
            edge.events.report(story.without_stream(edge));
            Err(failure)
        }
    }
}

async fn converse(
    edge: &Arc<Edge>,
    request: VerifyRequest,
    stream: Connected,
    (place, story): (OwnedSemaphorePermit, Story),
) -> Result<DialbackVerdict, RouteFailure> {
    let purpose = Purpose::Verify(request);
    let config = OutboundConfig {
        purpose,
        sasl: false,
        secret: edge.secret(),
        limits: edge.limits(),
        extensions: Extensions::default(),
    };
    let machine = Outbound::new(config, clock::now());
    let mut pump = Pump::new(machine, stream, Direction::Outbound, edge.tls.load_full());
    loop {
        while let Some(output) = pump.machine.poll() {
            match output {
                Output::AskPair { pair, .. } => {
                    let (chain, now) = (pump.chain(), clock::now());
                    let rules = match edge.rules(&pair, chain, now) {
                        Err(refusal @ Refusal::PartnerUnknown) => edge.rules_to_ask(&pair, chain, now).ok_or(refusal),
                        judged => judged,
                    };
                    pump.feed(Input::PairRules(&pair, rules.map(|rules| story.tighten(rules))));
                }
                Output::StartTls { local, remote } => pump.start_tls(local, remote),
                Output::Verdict(_, verdict) => {
                    let seen = Seen { facts: pump.machine.facts(), chain: pump.chain() };
                    edge.events.report(story.ended(edge, None, seen, End::Done));
                    close(Arc::clone(edge), pump, place);
                    return Ok(verdict);
                }
                Output::Closed(failure) => {
                    let seen = Seen { facts: pump.machine.facts(), chain: pump.chain() };
                    edge.events.report(story.ended(edge, None, seen, End::Failed(failure.as_ref())));
                    close(Arc::clone(edge), pump, place);
                    return Err(failure.unwrap_or(StreamFailure::PeerClosed(Stage::Verify)).into());
                }
                _ => {}
            }
        }
        pump.step(true).await;
    }
}

/// Closes in the background, since the verdict need not wait for that. The connection gives its place in the budget back as
/// soon as our end is written: a server that closes late may not keep the next key from being verified. Of those that are
/// waited for there is a bounded number.
fn close(edge: Arc<Edge>, mut pump: Pump<Outbound>, place: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        pump.write_out().await;
        drop(place);
        if let Ok(_closing) = edge.admission.closing.try_acquire() {
            pump.linger().await;
        }
    });
}

fn error(condition: DialbackCondition, text: &str) -> DialbackVerdict {
    DialbackVerdict::Error(DialbackError::new(condition, text))
}

/// XEP-0220 §2.5: what the sender's server is told when nobody could be asked.
fn error_of(failure: &RouteFailure) -> DialbackVerdict {
    use DialbackCondition as C;
    let RouteFailure::Stream(failure) = failure else {
        return match failure {
            RouteFailure::NotFound(_) => error(C::RemoteServerNotFound, "no authoritative server is found"),
            RouteFailure::Unresolved(_) => error(C::RemoteServerTimeout, "the DNS lookup failed"),
            _ => error(C::RemoteConnectionFailed, "the authoritative server cannot be connected to"),
        };
    };
    match failure {
        StreamFailure::StarttlsAbsent | StreamFailure::TlsRequired => {
            error(C::PolicyViolation, "the authoritative server does not offer TLS, which is required")
        }
        StreamFailure::Timeout(_) => error(C::RemoteServerTimeout, "the authoritative server did not answer in time"),
        StreamFailure::Refused(_) | StreamFailure::TlsDemanded | StreamFailure::TlsExcluded => {
            error(C::PolicyViolation, "policy does not permit to ask the authoritative server")
        }
        _ => DialbackVerdict::of_failure(failure),
    }
}

#[cfg(test)]
mod tests {
    use xmpp::stream::StreamError;

    use super::*;

    /// XEP-0220 §2.5.
    #[test]
    fn the_error_says_what_kept_us_from_asking() {
        let peer_error = |name: &str| StreamFailure::PeerError {
            error: StreamError { name: name.into(), text: "".into() },
            stage: Stage::Header,
        };
        for (failure, condition) in [
            (RouteFailure::NotFound(String::new()), "remote-server-not-found"),
            (RouteFailure::Unresolved(String::new()), "remote-server-timeout"),
            (RouteFailure::Unreachable(String::new()), "remote-connection-failed"),
            (RouteFailure::Stream(StreamFailure::StarttlsAbsent), "policy-violation"),
            (RouteFailure::Stream(peer_error("host-unknown")), "remote-server-not-found"),
            (RouteFailure::Stream(StreamFailure::PeerClosed(Stage::Verify)), "remote-server-timeout"),
            (RouteFailure::Stream(StreamFailure::TlsHandshake("alert".into())), "remote-connection-failed"),
        ] {
            let DialbackVerdict::Error(error) = error_of(&failure) else { panic!("{failure}") };
            assert_eq!(&*error.name, condition, "{failure}");
        }
    }
}
