//! Answering challenges.

use super::{Challenge, Credentials, Used, ha1, response};
use crate::{
    message::{Method, Name, Response, Uri},
    token::Tokens,
};

/// A user who answers challenges, and keeps the last one to answer before being asked again.
#[derive(Debug)]
pub struct Client {
    username: String,
    password: String,
    tokens: Tokens,
    challenge: Option<Challenge>,
    count: u32,
}

impl Client {
    /// A user with a password. `seed` is random: client nonces follow from it.
    pub fn new(username: &str, password: &str, seed: [u8; 32]) -> Self {
        let (username, password) = (username.to_owned(), password.to_owned());
        Self { username, password, tokens: Tokens::new(seed), challenge: None, count: 0 }
    }

    /// Takes the first challenge of a 401 that can be answered (RFC 8760 §2.4). `false` if there is none, or if the request
    /// had credentials that were refused for another reason than age: then another try would only fail again.
    pub fn take_challenge(&mut self, response: &Response, had_credentials: bool) -> bool {
        let found = response.headers.fields(Name::WwwAuthenticate).find_map(Challenge::parse);
        let Some(challenge) = found.filter(|challenge| !had_credentials || challenge.stale) else { return false };
        (self.challenge, self.count) = (Some(challenge), 0);
        true
    }

    /// The value of Authorization for the next request; `None` before a challenge.
    pub fn authorize(&mut self, method: &Method, uri: &Uri) -> Option<Credentials> {
        let cnonce = self.tokens.make();
        let challenge = self.challenge.as_ref()?;
        self.count += 1;
        let (nc, uri) = (format!("{:08x}", self.count), uri.to_string());
        let ha1 = ha1(challenge.algorithm, &self.username, &challenge.realm, &self.password);
        let used = Used { nonce: &challenge.nonce, nc: &nc, cnonce: &cnonce };
        let proof = response(challenge.algorithm, &ha1, method.as_str(), &uri, &used);
        Some(Credentials {
            username: self.username.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri,
            response: proof,
            algorithm: Some(challenge.algorithm),
            cnonce,
            nc,
            qop: Some("auth".to_owned()),
            opaque: challenge.opaque.clone(),
        })
    }
}
