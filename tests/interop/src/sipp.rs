//! SIPp from Debian: one end of a SIP conversation by a scenario, and its verdict on the other end.
//!
//! The scenarios are ours, how requests are repeated, what a repeated one is answered with, and what is unexpected is
//! SIPp's. It ends with 0 only if every call went as its scenario says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::kamailio::Transport;
use crate::process::{PATIENCE, Process};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Takes sessions, late, until it is told to stop.
    Takes,
    /// Opens a session, and ends it.
    Opens,
    /// Publishes presence: busy, away, nothing (RFC 3903).
    Publishes,
    /// Opens a session with a first text, and cancels.
    Cancels,
    /// Opens a session, and never acknowledges.
    Forgets,
    /// Watches somebody for a minute, losing the first NOTIFY.
    Watches,
    /// Answers texts, typing and requests for notifications with the same, until it is told to stop.
    Knows,
}

impl Scenario {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Takes => ("takes", include_str!("sipp/takes.xml")),
            Self::Opens => ("opens", include_str!("sipp/opens.xml")),
            Self::Publishes => ("publishes", include_str!("sipp/publishes.xml")),
            Self::Cancels => ("cancels", include_str!("sipp/cancels.xml")),
            Self::Watches => ("watches", include_str!("sipp/watches.xml")),
            Self::Knows => ("knows", include_str!("sipp/knows.xml")),
            Self::Forgets => ("forgets", include_str!("sipp/forgets.xml")),
        }
    }
}

/// How to start it.
pub struct Setup<'a> {
    /// A folder for its files.
    pub folder: &'a Path,
    /// What it does.
    pub scenario: Scenario,
    /// Where it is.
    pub local: SocketAddr,
    /// Where our server listens.
    pub gateway: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Whom its INVITE is for.
    pub to: &'a str,
}

/// A running SIPp.
pub struct Sipp {
    /// Its screens and errors.
    pub process: Process,
    errors: PathBuf,
}

impl Sipp {
    /// Starts it. One that takes sessions also answers OPTIONS, so our server tells when it listens.
    pub fn start(setup: &Setup<'_>) -> Self {
        let (name, text) = setup.scenario.text();
        let (scenario, errors) = (setup.folder.join("scenario.xml"), setup.folder.join("errors.log"));
        fs::write(&scenario, text).expect("the world's folder can be written");
        let mode = if setup.transport == Transport::Tcp { "t1" } else { "u1" };
        let (ip, port) = (setup.local.ip().to_string(), setup.local.port().to_string());
        let (scenario, told) = (path(&scenario).to_owned(), path(&errors).to_owned());
        let gateway = setup.gateway.to_string();
        let mut arguments = vec![gateway.as_str(), "-sf", &scenario, "-i", &ip, "-p", &port, "-t", mode];
        arguments.extend(["-nostdin", "-trace_err", "-error_file", &told, "-s", setup.to]);
        let beside = setup.folder.join("beside.xml");
        if setup.scenario == Scenario::Watches {
            fs::write(&beside, include_str!("sipp/beside.xml")).expect("the world's folder can be written");
            arguments.extend(["-oocsf", path(&beside)]);
        }
        if !matches!(setup.scenario, Scenario::Takes | Scenario::Knows) {
            arguments.extend(["-m", "1"]);
        }
        Self { process: Process::start(name, "/usr/bin/sipp", &arguments), errors }
    }

    /// Lets calls end that are under way; then whether all went as they should, with its errors.
    pub fn stop(mut self) -> Result<(), String> {
        let told = Command::new("kill").args(["-USR1", &self.process.id().to_string()]).status();
        assert!(told.is_ok_and(|told| told.success()), "SIPp can be told to end");
        self.verdict()
    }

    /// Waits for its end.
    pub fn verdict(&mut self) -> Result<(), String> {
        self.verdict_within(PATIENCE)
    }

    /// The same where the scenario takes longer.
    pub fn verdict_within(&mut self, patience: Duration) -> Result<(), String> {
        let good = self.process.ended_within(patience);
        if good { Ok(()) } else { Err(fs::read_to_string(&self.errors).unwrap_or_default()) }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
