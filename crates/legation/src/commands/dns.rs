//! `legation dns`.

use clap::Subcommand;
use panel::api::v1::dto::{DnsRecord, DnsZone, ListenerSeen};

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what to publish for the internal domains, and what a name server says about each line now
    Show {
        /// One internal domain; all without
        domain: Option<String>,
    },
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let Self::Show { domain } = self;
        let path = match &domain {
            Some(domain) => format!("/api/v1/dns?domain={}", escape(domain)),
            None => "/api/v1/dns".to_owned(),
        };
        let zones: Vec<DnsZone> = caller.client.list(&path).await?;
        if caller.format == Format::Json {
            return output::json(&zones);
        }
        for (index, zone) in zones.iter().enumerate() {
            if index > 0 {
                output::line("");
            }
            output::line(format_args!("{}:", zone.domain));
            output::table(["name", "type", "value", "state", "found", "for"], zone.records.iter().map(row));
            output::table(["port", "for", "state"], zone.ports.iter().map(port));
            for note in notes(zone) {
                output::line(format_args!("  {}", output::plain(&note)));
            }
        }
        Ok(())
    }
}

fn row(record: &DnsRecord) -> [String; 6] {
    let needed = if record.needed { "" } else { " (optional)" };
    let scope = if record.scope == "inner" { ", inner DNS alone" } else { "" };
    [
        record.name.clone(),
        record.kind.clone(),
        output::or_dash(&record.value),
        record.state.clone(),
        output::or_dash(record.found.join(", ")),
        format!("{}{scope}{needed}", record.purpose),
    ]
}

fn port(port: &ListenerSeen) -> [String; 3] {
    let why = port.note.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    [format!("{} {}", port.address, port.transport), port.name.clone(), format!("{}{why}", port.state)]
}

/// What is to be known beside the lines: each sentence once.
fn notes(zone: &DnsZone) -> Vec<String> {
    let of_records = zone.records.iter().filter_map(|record| {
        let note = record.note.as_ref()?;
        Some(format!("{}: {note}", record.name))
    });
    of_records.chain(zone.notes.iter().cloned()).collect()
}
