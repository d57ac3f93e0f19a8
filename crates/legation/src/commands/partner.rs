//! `legation partner`.

use clap::Subcommand;
use panel::api::v1::dto::{NewPartner, Partner, PartnerChanged, PartnerChanges, Refusals};

use super::{Caller, dry, import::Importing, probe};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

pub(super) mod fields;
mod show;

use fields::Fields;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the partners
    List,
    /// Show a partner
    Show {
        /// Its primary domain
        domain: String,
    },
    /// Add a partner; what is left out has its default
    Add {
        /// Its primary domain
        domain: String,
        /// A further domain of the partner; may be repeated
        #[arg(long, value_name = "DOMAIN")]
        additional_domain: Vec<String>,
        #[command(flatten)]
        fields: Box<Fields>,
        /// Add it without enabling it
        #[arg(long)]
        disabled: bool,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Change a partner; what is left out stays
    Set {
        /// Its primary domain
        domain: String,
        /// Add a further domain; may be repeated
        #[arg(long, value_name = "DOMAIN")]
        add_domain: Vec<String>,
        /// Remove a further domain; may be repeated
        #[arg(long, value_name = "DOMAIN")]
        remove_domain: Vec<String>,
        #[command(flatten)]
        fields: Box<Fields>,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what contact rules and access policies refused of its traffic since the server started, by reason
    Refusals {
        /// One of its domains
        domain: String,
    },
    /// Remove a partner; its streams are closed
    Remove {
        /// Its primary domain
        domain: String,
    },
    /// Import partners: our own export, or what Get-CsXmppAllowedPartner, Get-CsXmppGatewayConfiguration and
    /// Get-CsExternalAccessPolicy give to ConvertTo-Json or Export-Csv
    Import(Importing),
    /// Print all partners as import reads them
    Export {
        /// How
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: FileFormat,
    },
    /// Connect to a partner once, without sending anything; options stand for saved settings
    Test(probe::Settings),
    /// Enable a partner
    Enable {
        /// Its primary domain
        domain: String,
    },
    /// Disable a partner; its streams are closed
    Disable {
        /// Its primary domain
        domain: String,
    },
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum FileFormat {
    /// One JSON document
    #[default]
    Json,
    /// Lines for spreadsheets
    Csv,
}

fn path(domain: &str) -> String {
    format!("/api/v1/partners/{}", escape(domain))
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => list(caller).await,
            Self::Show { domain } => {
                let partner: Partner = caller.client.get(&path(&domain)).await?.read()?;
                match caller.format {
                    Format::Json => output::json(&partner),
                    Format::Table => {
                        output::fields(show::fields(&partner));
                        Ok(())
                    }
                }
            }
            Self::Add { domain, additional_domain, fields, disabled, dry_run } => {
                let changes = fields.changes()?;
                let new = NewPartner {
                    primary_domain: domain,
                    additional_domains: (!additional_domain.is_empty()).then_some(additional_domain),
                    enabled: disabled.then_some(false),
                    description: changes.description,
                    partner_type: changes.partner_type,
                    tls: changes.tls,
                    sasl: changes.sasl,
                    dialback: changes.dialback,
                    connection_limit: changes.connection_limit.flatten(),
                    keep_alive: changes.keep_alive,
                    proxy_fqdn: changes.proxy_fqdn.flatten(),
                    trust_roots: changes.trust_roots,
                    pins: changes.pins,
                };
                let answer = caller.client.post(&dry("/api/v1/partners", dry_run), &new).await?;
                changed(caller, &answer.read()?, "Added")
            }
            Self::Set { domain, add_domain, remove_domain, fields, dry_run } => {
                let changes =
                    PartnerChanges { add_domains: add_domain, remove_domains: remove_domain, ..fields.changes()? };
                set(caller, &domain, changes, dry_run, "Changed").await
            }
            Self::Refusals { domain } => refusals(caller, &domain).await,
            Self::Remove { domain } => {
                caller.client.delete(&path(&domain)).await?;
                caller.removed(format_args!("Removed the partner {domain}."));
                Ok(())
            }
            Self::Import(importing) => importing.run(caller, "partners,settings,policies").await,
            Self::Export { format } => {
                let word = match format {
                    FileFormat::Json => "json",
                    FileFormat::Csv => "csv",
                };
                let file = caller.client.get(&format!("/api/v1/partners/export?format={word}")).await?;
                output::file(file.bytes())
            }
            Self::Test(settings) => probe::run(settings, caller).await,
            Self::Enable { domain } => enable(caller, &domain, true, "Enabled").await,
            Self::Disable { domain } => enable(caller, &domain, false, "Disabled").await,
        }
    }
}

async fn refusals(caller: &Caller, domain: &str) -> Result<(), Failure> {
    let refusals: Refusals = caller.client.get(&format!("{}/refusals", path(domain))).await?.read()?;
    if caller.format == Format::Json {
        return output::json(&refusals);
    }
    let row =
        |direction: &str, (reason, count): (&String, &u64)| [direction.to_owned(), reason.clone(), count.to_string()];
    let inbound = refusals.from_partner.iter().map(|counted| row("inbound", counted));
    let outbound = refusals.to_partner.iter().map(|counted| row("outbound", counted));
    output::table(["direction", "reason", "count"], inbound.chain(outbound));
    Ok(())
}

async fn list(caller: &Caller) -> Result<(), Failure> {
    let partners: Vec<Partner> = caller.client.list("/api/v1/partners").await?;
    if caller.format == Format::Json {
        return output::json(&partners);
    }
    let header = ["partner", "state", "type", "tls", "sasl", "dialback", "enabled", "warnings"];
    output::table(header, partners.iter().map(show::row));
    Ok(())
}

async fn enable(caller: &Caller, domain: &str, enabled: bool, done: &str) -> Result<(), Failure> {
    set(caller, domain, PartnerChanges { enabled: Some(enabled), ..PartnerChanges::default() }, false, done).await
}

async fn set(caller: &Caller, domain: &str, changes: PartnerChanges, dry_run: bool, done: &str) -> Result<(), Failure> {
    if changes == PartnerChanges::default() {
        return Err(Failure::Usage("nothing to change: name at least one field".to_owned()));
    }
    let based_on = match changes.partner_type.is_some() && !dry_run {
        true => announce(caller, domain, &changes).await?,
        false => None,
    };
    let answer = caller.client.patch_if(&dry(&path(domain), dry_run), based_on, &changes).await?;
    changed(caller, &answer.read()?, done)
}

/// Says how many contacts a change of type affects before it is made; the revision that this was said of.
async fn announce(caller: &Caller, domain: &str, changes: &PartnerChanges) -> Result<Option<u64>, Failure> {
    let tried: PartnerChanged = caller.client.patch(&dry(&path(domain), true), changes).await?.read()?;
    if let Some(count) = tried.contacts_affected {
        output::note(format_args!("The change of type affects {count} contacts."));
        if count > 0 && !output::confirmed("Change the type?")? {
            return Err(Failure::Failed("nothing was changed".to_owned()));
        }
    }
    Ok(tried.partner.revision)
}

fn changed(caller: &Caller, changed: &PartnerChanged, done: &str) -> Result<(), Failure> {
    output::warnings(&changed.warnings);
    if caller.format == Format::Json {
        return output::json(changed);
    }
    let partner = &changed.partner;
    if let Some(count) = changed.contacts_affected.filter(|_| changed.dry_run) {
        output::line(format_args!("The change of type affects {count} contacts."));
    }
    let methods = if partner.methods.is_empty() { "none".to_owned() } else { partner.methods.join(", ") };
    output::line(if changed.dry_run {
        format!("Nothing was saved: dry run. Permitted methods: {methods}.")
    } else {
        format!("{done} the partner {}. Permitted methods: {methods}.", partner.display_domain)
    });
    Ok(())
}
