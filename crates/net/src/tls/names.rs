//! Reading an end-entity certificate: names, validity, key (RFC 6120 §13.7.1.2, RFC 4985, RFC 5922 §7.1).
//!
//! webpki does not tell otherName entries, so names are read with `x509-parser`. Reading decides nothing: a certificate
//! that nobody vouches for has names too.

use lexicon::{CertificateFault, CertificateNames, PeerCertificate, Timestamp};
use sha2::{Digest, Sha256};
use x509_parser::{
    asn1_rs::{Any, FromDer, Tag, TaggedExplicit},
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    time::ASN1Time,
};

/// id-on-xmppAddr (RFC 6120 §13.7.1.4).
const XMPP_ADDR: &str = "1.3.6.1.5.5.7.8.5";
/// id-on-dnsSRV (RFC 4985 §2).
const DNS_SRV: &str = "1.3.6.1.5.5.7.8.7";

/// id-ad-caIssuers (RFC 5280 §4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Names read from one certificate; further ones are not looked at.
const NAMES_MAX: usize = 1024;

/// What the DER certificate `der` says about its subject.
pub fn read_certificate(der: &[u8]) -> Result<PeerCertificate, CertificateFault> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateFault::Malformed)?;
    Ok(PeerCertificate {
        names: names(&certificate)?,
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: timestamp(certificate.validity().not_before),
        not_after: timestamp(certificate.validity().not_after),
        spki_sha256: Sha256::digest(certificate.public_key().raw).into(),
    })
}

/// Whether the DER certificate `der` names itself as its issuer.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.subject().as_raw() == certificate.issuer().as_raw())
}

/// Whether `issuer` names itself as the subject that the DER certificate `der` names as its issuer.
pub(super) fn is_issued_by(der: &[u8], issuer: &[u8]) -> bool {
    let (Ok((_, certificate)), Ok((_, issuer))) = (X509Certificate::from_der(der), X509Certificate::from_der(issuer))
    else {
        return false;
    };
    certificate.issuer().as_raw() == issuer.subject().as_raw()
}

/// Whether the DER certificate `der` says where the certificate of its issuer is kept (RFC 5280 §4.2.2.1), as those of
/// public authorities do.
pub(super) fn tells_where_issuer_is(der: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().any(|described| described.access_method.to_id_string() == CA_ISSUERS)
        }
        _ => false,
    })
}

fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(1000))
}

fn names(certificate: &X509Certificate<'_>) -> Result<CertificateNames, CertificateFault> {
    let mut names = CertificateNames::default();
    let extension = certificate.subject_alternative_name().map_err(|_| CertificateFault::Malformed)?;
    let Some(extension) = extension else {
        let common = certificate.subject().iter_common_name().next();
        names.common = common.and_then(|name| name.as_str().ok()).map(str::to_owned);
        return Ok(names);
    };
    for name in extension.value.general_names.iter().take(NAMES_MAX) {
        match name {
            GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
            GeneralName::URI(uri) => names.uri.push((*uri).to_owned()),
            GeneralName::OtherName(oid, value) => match oid.to_id_string().as_str() {
                XMPP_ADDR => names.xmpp.extend(text(value, Tag::Utf8String)),
                DNS_SRV => names.srv.extend(text(value, Tag::Ia5String)),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(names)
}

/// The text inside `[0] EXPLICIT`. SRVName is an IA5String by RFC 4985; a UTF8String is read too, since issuers write it.
fn text(value: &[u8], usual: Tag) -> Option<String> {
    let (_, explicit) = TaggedExplicit::<Any<'_>, x509_parser::asn1_rs::Error, 0>::from_der(value).ok()?;
    let inner = explicit.into_inner();
    let known = inner.tag() == usual || inner.tag() == Tag::Utf8String;
    let text = known.then(|| std::str::from_utf8(inner.data).ok()).flatten()?;
    (usual != Tag::Ia5String || text.is_ascii()).then(|| text.to_owned())
}
