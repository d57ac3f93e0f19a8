//! `legation settings`.

use std::collections::BTreeMap;

use clap::Subcommand;
use panel::api::v1::dto::{Setting, Settings, SettingsChanged};
use serde_json::Value;

use super::{Caller, password};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

/// The one setting whose value is a secret.
const PASSPHRASE: &str = "dialback_passphrase";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show all settings, or one with its limits
    Show {
        /// The setting
        name: Option<String>,
    },
    /// Change settings: all of them, or none if one is refused
    ///
    /// Numbers may carry a unit: queue_bytes=2MiB, queue_age=5m. The value of dialback_passphrase is left out here and
    /// read from standard input or a prompt.
    Set {
        /// NAME=VALUE; may be repeated
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::Show { name: None } => {
                let settings: Settings = caller.client.get("/api/v1/settings").await?.read()?;
                match caller.format {
                    Format::Json => output::json(&settings),
                    Format::Table => {
                        list(&settings.items);
                        Ok(())
                    }
                }
            }
            Self::Show { name: Some(name) } => {
                let path = format!("/api/v1/settings/{}", escape(&name));
                let setting: Setting = caller.client.get(&path).await?.read()?;
                match caller.format {
                    Format::Json => output::json(&setting),
                    Format::Table => {
                        show(&setting);
                        Ok(())
                    }
                }
            }
            Self::Set { changes, dry_run } => set(caller, &changes, dry_run).await,
        }
    }
}

async fn set(caller: &Caller, changes: &[String], dry_run: bool) -> Result<(), Failure> {
    let mut request = BTreeMap::new();
    for change in changes {
        let (name, value) = match change.split_once('=') {
            // On a command line every user of the machine could read it.
            Some((PASSPHRASE, _)) | None if change.starts_with(PASSPHRASE) => {
                (PASSPHRASE, password::read(PASSPHRASE, None)?)
            }
            Some((name, value)) => (name.trim(), value.trim().to_owned()),
            None => return Err(Failure::Usage(format!("{change}: write NAME=VALUE"))),
        };
        if request.insert(name.to_owned(), Value::String(value)).is_some() {
            return Err(Failure::Usage(format!("{name} is given twice")));
        }
    }
    let query = if dry_run { "?dry_run=true" } else { "" };
    let answer = caller.client.patch(&format!("/api/v1/settings{query}"), &request).await?;
    let changed: SettingsChanged = answer.read()?;
    match caller.format {
        Format::Json => output::json(&changed)?,
        Format::Table => {
            list(&changed.items);
            output::line(if changed.dry_run { "Nothing was saved: dry run." } else { "Saved." });
        }
    }
    Ok(())
}

fn list(settings: &[Setting]) {
    let rows = settings.iter().map(|setting| {
        let default = match &setting.default {
            Value::Null => "random".to_owned(),
            default if *default == setting.value => "default".to_owned(),
            default => value(setting, default),
        };
        [setting.name.clone(), value(setting, &setting.value), default, setting.allowed.clone()]
    });
    output::table(["setting", "value", "default", "allowed"], rows);
}

fn show(setting: &Setting) {
    output::fields([
        ("name", setting.name.clone()),
        ("value", value(setting, &setting.value)),
        ("default", if setting.default.is_null() { "random".to_owned() } else { value(setting, &setting.default) }),
        ("allowed", setting.allowed.clone()),
        ("meaning", setting.meaning.clone()),
    ]);
}

fn value(setting: &Setting, value: &Value) -> String {
    let text = match value {
        Value::Null if setting.hidden => return "(set, never shown)".to_owned(),
        Value::Null => return "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match &setting.unit {
        Some(unit) => format!("{text} {unit}"),
        None => text,
    }
}
