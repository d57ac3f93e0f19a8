//! `legation serve` and `legation demo`.

use std::{path::Path, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, LogConfig, LogFormat},
    output::{self, Failure},
};

/// Runs the server until SIGINT or SIGTERM.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path).map_err(Failure::failed)?;
    log_to_stderr(config.log);
    runtime()?.block_on(async {
        // Signals are watched before anything starts, so that one during the start is not lost.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let running = tokio::select! {
            started = crate::start(config) => started.map_err(Failure::failed)?,
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        let addresses = running.addresses();
        tracing::info!(?addresses, "legation is ready");
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("legation stops");
        running.stop().await;
        Ok(())
    })
}

/// Plays the demonstration; its transcript is its output.
pub(super) fn demo(stay: bool) -> Result<ExitCode, Failure> {
    runtime()?.block_on(crate::demo::run(stay)).map_err(Failure::failed)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)
}

/// Logs to standard error; `RUST_LOG` in the environment wins over the file's level.
fn log_to_stderr(log: LogConfig) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(log.level.as_str()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = installed {
        output::note(format_args!("warning: no log: {error}"));
    }
}
