//! The command line.
//!
//! `init`, `serve`, `demo`, `config` and `doctor` work on files; every other command goes through the API of the running
//! server and nothing else, so what it may do and what is recorded of it are the same as from anywhere. Exit codes: 0 done,
//! 1 refused or failed, 2 called wrongly, 3 the server cannot be reached.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::{
    client::Client,
    config::Config,
    output::{self, Failure, Format, Printed},
};

mod admin;
mod audit;
mod cert;
mod check;
mod contact;
mod dns;
mod doctor;
mod domain;
mod import;
mod init;
mod manual;
mod message;
mod partner;
mod password;
mod policy;
mod probe;
mod registration;
mod report;
mod serve;
mod settings;
mod status;
mod stream;
mod trunk;
mod user;

/// The configuration file when neither `--config` nor `LEGATION_CONFIG` names one.
const CONFIG_DEFAULT: &str = "/etc/legation/legation.toml";

/// Over the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// XMPP federation gateway: partners' XMPP servers outside, SIP or XMPP inside.
#[derive(Debug, Parser)]
#[command(name = "legation", version, propagate_version = true, disable_help_subcommand = false)]
struct Line {
    /// The configuration file [default: $LEGATION_CONFIG, else /etc/legation/legation.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// The server's admin socket [default: the one that the configuration file names]
    #[arg(long, global = true, value_name = "PATH", help_heading = EVERYWHERE)]
    socket: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t, help_heading = EVERYWHERE)]
    output: Printed,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a data directory, a configuration file and a database with a first internal domain
    Init(init::Init),
    /// Run the server until SIGINT or SIGTERM
    Serve,
    /// Play a conversation between a scripted partner and a scripted SIP user through a real server
    Demo {
        /// Keep everything running after the last step, until SIGINT
        #[arg(long)]
        stay: bool,
    },
    /// The configuration file
    #[command(subcommand)]
    Config(check::Command),
    /// The server's own certificates
    #[command(subcommand)]
    Cert(cert::Command),
    /// Internal domains
    #[command(subcommand)]
    Domain(domain::Command),
    /// Trunks: the ways to SIP deployments that serve internal domains
    #[command(subcommand)]
    Trunk(Box<trunk::Command>),
    /// What to publish in DNS, each line asked for now
    #[command(subcommand)]
    Dns(dns::Command),
    /// Look for what is wrong with this server, and tell what a partner will see; works whether it runs or not
    Doctor,
    /// Partners: whom we federate with, and on which terms
    #[command(subcommand)]
    Partner(Box<partner::Command>),
    /// Access policies: which internal users may use XMPP federation
    #[command(subcommand)]
    Policy(policy::Command),
    /// Users of the built-in SIP registrar
    #[command(subcommand)]
    User(user::Command),
    /// Gateway-wide settings
    #[command(subcommand)]
    Settings(settings::Command),
    /// Contacts between internal users and partners' users
    #[command(subcommand)]
    Contact(contact::Command),
    /// Who may use the API over HTTPS
    #[command(subcommand)]
    Admin(admin::Command),
    /// Who changed what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Connect to a domain once, without sending anything, to learn whether it would work; options stand for saved settings
    Probe(probe::Settings),
    /// Connection attempts: what happened, step by step, and what to do about it
    #[command(subcommand)]
    Report(report::Command),
    /// Endpoints of the SIP registrar's users
    #[command(subcommand)]
    Registration(registration::Command),
    /// Live streams with partners
    #[command(subcommand)]
    Stream(stream::Command),
    /// Messages that show whether an address is reached
    #[command(subcommand)]
    Message(message::Command),
    /// What the server does now
    Status,
    /// Print what completes this command line in a shell
    Completions {
        /// Of which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// Write a page for each command into this directory
        #[arg(long, value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
    },
}

/// What a command works with.
struct Caller {
    client: Client,
    format: Format,
}

impl Caller {
    /// Tells what was done: the thing itself as JSON, or a sentence.
    fn done(&self, thing: &impl Serialize, sentence: impl Display) -> Result<(), Failure> {
        match self.format {
            Format::Json => output::json(thing)?,
            Format::Table => output::line(sentence),
        }
        Ok(())
    }

    /// Tells that something is removed, of which nothing is left to show.
    fn removed(&self, sentence: impl Display) {
        if self.format == Format::Table {
            output::line(sentence);
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    net::tls::install_provider();
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version go to standard output with 0, everything else to standard error with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(line) {
        Ok(code) => code,
        Err(failure) => {
            for text in failure.to_string().lines() {
                output::note(format_args!("error: {}", output::plain(text)));
            }
            failure.exit_code()
        }
    }
}

fn run(line: Line) -> Result<ExitCode, Failure> {
    let config = config_path(line.config.as_deref());
    let format = line.output.format();
    match line.command {
        Command::Init(init) => init.run(line.config.as_deref()).map(|()| ExitCode::SUCCESS),
        Command::Serve => serve::run(&config).map(|()| ExitCode::SUCCESS),
        Command::Demo { stay } => serve::demo(stay),
        Command::Config(command) => command.run(&config, format).map(|()| ExitCode::SUCCESS),
        Command::Doctor => doctor::run(&config, line.socket, format),
        Command::Completions { shell } => manual::completions(shell).map(|()| ExitCode::SUCCESS),
        Command::Man { directory } => manual::pages(directory.as_deref()).map(|()| ExitCode::SUCCESS),
        command => {
            let socket = socket_path(line.socket, &config)?;
            let caller = Caller { client: Client::new(&socket), format };
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
            runtime.block_on(ask(command, &caller)).map(|()| ExitCode::SUCCESS)
        }
    }
}

async fn ask(command: Command, caller: &Caller) -> Result<(), Failure> {
    match command {
        Command::Cert(command) => command.run(caller).await,
        Command::Domain(command) => command.run(caller).await,
        Command::Trunk(command) => command.run(caller).await,
        Command::Dns(command) => command.run(caller).await,
        Command::Partner(command) => command.run(caller).await,
        Command::Policy(command) => command.run(caller).await,
        Command::User(command) => command.run(caller).await,
        Command::Settings(command) => command.run(caller).await,
        Command::Contact(command) => command.run(caller).await,
        Command::Admin(command) => command.run(caller).await,
        Command::Audit(command) => command.run(caller).await,
        Command::Probe(settings) => probe::run(settings, caller).await,
        Command::Report(command) => command.run(caller).await,
        Command::Registration(command) => command.run(caller).await,
        Command::Stream(command) => command.run(caller).await,
        Command::Message(command) => command.run(caller).await,
        Command::Status => status::run(caller).await,
        // Those work without the server.
        Command::Init(_) | Command::Serve | Command::Demo { .. } | Command::Config(_) | Command::Doctor => Ok(()),
        Command::Completions { .. } | Command::Man { .. } => Ok(()),
    }
}

/// The resource as it is changed, or tried.
fn dry(path: &str, dry_run: bool) -> String {
    format!("{path}{}", if dry_run { "?dry_run=true" } else { "" })
}

fn config_path(given: Option<&Path>) -> PathBuf {
    given.map_or_else(
        || std::env::var_os("LEGATION_CONFIG").map_or_else(|| CONFIG_DEFAULT.into(), PathBuf::from),
        PathBuf::from,
    )
}

/// The socket named on the command line, else in the configuration file.
fn socket_path(given: Option<PathBuf>, config: &Path) -> Result<PathBuf, Failure> {
    match given {
        Some(socket) => Ok(socket),
        None => Config::load(config).map(|config| config.admin_socket).map_err(Failure::failed),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }
}
