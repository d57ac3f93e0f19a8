//! Server dialback (XEP-0220 1.1.1): keys (XEP-0185), messages, verdicts.
//!
//! A key proves that who sends it shares a secret with the authoritative server of the sender's domain. Its parts are
//! separated, so that no two pairs share a key; it is compared in constant time; and it is only called valid while the
//! stream for which it was made is alive (the "wrong number attack").

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use lexicon::{Domain, DomainPair};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{error::Condition, failure::StreamFailure};

mod message;

pub(crate) use message::{Kind, Message, What, answer, ask};

/// The secret of XEP-0185, shared by all nodes that answer for the same domains.
#[derive(Clone)]
pub struct Secret {
    hashed: Box<str>,
}

impl Secret {
    /// From the setting `dialback_passphrase`.
    pub fn new(passphrase: &str) -> Self {
        Self { hashed: HEXLOWER.encode(&Sha256::digest(passphrase)).into() }
    }

    /// The key for stanzas from `originating` to `receiving` on the stream that the receiving server named `id`.
    pub fn key(&self, receiving: &Domain, originating: &Domain, id: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.hashed.as_bytes()).expect("HMAC takes a key of any length");
        for part in [receiving.as_unicode(), " ", originating.as_unicode(), " ", id] {
            mac.update(part.as_bytes());
        }
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    /// Whether `key` is that key; takes the same time wherever it differs.
    pub fn is_key(&self, key: &str, receiving: &Domain, originating: &Domain, id: &str) -> bool {
        self.key(receiving, originating, id).as_bytes().ct_eq(key.as_bytes()).into()
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A question to an authoritative server (XEP-0220 §2.1.2), or one put to us.
///
/// Asked by us: `pair.local` is the target domain, `pair.remote` the sender's domain that answers. Asked of us:
/// `pair.local` is our domain whose key it is, `pair.remote` the receiving server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifyRequest {
    /// The pair.
    pub pair: DomainPair,
    /// The id that the receiving server gave the stream on which the key came.
    pub id: Box<str>,
    /// The key.
    pub key: Box<str>,
}

/// What became of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DialbackVerdict {
    /// It was issued for this pair and stream.
    Valid,
    /// It was not.
    Invalid,
    /// Nobody can tell.
    Error(DialbackError),
}

impl DialbackVerdict {
    /// What the initiating server is told when a verification stream failed (XEP-0220 §2.5).
    pub fn of_failure(failure: &StreamFailure) -> Self {
        let condition = match failure {
            StreamFailure::PeerError { error, .. } if error.condition() == Condition::HostUnknown => {
                DialbackCondition::RemoteServerNotFound
            }
            StreamFailure::Disconnected { .. }
            | StreamFailure::PeerClosed(_)
            | StreamFailure::PeerError { .. }
            | StreamFailure::Timeout(_) => DialbackCondition::RemoteServerTimeout,
            _ => DialbackCondition::RemoteConnectionFailed,
        };
        Self::Error(DialbackError::new(condition, "the authoritative server could not be asked"))
    }
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A condition of XEP-0220 §2.5.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum DialbackCondition {
            $($(#[$doc])* $name,)*
        }

        impl DialbackCondition {
            /// All conditions.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the condition's element.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

conditions! {
    /// The key was called invalid, and other pairs keep the stream alive.
    Forbidden = "forbidden",
    /// The target domain is not served.
    ItemNotFound = "item-not-found",
    /// The asserted identity cannot be established.
    NotAcceptable = "not-acceptable",
    /// A valid certificate is required.
    NotAuthorized = "not-authorized",
    /// TLS is required, or another policy.
    PolicyViolation = "policy-violation",
    /// The authoritative server cannot be connected to.
    RemoteConnectionFailed = "remote-connection-failed",
    /// The authoritative server does not exist or does not know the domain.
    RemoteServerNotFound = "remote-server-not-found",
    /// The authoritative server did not answer.
    RemoteServerTimeout = "remote-server-timeout",
    /// No more pairs on this stream.
    ResourceConstraint = "resource-constraint",
}

/// A dialback error, ours or as a peer sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialbackError {
    /// The condition's element as spelled.
    pub name: Box<str>,
    /// Words for people, shortened to 512 characters. Peer-supplied: never markup.
    pub text: Box<str>,
}

impl DialbackError {
    /// One of ours.
    pub fn new(condition: DialbackCondition, text: &str) -> Self {
        Self { name: condition.as_str().into(), text: text.into() }
    }

    /// The condition, if it is one of XEP-0220.
    pub fn condition(&self) -> Option<DialbackCondition> {
        DialbackCondition::ALL.iter().copied().find(|condition| condition.as_str() == &*self.name)
    }
}

impl fmt::Display for DialbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.text.is_empty() {
            write!(f, " ({})", self.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    /// XEP-0185 §3; XEP-0220 §2.1.1 and §2.1.2.
    #[test]
    fn keys_are_those_of_the_standards() {
        for (secret, receiving, originating, id, key) in [
            (
                "s3cr3tf0rd14lb4ck",
                "xmpp.example.com",
                "example.org",
                "D60000229F",
                "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643",
            ),
            (
                "s3cr3tf0rd14lb4ck",
                "montague.example",
                "capulet.example",
                "D60000229F",
                "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3",
            ),
            (
                "d14lb4ck43v3r",
                "capulet.example",
                "montague.example",
                "417GAF25",
                "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d",
            ),
        ] {
            let (secret, receiving, originating) = (Secret::new(secret), domain(receiving), domain(originating));
            assert_eq!(secret.key(&receiving, &originating, id), key);
            assert!(secret.is_key(key, &receiving, &originating, id));
            assert!(!secret.is_key(key, &originating, &receiving, id));
            assert!(!secret.is_key(&key[1..], &receiving, &originating, id));
            assert!(!secret.is_key("", &receiving, &originating, id));
        }
    }

    #[test]
    fn the_secret_is_hashed_as_the_standard_says_and_not_shown() {
        let secret = Secret::new("s3cr3tf0rd14lb4ck");
        assert_eq!(&*secret.hashed, "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
