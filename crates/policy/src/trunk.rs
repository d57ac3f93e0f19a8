//! A trunk: the way to a SIP deployment that serves an internal domain.
//!
//! A trunk is trusted by its certificate ([`Trunk::peer_names`], RFC 5922 without wildcards) or by its source address,
//! and only for the internal domains that name it as a backend. Which requests it may send, and how it is reached, is
//! all here; whether it can be reached is not.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use lexicon::Domain;

use crate::{
    FieldWarning, TrustRoots,
    peer::{HostPort, Network},
};

mod changes;

pub use changes::{Checked, TrunkChanges, TrunkDraft};

/// Longest name in characters.
pub const NAME_CHARS_MAX: usize = 32;
/// Most targets of one trunk.
pub const TARGETS_MAX: usize = 8;
/// Most names that a trunk's certificate may show.
pub const PEER_NAMES_MAX: usize = 16;
/// Most networks that a trunk may send from.
pub const SOURCES_MAX: usize = 64;

/// The name of a trunk: letters a to z, digits and hyphens. Cloning is cheap.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrunkName(Arc<str>);

/// A text is no name of a trunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a name has 1 to {NAME_CHARS_MAX} letters a to z, digits and hyphens, and begins with a letter or digit")]
pub struct TrunkNameError;

impl TrunkName {
    /// For what is judged although its name was bad.
    fn stand_in() -> Self {
        Self(Arc::from("invalid"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrunkName {
    type Err = TrunkNameError;

    fn from_str(text: &str) -> Result<Self, TrunkNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if fits { Ok(Self(Arc::from(text))) } else { Err(TrunkNameError) }
    }
}

impl fmt::Display for TrunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $error:ident, $allowed:literal { $($(#[$choice:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$choice])* $variant,)* }

        #[doc = concat!("A text is none of: ", $allowed, ".")]
        #[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
        #[error("allowed are {}", $allowed)]
        pub struct $error;

        impl $name {
            /// The word used in the API and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                [$(Self::$variant),*].into_iter().find(|choice| choice.as_str() == text).ok_or($error)
            }
        }
    };
}

words! {
    /// What carries requests to a trunk.
    TrunkTransport, TrunkTransportError, "udp, tcp and tls" {
        /// Datagrams.
        Udp = "udp",
        /// A stream.
        Tcp = "tcp",
        /// A stream inside TLS, with certificates on both sides.
        #[default]
        Tls = "tls",
    }
}

words! {
    /// How a trunk's deployment speaks.
    Dialect, DialectError, "plain and lync" {
        /// As the standards say.
        #[default]
        Plain = "plain",
        /// As Lync and Skype for Business do: `ms-text-format`, `ms-diagnostics`, KeyboardActivity.
        Lync = "lync",
    }
}

words! {
    /// How texts are sent to a trunk.
    SessionMode, SessionModeError, "pager and session" {
        /// Each as a MESSAGE of its own (RFC 3428).
        #[default]
        Pager = "pager",
        /// In an INVITE dialog with `m=message`.
        Session = "session",
    }
}

/// A configured trunk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trunk {
    /// Its identity; cannot be renamed.
    pub name: TrunkName,
    /// Notes.
    pub description: Arc<str>,
    /// Where its deployment is reached, first choice first. A name without a port is resolved by RFC 3263.
    pub targets: Vec<HostPort>,
    /// What carries requests to it.
    pub transport: TrunkTransport,
    /// The names of which its certificate must show one (RFC 5922 §7, no wildcards). Needed with TLS.
    pub peer_names: Vec<Domain>,
    /// Which authorities may vouch for its certificate.
    pub trust_roots: TrustRoots,
    /// Where its requests may come from; empty: from anywhere with TLS, from nowhere without.
    pub sources: Vec<Network>,
    /// Whether every hop behind it has congestion control, so that long messages may be sent (RFC 3428 §8).
    pub congestion_safe: bool,
    /// How its deployment speaks.
    pub dialect: Dialect,
    /// How texts are sent to it.
    pub session_mode: SessionMode,
    /// Off without deleting.
    pub enabled: bool,
}

impl Trunk {
    /// A trunk with every default and without targets.
    pub fn new(name: TrunkName) -> Self {
        Self {
            name,
            description: Arc::from(""),
            targets: Vec::new(),
            transport: TrunkTransport::default(),
            peer_names: Vec::new(),
            trust_roots: TrustRoots::System,
            sources: Vec::new(),
            congestion_safe: false,
            dialect: Dialect::default(),
            session_mode: SessionMode::default(),
            enabled: true,
        }
    }

    /// What an administrator should know about it.
    pub fn warnings(&self) -> Vec<FieldWarning> {
        let is_tls = self.transport == TrunkTransport::Tls;
        let is_udp = self.transport == TrunkTransport::Udp;
        let is_lync = self.dialect == Dialect::Lync;
        let warnings = [
            (!is_tls, "transport", "plaintext_only", PLAINTEXT),
            (is_lync && is_udp, "transport", "lync_without_udp", LYNC_WITHOUT_UDP),
            (!is_tls && self.trust_roots != TrustRoots::System, "trust_roots", "ineffective", ROOTS_WITHOUT_TLS),
            (is_udp && self.congestion_safe, "congestion_safe", "congestion_over_udp", CONGESTION_OVER_UDP),
            (is_lync && self.session_mode == SessionMode::Pager, "session_mode", "lync_sessions", LYNC_SESSIONS),
        ];
        let raised = warnings.into_iter().filter(|(raised, ..)| *raised);
        raised.map(|(_, field, code, text)| FieldWarning::new(field, code, text)).collect()
    }

    /// Whether a request from `address` may be this trunk's, as far as addresses go.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self.sources.is_empty() {
            true => self.transport == TrunkTransport::Tls,
            false => self.sources.iter().any(|network| network.contains(address)),
        }
    }
}

const PLAINTEXT: &str = "requests cross the network unencrypted and the trunk is known by its address alone; set the \
     transport to tls where its deployment can";
const LYNC_WITHOUT_UDP: &str = "Lync and Skype for Business do not speak SIP over UDP; set the transport to tls or tcp";
const ROOTS_WITHOUT_TLS: &str = "without TLS no certificate is shown, so trust_roots has no effect";
const CONGESTION_OVER_UDP: &str = "UDP has no congestion control, so the first hop is not congestion safe whatever is \
     behind it (RFC 3428 §8)";
const LYNC_SESSIONS: &str = "Lync and Skype for Business take texts in sessions; set session_mode to session";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for text in ["lync", "7", "pool-2"] {
            assert_eq!(text.parse::<TrunkName>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "Lync", "a b", "a:b", &"a".repeat(33)] {
            assert_eq!(text.parse::<TrunkName>(), Err(TrunkNameError), "{text}");
        }
    }

    #[test]
    fn without_tls_only_named_sources_are_a_trunk() {
        let mut trunk = Trunk::new("lync".parse().unwrap());
        let address = "::ffff:192.0.2.7".parse().unwrap();
        assert!(trunk.may_come_from(address));
        trunk.transport = TrunkTransport::Udp;
        assert!(!trunk.may_come_from(address));
        trunk.sources = vec!["192.0.2.0/24".parse().unwrap()];
        assert!(trunk.may_come_from(address));
        trunk.transport = TrunkTransport::Tls;
        assert!(!trunk.may_come_from("198.51.100.7".parse().unwrap()));
    }
}
