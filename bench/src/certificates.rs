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

pub(crate) fn make(folder: &Path) -> Result<Certificates, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Load authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let root = folder.join("root.pem");
    fs::write(&root, authority.pem())?;
    let leaf = |domain: &str| -> Result<CertificateFiles, Failure> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![domain.to_owned()])?.signed_by(&key, &authority)?;
        let files = CertificateFiles {
            certificate: folder.join(format!("{domain}.pem")),
            key: folder.join(format!("{domain}.key")),
        };
        fs::write(&files.certificate, certificate.pem())?;
        private(&files.key, &key.serialize_pem())?;
        Ok(files)
    };
    Ok(Certificates { root, local: leaf(LOCAL)?, remote: leaf(REMOTE)? })
}

/// Writes a file that nobody else may read.
pub(crate) fn private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
