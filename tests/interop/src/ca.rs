//! A certificate authority for one test world.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Certificate and key of one server, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key (PKCS #8), readable by its owner only.
    pub key: PathBuf,
}

impl Identity {
    /// Neither certificate nor key.
    pub fn none() -> Self {
        Self { certificate: PathBuf::new(), key: PathBuf::new() }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.certificate.as_os_str().is_empty()
    }
}

/// What is wrong with a certificate that is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// It names another domain.
    WrongName,
    /// It is its own issuer.
    SelfSigned,
    /// Its issuer is an intermediate authority, whose certificate is not shown with it. As public authorities do, it says
    /// where that is kept (RFC 5280 §4.2.2.1).
    IntermediateMissing,
}

/// A private root that issues server certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
    folder: PathBuf,
}

impl Authority {
    /// A new root, named after `folder`, below which its files are written.
    pub fn new(folder: &Path) -> Self {
        let (params, key) = authority(&format!("Test root of {}", folder.display()));
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
        self.sign(domain, &leaf(domain), &self.issuer)
    }

    /// The same for servers only, as public authorities issue since 2026.
    pub fn issue_for_servers(&self, domain: &str) -> Identity {
        let mut params = leaf(domain);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(domain, &params, &self.issuer)
    }

    /// A certificate for `domain` that is not good.
    pub fn issue_flawed(&self, domain: &str, flaw: Flaw) -> Identity {
        let mut params = leaf(domain);
        match flaw {
            Flaw::Expired => params.not_after = date_time_ymd(2025, 6, 1),
            Flaw::NotYetValid => params.not_before = date_time_ymd(2044, 1, 1),
            Flaw::WrongName => params = leaf("elsewhere.example"),
            Flaw::SelfSigned => {
                let key = KeyPair::generate().expect("a key can be made");
                let certificate = params.self_signed(&key).expect("a certificate can sign itself");
                return self.write(domain, &certificate.pem(), &key);
            }
            Flaw::IntermediateMissing => {
                let (intermediate, key) = authority("Test intermediate");
                params.custom_extensions = vec![issuer_is_kept_at("http://elsewhere.example/ca.der")];
                return self.sign(domain, &params, &Issuer::new(intermediate, key));
            }
        }
        self.sign(domain, &params, &self.issuer)
    }

    fn sign(&self, domain: &str, params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Identity {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, issuer).expect("an authority can sign");
        self.write(domain, &certificate.pem(), &key)
    }

    fn write(&self, domain: &str, certificate: &str, key: &KeyPair) -> Identity {
        let identity = Identity {
            certificate: self.folder.join(format!("{domain}.crt")),
            key: self.folder.join(format!("{domain}.key")),
        };
        fs::write(&identity.certificate, certificate).expect("the world's folder can be written");
        write_private(&identity.key, &key.serialize_pem());
        identity
    }
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = valid(CertificateParams::new(Vec::new()).expect("no name is no bad name"));
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, KeyPair::generate().expect("a key can be made"))
}

fn leaf(domain: &str) -> CertificateParams {
    let mut params = valid(CertificateParams::new(vec![domain.to_owned()]).expect("the name is a DNS name"));
    params.distinguished_name.push(rcgen::DnType::CommonName, domain);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Erlang takes no year beyond 2049.
fn valid(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params
}

/// Authority information access with one caIssuers entry: `SEQUENCE { SEQUENCE { id-ad-caIssuers, [6] url } }`.
fn issuer_is_kept_at(url: &str) -> CustomExtension {
    const ID_PE_AUTHORITY_INFO_ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    const ID_AD_CA_ISSUERS: [u8; 10] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2];
    let der = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).ok().filter(|length| *length < 128).expect("it is short");
        [&[tag, length], content].concat()
    };
    let entry = der(0x30, &[&ID_AD_CA_ISSUERS[..], &der(0x86, url.as_bytes())].concat());
    CustomExtension::from_oid_content(&ID_PE_AUTHORITY_INFO_ACCESS, der(0x30, &entry))
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
