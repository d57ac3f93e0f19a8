//! `legation serve` and `legation demo`.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    Running,
    config::{Config, LogConfig, LogFormat, LogLevel},
    output::Failure,
};

/// Runs the server until SIGINT or SIGTERM. SIGHUP reads the certificates and the log level again.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path).map_err(Failure::failed)?;
    let set_level = log_to_stderr(config.log)?;
    raise_open_files();
    runtime()?.block_on(async {
        // Signals are watched before anything starts, so that one during the start is not lost.
        let mut signals = Signals::watch().map_err(Failure::failed)?;
        let running = tokio::select! {
            started = crate::start(config) => started.map_err(Failure::failed)?,
            () = signals.ending.received() => return Ok(()),
        };
        let addresses = running.addresses();
        tracing::info!(?addresses, "legation is ready");
        loop {
            tokio::select! {
                () = signals.ending.received() => break,
                _ = signals.hangup.recv() => reload(path, &running, &*set_level),
            }
        }
        tracing::info!("legation stops");
        tokio::select! {
            () = running.stop() => {}
            () = signals.ending.received() => tracing::warn!("legation was told twice to stop and does not wait"),
        }
        Ok(())
    })
}

/// A shell's usual soft limit of 1,024 open files is below our own limits of connections (`half_open_limit` alone is 2,000),
/// and a server that is out of descriptors can accept nobody. The hard limit stays what the administrator has set.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(before = ?limit.current, now = ?limit.maximum, "limit of open files"),
        Err(error) => tracing::warn!(%error, limit = ?limit.current, "the limit of open files was not raised"),
    }
}

struct Signals {
    ending: Ending,
    hangup: Signal,
}

struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let ending =
            Ending { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
        Ok(Self { ending, hangup: signal(SignalKind::hangup())? })
    }
}

impl Ending {
    /// Until SIGINT or SIGTERM.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What cannot be read again stays as it is.
fn reload(path: &Path, running: &Running, set_level: &dyn Fn(LogLevel)) {
    match Config::load(path) {
        Ok(config) => set_level(config.log.level),
        Err(error) => tracing::error!(%error, "the configuration file was not read again"),
    }
    if let Err(error) = running.reload_certificates() {
        tracing::error!(%error, "certificates were not read again");
    }
}

/// Plays the demonstration; its transcript is its output.
pub(super) fn demo(stay: bool) -> Result<ExitCode, Failure> {
    runtime()?.block_on(crate::demo::run(stay)).map_err(Failure::failed)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)
}

/// Logs to standard error and gives what changes the level later. `RUST_LOG` in the environment wins over the file.
fn log_to_stderr(log: LogConfig) -> Result<Box<dyn Fn(LogLevel)>, Failure> {
    let from_environment = EnvFilter::try_from_default_env();
    let is_fixed = from_environment.is_ok();
    let filter = from_environment.unwrap_or_else(|_| EnvFilter::new(log.level.as_str()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    macro_rules! install {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map_err(Failure::failed)?;
            Box::new(move |level: LogLevel| {
                if !is_fixed && let Err(error) = handle.reload(EnvFilter::new(level.as_str())) {
                    tracing::error!(%error, "the log level was not changed");
                }
            })
        }};
    }
    Ok(match log.format {
        LogFormat::Text => install!(builder.with_ansi(io::stderr().is_terminal())),
        LogFormat::Json => install!(builder.json()),
    })
}
