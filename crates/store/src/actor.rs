//! Who makes a change, and from where: the first half of every audit row.

/// The author of an administrative change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// Who: `uid:0`, an administrator's name, `legation init`.
    pub who: String,
    /// From where: `socket`, an address, `setup`.
    pub origin: String,
}

impl Actor {
    /// An author.
    pub fn new(who: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { who: who.into(), origin: origin.into() }
    }
}
