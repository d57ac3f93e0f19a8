//! `legation report`.

use clap::{Subcommand, ValueEnum};
use panel::api::v1::dto::{Page, Report};

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

/// The result of an attempt that succeeded.
pub(super) const OK: &str = "ok";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List connection attempts, the latest first
    List {
        /// Only those with this partner, by any of its domains
        #[arg(long, value_name = "DOMAIN", conflicts_with = "strangers")]
        partner: Option<String>,
        /// Only those with servers that are no partner
        #[arg(long)]
        strangers: bool,
        /// Only successes or failures, or a code such as certificate_expired
        #[arg(long, value_name = "success|failure|CODE")]
        outcome: Option<String>,
        /// Only those that the partner made, or that this server made
        #[arg(long, value_enum)]
        direction: Option<Direction>,
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show an attempt step by step, with the remedy
    Show {
        /// The report's id, as the list shows it
        id: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Direction {
    Inbound,
    Outbound,
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List { partner, strangers, outcome, direction, limit } => {
                let direction = direction.map(|direction| match direction {
                    Direction::Inbound => "inbound".to_owned(),
                    Direction::Outbound => "outbound".to_owned(),
                });
                let mut path = format!("/api/v1/reports?limit={limit}");
                for (name, value) in [
                    ("partner", partner),
                    ("strangers", strangers.then(|| "true".to_owned())),
                    ("outcome", outcome.map(|word| word.replace('-', "_"))),
                    ("direction", direction),
                ] {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", escape(&value)));
                    }
                }
                let page: Page<Report> = caller.client.get(&path).await?.read()?;
                if caller.format == Format::Json {
                    return output::json(&page.items);
                }
                output::table(
                    ["time", "leg", "partner", "direction", "result", "what", "id"],
                    page.items.iter().map(row),
                );
                Ok(())
            }
            Self::Show { id } => {
                let report: Report = caller.client.get(&format!("/api/v1/reports/{}", escape(&id))).await?.read()?;
                if caller.format == Format::Json {
                    return output::json(&report);
                }
                show(&report);
                Ok(())
            }
        }
    }
}

fn row(report: &Report) -> [String; 7] {
    let other = report.partner.as_deref().or(report.remote.as_deref()).or(report.peer.as_deref());
    [
        output::time(&report.at),
        report.leg.clone(),
        output::or_dash(other.unwrap_or_default()),
        report.direction.clone(),
        report.method.clone().unwrap_or_else(|| report.result.clone()),
        report.summary.clone(),
        report.id.clone(),
    ]
}

/// The attempt for people: what it was, its steps, and the remedy.
fn show(report: &Report) {
    let domain = |name: &Option<String>| output::or_dash(name.as_deref().unwrap_or_default());
    output::fields([
        ("time", output::time(&report.at)),
        ("took", format!("{} ms", report.duration_ms)),
        ("partner", domain(&report.partner)),
        ("domains", format!("{} ↔ {}", domain(&report.local), domain(&report.remote))),
        ("leg", report.leg.clone()),
        ("direction", report.direction.clone()),
        ("purpose", report.purpose.clone()),
        ("method", domain(&report.method)),
        ("result", report.result.clone()),
    ]);
    output::line("");
    let steps = report.steps.iter();
    output::table(
        ["step", "result", "what happened"],
        steps.map(|step| [step.name.clone(), step.result.clone(), step.text.clone()]),
    );
    if let Some(remedy) = &report.remedy {
        output::line("");
        output::fields([("remedy", remedy.clone())]);
    }
}
