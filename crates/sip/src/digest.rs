//! Digest authentication (RFC 7616 as RFC 8760 and RFC 3261 §22 apply it to SIP).
//!
//! As server we challenge with one or more algorithms in the order of preference, always with `qop="auth"`, and accept
//! only answers with it: without a nonce count a captured answer could be used again. The nonce carries its own time and
//! a MAC, so challenges cost no memory; counts are kept for nonces that were really used, in a bounded table.
//!
//! Left out: `auth-int`, `-sess` variants, SHA-512/256, Authentication-Info, `userhash`.

use std::fmt;

use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

mod client;
mod credentials;
mod server;

pub use client::Client;
pub use credentials::{Challenge, Credentials};
pub use server::{DigestError, Nonces};

/// A hash algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// SHA-256 (RFC 8760): preferred.
    Sha256,
    /// MD5: for old endpoints.
    Md5,
}

impl Algorithm {
    /// The word in the `algorithm` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of this name; case means nothing. Without the parameter it is MD5 (RFC 7616 §3.3).
    pub fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) => [Self::Sha256, Self::Md5].into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name)),
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
            Self::Md5 => HEXLOWER.encode(&Md5::digest(text.as_bytes())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is stored instead of a password: hash of user, realm and password, in hexadecimal digits (RFC 7616 §3.4.2).
/// As good as the password for this realm: never logged.
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hash(&[user, realm, password])
}

/// The `response` of `qop=auth` (RFC 7616 §3.4.1).
fn response(algorithm: Algorithm, ha1: &str, method: &str, uri: &str, used: &Used<'_>) -> String {
    let ha2 = algorithm.hash(&[method, uri]);
    algorithm.hash(&[ha1, used.nonce, used.nc, used.cnonce, "auth", &ha2])
}

struct Used<'a> {
    nonce: &'a str,
    nc: &'a str,
    cnonce: &'a str,
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests;
