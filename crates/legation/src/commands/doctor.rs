//! `legation doctor`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    doctor::{self, Finding, Verdict},
    output::{self, Failure, Format},
};

/// Fails, with 1, if anything that was looked at does.
pub(super) fn run(config: &Path, socket: Option<PathBuf>, format: Format) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let diagnosis = runtime.block_on(doctor::examine(config, socket));
    match format {
        Format::Json => output::json(&diagnosis)?,
        Format::Table => {
            show(&diagnosis.findings);
            if !diagnosis.partners_view.is_empty() {
                output::line("\nWhat a partner will see:");
                show(&diagnosis.partners_view);
            }
        }
    }
    Ok(if diagnosis.verdict() == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A line for each finding; the remedy under it.
fn show(findings: &[Finding]) {
    for finding in findings {
        let (verdict, about) = (finding.verdict.as_str(), &finding.about);
        let text = output::plain(&finding.text).replace('\n', "\n      ");
        output::line(format_args!("{verdict:4}  {}: {text}", output::plain(about)));
        if let Some(remedy) = &finding.remedy {
            output::line(format_args!("      → {}", output::plain(remedy)));
        }
    }
}
