//! The configuration file: what the server needs to start, and nothing else (`version = 1`, TOML).
//!
//! Addresses, files, the data directory, name servers, log. Everything that an administrator changes while the server
//! runs is in the store. A file is accepted whole or refused with every problem that can be found, each with line,
//! column, field and what is allowed.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use lexicon::Domain;
use net::{dns::DnsConfig, tls::CertificateFiles};

mod check;
mod contact;
mod file;
mod position;
mod template;
#[cfg(test)]
mod tests;

pub use position::{Position, Problem};
pub(crate) use template::{Template, render};

/// The version of the file's format that is read.
pub const VERSION: i64 = 1;

/// Largest file that is read, in octets.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What the server needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from, if any: what may change without a restart is read from there again.
    pub file: Option<PathBuf>,
    /// Where the store, its lock and the admin socket are; mode 0700.
    pub data_dir: PathBuf,
    /// Between servers.
    pub xmpp: XmppConfig,
    /// Towards SIP clients and trunks.
    pub sip: SipConfig,
    /// Between us and XMPP servers of our own side.
    pub inner: InnerConfig,
    /// Where components connect; none: no program can serve a domain.
    pub component: Vec<SocketAddr>,
    /// Whom to ask for partners' addresses, and what not to ask.
    pub dns: DnsConfig,
    /// The Unix socket of the API.
    pub admin_socket: PathBuf,
    /// Where the API is served over HTTPS.
    pub admin: AdminConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Loopback addresses for metrics and health; none: not served.
    pub ops: Vec<SocketAddr>,
}

/// The proxy's listeners and certificates.
#[derive(Clone, Debug)]
pub struct XmppConfig {
    /// TCP addresses; none: partners cannot dial us.
    pub listen: Vec<SocketAddr>,
    /// TCP addresses for direct TLS (XEP-0368); none: it is not offered.
    pub listen_tls: Vec<SocketAddr>,
    /// Ours; the first is shown when no other fits.
    pub certificates: Vec<CertificateFiles>,
    /// The name that partners' servers connect to, as it is published in DNS; none: it is not known.
    pub host: Option<Domain>,
    /// URIs of those who administer this server, told to whoever asks (XEP-0157).
    pub contacts: Vec<String>,
}

/// The listeners and certificates of the leg of inner XMPP servers.
#[derive(Clone, Debug, Default)]
pub struct InnerConfig {
    /// TCP addresses; none: inner servers cannot dial us, and cannot ask for our dialback keys.
    pub listen: Vec<SocketAddr>,
    /// TCP addresses for direct TLS; none: it is not offered.
    pub listen_tls: Vec<SocketAddr>,
    /// What is shown on this leg; none: the certificates of [`XmppConfig`].
    pub certificates: Vec<CertificateFiles>,
}

/// The API over HTTPS.
#[derive(Clone, Debug, Default)]
pub struct AdminConfig {
    /// TCP addresses; none: it is served on the Unix socket alone.
    pub listen: Vec<SocketAddr>,
    /// What is shown: those of XMPP unless there are others.
    pub certificates: Vec<CertificateFiles>,
}

/// The listeners for SIP, of clients and of trunks.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// UDP addresses.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// TCP addresses for TLS; none: trunks cannot connect to us with TLS.
    pub tls: Vec<SocketAddr>,
    /// What is shown over TLS: those of XMPP unless there are others.
    pub certificates: Vec<CertificateFiles>,
    /// The name that SIP endpoints and deployments connect to, as it is published in DNS; none: it is not known.
    pub host: Option<Domain>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogConfig {
    /// The least severe level.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the usual words")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogLevel {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A text is none of the words that are allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are {0}")]
pub struct WordError(&'static str);

impl FromStr for LogLevel {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let levels = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        levels.into_iter().find(|level| level.as_str() == text).ok_or(WordError("error, warn, info, debug and trace"))
    }
}

impl FromStr for LogFormat {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(WordError("text and json")),
        }
    }
}

impl Config {
    /// Every default, with the data directory that has none.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let sip = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060));
        Self {
            file: None,
            admin_socket: data_dir.join("admin.sock"),
            data_dir,
            xmpp: XmppConfig {
                listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 5269))],
                listen_tls: Vec::new(),
                certificates: Vec::new(),
                host: None,
                contacts: Vec::new(),
            },
            admin: AdminConfig::default(),
            component: Vec::new(),
            inner: InnerConfig::default(),
            sip: SipConfig { udp: vec![sip], tcp: vec![sip], tls: Vec::new(), certificates: Vec::new(), host: None },
            dns: DnsConfig::default(),
            log: LogConfig::default(),
            ops: Vec::new(),
        }
    }

    /// Reads and checks the file at `path`. Relative paths in it are relative to its directory, that of the socket to
    /// the data directory.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = read(path).map_err(unreadable)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let invalid = |problems| ConfigError::Invalid { path: path.to_owned(), problems };
        let config = check::config(&text, directory).map_err(invalid)?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// What is shown to inner servers.
    pub fn inner_certificates(&self) -> &[CertificateFiles] {
        let own = &self.inner.certificates;
        if own.is_empty() { &self.xmpp.certificates } else { own }
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("legation.db")
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

/// Why the file gives no configuration. Nothing has been done then.
#[derive(Debug)]
pub enum ConfigError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It holds what is not allowed.
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every problem found, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// One line for each problem: `FILE:LINE:COLUMN: FIELD: MESSAGE`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                write!(
                    f,
                    "there is no configuration file {}: make one with legation init, or name it with --config",
                    path.display()
                )
            }
            Self::Unreadable { path, source } => {
                write!(f, "cannot read the configuration file {}: {source}", path.display())
            }
            Self::Invalid { path, problems } => {
                for (index, problem) in problems.iter().enumerate() {
                    let end = if index == 0 { "" } else { "\n" };
                    write!(f, "{end}{}:{problem}", path.display())?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
