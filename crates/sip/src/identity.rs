//! Whom a certificate names as SIP domains (RFC 5922 §7.1), and whether one of them is whom we expect (§7.2).
//!
//! Names are compared whole: no suffix and no wildcard ever matches. Chain, validity and purpose are judged elsewhere.

use lexicon::{CertificateNames, Domain};

use crate::message::Uri;

/// The SIP domain identities of a certificate: those of its `sip:` URIs without a user; DNS names only if there is none of
/// these; the common name only if there is no subjectAltName at all. What is no domain name, such as a wildcard, is
/// nobody's identity.
pub fn domains(names: &CertificateNames) -> Vec<Domain> {
    let uris: Vec<Domain> = names.uri.iter().filter_map(|text| domain_of_uri(text)).collect();
    if !uris.is_empty() {
        return uris;
    }
    let plain = names.dns.iter().chain(&names.common);
    plain.filter_map(|name| Domain::parse(name).ok()).collect()
}

/// Whether one of the certificate's identities is one of `expected`.
pub fn is_one_of(identities: &[Domain], expected: &[Domain]) -> bool {
    identities.iter().any(|identity| expected.contains(identity))
}

fn domain_of_uri(text: &str) -> Option<Domain> {
    let uri = Uri::parse(text).ok().filter(|uri| uri.is_sip() && uri.user().is_none() && !text.contains('@'))?;
    Domain::parse(uri.host()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uri: &[&str], dns: &[&str], common: Option<&str>) -> CertificateNames {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CertificateNames { uri: owned(uri), dns: owned(dns), common: common.map(str::to_owned), ..Default::default() }
    }

    /// RFC 5922 §7.1, step by step.
    #[test]
    fn the_kind_of_name_decides_which_of_them_count() {
        for (uri, dns, common, found) in [
            (&["sip:example.com"][..], &["other.example"][..], None, &["example.com"][..]),
            (&["SIP:Example.COM"], &[], None, &["example.com"]),
            (&["sip:a.example;transport=tls", "sip:b.example:5061"], &[], None, &["a.example", "b.example"]),
            // A user makes it a user's, another scheme somebody else's: then DNS names count.
            (
                &["sip:alice@example.com", "sips:example.com", "https://example.com"],
                &["dns.example"],
                None,
                &["dns.example"],
            ),
            (&["sip:alice@example.com"], &[], None, &[]),
            (&[], &["a.example", "b.example"], None, &["a.example", "b.example"]),
            (&[], &[], Some("common.example"), &["common.example"]),
            (&[], &["*.example.com"], None, &[]),
            (&["sip:*.example.com"], &["dns.example"], None, &["dns.example"]),
            (&[], &[], Some("A Server"), &[]),
        ] {
            let identities = domains(&names(uri, dns, common));
            let told: Vec<_> = identities.iter().map(|domain| domain.as_ascii()).collect();
            assert_eq!(told, found, "{uri:?} {dns:?} {common:?}");
        }
    }

    /// RFC 5922 §7.2: whole names, whatever the case; internationalised ones as RFC 5280 §7.2 has them.
    #[test]
    fn names_are_compared_whole() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        for (shown, expected, same) in [
            ("example.com", "EXAMPLE.com", true),
            ("foo.example.com", "example.com", false),
            ("example.com", "foo.example.com", false),
            ("xn--bcher-kva.example", "b\u{fc}cher.example", true),
        ] {
            let identities = domains(&names(&[], &[shown], None));
            assert_eq!(is_one_of(&identities, &[domain("z.example"), domain(expected)]), same, "{shown} {expected}");
        }
        assert!(!is_one_of(&domains(&names(&[], &["*.example.com"], None)), &[domain("foo.example.com")]));
        assert!(!is_one_of(&[], &[domain("example.com")]));
    }
}
