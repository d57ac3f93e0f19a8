//! The texts of WWW-Authenticate and Authorization (RFC 3261 §20.7, §20.44).

use std::fmt;

use super::Algorithm;
use crate::message::{Headers, Name, quote, unquote};

/// A digest challenge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The protection domain.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// Returned as it is.
    pub opaque: Option<String>,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Whether only the nonce was too old.
    pub stale: bool,
}

impl Challenge {
    /// Reads the value of WWW-Authenticate or Proxy-Authenticate; `None` for other schemes and algorithms, and without
    /// `qop=auth`.
    pub fn parse(text: &str) -> Option<Self> {
        let params = read(text)?;
        let quality = find(&params, "qop")?;
        if !quality.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) {
            return None;
        }
        Some(Self {
            realm: find(&params, "realm")?.to_owned(),
            nonce: find(&params, "nonce")?.to_owned(),
            opaque: find(&params, "opaque").map(str::to_owned),
            algorithm: Algorithm::of(find(&params, "algorithm"))?,
            stale: find(&params, "stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", quote(&self.realm), quote(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quote(opaque))?;
        }
        write!(f, ", algorithm={}, qop=\"auth\"", self.algorithm)?;
        if self.stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}

/// The answer to a challenge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// Who claims to send this.
    pub username: String,
    /// The protection domain.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The Request-URI as the client hashed it.
    pub uri: String,
    /// The proof.
    pub response: String,
    /// The algorithm; `None` if it is not one of ours.
    pub algorithm: Option<Algorithm>,
    /// The client's nonce; empty without qop.
    pub cnonce: String,
    /// The nonce count as written; empty without qop.
    pub nc: String,
    /// The quality of protection.
    pub qop: Option<String>,
    /// Returned as it came.
    pub opaque: Option<String>,
}

impl Credentials {
    /// Reads the value of Authorization; `None` for other schemes (RFC 4475 §3.3.7) and incomplete ones.
    pub fn parse(text: &str) -> Option<Self> {
        let params = read(text)?;
        let owned = |name| find(&params, name).map(str::to_owned);
        Some(Self {
            username: owned("username")?,
            realm: owned("realm")?,
            nonce: owned("nonce")?,
            uri: owned("uri")?,
            response: owned("response")?,
            algorithm: Algorithm::of(find(&params, "algorithm")),
            cnonce: owned("cnonce").unwrap_or_default(),
            nc: owned("nc").unwrap_or_default(),
            qop: owned("qop"),
            opaque: owned("opaque"),
        })
    }

    /// The first credentials for `realm` in the Authorization fields.
    pub fn find(headers: &Headers, realm: &str) -> Option<Self> {
        headers.fields(Name::Authorization).filter_map(Self::parse).find(|credentials| credentials.realm == realm)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", quote(&self.username), quote(&self.realm))?;
        write!(f, ", nonce={}, uri={}", quote(&self.nonce), quote(&self.uri))?;
        write!(f, ", response={}", quote(&self.response))?;
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if let Some(qop) = &self.qop {
            write!(f, ", cnonce={}, qop={qop}, nc={}", quote(&self.cnonce), self.nc)?;
        }
        match &self.opaque {
            Some(opaque) => write!(f, ", opaque={}", quote(opaque)),
            None => Ok(()),
        }
    }
}

/// Most parameters that a value may have; more is an attack.
const PARAMS_MAX: usize = 32;

fn read(text: &str) -> Option<Vec<(&str, String)>> {
    let (scheme, rest) = text.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let mut params = Vec::new();
    for param in crate::message::split_values(rest) {
        if param.is_empty() {
            continue;
        }
        let (name, value) = param.split_once('=')?;
        if params.len() == PARAMS_MAX {
            return None;
        }
        params.push((name.trim(), unquote(value.trim()).into_owned()));
    }
    Some(params)
}

fn find<'a>(params: &'a [(&str, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
