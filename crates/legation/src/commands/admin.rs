//! `legation admin`: who may log in to the control panel, and what programs use the API over HTTPS with.

use clap::{Subcommand, ValueEnum};
use panel::api::v1::dto::{Administrator, AdministratorChanges, NewAdministrator, NewToken, Token, TokenMade};

use super::{Caller, password::Source};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List who may log in to the control panel
    List,
    /// Add somebody who may log in; the password is read from standard input, a prompt or a file, and never shown
    Add {
        /// What they log in as
        name: String,
        /// What they may do
        #[arg(long, value_enum)]
        role: Role,
        #[command(flatten)]
        password: Source,
    },
    /// Set a password; their sessions end
    Passwd {
        /// What they log in as
        name: String,
        #[command(flatten)]
        password: Source,
    },
    /// Change a role; their sessions end
    Role {
        /// What they log in as
        name: String,
        /// What they may do
        #[arg(value_enum)]
        role: Role,
    },
    /// Let them log in again
    Enable {
        /// What they log in as
        name: String,
    },
    /// Let them log in no more; their sessions end
    Disable {
        /// What they log in as
        name: String,
    },
    /// Remove somebody; their sessions end
    Remove {
        /// What they log in as
        name: String,
    },
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// List the tokens, without their secrets
    List,
    /// Make a token; its secret is printed once, alone, and never again
    Add {
        /// What people call it; no two have the same
        name: String,
        /// What who shows it may do
        #[arg(long, value_enum)]
        role: Role,
        /// How long it lasts, 1 to 3,650 days
        #[arg(long, value_name = "DAYS", default_value_t = 90)]
        expires_in_days: u32,
    },
    /// Remove a token: it is worth nothing from now on
    Remove {
        /// What it is called
        name: String,
    },
}

/// The roles.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// Everything
    Administrator,
    /// Users, their contacts and their access policies
    UserAdministrator,
    /// Looks, and probes partners
    HelpDesk,
    /// Looks, also at the audit log
    Viewer,
}

impl Role {
    fn word(self) -> policy::role::Role {
        match self {
            Self::Administrator => policy::role::Role::Administrator,
            Self::UserAdministrator => policy::role::Role::UserAdministrator,
            Self::HelpDesk => policy::role::Role::HelpDesk,
            Self::Viewer => policy::role::Role::Viewer,
        }
    }
}

const ADMINISTRATORS: &str = "/api/v1/administrators";
const TOKENS: &str = "/api/v1/tokens";

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let changed = |password, role, enabled| AdministratorChanges { role, password, enabled };
        match self {
            Self::List => list_administrators(caller).await,
            Self::Add { name, role, password } => {
                let role = role.word().as_str().to_owned();
                let new = NewAdministrator { name, role, password: password.read()? };
                let added: Administrator = caller.client.post(ADMINISTRATORS, &new).await?.read()?;
                caller.done(&added, format_args!("Added {} with the role {}.", added.name, added.role))
            }
            Self::Passwd { name, password } => set(caller, &name, changed(Some(password.read()?), None, None)).await,
            Self::Role { name, role } => {
                set(caller, &name, changed(None, Some(role.word().as_str().to_owned()), None)).await
            }
            Self::Enable { name } => set(caller, &name, changed(None, None, Some(true))).await,
            Self::Disable { name } => set(caller, &name, changed(None, None, Some(false))).await,
            Self::Remove { name } => {
                caller.client.delete(&format!("{ADMINISTRATORS}/{}", escape(&name))).await?;
                caller.removed(format_args!("Removed {name}."));
                Ok(())
            }
            Self::Token(command) => command.run(caller).await,
        }
    }
}

async fn set(caller: &Caller, name: &str, changes: AdministratorChanges) -> Result<(), Failure> {
    let path = format!("{ADMINISTRATORS}/{}", escape(name));
    let changed: Administrator = caller.client.patch(&path, &changes).await?.read()?;
    let state = if changed.enabled { "" } else { ", disabled" };
    caller.done(
        &changed,
        format_args!("Changed {}: role {}{state}. Their sessions have ended.", changed.name, changed.role),
    )
}

async fn list_administrators(caller: &Caller) -> Result<(), Failure> {
    let administrators: Vec<Administrator> = caller.client.list(ADMINISTRATORS).await?;
    if caller.format == Format::Json {
        return output::json(&administrators);
    }
    let rows = administrators
        .iter()
        .map(|one| [one.name.clone(), one.role.clone(), output::flag(one.enabled), output::time(&one.created_at)]);
    output::table(["name", "role", "enabled", "since"], rows);
    Ok(())
}

impl TokenCommand {
    async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => list(caller).await,
            Self::Add { name, role, expires_in_days } => {
                let role = role.word().as_str().to_owned();
                let new = NewToken { name, role, expires_in_days: Some(expires_in_days) };
                let made: TokenMade = caller.client.post(TOKENS, &new).await?.read()?;
                if caller.format == Format::Json {
                    return output::json(&made);
                }
                let Token { name, role, expires_at, .. } = &made.token;
                let until = output::time(expires_at);
                output::note(format_args!("Added the token {name} with the role {role}, until {until}. Keep it now:"));
                output::line(&made.secret);
                Ok(())
            }
            Self::Remove { name } => {
                caller.client.delete(&format!("{TOKENS}/{}", escape(&name))).await?;
                caller.removed(format_args!("Removed the token {name}."));
                Ok(())
            }
        }
    }
}

async fn list(caller: &Caller) -> Result<(), Failure> {
    let tokens: Vec<Token> = caller.client.list(TOKENS).await?;
    if caller.format == Format::Json {
        return output::json(&tokens);
    }
    let rows = tokens.iter().map(|token| {
        let until = output::time(&token.expires_at);
        let until = if token.expired { format!("{until} (expired)") } else { until };
        [token.name.clone(), token.role.clone(), until, token.created_by.clone(), output::time(&token.created_at)]
    });
    output::table(["token", "role", "until", "made by", "since"], rows);
    Ok(())
}
