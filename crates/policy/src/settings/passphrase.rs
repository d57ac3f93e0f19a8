//! The secret that dialback keys are made from (XEP-0185), shared by all nodes of a pool.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::HEXLOWER;

/// Fewest characters of a passphrase.
const CHARS_MIN: usize = 16;

/// Most octets of a passphrase.
const BYTES_MAX: usize = 1024;

/// A secret text; neither `Debug` nor `Display` shows it.
#[derive(Clone, Eq, PartialEq)]
pub struct Passphrase(Arc<str>);

impl Passphrase {
    /// From 256 random bits, as 64 hexadecimal digits.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(Arc::from(HEXLOWER.encode(&random)))
    }

    /// The secret itself: for making keys and for the store.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A text is not a passphrase. Says nothing of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PassphraseError {
    /// Too easy to guess.
    #[error("{0} characters were entered; at least {CHARS_MIN} are needed")]
    TooShort(usize),
    /// More than is kept.
    #[error("{0} octets were entered; at most {BYTES_MAX} are allowed")]
    TooLong(usize),
}

impl FromStr for Passphrase {
    type Err = PassphraseError;

    fn from_str(text: &str) -> Result<Self, PassphraseError> {
        let chars = text.chars().count();
        match (chars, text.len()) {
            (..CHARS_MIN, _) => Err(PassphraseError::TooShort(chars)),
            (_, ..=BYTES_MAX) => Ok(Self(Arc::from(text))),
            (_, bytes) => Err(PassphraseError::TooLong(bytes)),
        }
    }
}
