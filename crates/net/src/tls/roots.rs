//! Trusted roots, and the judgement of a chain against them.
//!
//! The purpose asked for is serverAuth in both directions: a partner's server shows the same certificate whether it
//! dials or is dialled, and public authorities issue certificates for servers only. A peer of our own side that dials may
//! show one for clients too ([`judge_client`]).

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use lexicon::{CertificateFault, ChainVerdict, Timestamp};
use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};

use super::{PeerChain, names};

/// A set of trusted roots. Cheap to clone.
#[derive(Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
    /// Certificates that are trusted by themselves, because an administrator listed exactly them.
    listed: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    /// The roots of the operating system, read once in the life of the process. Files that cannot be read are skipped,
    /// with a warning in the log.
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        let store = SYSTEM.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "cannot read some of the system's trusted roots");
            }
            let mut store = RootCertStore::empty();
            let (added, ignored) = store.add_parsable_certificates(found.certs);
            tracing::debug!(added, ignored, "read the system's trusted roots");
            Arc::new(store)
        });
        Self { store: Arc::clone(store), listed: Arc::new([]) }
    }

    /// No root at all: every chain is untrusted.
    pub fn none() -> Self {
        Self { store: Arc::new(RootCertStore::empty()), listed: Arc::new([]) }
    }

    /// The certificates of a PEM text, which must hold at least one and nothing unreadable.
    ///
    /// A certificate that is listed is trusted as an issuer, and also when a peer shows exactly it.
    pub fn from_pem(pem: &str) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        let mut listed = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
            let number = index + 1;
            let certificate = certificate.map_err(|_| RootsError::Malformed { number })?;
            store.add(certificate.clone()).map_err(|_| RootsError::Malformed { number })?;
            listed.push(certificate);
        }
        if listed.is_empty() {
            return Err(RootsError::Empty);
        }
        Ok(Self { store: Arc::new(store), listed: listed.into() })
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.len())
    }
}

/// Why a PEM text is no list of roots.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RootsError {
    /// There is no certificate in it.
    #[error("there is no certificate in it (a PEM block begins with -----BEGIN CERTIFICATE-----)")]
    Empty,
    /// One of them cannot be read.
    #[error("certificate {number} of it cannot be read")]
    Malformed {
        /// Counted from one.
        number: usize,
    },
}

/// Judges chain, validity, purpose and, when `pins` has any, the end entity's key (SHA-256 of its SubjectPublicKeyInfo).
/// The first fault found is told. Names are judged apart.
pub fn judge(chain: &PeerChain, roots: &Roots, now: Timestamp, pins: &[[u8; 32]]) -> ChainVerdict {
    let [end_entity, intermediates @ ..] = &*chain.0 else { return Err(CertificateFault::Missing) };
    let facts = names::read_certificate(end_entity)?;
    judge_chain(end_entity, intermediates, roots, now)?;
    if !pins.is_empty() && !pins.contains(&facts.spki_sha256) {
        return Err(CertificateFault::PinMismatch);
    }
    Ok(())
}

/// As [`judge`], of a peer that opened the connection: its certificate may also be one for clients only.
pub fn judge_client(chain: &PeerChain, roots: &Roots, now: Timestamp) -> ChainVerdict {
    let verdict = judge(chain, roots, now, &[]);
    let ([end_entity, intermediates @ ..], Err(CertificateFault::WrongPurpose)) = (&*chain.0, verdict) else {
        return verdict;
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots.store), provider).build();
    let verifier = verifier.map_err(|_| CertificateFault::UntrustedIssuer)?;
    let judged = verifier.verify_client_cert(end_entity, intermediates, unix(now));
    judged.map(|_| ()).map_err(|error| fault(&error, end_entity))
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_seconds()).unwrap_or(0)))
}

fn judge_chain(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &Roots,
    now: Timestamp,
) -> ChainVerdict {
    if roots.listed.contains(end_entity) {
        return judge_validity(end_entity, now);
    }
    let parsed = ParsedCertificate::try_from(end_entity).map_err(|error| fault(&error, end_entity))?;
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots.store, intermediates, unix(now), algorithms).map_err(
        |error| match fault(&error, end_entity) {
            CertificateFault::UntrustedIssuer if lacks_issuer(end_entity, intermediates) => {
                CertificateFault::IntermediateMissing
            }
            other => other,
        },
    )
}

/// Public authorities issue from intermediates only, and say in each certificate where that of the issuer is kept.
fn lacks_issuer(end_entity: &[u8], shown: &[CertificateDer<'_>]) -> bool {
    names::tells_where_issuer_is(end_entity) && !shown.iter().any(|other| names::is_issued_by(end_entity, other))
}

fn judge_validity(end_entity: &[u8], now: Timestamp) -> ChainVerdict {
    let facts = names::read_certificate(end_entity)?;
    if now < facts.not_before {
        return Err(CertificateFault::NotYetValid);
    }
    if now > facts.not_after {
        return Err(CertificateFault::Expired);
    }
    Ok(())
}

/// A certificate that is its own issuer fails in several ways in webpki, depending on its constraints; all of them mean
/// the same to an operator.
fn fault(error: &Error, end_entity: &[u8]) -> CertificateFault {
    use CertificateError as E;
    let Error::InvalidCertificate(error) = error else { return CertificateFault::Malformed };
    match error {
        E::Expired | E::ExpiredContext { .. } => CertificateFault::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        E::Revoked => CertificateFault::Revoked,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => CertificateFault::WrongPurpose,
        E::UnknownIssuer | E::Other(_) if names::is_self_issued(end_entity) => CertificateFault::SelfSigned,
        E::UnknownIssuer => CertificateFault::UntrustedIssuer,
        E::Other(_) => CertificateFault::WrongPurpose,
        E::BadSignature
        | E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => CertificateFault::BadSignature,
        _ => CertificateFault::Malformed,
    }
}
