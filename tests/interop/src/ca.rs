//! A certificate authority for one test world.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Certificate and key of one server, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key (PKCS #8), readable by its owner only.
    pub key: PathBuf,
}

/// A private root that issues server certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
    folder: PathBuf,
}

impl Authority {
    /// A new root; its files are written below `folder`.
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is no bad name");
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a root can sign itself");
        let root = folder.join("root.pem");
        fs::write(&root, certificate.pem()).expect("the world's folder can be written");
        Self { issuer: Issuer::new(params, key), root, folder: folder.to_path_buf() }
    }

    /// The root certificate as a PEM file.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A certificate with one dNSName, for both ends of TLS.
    pub fn issue(&self, domain: &str) -> Identity {
        self.issue_for(domain, &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A certificate with one dNSName and these purposes.
    pub fn issue_for(&self, domain: &str, purposes: &[ExtendedKeyUsagePurpose]) -> Identity {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(vec![domain.to_owned()]).expect("the name is a DNS name");
        params.distinguished_name.push(rcgen::DnType::CommonName, domain);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes.to_vec();
        let certificate = params.signed_by(&key, &self.issuer).expect("the root can sign");
        let identity = Identity {
            certificate: self.folder.join(format!("{domain}.crt")),
            key: self.folder.join(format!("{domain}.key")),
        };
        fs::write(&identity.certificate, certificate.pem()).expect("the world's folder can be written");
        write_private(&identity.key, &key.serialize_pem());
        identity
    }
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("the world's folder can be written");
    file.write_all(text.as_bytes()).expect("the world's folder can be written");
}
