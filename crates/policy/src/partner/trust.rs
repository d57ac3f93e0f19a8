//! Whom we believe about a partner's certificate: authorities and pinned keys.
//!
//! Only the syntax of PEM (RFC 7468) is checked here; whether a block is a certificate is judged where certificates can
//! be read.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

/// Most octets of a partner's own roots.
const PEM_BYTES_MAX: usize = 262_144;

/// Which authorities may vouch for a partner's certificates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TrustRoots {
    /// Those of this machine's store.
    #[default]
    System,
    /// Only these: one or more PEM blocks labelled CERTIFICATE.
    Pem(Arc<str>),
}

impl TrustRoots {
    /// The word `system` or PEM text: what [`FromStr`] reads.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Pem(text) => text,
        }
    }
}

/// Why a text is not a list of PEM certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PemError {
    /// There is no block.
    #[error("allowed are the word system, or PEM text with at least one -----BEGIN CERTIFICATE----- block")]
    NoCertificate,
    /// A block has another label.
    #[error("line {0}: only CERTIFICATE blocks are allowed")]
    Label(usize),
    /// A block is not ended, or ended twice.
    #[error("line {0}: the PEM block is not closed by -----END CERTIFICATE-----")]
    Unbalanced(usize),
    /// What is in a block is not Base64.
    #[error("line {0}: the content of the PEM block is not Base64")]
    Base64(usize),
    /// More than is kept.
    #[error("more than {PEM_BYTES_MAX} octets of PEM text")]
    TooLong,
}

impl FromStr for TrustRoots {
    type Err = PemError;

    fn from_str(text: &str) -> Result<Self, PemError> {
        let text = text.trim();
        if text == "system" {
            return Ok(Self::System);
        }
        check_pem(text)?;
        Ok(Self::Pem(Arc::from(text)))
    }
}

fn check_pem(text: &str) -> Result<(), PemError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(PemError::TooLong);
    }
    let mut blocks = 0;
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let boundary = line.strip_prefix("-----").and_then(|line| line.strip_suffix("-----"));
        match (&mut open, boundary) {
            (None, Some("BEGIN CERTIFICATE")) => open = Some((number, String::new())),
            (None, Some(label)) if label.starts_with("BEGIN ") => return Err(PemError::Label(number)),
            (None, Some(_)) => return Err(PemError::Unbalanced(number)),
            // Text between blocks is explanatory (RFC 7468 §5.2).
            (None, None) => {}
            (Some((begin, content)), Some("END CERTIFICATE")) => {
                if content.is_empty() || BASE64.decode(content.as_bytes()).is_err() {
                    return Err(PemError::Base64(*begin));
                }
                blocks += 1;
                open = None;
            }
            (Some((begin, _)), Some(_)) => return Err(PemError::Unbalanced(*begin)),
            (Some((_, content)), None) => content.push_str(line),
        }
    }
    match open {
        Some((begin, _)) => Err(PemError::Unbalanced(begin)),
        None if blocks == 0 => Err(PemError::NoCertificate),
        None => Ok(()),
    }
}

/// The SHA-256 of a key's SubjectPublicKeyInfo.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pin(pub [u8; 32]);

/// A text is not a pin.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a pin is the SHA-256 of a SubjectPublicKeyInfo: 64 hexadecimal digits, or 44 characters of Base64")]
pub struct PinError;

/// 64 hexadecimal digits.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Hexadecimal, with or without colons, or Base64; in front `sha256/`, `sha256//` or `sha256:` as other tools write.
impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        let text = ["sha256//", "sha256/", "sha256:"].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
        let digits = text.replace(':', "");
        let octets = if digits.len() == 64 {
            HEXLOWER_PERMISSIVE.decode(digits.as_bytes())
        } else if text.ends_with('=') {
            BASE64.decode(text.as_bytes())
        } else {
            BASE64_NOPAD.decode(text.as_bytes())
        };
        octets.ok().and_then(|octets| octets.try_into().ok()).map(Self).ok_or(PinError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN CERTIFICATE-----\nTGVnYXRpb24=\n-----END CERTIFICATE-----\n";

    #[test]
    fn roots_are_the_system_or_certificates() {
        assert_eq!("system".parse(), Ok(TrustRoots::System));
        for text in [BLOCK.to_owned(), format!("Fabrikam CA\n{BLOCK}\n{BLOCK}"), BLOCK.replace('\n', "\r\n")] {
            assert!(matches!(text.parse(), Ok(TrustRoots::Pem(_))), "{text}");
        }
    }

    #[test]
    fn refuses_pem_that_is_not_a_list_of_certificates() {
        let unclosed = BLOCK.replace("-----END CERTIFICATE-----\n", "");
        for (text, error) in [
            (String::new(), PemError::NoCertificate),
            ("none".to_owned(), PemError::NoCertificate),
            (BLOCK.replace("CERTIFICATE", "PRIVATE KEY"), PemError::Label(1)),
            (unclosed.clone(), PemError::Unbalanced(1)),
            (format!("{unclosed}{BLOCK}"), PemError::Unbalanced(1)),
            (format!("{BLOCK}-----END CERTIFICATE-----"), PemError::Unbalanced(4)),
            (BLOCK.replace("TGV", "TG V"), PemError::Base64(1)),
            (BLOCK.replace("TGVnYXRpb24=\n", ""), PemError::Base64(1)),
            ("a".repeat(PEM_BYTES_MAX + 1), PemError::TooLong),
        ] {
            assert_eq!(text.parse::<TrustRoots>(), Err(error), "{text:.80}");
        }
    }

    /// SHA-256 of the empty string (FIPS 180-4 examples), in the notations of openssl, curl and hexdump.
    #[test]
    fn a_pin_is_read_in_every_usual_notation() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let colons = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":");
        for text in [
            hex,
            &hex.to_uppercase(),
            &colons,
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert_eq!(text.parse::<Pin>().map(|pin| pin.to_string()), Ok(hex.to_owned()), "{text}");
        }
        for text in ["", "e3b0", &hex[..62], "47DEQpj8HBSa", &format!("{hex}00"), "é"] {
            assert_eq!(text.parse::<Pin>(), Err(PinError), "{text}");
        }
    }
}
