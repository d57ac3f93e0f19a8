//! `legation probe` and `legation partner test`.

use std::time::Duration;

use clap::Args;
use panel::api::v1::dto::{NewProbe, Probe, WorkingRow};

use super::{Caller, partner::fields::Fields, report};
use crate::output::{self, Failure, Format};

/// Between two looks at a probe that runs.
const POLL_PAUSE: Duration = Duration::from_millis(200);

/// What to probe, and with which settings.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The domain to connect to
    domain: String,
    /// The internal domain to connect as [default: the first one]
    #[arg(long, value_name = "DOMAIN")]
    local: Option<String>,
    #[command(flatten)]
    fields: Box<Fields>,
}

/// Starts a probe and tells its steps as they happen. SIGINT cancels it.
pub(super) async fn run(settings: Settings, caller: &Caller) -> Result<(), Failure> {
    let Settings { domain, local, fields } = settings;
    let new = NewProbe { domain, local, settings: Some(fields.changes()?) };
    let started: Probe = caller.client.post("/api/v1/probes", &new).await?.read()?;
    let path = format!("/api/v1/probes/{}", started.id);
    tokio::select! {
        probe = follow(&path, caller) => end(&probe?, caller),
        _ = tokio::signal::ctrl_c() => {
            caller.client.delete(&path).await?;
            Err(Failure::failed("the probe was cancelled"))
        }
    }
}

async fn follow(path: &str, caller: &Caller) -> Result<Probe, Failure> {
    let mut told = 0;
    loop {
        let probe: Probe = caller.client.get(path).await?.read()?;
        if caller.format == Format::Table {
            for step in probe.steps.iter().skip(told) {
                output::line(output::plain(&step.text));
            }
            told = told.max(probe.steps.len());
        }
        if probe.state != "running" {
            return Ok(probe);
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

fn end(probe: &Probe, caller: &Caller) -> Result<(), Failure> {
    if caller.format == Format::Json {
        output::json(probe)?;
    }
    let Some(outcome) = &probe.report else { return Err(Failure::failed("the probe ended without a result")) };
    if caller.format == Format::Table {
        if let Some(remedy) = &outcome.remedy {
            output::line("");
            output::fields([("remedy", remedy.clone())]);
        }
        output::line("");
        output::line("Settings that were seen to work:");
        output::table(["row", "tls", "sasl", "dialback", "method"], probe.rows.iter().map(row));
        output::line("");
        output::line(format_args!("The whole story: legation report show {}", outcome.id));
    }
    if outcome.result == report::OK { Ok(()) } else { Err(Failure::failed(&outcome.summary)) }
}

fn row(row: &WorkingRow) -> [String; 5] {
    [row.row.to_string(), row.tls.clone(), row.sasl.clone(), row.dialback.to_string(), row.method.clone()]
}
