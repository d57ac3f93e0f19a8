//! A private authority with one certificate for each side, so that SASL EXTERNAL can be used both ways.

use std::{
    fs,
    path::{Path, PathBuf},
};

use net::tls::CertificateFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{Failure, LOCAL, REMOTE};

/// The files made.
pub(crate) struct Certificates {
    /// The authority's certificate.
    pub(crate) root: PathBuf,
    /// The server's.
    pub(crate) local: CertificateFiles,
    /// The partner's.
    pub(crate) remote: CertificateFiles,
}

/// For both sides of one partnership.
pub(crate) fn make(folder: &Path) -> Result<Certificates, Failure> {
    make_for(folder, &[REMOTE.to_owned()])
}

/// A certificate by an authority that nobody knows.
pub(crate) fn make_unknown(folder: &Path, domain: &str) -> Result<CertificateFiles, Failure> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![domain.to_owned()])?.self_signed(&key)?;
    write(folder, &format!("unknown-{domain}"), &certificate.pem(), &key)
}

/// The partners share a certificate, which names them all.
pub(crate) fn make_for(folder: &Path, partners: &[String]) -> Result<Certificates, Failure> {
    let mut params = valid(CertificateParams::new(Vec::new())?);
    params.distinguished_name.push(DnType::CommonName, "Load authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let root = folder.join("root.pem");
    fs::write(&root, authority.pem())?;
    let leaf = |domains: &[String]| -> Result<CertificateFiles, Failure> {
        let key = KeyPair::generate()?;
        let certificate = valid(CertificateParams::new(domains.to_vec())?).signed_by(&key, &authority)?;
        write(folder, domains.first().map_or("", String::as_str), &certificate.pem(), &key)
    };
    Ok(Certificates { root, local: leaf(&[LOCAL.to_owned()])?, remote: leaf(partners)? })
}

/// Erlang takes no year beyond 2049.
fn valid(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2045, 1, 1);
    params
}

fn write(folder: &Path, name: &str, certificate: &str, key: &KeyPair) -> Result<CertificateFiles, Failure> {
    let files =
        CertificateFiles { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
    fs::write(&files.certificate, certificate)?;
    private(&files.key, &key.serialize_pem())?;
    Ok(files)
}

/// Writes a file that nobody else may read.
pub(crate) fn private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
