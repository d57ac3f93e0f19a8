//! What a request has in common with its repetitions, and with the same request on another path.

use sha2::{Digest, Sha256};

use crate::message::{FieldError, MAGIC_COOKIE, Method, Name, Request};

/// 128 bits.
pub(super) type Key = [u8; 16];

/// Makes keys. They are hashed with a secret: no peer can make two requests fall together, and a key is small and compared
/// in place.
#[derive(Clone, Debug)]
pub(super) struct Keys(Sha256);

impl Keys {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(Sha256::new_with_prefix(secret))
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method; for a branch of RFC 2543 the fields that it named. `method` stands in
    /// for that of ACK and CANCEL when their INVITE is sought.
    pub(super) fn of(&self, request: &Request, method: &Method) -> Result<Key, FieldError> {
        let headers = &request.headers;
        let via = headers.via()?;
        if via.branch().starts_with(MAGIC_COOKIE) && via.branch().len() > MAGIC_COOKIE.len() {
            let port = via.port.unwrap_or_default().to_string();
            return Ok(self.hash(&["branch", method.as_str(), via.branch(), &via.host.to_ascii_lowercase(), &port]));
        }
        let uri = request.uri.to_string();
        let from = headers.from()?;
        let number = headers.cseq()?.number.to_string();
        let via = headers.first(Name::Via).unwrap_or("");
        Ok(self.hash(&["2543", method.as_str(), &uri, from.tag().unwrap_or(""), headers.call_id()?, &number, via]))
    }

    /// §8.2.2.2: From tag, Call-ID and CSeq, which a request keeps on all its paths; an ACK to a 2xx shares them with its
    /// INVITE (§13.2.2.4).
    pub(super) fn origin(&self, request: &Request) -> Result<Key, FieldError> {
        let headers = &request.headers;
        let from = headers.from()?;
        let number = headers.cseq()?.number.to_string();
        let method = if request.method == Method::Ack { &Method::Invite } else { &request.method };
        Ok(self.hash(&["origin", method.as_str(), from.tag().unwrap_or(""), headers.call_id()?, &number]))
    }

    fn hash(&self, parts: &[&str]) -> Key {
        let mut hash = self.0.clone();
        for part in parts {
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        key
    }
}
