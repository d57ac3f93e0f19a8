//! TLS at the edge (RFC 6120 §5, RFC 7590): rustls with aws-lc-rs, TLS 1.2 and 1.3.
//!
//! The peer's certificate never ends a handshake. Both verifiers accept whatever certificate comes, still require that
//! the peer holds its key, and leave the judgement for later: [`judge`] gives the chain's verdict when it is known whose
//! roots and pins count, and the names are facts for `xmpp::identity`. A certificate of ours is chosen by SNI when we are
//! dialled and by the local domain when we dial; a peer that shows none is met too.
//!
//! Direct TLS (XEP-0368) is told apart from STARTTLS by ALPN: there `xmpp-server` is offered and, from a peer that uses
//! ALPN at all, demanded. Left out: revocation, DANE, POSH.

mod identity;
mod names;
mod roots;
mod verifier;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lexicon::{CertificateFault, Domain, TlsFacts, TlsVersion};
use rustls::{
    ClientConfig, ProtocolVersion, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
    server::ResolvesServerCert,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use identity::{CertificateFileError, CertificateFiles, Identities};
pub use names::read_certificate;
pub use roots::{Roots, RootsError, judge, judge_client};

/// Makes aws-lc-rs the provider of the process. Idempotent; the binary calls it first.
pub fn install_provider() {
    // An error means that a provider is installed already, which is what was asked for.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The ALPN protocol of direct TLS between servers (XEP-0368 §7).
const ALPN: &[u8] = b"xmpp-server";

/// Our side of every handshake: certificates, versions, verifiers. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    by_sni: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
    web: Arc<ServerConfig>,
    servers: Arc<[Arc<ServerConfig>]>,
    clients: Arc<[Arc<ClientConfig>]>,
    identities: Arc<Identities>,
}

impl Tls {
    /// With `identities`, which may be none: then we can only dial, and show no certificate.
    pub fn new(identities: Identities) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let identities = Arc::new(identities);
        let by_sni = server_config(&provider, Arc::clone(&identities) as _)?;
        let mut direct = ServerConfig::clone(&by_sni);
        direct.alpn_protocols = vec![ALPN.to_vec()];
        let web = web_config(&provider, Arc::clone(&identities) as _)?;
        let servers = (0..identities.len()).map(|i| server_config(&provider, identities.shown_by_server(i)));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let count = identities.len().max(1);
        let clients = (0..count).map(|i| client_config(&provider, &identities, i)).collect::<Result<Vec<_>, _>>()?;
        let direct = Arc::new(direct);
        Ok(Self { by_sni, direct, web, servers: servers.into(), clients: clients.into(), identities })
    }

    /// The certificates we show.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The handshake with a peer that opened the connection. The certificate is the one for `local`, the domain that the
    /// peer addressed, else the one for its SNI, else the first.
    pub async fn accept<S>(&self, stream: S, local: Option<&Domain>) -> Result<Secured<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let addressed = local.and_then(|local| self.identities.find(local));
        let config = addressed.map_or(&self.by_sni, |index| &self.servers[index]);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(config));
        Secured::new(acceptor.accept(stream).await?.into())
    }

    /// The handshake with a peer that opened the connection to a port for direct TLS (XEP-0368 §3). The certificate is the
    /// one for its SNI, else the first. A peer that offers ALPN protocols without `xmpp-server` is refused with the
    /// alert `no_application_protocol` (RFC 7301 §3.2); one that offers none is served.
    pub async fn accept_direct<S>(&self, stream: S) -> Result<Secured<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.direct));
        Secured::new(acceptor.accept(stream).await?.into())
    }

    /// The handshake with a browser, or with a program that uses HTTP/1.1. It is not asked for a certificate. Ours is the one
    /// for its SNI, else the first.
    pub async fn accept_web<S>(&self, stream: S) -> Result<Secured<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.web));
        Secured::new(acceptor.accept(stream).await?.into())
    }

    /// As [`connect`](Self::connect), with the ALPN protocol `xmpp-server` of direct TLS (XEP-0368 §3). A peer that
    /// chooses none is accepted, since ALPN is only recommended.
    pub async fn connect_direct<S>(&self, stream: S, local: &Domain, remote: &Domain) -> Result<Secured<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = ClientConfig::clone(&self.clients[self.identities.position(local)]);
        config.alpn_protocols = vec![ALPN.to_vec()];
        connect(config.into(), stream, remote).await
    }

    /// The handshake with a peer that we dialled: SNI names `remote`, the XMPP domain and not the host that was dialled
    /// (RFC 7590 §3.5); our certificate is the one for `local`.
    pub async fn connect<S>(&self, stream: S, local: &Domain, remote: &Domain) -> Result<Secured<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        connect(Arc::clone(&self.clients[self.identities.position(local)]), stream, remote).await
    }
}

async fn connect<S>(config: Arc<ClientConfig>, stream: S, remote: &Domain) -> Result<Secured<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(remote.as_ascii().to_owned()).map_err(|_| TlsError::NoSni)?;
    Secured::new(tokio_rustls::TlsConnector::from(config).connect(name, stream).await?.into())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("identities", &self.identities).finish_non_exhaustive()
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    shown: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier::accept_any(provider))
        .with_cert_resolver(shown);
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn web_config(
    provider: &Arc<CryptoProvider>,
    shown: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    identities: &Arc<Identities>,
    index: usize,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier::accept_any(provider))
        .with_client_cert_resolver(identities.shown_by_client(index));
    // Servers on OpenSSL forget the intermediates of a client whose session is resumed, and then refuse EXTERNAL.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The certificates a peer showed, end entity first, as DER. Kept to be judged again when roots, pins or time change.
#[derive(Clone, Debug, Default)]
pub struct PeerChain(Arc<[CertificateDer<'static>]>);

impl PeerChain {
    /// From DER certificates, end entity first.
    pub fn from_der<I: IntoIterator<Item = Vec<u8>>>(certificates: I) -> Self {
        Self(certificates.into_iter().map(CertificateDer::from).collect())
    }

    /// Whether the peer showed none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates as DER, end entity first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// A connection inside TLS, with what its handshake told.
#[derive(Debug)]
pub struct Secured<S> {
    stream: tokio_rustls::TlsStream<S>,
    facts: TlsFacts,
    chain: PeerChain,
}

impl<S> Secured<S> {
    fn new(stream: tokio_rustls::TlsStream<S>) -> Result<Self, TlsError> {
        let (_, connection) = stream.get_ref();
        let chain = PeerChain(connection.peer_certificates().unwrap_or_default().to_vec().into());
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let cipher = suite.and_then(|suite| suite.as_str()).unwrap_or_default().to_owned();
        let peer = chain.0.first().map_or(Err(CertificateFault::Missing), |leaf| read_certificate(leaf));
        Ok(Self { facts: TlsFacts { version, cipher, peer }, chain, stream })
    }

    /// What the handshake told.
    pub fn facts(&self) -> &TlsFacts {
        &self.facts
    }

    /// The certificates that the peer showed.
    pub fn peer_chain(&self) -> &PeerChain {
        &self.chain
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Why a handshake did not end, or could not begin. Never because of what a certificate says.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer broke the protocol, or the two sides have no version, cipher or signature in common.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] rustls::Error),
    /// The connection ended in the middle of it.
    #[error("the connection ended during the TLS handshake: {0}")]
    Io(io::Error),
    /// The domain cannot be named in a handshake.
    #[error("the domain cannot be named in a TLS handshake")]
    NoSni,
}

/// rustls errors come wrapped in I/O errors from the stream.
impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.cloned().map_or(Self::Io(error), Self::Handshake)
    }
}
