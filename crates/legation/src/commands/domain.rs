//! `legation domain`.

use std::path::PathBuf;

use clap::Subcommand;
use net::entropy;
use panel::api::v1::dto::{Domain, DomainChanges, NewDomain};
use policy::settings::Passphrase;
use serde_json::{Value, json};

use super::{Caller, password};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

mod server;

/// The backend that has a secret.
const COMPONENT: &str = "component";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the internal domains
    List,
    /// Show an internal domain
    Show {
        /// Its name
        domain: String,
    },
    /// Add an internal domain; the secret of a component is read from standard input, a prompt or a file
    Add {
        /// Its name
        domain: String,
        /// What serves its users: registrar, component, xmpp or trunk:NAME; may be repeated, the first one serves who is
        /// not assigned another [default: registrar]
        #[arg(long, value_name = "BACKEND")]
        backend: Vec<String>,
        #[command(flatten)]
        server: Box<server::Fields>,
        #[command(flatten)]
        secret: Secret,
    },
    /// Change what serves an internal domain, its XMPP server, or the secret of its component
    Set {
        /// Its name
        domain: String,
        /// What serves its users: registrar, component, xmpp or trunk:NAME; may be repeated, and replaces all backends
        #[arg(long, value_name = "BACKEND")]
        backend: Vec<String>,
        #[command(flatten)]
        server: Box<server::Fields>,
        /// Read a new secret of the component from standard input or a prompt
        #[arg(long, conflicts_with_all = ["secret_file", "generate_secret"])]
        new_secret: bool,
        #[command(flatten)]
        secret: Secret,
    },
    /// Remove an internal domain that has no users
    Remove {
        /// Its name
        domain: String,
    },
}

/// Where the secret of a component comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Secret {
    /// Read the secret of the component from the first line of this file
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Make a secret for the component and show it, once
    #[arg(long, conflicts_with = "secret_file")]
    generate_secret: bool,
}

/// A secret, and whether it was made here and must be shown.
#[derive(Default)]
struct Chosen {
    secret: Option<String>,
    made: bool,
}

impl Secret {
    /// From a file or made anew; with `ask` also from standard input or a prompt.
    fn choose(&self, ask: bool) -> Result<Chosen, Failure> {
        if self.generate_secret {
            let secret = Passphrase::from_random(entropy::seed());
            return Ok(Chosen { secret: Some(secret.reveal().to_owned()), made: true });
        }
        if self.secret_file.is_none() && !ask {
            return Ok(Chosen::default());
        }
        let secret = password::read("secret", self.secret_file.as_deref())?;
        Ok(Chosen { secret: Some(secret), made: false })
    }
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let path = |domain: &str| format!("/api/v1/domains/{}", escape(domain));
        match self {
            Self::List => {
                let domains: Vec<Domain> = caller.client.list("/api/v1/domains").await?;
                match caller.format {
                    Format::Json => output::json(&domains)?,
                    Format::Table => {
                        output::table(["domain", "backends", "connected", "since"], domains.iter().map(row))
                    }
                }
            }
            Self::Show { domain } => {
                let domain: Domain = caller.client.get(&path(&domain)).await?.read()?;
                match caller.format {
                    Format::Json => output::json(&domain)?,
                    Format::Table => show(&domain),
                }
            }
            Self::Add { domain, backend, server, secret } => {
                let chosen = secret.choose(backend.iter().any(|backend| backend == COMPONENT))?;
                let backends = (!backend.is_empty()).then_some(backend);
                let xmpp_server = server.changes()?;
                let new = NewDomain { name: domain, backends, secret: chosen.secret.clone(), xmpp_server };
                let domain: Domain = caller.client.post("/api/v1/domains", &new).await?.read()?;
                done(caller, &domain, &format!("Added the internal domain {}.", domain.display_name), chosen)?;
            }
            Self::Set { domain, backend, server, new_secret, secret } => {
                let chosen = secret.choose(new_secret)?;
                let xmpp_server = server.changes()?.map(Some);
                if backend.is_empty() && chosen.secret.is_none() && xmpp_server.is_none() {
                    let text = "give a backend, a field of the XMPP server, or a new secret to set";
                    return Err(Failure::Usage(text.to_owned()));
                }
                let backends = (!backend.is_empty()).then_some(backend);
                let changes = DomainChanges { backends, secret: chosen.secret.clone(), xmpp_server };
                let domain: Domain = caller.client.patch(&path(&domain), &changes).await?.read()?;
                done(caller, &domain, &format!("Changed the internal domain {}.", domain.display_name), chosen)?;
            }
            Self::Remove { domain } => {
                caller.client.delete(&path(&domain)).await?;
                caller.removed(format_args!("Removed the internal domain {domain}."));
            }
        }
        Ok(())
    }
}

/// Tells what was done; a secret that was made here is shown now or never.
fn done(caller: &Caller, domain: &Domain, sentence: &str, chosen: Chosen) -> Result<(), Failure> {
    output::warnings(&domain.warnings);
    let made = chosen.secret.filter(|_| chosen.made);
    match (caller.format, made) {
        (Format::Json, Some(secret)) => {
            let mut shown = json!(domain);
            shown["secret"] = Value::String(secret);
            output::json(&shown)
        }
        (_, made) => {
            caller.done(domain, sentence)?;
            if let Some(secret) = made {
                output::line(format_args!("The secret of its component, shown only now: {secret}"));
            }
            Ok(())
        }
    }
}

fn connected(domain: &Domain) -> String {
    domain.connected.map_or_else(|| "-".to_owned(), output::flag)
}

fn row(domain: &Domain) -> [String; 4] {
    [domain.display_name.clone(), domain.backends.join(", "), connected(domain), output::time(&domain.created_at)]
}

fn show(domain: &Domain) {
    output::warnings(&domain.warnings);
    output::fields([
        ("domain", domain.display_name.clone()),
        ("backends", domain.backends.join(", ")),
        ("connected", connected(domain)),
        ("created", output::time(&domain.created_at)),
        ("updated", output::time(&domain.updated_at)),
    ]);
    if let Some(server) = &domain.xmpp_server {
        output::line("");
        output::fields(server::shown(server));
    }
}
