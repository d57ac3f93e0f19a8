//! `legation user`.

use clap::{Subcommand, ValueEnum};
use panel::api::v1::dto::{DigestChoice, NewPassword, NewUser, NewUserBackend, User, UserBackend};

use super::{Caller, import::Importing, password::Source};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

/// The backend that has accounts.
const REGISTRAR: &str = "registrar";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the users
    List,
    /// Show a user
    Show {
        /// The address: alice@contoso.example
        address: String,
    },
    /// Add a user; the password is read from standard input, a prompt or a file, and never shown
    Add {
        /// The address: alice@contoso.example
        address: String,
        /// The name for people
        #[arg(long, value_name = "NAME", default_value = "")]
        display_name: String,
        #[command(flatten)]
        secret: Secret,
    },
    /// Set a user's password
    Passwd {
        /// The address: alice@contoso.example
        address: String,
        #[command(flatten)]
        secret: Secret,
    },
    /// Show what serves an address, or assign it to one of its domain's backends; it need not have an account
    Backend {
        /// The address: alice@contoso.example
        address: String,
        /// One of the domain's backends: registrar, component, xmpp or trunk:NAME
        backend: Option<String>,
        /// The first of the domain's backends again
        #[arg(long, conflicts_with = "backend")]
        default: bool,
    },
    /// Import which access policy each user has, from what Get-CsUser gives to ConvertTo-Json or Export-Csv
    Import(Importing),
    /// Remove a user
    Remove {
        /// The address: alice@contoso.example
        address: String,
    },
}

/// A password and how it is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Secret {
    /// With which algorithms the client is challenged; some clients give up when they see SHA-256
    #[arg(long, value_name = "ALGORITHMS", value_enum, default_value_t)]
    digest: Digest,
    #[command(flatten)]
    source: Source,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Digest {
    /// SHA-256 and MD5, the stronger first
    #[default]
    Both,
    /// MD5 alone
    Md5,
}

impl From<Digest> for DigestChoice {
    fn from(digest: Digest) -> Self {
        match digest {
            Digest::Both => Self::Sha256Md5,
            Digest::Md5 => Self::Md5,
        }
    }
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let path = |address: &str| format!("/api/v1/users/{}", escape(address));
        match self {
            Self::List => {
                let users: Vec<User> = caller.client.list("/api/v1/users").await?;
                match caller.format {
                    Format::Json => output::json(&users)?,
                    Format::Table => output::table(
                        ["address", "name", "digest", "enabled", "backend", "since"],
                        users.iter().map(row),
                    ),
                }
            }
            Self::Show { address } => {
                let user: User = caller.client.get(&path(&address)).await?.read()?;
                match caller.format {
                    Format::Json => output::json(&user)?,
                    Format::Table => show(&user),
                }
            }
            Self::Add { address, display_name, secret } => {
                let new =
                    NewUser { address, password: secret.source.read()?, display_name, digest: secret.digest.into() };
                let user: User = caller.client.post("/api/v1/users", &new).await?.read()?;
                caller.done(&user, format_args!("Added the user {}.", user.address))?;
                if let Some(other) = user.backend.as_ref().filter(|backend| *backend != REGISTRAR) {
                    let remedy = format!("legation user backend {} {REGISTRAR}", user.address);
                    output::note(format_args!(
                        "warning: {} is served by {other}; to use the account: {remedy}",
                        user.address
                    ));
                }
            }
            Self::Passwd { address, secret } => {
                let new = NewPassword { password: secret.source.read()?, digest: secret.digest.into() };
                let user: User = caller.client.put(&format!("{}/password", path(&address)), &new).await?.read()?;
                caller.done(&user, format_args!("Set the password of {}.", user.address))?;
            }
            Self::Backend { address, backend, default } => {
                let path = format!("{}/backend", path(&address));
                let is_change = default || backend.is_some();
                let answer = match is_change {
                    true => caller.client.put(&path, &NewUserBackend { backend: Some(backend) }).await?,
                    false => caller.client.get(&path).await?,
                };
                let told: UserBackend = answer.read()?;
                let why = if told.assigned { "as assigned" } else { "the first backend of its domain" };
                caller.done(&told, format_args!("{} is served by {}, {why}.", told.address, told.backend))?;
            }
            Self::Import(importing) => importing.run(caller, "users").await?,
            Self::Remove { address } => {
                caller.client.delete(&path(&address)).await?;
                caller.removed(format_args!("Removed the user {address}."));
            }
        }
        Ok(())
    }
}

fn row(user: &User) -> [String; 6] {
    [
        user.address.clone(),
        output::or_dash(&user.display_name),
        user.algorithms.join(", "),
        output::flag(user.enabled),
        output::or_dash(user.backend.as_deref().unwrap_or_default()),
        output::time(&user.created_at),
    ]
}

fn show(user: &User) {
    output::fields([
        ("address", user.address.clone()),
        ("display_name", output::or_dash(&user.display_name)),
        ("enabled", output::flag(user.enabled)),
        ("digest", user.algorithms.join(", ")),
        ("backend", output::or_dash(user.backend.as_deref().unwrap_or_default())),
        ("created", output::time(&user.created_at)),
        ("updated", output::time(&user.updated_at)),
    ]);
}
