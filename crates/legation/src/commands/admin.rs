//! `legation admin`: what programs use the API over HTTPS with.

use clap::{Subcommand, ValueEnum};
use panel::api::v1::dto::{NewToken, Token, TokenMade};

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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

const TOKENS: &str = "/api/v1/tokens";

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let Self::Token(command) = self;
        match command {
            TokenCommand::List => list(caller).await,
            TokenCommand::Add { name, role, expires_in_days } => {
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
            TokenCommand::Remove { name } => {
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
