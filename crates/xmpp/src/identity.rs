//! Whether a certificate names a domain (RFC 6120 §13.7.1.2, RFC 9525 §6, RFC 4985).
//!
//! Compared are A-labels, without regard to case; an entry that is no name matches nothing. The subject's common name is
//! never an identity (RFC 9525 §2), nor is the host that an SRV record points to (RFC 6125 §6.2.1): neither comes here.

use lexicon::{CertificateNames, Domain};

/// The service of SRVName entries that speak for a server (RFC 6120 §13.7.1.2.1).
const SERVICE: &str = "_xmpp-server.";

/// Whether `names` name `domain`.
///
/// dNSName: the domain itself, or `*.` in place of its left-most label. SRVName: the same after `_xmpp-server.`.
/// id-on-xmppAddr: the domain itself, never by wildcard (RFC 6120 §13.7.1.4).
pub fn certificate_names(names: &CertificateNames, domain: &Domain) -> bool {
    names.dns.iter().any(|name| dns_name_matches(name, domain))
        || names.srv.iter().any(|name| srv_name_matches(name, domain))
        || names.xmpp.iter().any(|address| xmpp_address_matches(address, domain))
}

fn dns_name_matches(name: &str, domain: &Domain) -> bool {
    match name.strip_prefix("*.") {
        // One label, whole and left-most. A wildcard directly over a top-level domain names nobody.
        Some(parent) => {
            domain.as_ascii().split_once('.').is_some_and(|(_, rest)| rest.contains('.') && is_same_name(parent, rest))
        }
        None => is_same_name(name, domain.as_ascii()),
    }
}

fn srv_name_matches(name: &str, domain: &Domain) -> bool {
    match name.split_at_checked(SERVICE.len()) {
        Some((service, name)) => service.eq_ignore_ascii_case(SERVICE) && dns_name_matches(name, domain),
        None => false,
    }
}

/// An address with a local part or a resource is no server's and no domain name either.
fn xmpp_address_matches(address: &str, domain: &Domain) -> bool {
    Domain::parse(address).is_ok_and(|address| address == *domain)
}

/// Both in A-labels; one trailing dot is the root (RFC 9525 §6.3 compares labels).
fn is_same_name(name: &str, domain: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(dns: &[&str], srv: &[&str], xmpp: &[&str], domain: &str) -> bool {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names =
            CertificateNames { dns: owned(dns), srv: owned(srv), xmpp: owned(xmpp), ..CertificateNames::default() };
        certificate_names(&names, &Domain::parse(domain).unwrap())
    }

    /// RFC 9525 §6.3 and RFC 6120 §13.7.1.2: what a dNSName matches.
    #[test]
    fn a_dns_name_covers_its_domain_and_one_label_by_wildcard() {
        for (name, domain, expected) in [
            ("fabrikam.example", "fabrikam.example", true),
            ("FABRIKAM.Example", "fabrikam.example", true),
            ("fabrikam.example.", "fabrikam.example", true),
            ("fabrikam.example", "im.fabrikam.example", false),
            ("im.fabrikam.example", "fabrikam.example", false),
            ("*.fabrikam.example", "im.fabrikam.example", true),
            ("*.FABRIKAM.example", "im.fabrikam.example", true),
            ("*.fabrikam.example", "fabrikam.example", false),
            ("*.fabrikam.example", "a.im.fabrikam.example", false),
            ("*.*.fabrikam.example", "a.im.fabrikam.example", false),
            ("im.*.example", "im.fabrikam.example", false),
            ("i*.fabrikam.example", "im.fabrikam.example", false),
            ("*m.fabrikam.example", "im.fabrikam.example", false),
            ("*", "fabrikam.example", false),
            ("*.", "fabrikam.example", false),
            ("*.example", "fabrikam.example", false),
            ("", "fabrikam.example", false),
            (".fabrikam.example", "fabrikam.example", false),
            ("fabrikam.example..", "fabrikam.example", false),
            ("fabrikam.example\0.evil.example", "fabrikam.example", false),
        ] {
            assert_eq!(matches(&[name], &[], &[], domain), expected, "{name} for {domain}");
        }
    }

    /// RFC 9525 §6.3: internationalised names are compared as A-labels.
    #[test]
    fn names_are_compared_as_a_labels() {
        assert!(matches(&["xn--bcher-kva.example"], &[], &[], "bücher.example"));
        assert!(matches(&["XN--BCHER-KVA.example"], &[], &[], "bücher.example"));
        assert!(matches(&["*.example.org"], &[], &[], "bücher.example.org"));
        assert!(!matches(&["bücher.example"], &[], &[], "bücher.example"), "dNSName is an IA5String of A-labels");
        assert!(matches(&[], &["_xmpp-server.xn--bcher-kva.example"], &[], "bücher.example"));
        assert!(matches(&[], &[], &["bücher.example"], "bücher.example"));
        assert!(matches(&[], &[], &["xn--bcher-kva.example"], "bücher.example"));
    }

    /// RFC 4985 §2 with RFC 6120 §13.7.1.2.1.
    #[test]
    fn an_srv_name_must_be_of_the_server_service() {
        for (name, expected) in [
            ("_xmpp-server.fabrikam.example", true),
            ("_XMPP-Server.Fabrikam.example", true),
            ("_xmpp-client.fabrikam.example", false),
            ("_xmpps-server.fabrikam.example", false),
            ("_xmpp-server.contoso.example", false),
            ("_xmpp-server._tcp.fabrikam.example", false),
            ("xmpp-server.fabrikam.example", false),
            ("fabrikam.example", false),
            ("_xmpp-server.", false),
            ("_xmpp-ser\u{fc}er.fabrikam.example", false),
        ] {
            assert_eq!(matches(&[], &[name], &[], "fabrikam.example"), expected, "{name}");
        }
        assert!(matches(&[], &["_xmpp-server.*.fabrikam.example"], &[], "im.fabrikam.example"));
    }

    /// RFC 6120 §13.7.1.4: an XmppAddr is an address, so `*` is no wildcard in it.
    #[test]
    fn an_xmpp_address_names_exactly_its_domain() {
        for (address, expected) in [
            ("fabrikam.example", true),
            ("Fabrikam.Example", true),
            ("*.example", false),
            ("user@fabrikam.example", false),
            ("fabrikam.example/resource", false),
            ("", false),
        ] {
            assert_eq!(matches(&[], &[], &[address], "fabrikam.example"), expected, "{address}");
        }
        assert!(!matches(&[], &[], &["*.fabrikam.example"], "im.fabrikam.example"));
    }

    /// RFC 9525 §2: without an identifier nothing is named; a common name is not even looked at.
    #[test]
    fn a_certificate_without_names_names_nobody() {
        assert!(!matches(&[], &[], &[], "fabrikam.example"));
        assert!(matches(&["contoso.example"], &[], &["fabrikam.example"], "fabrikam.example"), "one entry is enough");
    }
}
