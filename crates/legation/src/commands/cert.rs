//! `legation cert`.

use clap::Subcommand;
use panel::api::v1::dto::{Certificate, Certificates};
use serde_json::json;

use super::Caller;
use crate::output::{self, Failure, Format};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the certificates in use, with the internal domains that each is shown for
    List,
    /// Check the certificate files as reading them again would find them; nothing is changed
    Check,
    /// Read the certificate files again; live streams are not touched
    Reload,
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let answer = match self {
            Self::List => caller.client.get("/api/v1/certificates").await?,
            Self::Check => caller.client.get("/api/v1/certificates/check").await?,
            Self::Reload => caller.client.post("/api/v1/certificates/reload", &json!({})).await?,
        };
        let certificates: Certificates = answer.read()?;
        match caller.format {
            Format::Json => output::json(&certificates)?,
            Format::Table => output::table(HEADER, certificates.items.iter().map(row)),
        }
        for warning in &certificates.warnings {
            output::note(format_args!("warning: {}", output::plain(warning)));
        }
        match self {
            Self::Check => verdict(&certificates),
            Self::List | Self::Reload => Ok(()),
        }
    }
}

/// A check fails where partners would refuse us; what only comes to its end is a warning.
fn verdict(certificates: &Certificates) -> Result<(), Failure> {
    let mut bad = certificates.items.iter().filter(|item| matches!(item.state.as_str(), "expired" | "not_yet_valid"));
    if let Some(bad) = bad.next() {
        return Err(Failure::failed(format_args!("{} is {}", bad.certificate, bad.state.replace('_', " "))));
    }
    match certificates.domains_without.as_slice() {
        [] => Ok(()),
        without => Err(Failure::failed(format_args!("no certificate for {}", without.join(", ")))),
    }
}

const HEADER: [&str; 6] = ["certificate", "domains", "names", "issuer", "expires", "days"];

fn row(item: &Certificate) -> [String; 6] {
    [
        item.certificate.clone(),
        output::or_dash(item.domains.join(", ")),
        output::or_dash(item.names.join(", ")),
        item.issuer.clone(),
        output::time(&item.not_after),
        item.days_left.to_string(),
    ]
}
