//! `legation audit`.

use clap::Subcommand;
use panel::api::v1::dto::{Audit, AuditVerified, Page};
use serde_json::Value;

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List changes, the latest first
    List {
        /// Only changes of this partner, domain, user or setting
        #[arg(long)]
        subject: Option<String>,
        /// Only changes of this account
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        /// Only this action, or all on a kind of thing: `partner.added`, `partner`
        #[arg(long)]
        action: Option<String>,
        /// From this day or moment on: 2026-11-23, 2026-11-23T08:28:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Up to this day, which is included, or moment
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Check the chain of hashes: nothing was changed or taken out since
    Verify,
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List { subject, who, action, since, until, limit } => {
                let filters =
                    [("subject", subject), ("who", who), ("action", action), ("since", since), ("until", until)];
                let filters =
                    filters.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", escape(&value?))));
                list(&filters.collect::<String>(), limit, caller).await
            }
            Self::Verify => {
                let verified: AuditVerified = caller.client.get("/api/v1/audit/verify").await?.read()?;
                caller.done(&verified, format_args!("The chain of {} entries is intact.", verified.rows))
            }
        }
    }
}

async fn list(filters: &str, limit: u32, caller: &Caller) -> Result<(), Failure> {
    let page: Page<Audit> = caller.client.get(&format!("/api/v1/audit?limit={limit}{filters}")).await?.read()?;
    match caller.format {
        Format::Json => output::json(&page.items),
        Format::Table => {
            let rows = page.items.iter().map(|change| {
                let who = format!("{} ({})", change.who, change.origin);
                let what = difference(change.before.as_ref(), change.after.as_ref());
                [output::time(&change.at), who, change.action.clone(), change.subject.clone(), what]
            });
            output::table(["time", "who", "action", "subject", "change"], rows);
            Ok(())
        }
    }
}

/// The fields that differ, each `name: before → after`; of something made or removed, none.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else {
        return "-".to_owned();
    };
    let short = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.chars().take(60).collect(),
        Some(other) => other.to_string().chars().take(60).collect::<String>(),
    };
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let removed = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name}: removed"));
    let lines: Vec<_> = changed
        .map(|(name, value)| format!("{name}: {} → {}", short(before.get(name)), short(Some(value))))
        .chain(removed)
        .collect();
    output::or_dash(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_shows_the_fields_that_differ() {
        for (before, after, shown) in [
            (json!(null), json!({"a": 1}), "-"),
            (json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "x"}), "a: 1 → 2"),
            (json!({"a": null}), json!({"a": [1]}), "a: - → [1]"),
            (json!({"a": 1}), json!({"b": true}), "b: - → true\na: removed"),
            (json!({"a": 1}), json!({"a": 1}), "-"),
        ] {
            assert_eq!(difference(Some(&before), Some(&after)), shown);
        }
        assert_eq!(difference(None, None), "-");
    }
}
