//! Whether a certificate names a domain (RFC 6120 §13.7.1.2, RFC 9525, RFC 4985).

use lexicon::{CertificateNames, Domain};

/// Whether `names` name `domain`.
pub fn certificate_names(_names: &CertificateNames, _domain: &Domain) -> bool {
    false
}
