//! What is told of trunks to people.

use std::{fmt, net::SocketAddr};

use lexicon::{PeerCertificate, Timestamp};
use policy::{TrunkName, peer::HostPort, trunk::TrunkTransport};

/// A trunk as it stands now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkStatus {
    /// Which one.
    pub name: TrunkName,
    /// Whether it may be used at all.
    pub enabled: bool,
    /// What carries requests to it.
    pub transport: TrunkTransport,
    /// One row for each address of each configured target, in the order in which they are tried; one without an address
    /// for a target that was not found.
    pub targets: Vec<TargetStatus>,
    /// Its live connections: those that we opened, and those on which it has proved itself by its certificate.
    pub connections: Vec<TrunkConnection>,
}

impl TrunkStatus {
    /// Whether a message could be sent to it now, as far as is known.
    pub fn is_up(&self) -> bool {
        self.enabled && self.targets.iter().any(|target| target.state == TargetState::Up)
    }
}

/// An address of a trunk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetStatus {
    /// The target as it was configured.
    pub target: HostPort,
    /// The address that it stands for.
    pub address: Option<SocketAddr>,
    /// Whether it answers.
    pub state: TargetState,
    /// Since when.
    pub since: Timestamp,
    /// What went wrong last, in words, whatever the state is now.
    pub last_error: Option<String>,
    /// How long the last OPTIONS took, in milliseconds.
    pub round_trip_ms: Option<u64>,
}

/// Whether an address of a trunk answers.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum TargetState {
    /// It was not asked yet, or the answer is awaited.
    #[default]
    Unknown,
    /// It answered the last OPTIONS.
    Up,
    /// It did not; requests go to others.
    Down,
}

impl TargetState {
    /// The word used in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A live connection of a trunk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkConnection {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether we opened it.
    pub outgoing: bool,
    /// `TCP` or `TLS`.
    pub transport: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// The SIP domains that the other end's certificate names (RFC 5922 §7.1); none without TLS.
    pub names: Vec<String>,
}

/// What an OPTIONS on purpose has shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkTest {
    /// Which trunk.
    pub name: TrunkName,
    /// What was done, in order, for each target.
    pub steps: Vec<TestStep>,
}

impl TrunkTest {
    /// Whether at least one target answered.
    pub fn passed(&self) -> bool {
        self.steps.iter().any(|step| step.stage == TestStage::Options && step.outcome.is_ok())
    }
}

/// One step of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestStep {
    /// The target as it was configured.
    pub target: HostPort,
    /// The address that was tried; none while it is sought.
    pub address: Option<SocketAddr>,
    /// What was tried.
    pub stage: TestStage,
    /// What came of it, in words; an error ends the steps of this address.
    pub outcome: Result<String, String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The certificate that was shown, if the step is [`TestStage::Tls`].
    pub certificate: Option<PeerCertificate>,
}

/// What a step of a test tries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TestStage {
    /// The addresses of the target (RFC 3263).
    Resolve,
    /// A connection.
    Connect,
    /// TLS, and the other end's certificate (RFC 5922).
    Tls,
    /// An answer to OPTIONS.
    Options,
}

impl TestStage {
    /// The word used in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Options => "options",
        }
    }
}

impl fmt::Display for TestStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
