//! Certificates, good and bad, of an authority that the villain's partner settings trust.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use net::tls::{CertificateFiles, Identities, Tls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

pub(crate) struct Forge {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The authority's certificate.
    pub(crate) root: PathBuf,
    folder: PathBuf,
    made: AtomicU32,
}

impl Forge {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Villain's root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root can sign itself");
        let root = folder.join("root.pem");
        fs::write(&root, issuer.pem()).expect("the world's folder can be written");
        Self { issuer, root, folder: folder.to_path_buf(), made: AtomicU32::new(0) }
    }

    /// A certificate that is good for `domain`.
    pub(crate) fn good(&self, domain: &str) -> Tls {
        self.signed(named(domain, &[domain]))
    }

    /// A certificate by the authority.
    pub(crate) fn signed(&self, params: CertificateParams) -> Tls {
        self.shown(|key| params.signed_by(key, &self.issuer).expect("the root can sign"))
    }

    /// A certificate that is its own issuer.
    pub(crate) fn self_signed(&self, params: CertificateParams) -> Tls {
        self.shown(|key| params.self_signed(key).expect("a key can sign itself"))
    }

    fn shown(&self, make: impl FnOnce(&KeyPair) -> Certificate) -> Tls {
        let key = KeyPair::generate().expect("a key can be made");
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let files = CertificateFiles {
            certificate: self.folder.join(format!("{number}.crt")),
            key: self.folder.join(format!("{number}.key")),
        };
        fs::write(&files.certificate, make(&key).pem()).expect("the world's folder can be written");
        fs::write(&files.key, key.serialize_pem()).expect("the world's folder can be written");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("the file was just made");
        Tls::new(Identities::load(&[files]).expect("the files were just made")).expect("TLS can be set up")
    }
}

/// Nothing is shown.
pub(crate) fn no_certificate() -> Tls {
    Tls::new(Identities::default()).expect("TLS can be set up")
}

/// A certificate for a subject with these names.
pub(crate) fn named(subject: &str, names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).expect("the names are DNS names");
    params.distinguished_name.push(DnType::CommonName, subject);
    params
}

/// The key that `tls` shows, as a pin names it.
pub(crate) fn pin(tls: &Tls) -> String {
    let shown = tls.identities().iter().next().expect("something is shown");
    shown.spki_sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}
