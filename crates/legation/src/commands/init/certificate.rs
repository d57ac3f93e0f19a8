//! A self-signed certificate for the first internal domain.
//!
//! Good for dialback inside TLS and for trying things out; a partner that requires SASL needs one from an authority
//! that it trusts.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use lexicon::Domain;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};

/// A certificate and its key.
pub(super) struct Pem {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Valid from yesterday, for clocks that differ, for two years; for both ends of a stream.
pub(super) fn self_signed(domain: &Domain) -> Result<Pem, rcgen::Error> {
    // rcgen's times are of a crate that is not ours to name.
    let midnight =
        |date: Date| date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut params = CertificateParams::new([domain.as_ascii().to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, domain.as_ascii());
    params.not_before = midnight(today.saturating_sub(1.day()));
    params.not_after = midnight(today.saturating_add(2.years()));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Pem { certificate: certificate.pem(), key: key.serialize_pem() })
}
