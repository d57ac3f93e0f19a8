//! SIP URI ↔ XMPP address (RFC 7247 §6, XEP-0106).
//!
//! The user part and the localpart map through all ten escapes of XEP-0106, where RFC 7247 names three: a decoded SIP
//! user may hold any of the characters that a localpart may not. Domains are A-labels on the SIP side and U-labels on
//! the XMPP side. A `gr` parameter with a value is a public GRUU and becomes the resource; one without a value marks a
//! temporary GRUU (RFC 5627 §3.1.2), which never maps. In the other direction a resource becomes `gr` only where the
//! caller knows that an endpoint registered it; every other resource maps to the bare address.
//!
//! `im:`, `pres:` and `tel:` URIs are left out, and so is `sips:`, which RFC 7247 §8 forbids to translate.

use lexicon::{BareJid, Domain, Jid, JidError};
use sip::{Uri, message::Scheme};

mod escape;
#[cfg(test)]
mod tests;

/// Why an address has no counterpart on the other side.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UriError {
    /// A part is not that of an XMPP address.
    #[error("{0}")]
    Address(#[from] JidError),
    /// A control character, encoded or not.
    #[error("an address must not hold control characters")]
    Control,
    /// A localpart that no user name escapes to (XEP-0106 §4.2).
    #[error("the escape sequences of this address have no unescaped form")]
    Escape,
    /// The URI names a domain, not a user.
    #[error("the address names no user")]
    NoUser,
    /// A percent sign without two hexadecimal digits.
    #[error("the percent-encoding of this address is broken")]
    Percent,
    /// A URI that is neither `sip:` nor `sips:`.
    #[error("this gateway only knows sip addresses")]
    Scheme,
    /// A `sips:` URI: XMPP cannot promise TLS on every hop.
    #[error("sips addresses cannot be reached through this gateway")]
    Secure,
    /// A leading or trailing space (XEP-0106 §4.1).
    #[error("a user name must not begin or end with a space")]
    Space,
    /// A domain that cannot stand in a SIP URI.
    #[error("this domain cannot stand in a SIP address")]
    Host,
    /// Decoded octets that are not UTF-8.
    #[error("this address is not UTF-8")]
    Utf8,
}

/// The XMPP address behind a SIP URI; password, port, headers and parameters other than `gr` have no counterpart.
pub fn to_jid(uri: &Uri) -> Result<Jid, UriError> {
    match uri.scheme() {
        Scheme::Sip => {}
        Scheme::Sips => return Err(UriError::Secure),
        Scheme::Other(_) => return Err(UriError::Scheme),
    }
    jid_of_parts(uri.user().ok_or(UriError::NoUser)?, uri.host(), uri.params().value("gr"))
}

fn jid_of_parts(user: &str, host: &str, gr: Option<&str>) -> Result<Jid, UriError> {
    let domain = Domain::parse(host).map_err(JidError::from)?;
    let bare = of_name(&escape::percent_decode(user)?, domain)?;
    match gr {
        Some(gr) => Ok(bare.with_resource(&escape::percent_decode(gr)?)?),
        None => Ok(bare.into()),
    }
}

/// The `sip:` URI of a user: A-labels, percent-encoded, no parameters.
pub fn to_sip(address: &BareJid) -> Result<Uri, UriError> {
    Uri::parse(&text_of(address)?).map_err(|_| UriError::Host)
}

/// The URI of one endpoint of a user, for a resource that is known to be a public GRUU of that user.
pub fn to_gruu(address: &Jid) -> Result<Uri, UriError> {
    let mut text = text_of(address.bare())?;
    if let Some(resource) = address.resource() {
        text.push_str(";gr=");
        text.push_str(&escape::encode_parameter(resource));
    }
    Uri::parse(&text).map_err(|_| UriError::Host)
}

fn text_of(address: &BareJid) -> Result<String, UriError> {
    let local = address.local().ok_or(UriError::NoUser)?;
    let user = escape::encode_user(&escape::from_localpart(local)?);
    Ok(format!("sip:{user}@{}", address.domain().as_ascii()))
}

/// The address of the user that people know as `name`: the reverse of [`display_name`].
pub fn of_name(name: &str, domain: Domain) -> Result<BareJid, UriError> {
    Ok(BareJid::of_user(&escape::to_localpart(name)?, domain)?)
}

/// The user name as people know it: unescaped.
pub fn display_name(address: &BareJid) -> String {
    let local = address.local().unwrap_or_default();
    escape::from_localpart(local).map_or_else(|_| local.to_owned(), |name| name.into_owned())
}
