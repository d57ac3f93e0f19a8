//! XMPP addresses (RFC 7622).
//!
//! [`JidRef`] is an address as it stands in a stanza: split, not normalised, nothing allocated. [`BareJid`] and [`Jid`]
//! are normalised (localpart by UsernameCaseMapped, domainpart by [`Domain`], resourcepart by OpaqueString), so equal
//! addresses compare equal. ASCII takes a path without PRECIS tables.
//!
//! Addresses that are forwarded keep the bytes of their resource; only what is compared or stored is normalised.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Domain, DomainError};

/// Longest localpart and longest resourcepart in octets (RFC 7622 §3.3.1, §3.4.1).
pub const PART_OCTETS_MAX: usize = 1023;

/// ASCII that RFC 7622 §3.3.1 keeps out of a localpart, beyond what PRECIS does.
const LOCAL_EXCLUDED: &[u8] = b"\"&'/:<>@";

/// An address split into its parts as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JidRef<'a> {
    /// Before the `@`.
    pub local: Option<&'a str>,
    /// Between.
    pub domain: &'a str,
    /// After the first `/`.
    pub resource: Option<&'a str>,
}

impl<'a> JidRef<'a> {
    /// Splits `text` (RFC 7622 §3.1): the resource first, since it may hold any character.
    ///
    /// Empty parts and parts over their limit are errors; characters are not looked at.
    pub fn split(text: &'a str) -> Result<Self, JidError> {
        let (bare, resource) = match split_once(text, b'/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match split_once(bare, b'@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        if domain.is_empty() {
            return Err(JidError::Domain(DomainError::Empty));
        }
        check_octets(local, JidError::Local)?;
        check_octets(resource, JidError::Resource)?;
        Ok(Self { local, domain, resource })
    }

    /// The normalised bare address.
    pub fn to_bare(self) -> Result<BareJid, JidError> {
        let local = self.local.map(normalise_local).transpose()?.map(Arc::from);
        Ok(BareJid { local, domain: Domain::parse(self.domain)? })
    }

    /// The normalised address.
    pub fn to_jid(self) -> Result<Jid, JidError> {
        let resource = self.resource.map(normalise_resource).transpose()?.map(Arc::from);
        Ok(Jid { bare: self.to_bare()?, resource })
    }
}

/// `str::split_once` for the first of an ASCII character: addresses are short, and setting out to search costs more than
/// looking at each byte.
fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let index = text.bytes().position(|byte| byte == at)?;
    Some((&text[..index], &text[index + 1..]))
}

fn check_octets(part: Option<&str>, error: JidError) -> Result<(), JidError> {
    match part {
        Some(part) if part.is_empty() || part.len() > PART_OCTETS_MAX => Err(error),
        _ => Ok(()),
    }
}

fn normalise_local(local: &str) -> Result<Cow<'_, str>, JidError> {
    let allowed = |b: u8| b.is_ascii_graphic() && !LOCAL_EXCLUDED.contains(&b);
    if local.bytes().all(|b| allowed(b) && !b.is_ascii_uppercase()) {
        return Ok(Cow::Borrowed(local));
    }
    if local.bytes().all(allowed) {
        return Ok(Cow::Owned(local.to_ascii_lowercase()));
    }
    let enforced = stable(local, |text| UsernameCaseMapped::enforce(text).ok()).ok_or(JidError::Local)?;
    let excluded = enforced.bytes().any(|b| LOCAL_EXCLUDED.contains(&b));
    if excluded || enforced.len() > PART_OCTETS_MAX { Err(JidError::Local) } else { Ok(enforced) }
}

fn normalise_resource(resource: &str) -> Result<Cow<'_, str>, JidError> {
    if resource.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Ok(Cow::Borrowed(resource));
    }
    let enforced = stable(resource, |text| OpaqueString::enforce(text).ok()).ok_or(JidError::Resource)?;
    if enforced.len() > PART_OCTETS_MAX { Err(JidError::Resource) } else { Ok(enforced) }
}

/// Enforces a PRECIS profile until it changes nothing more, three further times at most (RFC 8264 §7).
///
/// One application may leave what the profile refuses: U+0387 is allowed and becomes U+00B7, which is not.
fn stable<'a>(text: &'a str, enforce: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<Cow<'a, str>> {
    let mut enforced = enforce(text)?.into_owned();
    for _ in 0..3 {
        let again = enforce(&enforced)?;
        if again == enforced {
            return Some(if enforced == text { Cow::Borrowed(text) } else { Cow::Owned(enforced) });
        }
        enforced = again.into_owned();
    }
    None
}

/// A normalised address without a resource. Cloning is cheap.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BareJid {
    domain: Domain,
    local: Option<Arc<str>>,
}

impl BareJid {
    /// Parses `text`; a resource is refused.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        let parts = JidRef::split(text)?;
        if parts.resource.is_some() { Err(JidError::Resource) } else { parts.to_bare() }
    }

    /// The address of a user of `domain`.
    pub fn of_user(local: &str, domain: Domain) -> Result<Self, JidError> {
        check_octets(Some(local), JidError::Local)?;
        Ok(Self { local: Some(Arc::from(normalise_local(local)?)), domain })
    }

    /// The same address, sharing the memory of `domain` if that is its domain: for those who keep many of one domain.
    pub fn sharing(self, domain: &Domain) -> Self {
        if self.domain == *domain { Self { domain: domain.clone(), ..self } } else { self }
    }

    /// The part before the `@`; none for the address of a domain itself.
    pub fn local(&self) -> Option<&str> {
        self.local.as_deref()
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The full address with `resource`.
    pub fn with_resource(self, resource: &str) -> Result<Jid, JidError> {
        check_octets(Some(resource), JidError::Resource)?;
        Ok(Jid { bare: self, resource: Some(Arc::from(normalise_resource(resource)?)) })
    }
}

/// An address of a domain itself.
impl From<Domain> for BareJid {
    fn from(domain: Domain) -> Self {
        Self { local: None, domain }
    }
}

/// A normalised address with or without a resource. Cloning is cheap.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Jid {
    bare: BareJid,
    resource: Option<Arc<str>>,
}

impl Jid {
    /// Parses and normalises `text`.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        JidRef::split(text)?.to_jid()
    }

    /// The address without its resource.
    pub fn bare(&self) -> &BareJid {
        &self.bare
    }

    /// The part before the `@`.
    pub fn local(&self) -> Option<&str> {
        self.bare.local()
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        self.bare.domain()
    }

    /// The part after the `/`.
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// Drops the resource.
    pub fn into_bare(self) -> BareJid {
        self.bare
    }
}

impl From<BareJid> for Jid {
    fn from(bare: BareJid) -> Self {
        Self { bare, resource: None }
    }
}

/// Which part of a text is not that of an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JidError {
    /// The domain is not one.
    #[error("{0}")]
    Domain(#[from] DomainError),
    /// The part before the `@` is empty, too long or holds a character that is not allowed.
    #[error("the part before the @ is not allowed in an address")]
    Local,
    /// The part after the `/` is empty, too long, holds a character that is not allowed, or must not be there.
    #[error("the part after the / is not allowed in this address")]
    Resource,
}

impl fmt::Display for JidRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, self.local, self.domain, self.resource)
    }
}

/// The form of XMPP: U-labels.
impl fmt::Display for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, self.local(), self.domain.as_unicode(), None)
    }
}

/// The form of XMPP: U-labels.
impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_parts(f, self.local(), self.domain().as_unicode(), self.resource())
    }
}

fn write_parts(f: &mut fmt::Formatter<'_>, local: Option<&str>, domain: &str, resource: Option<&str>) -> fmt::Result {
    if let Some(local) = local {
        write!(f, "{local}@")?;
    }
    f.write_str(domain)?;
    match resource {
        Some(resource) => write!(f, "/{resource}"),
        None => Ok(()),
    }
}

macro_rules! text_form {
    ($address:ident) => {
        impl fmt::Debug for $address {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($address), "({})"), self)
            }
        }

        impl FromStr for $address {
            type Err = JidError;

            fn from_str(text: &str) -> Result<Self, JidError> {
                Self::parse(text)
            }
        }

        impl Serialize for $address {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $address {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_form!(BareJid);
text_form!(Jid);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7622 §3.5, table 1: addresses that are valid.
    #[test]
    fn accepts_the_examples_of_the_standard() {
        for text in [
            "juliet@example.com",
            "juliet@example.com/foo",
            "juliet@example.com/foo bar",
            "juliet@example.com/foo@bar",
            "foo\\20bar@example.com",
            "fussball@example.com",
            "fu\u{df}ball@example.com",
            "\u{3c0}@example.com",
            "king@example.com/\u{265a}",
            "example.com",
            "example.com/foobar",
            "a.example.com/b@example.net",
        ] {
            let jid = Jid::parse(text).unwrap();
            assert_eq!(jid.to_string(), text);
        }
        assert_eq!(Jid::parse("\u{3a3}@example.com/foo").unwrap().to_string(), "\u{3c3}@example.com/foo");
        assert_eq!(Jid::parse("\u{3a3}@example.com/foo"), Jid::parse("\u{3c3}@example.com/foo"));
    }

    /// RFC 7622 §3.5, table 2: strings that are not addresses.
    #[test]
    fn refuses_the_counterexamples_of_the_standard() {
        for text in [
            "\"juliet\"@example.com",
            "foo bar@example.com",
            "juliet@example.com/",
            "@example.com/",
            "henry\u{2163}@example.com",
            "\u{265a}@example.com",
            "juliet@",
            "/foobar",
        ] {
            assert!(Jid::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_are_limited_to_1023_octets() {
        let (fits, exceeds) = ("a".repeat(1023), "a".repeat(1024));
        assert!(Jid::parse(&format!("{fits}@a.example/{fits}")).is_ok());
        assert_eq!(Jid::parse(&format!("{exceeds}@a.example")), Err(JidError::Local));
        assert_eq!(Jid::parse(&format!("a@a.example/{exceeds}")), Err(JidError::Resource));
    }

    /// U+0387 is canonically U+00B7, which stands only between two l (RFC 5892 appendix A.3).
    #[test]
    fn what_normalising_makes_of_a_part_is_judged_too() {
        assert_eq!(Jid::parse("a@a.example/\u{387}"), Err(JidError::Resource));
        assert_eq!(Jid::parse("\u{387}@a.example"), Err(JidError::Local));
        assert_eq!(Jid::parse("a@a.example/l\u{387}l").unwrap().resource(), Some("l\u{b7}l"));
    }

    #[test]
    fn a_bare_address_has_no_resource() {
        assert_eq!(BareJid::parse("a@a.example/r"), Err(JidError::Resource));
        assert_eq!(BareJid::parse("A@A.Example").unwrap().to_string(), "a@a.example");
    }

    proptest! {
        #[test]
        fn normalising_is_final(text in "\\PC{0,40}") {
            if let Ok(jid) = Jid::parse(&text) {
                prop_assert_eq!(Jid::parse(&jid.to_string()), Ok(jid));
            }
        }

        #[test]
        fn the_ascii_path_agrees_with_precis(local in "[!-~]{1,20}") {
            let by_precis = UsernameCaseMapped::enforce(local.as_str())
                .ok()
                .filter(|text| !text.bytes().any(|b| LOCAL_EXCLUDED.contains(&b)));
            prop_assert_eq!(normalise_local(&local).ok(), by_precis);
        }

        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _ = Jid::parse(&text);
            let _ = Domain::parse(&text);
        }
    }
}
