//! The secret that a component shares with us, and the handshake that proves it (XEP-0114 §3).

use std::fmt;

use data_encoding::HEXLOWER;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// What a component must know.
#[derive(Clone)]
pub struct ComponentSecret(Box<str>);

impl ComponentSecret {
    /// From its setting.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// Whether `handshake` proves the secret on the stream `id`; takes the same time wherever it differs.
    pub(super) fn is_proved(&self, handshake: &str, id: &str) -> bool {
        let digest = Sha1::new().chain_update(id).chain_update(self.0.as_bytes()).finalize();
        HEXLOWER.encode(&digest).as_bytes().ct_eq(handshake.as_bytes()).into()
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for ComponentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ComponentSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0114 §3, whose example has the secret `test`.
    #[test]
    fn the_handshake_is_that_of_the_standard() {
        let secret = ComponentSecret::new("test");
        assert!(secret.is_proved("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e", "3BF96D32"));
        for wrong in ["AAEE83C26AEEAFCBABEABFCBCD50DF997E0A2A1E", "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1", ""] {
            assert!(!secret.is_proved(wrong, "3BF96D32"), "{wrong}");
        }
        assert!(!secret.is_proved("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e", "3BF96D33"));
        assert_eq!(format!("{secret:?}"), "ComponentSecret(…)");
    }
}
