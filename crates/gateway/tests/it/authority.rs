//! Certificates for trunks.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use net::tls::{CertificateFiles, Identities, Tls};
use policy::TrustRoots;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Test CA {}", net::entropy::number()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        TrustRoots::Pem(self.0.pem().into())
    }

    /// A certificate with these names; one with a scheme is a URI.
    pub(crate) fn issue(&self, folder: &Path, names: &[&str]) -> CertificateFiles {
        let mut params = CertificateParams::default();
        let name = |name: &&str| match name.contains(':') {
            true => SanType::URI((*name).try_into().unwrap()),
            false => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        params.distinguished_name.push(DnType::CommonName, "a server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let stem = format!("{:08x}", net::entropy::number());
        let files = CertificateFiles {
            certificate: folder.join(format!("{stem}.crt")),
            key: folder.join(format!("{stem}.key")),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    /// TLS with such a certificate.
    pub(crate) fn tls(&self, names: &[&str]) -> Tls {
        let folder = tempfile::tempdir().unwrap();
        Tls::new(Identities::load(&[self.issue(folder.path(), names)]).unwrap()).unwrap()
    }
}
