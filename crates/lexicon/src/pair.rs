//! The domain pair: the unit of authorisation.

use std::fmt;

use crate::Domain;

/// One of our domains and one of a partner's. Authorisation, queue and back-off are kept for each pair.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DomainPair {
    /// The internal domain.
    pub local: Domain,
    /// The partner's domain.
    pub remote: Domain,
}

impl fmt::Display for DomainPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ↔ {}", self.local, self.remote)
    }
}

/// Who opened the TCP connection of a stream.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// The partner opened it.
    Inbound,
    /// We opened it.
    Outbound,
}

impl Direction {
    /// The word used in the API, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
