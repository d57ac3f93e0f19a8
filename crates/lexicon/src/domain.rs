//! Domain names of partners and internal domains (RFC 7622 §3.2, RFC 5890).
//!
//! A [`Domain`] is one name in two spellings: the A-label form for DNS, SNI, certificates, SIP and storage, and the
//! U-label form for XMPP addresses and for people. Case, a trailing dot, full-width dots and percent-free Unicode input
//! are normalised once, here; two spellings of a name always compare equal.
//!
//! IP literals are refused although RFC 7622 allows them: no partner and no internal domain can be one.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name in octets of A-label form (RFC 1035 §2.3.4, without the root label).
pub const DOMAIN_OCTETS_MAX: usize = 253;

/// A normalised domain name. Cloning is cheap.
#[derive(Clone)]
pub struct Domain {
    ascii: Arc<str>,
    unicode: Arc<str>,
}

impl Domain {
    /// Normalises `text`; the only way to make a domain.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(DomainError::Empty);
        }
        if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
            return Err(DomainError::IpLiteral);
        }
        if is_plain(name) {
            check_labels(name)?;
            let ascii: Arc<str> = Arc::from(name);
            return Ok(Self { unicode: Arc::clone(&ascii), ascii });
        }
        let ascii = idna::domain_to_ascii_strict(name).map_err(|_| DomainError::NotADomainName)?;
        let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
        check_labels(ascii)?;
        if ascii.parse::<IpAddr>().is_ok() {
            return Err(DomainError::IpLiteral);
        }
        let (unicode, verdict) = idna::domain_to_unicode(ascii);
        verdict.map_err(|_| DomainError::NotADomainName)?;
        let ascii: Arc<str> = Arc::from(ascii);
        let unicode = if *unicode == *ascii { Arc::clone(&ascii) } else { Arc::from(unicode) };
        Ok(Self { ascii, unicode })
    }

    /// The A-label form, lower case, without a trailing dot.
    pub fn as_ascii(&self) -> &str {
        &self.ascii
    }

    /// The U-label form, as written in XMPP addresses and shown to people.
    pub fn as_unicode(&self) -> &str {
        &self.unicode
    }

    /// Whether `text` is exactly this name's U-label form: the common case on the stanza path, without normalising.
    pub fn is_spelled(&self, text: &str) -> bool {
        *self.unicode == *text
    }

    /// Whether the two spellings differ, so that people should be shown both.
    pub fn is_internationalised(&self) -> bool {
        self.ascii != self.unicode
    }
}

/// Lower-case LDH text that needs no IDNA processing.
fn is_plain(name: &str) -> bool {
    let ldh = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    name.bytes().all(ldh) && !name.split('.').any(|label| label.as_bytes().get(2..4) == Some(b"--"))
}

fn check_labels(name: &str) -> Result<(), DomainError> {
    if name.len() > DOMAIN_OCTETS_MAX {
        return Err(DomainError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(DomainError::NotADomainName);
        }
        if label.len() > 63 {
            return Err(DomainError::TooLong);
        }
    }
    Ok(())
}

/// Why a text is not a domain name of ours or a partner's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DomainError {
    /// Nothing was entered.
    #[error("a domain name is required")]
    Empty,
    /// An IPv4 or IPv6 address stands where a name belongs.
    #[error("an IP address is not a domain name")]
    IpLiteral,
    /// Labels, characters or punycode are not those of a domain name.
    #[error("this is not a domain name (example: fabrikam.example)")]
    NotADomainName,
    /// A label is longer than 63 octets or the name longer than 253.
    #[error("the domain name is too long (63 octets a label, 253 in all)")]
    TooLong,
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.ascii)
    }
}

/// Shows the U-label form.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.unicode)
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.ascii == other.ascii
    }
}

impl Eq for Domain {}

impl std::hash::Hash for Domain {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ascii.hash(state);
    }
}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ascii.cmp(&other.ascii)
    }
}

/// Canonical string form: A-labels.
impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.ascii)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (a, b) in [
            ("Fabrikam.Example", "fabrikam.example"),
            ("fabrikam.example.", "fabrikam.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("bücher。example", "bücher.example"),
        ] {
            assert_eq!(parse(a), parse(b), "{a} and {b}");
        }
        let domain = parse("XN--BCHER-KVA.example");
        assert_eq!((domain.as_ascii(), domain.as_unicode()), ("xn--bcher-kva.example", "bücher.example"));
    }

    #[test]
    fn refuses_what_is_not_a_domain_name() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["abcdefghij"; 24].join(".");
        for (text, error) in [
            ("", DomainError::Empty),
            (".", DomainError::Empty),
            ("192.0.2.1", DomainError::IpLiteral),
            ("2001:db8::1", DomainError::IpLiteral),
            ("[2001:db8::1]", DomainError::IpLiteral),
            ("１９２.0.2.1", DomainError::IpLiteral),
            ("a..example", DomainError::NotADomainName),
            ("-a.example", DomainError::NotADomainName),
            ("a-.example", DomainError::NotADomainName),
            ("a b.example", DomainError::NotADomainName),
            ("a_b.example", DomainError::NotADomainName),
            ("user@a.example", DomainError::NotADomainName),
            ("xn--a.example", DomainError::NotADomainName),
            (&long_label, DomainError::TooLong),
            (&long_name, DomainError::TooLong),
        ] {
            assert_eq!(Domain::parse(text), Err(error), "{text}");
        }
    }
}
