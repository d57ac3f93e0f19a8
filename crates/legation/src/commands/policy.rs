//! `legation policy`.

use clap::{Args, Subcommand};
use panel::api::v1::dto::{NewPolicy, NewUserPolicy, Policy, PolicyChanged, PolicyChanges, UserPolicy};

use super::{Caller, dry, partner::fields::list as entries};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the policies
    List,
    /// Show a policy, or with an address the one that counts for a user
    Show {
        /// global, site:DOMAIN, user:NAME or the address of an internal user
        policy: String,
    },
    /// Add a policy of an internal domain, or one to assign to users; without access unless it is said
    Add {
        /// site:DOMAIN or user:NAME
        policy: String,
        #[command(flatten)]
        fields: Fields,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Change a policy; what is left out stays
    Set {
        /// global, site:DOMAIN or user:NAME
        policy: String,
        #[command(flatten)]
        fields: Fields,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a policy; global is reset to what it was out of the box
    Remove {
        /// global, site:DOMAIN or user:NAME
        policy: String,
    },
    /// Assign a policy to a user, with or without an account
    Assign {
        /// The internal user: alice@contoso.example
        address: String,
        /// user:NAME
        #[arg(required_unless_present = "none")]
        policy: Option<String>,
        /// Take back what is assigned: the policy of the domain, or the global one, counts again
        #[arg(long, conflicts_with = "policy")]
        none: bool,
    },
}

/// What can be set of a policy.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// Federation at all
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    federation: Option<bool>,
    /// Federation with XMPP partners; takes effect only with the first
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    xmpp: Option<bool>,
    /// The primary domain of a partner that it is for; may be repeated; none for all partners
    #[arg(long, value_name = "DOMAIN")]
    partner: Vec<String>,
}

const POLICIES: &str = "/api/v1/policies";

fn path(policy: &str) -> String {
    format!("{POLICIES}/{}", escape(policy))
}

fn user_path(address: &str) -> String {
    format!("/api/v1/users/{}/policy", escape(address))
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => list(caller).await,
            Self::Show { policy } if policy.contains('@') => {
                told(caller, &caller.client.get(&user_path(&policy)).await?.read()?)
            }
            Self::Show { policy } => show(caller, &caller.client.get(&path(&policy)).await?.read()?),
            Self::Add { policy, fields, dry_run } => {
                let new = NewPolicy {
                    identity: policy,
                    enable_federation_access: fields.federation,
                    enable_xmpp_access: fields.xmpp,
                    partners: entries(fields.partner),
                };
                let answer = caller.client.post(&dry(POLICIES, dry_run), &new).await?;
                changed(caller, &answer.read()?, "Added")
            }
            Self::Set { policy, fields, dry_run } => {
                let changes = PolicyChanges {
                    enable_federation_access: fields.federation,
                    enable_xmpp_access: fields.xmpp,
                    partners: entries(fields.partner),
                };
                if changes == PolicyChanges::default() {
                    return Err(Failure::Usage("nothing to change: name at least one field".to_owned()));
                }
                let answer = caller.client.patch(&dry(&path(&policy), dry_run), &changes).await?;
                changed(caller, &answer.read()?, "Changed")
            }
            Self::Remove { policy } => {
                caller.client.delete(&path(&policy)).await?;
                let done = if policy == "global" { "Reset" } else { "Removed" };
                caller.removed(format_args!("{done} the policy {policy}."));
                Ok(())
            }
            Self::Assign { address, policy, .. } => {
                let request = NewUserPolicy { policy: Some(policy) };
                told(caller, &caller.client.put(&user_path(&address), &request).await?.read()?)
            }
        }
    }
}

async fn list(caller: &Caller) -> Result<(), Failure> {
    let policies: Vec<Policy> = caller.client.list(POLICIES).await?;
    if caller.format == Format::Json {
        return output::json(&policies);
    }
    let rows = policies.iter().map(|policy| {
        let users = if policy.scope == "user" { policy.users.to_string() } else { "-".to_owned() };
        [
            policy.identity.clone(),
            output::flag(policy.enable_federation_access),
            xmpp(policy),
            partners(policy).replace('\n', ", "),
            users,
        ]
    });
    output::table(["policy", "federation", "xmpp", "partners", "users"], rows);
    Ok(())
}

fn show(caller: &Caller, policy: &Policy) -> Result<(), Failure> {
    if caller.format == Format::Json {
        return output::json(policy);
    }
    output::fields([
        ("identity", policy.identity.clone()),
        ("enable_federation_access", output::flag(policy.enable_federation_access)),
        ("enable_xmpp_access", xmpp(policy)),
        ("partners", partners(policy)),
        ("users", if policy.scope == "user" { policy.users.to_string() } else { "-".to_owned() }),
        ("updated", policy.updated_at.as_deref().map_or_else(|| "never".to_owned(), output::time)),
    ]);
    Ok(())
}

/// Which policy counts for a user, and why.
fn told(caller: &Caller, told: &UserPolicy) -> Result<(), Failure> {
    let why = match (&told.assigned, told.effective.scope.as_str()) {
        (Some(_), _) => "as assigned",
        (None, "site") => "that of its domain",
        (None, _) => "since neither user nor domain has one",
    };
    let access = match (told.effective.enable_federation_access, told.effective.enable_xmpp_access) {
        (true, true) if told.effective.partners.is_empty() => "may use XMPP federation".to_owned(),
        (true, true) => format!("may use XMPP federation with {}", told.effective.partners.join(", ")),
        _ => "may not use XMPP federation".to_owned(),
    };
    let (address, policy) = (&told.address, &told.effective.identity);
    caller.done(told, format_args!("{address} has the policy {policy}, {why}, and {access}."))
}

fn changed(caller: &Caller, changed: &PolicyChanged, done: &str) -> Result<(), Failure> {
    output::warnings(&changed.warnings);
    let policy = &changed.policy;
    let sentence = match changed.dry_run {
        true => "Nothing was saved: dry run.".to_owned(),
        false => format!("{done} the policy {}.", policy.identity),
    };
    caller.done(changed, sentence)
}

fn xmpp(policy: &Policy) -> String {
    match (policy.enable_federation_access, policy.enable_xmpp_access) {
        (false, true) => "yes, without effect".to_owned(),
        (_, flag) => output::flag(flag),
    }
}

fn partners(policy: &Policy) -> String {
    if policy.partners.is_empty() { "all".to_owned() } else { policy.partners.join("\n") }
}
