//! What can be told of message sessions.

use std::collections::BTreeMap;

use policy::TrunkName;

/// How many message sessions stand or are being opened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionsStatus {
    /// In all.
    pub total: usize,
    /// Those of users of the registrar.
    pub registrar: usize,
    /// Those of trunks; trunks without one are not listed.
    pub trunks: BTreeMap<TrunkName, usize>,
}
