//! Trunks as the shard knows them: how their targets stand, and what is on its way to them.

use super::Shard;
use crate::{TargetState, TargetStatus, TrunkStatus};

impl Shard {
    /// All trunks, by name.
    pub(super) fn trunk_statuses(&self) -> Vec<TrunkStatus> {
        let status = |trunk: &policy::Trunk| TrunkStatus {
            name: trunk.name.clone(),
            enabled: trunk.enabled,
            transport: trunk.transport,
            targets: trunk
                .targets
                .iter()
                .map(|target| TargetStatus {
                    target: target.clone(),
                    address: None,
                    state: TargetState::Unknown,
                    since: self.now.wall,
                    last_error: None,
                    round_trip_ms: None,
                })
                .collect(),
            connections: Vec::new(),
        };
        let mut all: Vec<_> = self.serving.trunks().map(status).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
