//! `legation domain`.

use clap::Subcommand;
use panel::api::v1::dto::{Domain, NewDomain};

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the internal domains
    List,
    /// Add an internal domain
    Add {
        /// Its name
        domain: String,
        /// What serves its users; may be repeated, first choice first [default: registrar]
        #[arg(long, value_name = "BACKEND")]
        backend: Vec<String>,
    },
    /// Remove an internal domain that has no users
    Remove {
        /// Its name
        domain: String,
    },
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => {
                let domains: Vec<Domain> = caller.client.list("/api/v1/domains").await?;
                match caller.format {
                    Format::Json => output::json(&domains)?,
                    Format::Table => output::table(["domain", "backends", "since"], domains.iter().map(row)),
                }
            }
            Self::Add { domain, backend } => {
                let backends = (!backend.is_empty()).then_some(backend);
                let answer = caller.client.post("/api/v1/domains", &NewDomain { name: domain, backends }).await?;
                let domain: Domain = answer.read()?;
                caller.done(&domain, format_args!("Added the internal domain {}.", domain.display_name))?;
            }
            Self::Remove { domain } => {
                caller.client.delete(&format!("/api/v1/domains/{}", escape(&domain))).await?;
                caller.removed(format_args!("Removed the internal domain {domain}."));
            }
        }
        Ok(())
    }
}

fn row(domain: &Domain) -> [String; 3] {
    [domain.display_name.clone(), domain.backends.join(", "), output::time(&domain.created_at)]
}
