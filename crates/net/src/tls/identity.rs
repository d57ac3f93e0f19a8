//! The certificates that we show, read from PEM files and chosen by name.

use std::{
    fmt, fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use lexicon::{CertificateNames, Domain, PeerCertificate};
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{PeerChain, read_certificate};

/// Largest certificate or key file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate with its chain, and its key, as PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The end entity's certificate, then the intermediates.
    pub certificate: PathBuf,
    /// Its private key, readable by the server's user (and perhaps group) only.
    pub key: PathBuf,
}

/// Our certificates. The first one is shown when no other fits.
#[derive(Default)]
pub struct Identities(Vec<Identity>);

struct Identity {
    files: CertificateFiles,
    facts: PeerCertificate,
    key: Arc<CertifiedKey>,
}

impl Identities {
    /// Reads all `files`; the first that is wrong is the error.
    pub fn load(files: &[CertificateFiles]) -> Result<Self, CertificateFileError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        files.iter().map(|pair| Identity::load(pair, &provider)).collect::<Result<_, _>>().map(Self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each of them says, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &PeerCertificate> {
        self.0.iter().map(|identity| &identity.facts)
    }

    /// The files that each of them was read from, in their order.
    pub fn files(&self) -> impl Iterator<Item = &CertificateFiles> {
        self.0.iter().map(|identity| &identity.files)
    }

    /// The chain that each of them shows, in the order of the files.
    pub fn chains(&self) -> impl Iterator<Item = PeerChain> {
        self.0.iter().map(|identity| PeerChain(identity.key.cert.clone().into()))
    }

    /// Which one is shown for `domain`, in the order of the files; none when none names it.
    pub fn find(&self, domain: &Domain) -> Option<usize> {
        self.find_name(domain.as_ascii())
    }

    /// Whether one of them names `domain`; without one a partner cannot accept SASL EXTERNAL from us.
    pub fn has(&self, domain: &Domain) -> bool {
        self.find(domain).is_some()
    }

    /// Where the one for `domain` is; the first when none fits.
    pub(super) fn position(&self, domain: &Domain) -> usize {
        self.find(domain).unwrap_or(0)
    }

    pub(super) fn shown_by_client(&self, index: usize) -> Arc<dyn ResolvesClientCert> {
        Arc::new(Shown(self.0.get(index).map(|identity| Arc::clone(&identity.key))))
    }

    pub(super) fn shown_by_server(&self, index: usize) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Shown(self.0.get(index).map(|identity| Arc::clone(&identity.key))))
    }

    fn find_name(&self, name: &str) -> Option<usize> {
        let exact = self.0.iter().position(|identity| names_exactly(&identity.facts.names, name));
        exact.or_else(|| self.0.iter().position(|identity| names_by_wildcard(&identity.facts.names, name)))
    }
}

fn names_exactly(names: &CertificateNames, name: &str) -> bool {
    let srv = names.srv.iter().filter_map(|srv| srv.strip_prefix("_xmpp-server."));
    let mut plain = names.dns.iter().map(String::as_str).chain(srv);
    plain.any(|entry| entry.eq_ignore_ascii_case(name))
        || names.xmpp.iter().any(|entry| Domain::parse(entry).is_ok_and(|domain| domain.as_ascii() == name))
}

fn names_by_wildcard(names: &CertificateNames, name: &str) -> bool {
    let Some((_, parent)) = name.split_once('.') else { return false };
    let mut parents = names.dns.iter().filter_map(|entry| entry.strip_prefix("*."));
    parents.any(|entry| entry.eq_ignore_ascii_case(parent))
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|facts| &facts.names)).finish()
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = hello.server_name().and_then(|name| self.find_name(name)).unwrap_or(0);
        self.0.get(index).map(|identity| Arc::clone(&identity.key))
    }
}

/// The one certificate that a configuration shows, if any.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl Identity {
    fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, CertificateFileError> {
        let path = &files.certificate;
        let chain = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateFileError::MalformedCertificate { path: path.clone() })?;
        let Some(end_entity) = chain.first() else {
            return Err(CertificateFileError::NoCertificate { path: path.clone() });
        };
        let facts = read_certificate(end_entity)
            .map_err(|_| CertificateFileError::MalformedCertificate { path: path.clone() })?;
        check_mode(&files.key)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
            .map_err(|_| CertificateFileError::NoKey { path: files.key.clone() })?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertificateFileError::Mismatch { certificate: path.clone(), key: files.key.clone() }
            }
            _ => CertificateFileError::UnsupportedKey { path: files.key.clone() },
        })?;
        Ok(Self { files: files.clone(), facts, key: Arc::new(key) })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateFileError> {
    let unreadable = |error: std::io::Error| CertificateFileError::Unreadable {
        path: path.to_owned(),
        reason: match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        },
    };
    if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(CertificateFileError::TooLarge { path: path.to_owned() });
    }
    fs::read(path).map_err(unreadable)
}

fn check_mode(path: &Path) -> Result<(), CertificateFileError> {
    match fs::metadata(path) {
        Ok(facts) if facts.permissions().mode() & 0o007 != 0 => {
            Err(CertificateFileError::KeyOpenToOthers { path: path.to_owned() })
        }
        _ => Ok(()),
    }
}

/// What is wrong with a certificate file or its key. Each text is a sentence for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file is no certificate by its size.
    #[error("{} is larger than 1 MiB: this is no certificate", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is no certificate in the file.
    #[error("{} has no certificate (a PEM block begins with -----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// The certificate file.
        path: PathBuf,
    },
    /// A certificate in the file cannot be read.
    #[error("a certificate in {} cannot be read", path.display())]
    MalformedCertificate {
        /// The certificate file.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error("{} has no private key in PEM form without a passphrase", path.display())]
    NoKey {
        /// The key file.
        path: PathBuf,
    },
    /// The key is of a kind that is not supported.
    #[error("the private key in {} is of a kind that is not supported (RSA from 2048 bits, ECDSA, Ed25519)", path.display())]
    UnsupportedKey {
        /// The key file.
        path: PathBuf,
    },
    /// Every user of this machine may use the key.
    #[error("the private key {0} may be read by every user of this machine: chmod o-rwx {0}", path.display())]
    KeyOpenToOthers {
        /// The key file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error("the private key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
}
