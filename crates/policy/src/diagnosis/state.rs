//! How a partner is, from its last attempts.

use std::fmt;

use lexicon::{Direction, Domain, Method, MethodSet};

/// The last attempt of one domain pair in one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastAttempt {
    /// Who opened the connection.
    pub direction: Direction,
    /// Our domain.
    pub local: Option<Domain>,
    /// The partner's domain.
    pub remote: Domain,
    /// The method that authorised the pair; none if the attempt failed.
    pub method: Option<Method>,
    /// The strongest method by which the pair was ever authorised in this direction.
    pub strongest: Option<Method>,
}

/// How a partner is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PartnerState {
    /// The last attempts succeeded.
    Up,
    /// One direction or domain fails, or a weaker method is used than before.
    Degraded,
    /// The last attempt failed in every direction tried.
    Down,
    /// No attempt yet.
    NotTried,
    /// Switched off.
    Disabled,
}

impl PartnerState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Up, Self::Degraded, Self::Down, Self::NotTried, Self::Disabled];

    /// The word of the API and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::NotTried => "not_tried",
            Self::Disabled => "disabled",
        }
    }
}

/// The words of the product, for people.
impl fmt::Display for PartnerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::NotTried { "not tried" } else { self.as_str() })
    }
}

/// The state of a partner that permits `methods`, from the last attempt of each pair and direction.
///
/// A weaker method counts only as long as the partner's row still permits the stronger one: who turned SASL off does not
/// want to be told of it for ever.
pub fn partner_state(enabled: bool, methods: MethodSet, last: &[LastAttempt]) -> PartnerState {
    if !enabled {
        return PartnerState::Disabled;
    }
    let failed = last.iter().filter(|attempt| attempt.method.is_none()).count();
    let is_weaker = |attempt: &LastAttempt| match (attempt.method, attempt.strongest) {
        (Some(method), Some(strongest)) => method > strongest && methods.contains(strongest),
        _ => false,
    };
    match failed {
        _ if last.is_empty() => PartnerState::NotTried,
        0 if last.iter().any(is_weaker) => PartnerState::Degraded,
        0 => PartnerState::Up,
        _ if failed == last.len() => PartnerState::Down,
        _ => PartnerState::Degraded,
    }
}
