//! What a policy is called: `global`, `site:contoso.example`, `user:Sales`.

use std::{fmt, str::FromStr, sync::Arc};

use lexicon::Domain;

/// Longest name of a user policy in characters.
const NAME_CHARS_MAX: usize = 64;

/// The name of a user policy, as people write it. Cloning is cheap.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PolicyName(Arc<str>);

/// A text is no name of a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a name has 1 to {NAME_CHARS_MAX} characters, none of them a control character, a slash or a colon")]
pub struct PolicyNameError;

impl PolicyName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PolicyName {
    type Err = PolicyNameError;

    /// White space around it does not count.
    fn from_str(text: &str) -> Result<Self, PolicyNameError> {
        let text = text.trim();
        let allowed = |c: char| !c.is_control() && !matches!(c, '/' | ':' | '\u{2028}' | '\u{2029}');
        let fits = (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(allowed);
        if fits { Ok(Self(Arc::from(text))) } else { Err(PolicyNameError) }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whom a policy is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everybody.
    Global,
    /// An internal domain.
    Site,
    /// The users that it is assigned to.
    User,
}

impl Scope {
    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Site => "site",
            Self::User => "user",
        }
    }
}

/// Which policy.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PolicyIdentity {
    /// The one for everybody; cannot be removed, only reset.
    Global,
    /// That of an internal domain.
    Site(Domain),
    /// One that is assigned to users.
    User(PolicyName),
}

/// A text is no identity of a policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyIdentityError {
    /// It has none of the forms.
    #[error("allowed are global, site:DOMAIN and user:NAME")]
    Form,
    /// What follows `site:` is no domain.
    #[error("after site: an internal domain is needed: {0}")]
    Site(lexicon::DomainError),
    /// What follows `user:` is no name.
    #[error(transparent)]
    User(#[from] PolicyNameError),
}

impl PolicyIdentity {
    /// Whom it is for.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Global => Scope::Global,
            Self::Site(_) => Scope::Site,
            Self::User(_) => Scope::User,
        }
    }
}

impl FromStr for PolicyIdentity {
    type Err = PolicyIdentityError;

    fn from_str(text: &str) -> Result<Self, PolicyIdentityError> {
        match text.trim().split_once(':') {
            None if text.trim() == "global" => Ok(Self::Global),
            Some(("site", domain)) => Domain::parse(domain).map(Self::Site).map_err(PolicyIdentityError::Site),
            Some(("user", name)) => Ok(Self::User(name.parse()?)),
            _ => Err(PolicyIdentityError::Form),
        }
    }
}

impl fmt::Display for PolicyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.pad("global"),
            Self::Site(domain) => write!(f, "site:{}", domain.as_ascii()),
            Self::User(name) => write!(f, "user:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_written_as_it_is_read() {
        for text in ["global", "site:contoso.example", "user:Partner desk", "user:영업"] {
            assert_eq!(text.parse::<PolicyIdentity>().unwrap().to_string(), text);
        }
        let sixty_five = format!("user:{}", "x".repeat(65));
        for text in
            ["", "Global ", "site:", "site:*.example", "user:", "user: ", "user:a/b", "user:a:b", "VIP", &sixty_five]
        {
            assert!(text.parse::<PolicyIdentity>().is_err(), "{text:?}");
        }
    }
}
