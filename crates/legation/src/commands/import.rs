//! `partner import`, `user import`, `contact import`: a file of many changes, all made or none.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
};

use clap::Args;
use panel::api::v1::dto::{FieldChange, Import, ImportRow};
use serde_json::Value;

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

/// Addresses named in a sentence; the rest are counted.
const NAMED_MAX: usize = 20;

/// What to import, and how.
#[derive(Debug, Args)]
pub(super) struct Importing {
    /// The file, CSV or JSON; - for standard input
    file: PathBuf,
    /// Show what would change, which rows are invalid and why, and who would gain or lose access, but save nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave invalid rows out instead of saving nothing
    #[arg(long)]
    skip_invalid: bool,
    /// The internal domain that stands for a site of the original; may be repeated
    #[arg(long, value_name = "SITE=DOMAIN")]
    site: Vec<String>,
}

impl Importing {
    /// Of a file that holds one of `kinds`, words of the API between commas.
    pub(super) async fn run(self, caller: &Caller, kinds: &str) -> Result<(), Failure> {
        let file = self.read()?;
        let Self { dry_run, skip_invalid, site, .. } = self;
        let sites = escape(&site.join(","));
        let query = format!("kinds={kinds}&dry_run={dry_run}&skip_invalid={skip_invalid}&sites={sites}");
        let import: Import = caller.client.post_file(&format!("/api/v1/import?{query}"), file).await?.read()?;
        if caller.format == Format::Json {
            return output::json(&import);
        }
        tell(&import);
        Ok(())
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = match self.file.as_os_str() == "-" {
            true => io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
            false => fs::read(&self.file),
        };
        read.map_err(|error| Failure::Failed(format!("cannot read {}: {error}", self.file.display())))
    }
}

fn tell(import: &Import) {
    let is_told = |row: &&ImportRow| row.action != "unchanged" || !row.warnings.is_empty();
    let rows = import.rows.iter().filter(is_told);
    output::table(
        ["row", "subject", "action", "detail"],
        rows.map(|row| [row.row.to_string(), row.subject.clone(), row.action.clone(), detail(row)]),
    );
    for (users, sentence) in [(&import.gains_access, "gains access"), (&import.loses_access, "loses access")] {
        if !users.is_empty() {
            let named = users.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = users.len().saturating_sub(NAMED_MAX);
            let more = if more == 0 { String::new() } else { format!(" and {more} more (all with --output json)") };
            output::line(format_args!("Who {sentence} to XMPP federation: {named}{more}."));
        }
    }
    let count = |action: &str| import.rows.iter().filter(|row| row.action == action).count();
    let counts = ["add", "change", "unchanged", "invalid"].map(|action| format!("{} {action}", count(action)));
    let done = if import.dry_run { "Nothing was saved: dry run" } else { "Imported" };
    output::line(format_args!("{done}: {} ({}).", import.kind, counts.join(", ")));
}

fn detail(row: &ImportRow) -> String {
    let errors = row.errors.iter().map(|error| format!("{}: {}", error.field, error.message));
    let warnings = row.warnings.iter().map(|warning| format!("warning: {}: {}", warning.field, warning.message));
    let changes = if row.action == "change" { row.changes.iter().map(change).collect() } else { Vec::new() };
    errors.chain(warnings).chain(changes).collect::<Vec<_>>().join("\n")
}

fn change(change: &FieldChange) -> String {
    let text = |value: &Value| match value {
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    format!("{}: {} → {}", change.field, text(&change.before), text(&change.after))
}
