//! SASL EXTERNAL between servers (RFC 6120 §6, XEP-0178 §3).

use std::fmt;

use data_encoding::BASE64;
use lexicon::Domain;

use super::error::condition_and_text;
use crate::xml::{ElementRef, XmlWriter, ns};

/// A condition of SASL failure that we send (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SaslCondition {
    /// The peer gave up (§6.5.1).
    Aborted,
    /// SASL without TLS (§6.5.4).
    EncryptionRequired,
    /// Not base64 (§6.5.5).
    IncorrectEncoding,
    /// The peer asks to act as somebody else (§6.5.6).
    InvalidAuthzid,
    /// Not EXTERNAL (§6.5.7).
    InvalidMechanism,
    /// No content at all (§6.5.8).
    MalformedRequest,
    /// The certificate does not prove the identity, or policy excludes SASL (§6.5.10).
    NotAuthorized,
}

impl SaslCondition {
    /// The name of the condition's element.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
        }
    }
}

impl fmt::Display for SaslCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `<auth/>` with our domain as authorization identity: XEP-0178 §3 recommends it for older peers.
pub(crate) fn write_auth(writer: &mut XmlWriter, local: &Domain) {
    let authzid = BASE64.encode(local.as_unicode().as_bytes());
    writer.start("auth", ns::SASL).attribute("mechanism", "EXTERNAL").text(&authzid).end();
}

/// `<response/>` for a peer that did not take the initial response (RFC 6120 §6.4.3).
pub(crate) fn write_response(writer: &mut XmlWriter, local: &Domain) {
    writer.leaf("response", ns::SASL, &BASE64.encode(local.as_unicode().as_bytes()));
}

/// `<success/>`.
pub(crate) fn write_success(writer: &mut XmlWriter) {
    writer.leaf("success", ns::SASL, "");
}

/// `<failure/>`; the text goes to the peer.
pub(crate) fn write_failure(writer: &mut XmlWriter, condition: SaslCondition, text: &str) {
    writer.start("failure", ns::SASL).leaf(condition.as_str(), ns::SASL, "");
    if !text.is_empty() {
        writer.start("text", ns::SASL).attribute("xml:lang", "en").text(text).end();
    }
    writer.end();
}

/// The condition's name and the text of a peer's `<failure/>`.
pub(crate) fn read_failure(failure: ElementRef<'_>) -> (Box<str>, Box<str>) {
    condition_and_text(failure, ns::SASL)
}

/// Reads `<auth/>` of a peer whose header says it is `from` (RFC 6120 §6.3.8): it may act as itself and nobody else.
pub(crate) fn read_auth(auth: ElementRef<'_>, from: &Domain) -> Result<(), SaslCondition> {
    if auth.attribute("mechanism").as_deref() != Some("EXTERNAL") {
        return Err(SaslCondition::InvalidMechanism);
    }
    let text = auth.text();
    let initial = text.trim_ascii();
    if initial.is_empty() {
        return Err(SaslCondition::MalformedRequest);
    }
    if initial == "=" {
        return Ok(());
    }
    let decoded = BASE64.decode(initial.as_bytes()).map_err(|_| SaslCondition::IncorrectEncoding)?;
    let authzid = String::from_utf8(decoded).map_err(|_| SaslCondition::IncorrectEncoding)?;
    match Domain::parse(&authzid) {
        Ok(domain) if domain == *from => Ok(()),
        _ => Err(SaslCondition::InvalidAuthzid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Batch;

    /// RFC 6120 §6.5.5–§6.5.8, XEP-0178 §3 step 11.
    #[test]
    fn a_peer_may_act_as_itself_only() {
        let from = Domain::parse("bücher.example").unwrap();
        let own = BASE64.encode("bücher.example".as_bytes());
        let ascii = BASE64.encode(b"xn--bcher-kva.EXAMPLE");
        let other = BASE64.encode(b"fabrikam.example");
        for (mechanism, content, expected) in [
            ("EXTERNAL", "=", Ok(())),
            ("EXTERNAL", own.as_str(), Ok(())),
            ("EXTERNAL", ascii.as_str(), Ok(())),
            ("EXTERNAL", other.as_str(), Err(SaslCondition::InvalidAuthzid)),
            ("EXTERNAL", "", Err(SaslCondition::MalformedRequest)),
            ("EXTERNAL", "%%%", Err(SaslCondition::IncorrectEncoding)),
            ("EXTERNAL", "/////w==", Err(SaslCondition::IncorrectEncoding)),
            // §6.3.5: the padding bits of "fabrikam.example" are not zero.
            ("EXTERNAL", "ZmFicmlrYW0uZXhhbXBsZR==", Err(SaslCondition::IncorrectEncoding)),
            ("PLAIN", "=", Err(SaslCondition::InvalidMechanism)),
        ] {
            let mut writer = XmlWriter::new();
            writer.start("auth", ns::SASL).attribute("mechanism", mechanism).text(content).end();
            let batch = Batch::from_xml(writer.finish()).unwrap();
            assert_eq!(read_auth(batch.element(0), &from), expected, "{mechanism} {content}");
        }
    }
}
