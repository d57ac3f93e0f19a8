//! What is told of trunks, in the words of the API.

use lexicon::Timestamp;
use panel::{TrunkConnection, TrunkState, TrunkTarget, TrunkTest, TrunkTestStep};

use crate::certificates;

/// A trunk as it stands now.
pub(super) fn state(status: &gateway::TrunkStatus) -> TrunkState {
    let targets = status.targets.iter().map(|target| TrunkTarget {
        target: target.target.to_string(),
        address: target.address.map(|address| address.to_string()),
        state: target.state.to_string(),
        since: target.since.to_string(),
        last_error: target.last_error.clone(),
        round_trip_ms: target.round_trip_ms,
    });
    let connections = status.connections.iter().map(|connection| TrunkConnection {
        peer: connection.peer.to_string(),
        direction: if connection.outgoing { "outbound" } else { "inbound" }.to_owned(),
        transport: connection.transport.to_ascii_lowercase(),
        since: connection.since.to_string(),
        names: connection.names.clone(),
    });
    TrunkState { name: status.name.to_string(), targets: targets.collect(), connections: connections.collect() }
}

/// What a test has shown; certificates are told as of `now`.
pub(super) fn test(test: &gateway::TrunkTest, now: Timestamp) -> TrunkTest {
    let steps = test.steps.iter().map(|step| TrunkTestStep {
        target: step.target.to_string(),
        address: step.address.map(|address| address.to_string()),
        stage: step.stage.to_string(),
        ok: step.outcome.is_ok(),
        text: step.outcome.as_ref().unwrap_or_else(|error| error).clone(),
        took_ms: step.took_ms,
        certificate: step.certificate.as_ref().map(|facts| certificates::peer(facts, now)),
    });
    TrunkTest { name: test.name.to_string(), passed: test.passed(), steps: steps.collect() }
}
