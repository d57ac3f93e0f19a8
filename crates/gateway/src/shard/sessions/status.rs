//! What is told of sessions to people.

use std::collections::BTreeMap;

use super::super::{Shard, request::Origin};
use crate::SessionsStatus;

impl Shard {
    /// How many sessions stand or are being opened now.
    pub(in crate::shard) fn sessions_status(&self) -> SessionsStatus {
        let (mut trunks, mut registrar) = (BTreeMap::new(), 0);
        for dialog in self.sessions.legs.values().filter(|dialog| !dialog.is_over) {
            match &dialog.origin {
                Origin::Trunk(name) => *trunks.entry(name.clone()).or_default() += 1,
                Origin::RegistrarUser => registrar += 1,
            }
        }
        SessionsStatus { total: registrar + trunks.values().sum::<usize>(), registrar, trunks }
    }
}
