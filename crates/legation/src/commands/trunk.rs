//! `legation trunk`.

use clap::{Args, Subcommand};
use panel::api::v1::dto::{NewTrunk, Trunk, TrunkChanged, TrunkChanges, TrunkConnection, TrunkTarget, TrunkTest};
use serde_json::json;

use super::{
    Caller, dry,
    partner::fields::{list, roots},
    status,
};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the trunks with their state
    List,
    /// Show a trunk, the state of its targets, and its connections
    Show {
        /// Its name
        name: String,
    },
    /// Add a trunk; what is left out has its default
    Add {
        /// Its name: letters a to z, digits, hyphens
        name: String,
        #[command(flatten)]
        fields: Box<Fields>,
        /// Add it without enabling it
        #[arg(long)]
        disabled: bool,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Change a trunk; what is left out stays, a list that is given replaces the whole list
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        fields: Box<Fields>,
        /// Use it, or not
        #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
        enabled: Option<bool>,
        /// Check and show what would be, but save nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a trunk that serves no internal domain
    Remove {
        /// Its name
        name: String,
    },
    /// Send one OPTIONS to each target of a trunk and tell each step
    Test {
        /// Its name
        name: String,
    },
}

/// What can be set of a trunk. Words are checked by the server, so that all errors are shown at once.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// Notes; at most 1,024 characters
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Where its deployment is reached; may be repeated, first choice first
    #[arg(long, value_name = "HOST[:PORT]")]
    target: Vec<String>,
    /// What carries requests: udp, tcp or tls
    #[arg(long, value_name = "TRANSPORT")]
    transport: Option<String>,
    /// A name that its certificate must show, without wildcards; may be repeated; none without TLS
    #[arg(long, value_name = "NAME")]
    peer_name: Vec<String>,
    /// Who may vouch for its certificate: system, or a file of PEM certificates
    #[arg(long, value_name = "system|FILE")]
    trust_roots: Option<String>,
    /// A network that its requests may come from; may be repeated; none for any, with TLS
    #[arg(long, value_name = "NETWORK")]
    source: Vec<String>,
    /// Whether every hop behind it has congestion control, so that long messages may be sent
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    congestion_safe: Option<bool>,
    /// How its deployment speaks: plain or lync
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,
    /// How texts are sent: pager (MESSAGE) or session (INVITE)
    #[arg(long, value_name = "MODE")]
    session_mode: Option<String>,
}

impl Fields {
    fn changes(self) -> Result<TrunkChanges, Failure> {
        Ok(TrunkChanges {
            description: self.description,
            targets: (!self.target.is_empty()).then_some(self.target),
            transport: self.transport,
            peer_names: list(self.peer_name),
            trust_roots: self.trust_roots.map(roots).transpose()?,
            sources: list(self.source),
            congestion_safe: self.congestion_safe,
            dialect: self.dialect,
            session_mode: self.session_mode,
            enabled: None,
        })
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/trunks/{}", escape(name))
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => {
                let trunks: Vec<Trunk> = caller.client.list("/api/v1/trunks").await?;
                match caller.format {
                    Format::Json => output::json(&trunks)?,
                    Format::Table => output::table(HEADER, trunks.iter().map(row)),
                }
                Ok(())
            }
            Self::Show { name } => {
                let trunk: Trunk = caller.client.get(&path(&name)).await?.read()?;
                match caller.format {
                    Format::Json => output::json(&trunk)?,
                    Format::Table => show(&trunk),
                }
                Ok(())
            }
            Self::Add { name, fields, disabled, dry_run } => {
                let changes = fields.changes()?;
                let new = NewTrunk {
                    name,
                    description: changes.description,
                    targets: changes.targets,
                    transport: changes.transport,
                    peer_names: changes.peer_names,
                    trust_roots: changes.trust_roots,
                    sources: changes.sources,
                    congestion_safe: changes.congestion_safe,
                    dialect: changes.dialect,
                    session_mode: changes.session_mode,
                    enabled: disabled.then_some(false),
                };
                let answer = caller.client.post(&dry("/api/v1/trunks", dry_run), &new).await?;
                changed(caller, &answer.read()?, "Added")
            }
            Self::Set { name, fields, enabled, dry_run } => {
                let changes = TrunkChanges { enabled, ..fields.changes()? };
                if changes == TrunkChanges::default() {
                    return Err(Failure::Usage("nothing to change: name at least one field".to_owned()));
                }
                let answer = caller.client.patch(&dry(&path(&name), dry_run), &changes).await?;
                changed(caller, &answer.read()?, "Changed")
            }
            Self::Remove { name } => {
                caller.client.delete(&path(&name)).await?;
                caller.removed(format_args!("Removed the trunk {name}."));
                Ok(())
            }
            Self::Test { name } => {
                let test = caller.client.post(&format!("{}/test", path(&name)), &json!({})).await?;
                tested(caller, &test.read()?)
            }
        }
    }
}

fn changed(caller: &Caller, changed: &TrunkChanged, done: &str) -> Result<(), Failure> {
    output::warnings(&changed.warnings);
    match (caller.format, changed.dry_run) {
        (Format::Json, _) => output::json(changed)?,
        (Format::Table, true) => output::line("Nothing was saved: dry run."),
        (Format::Table, false) => output::line(format_args!("{done} the trunk {}.", changed.trunk.name)),
    }
    Ok(())
}

/// A test fails where no target has answered.
fn tested(caller: &Caller, test: &TrunkTest) -> Result<(), Failure> {
    match caller.format {
        Format::Json => output::json(test)?,
        Format::Table => {
            let steps = test.steps.iter().map(|step| {
                let shown = step.certificate.as_ref().map(|shown| format!(" ({})", status::certificate(shown)));
                [
                    step.target.clone(),
                    output::or_dash(step.address.as_deref().unwrap_or_default()),
                    step.stage.clone(),
                    if step.ok { "ok" } else { "failed" }.to_owned(),
                    format!("{} ms", step.took_ms),
                    format!("{}{}", step.text, shown.unwrap_or_default()),
                ]
            });
            output::table(["target", "address", "step", "result", "took", "what"], steps);
        }
    }
    if test.passed { Ok(()) } else { Err(Failure::failed(format_args!("no target of {} has answered", test.name))) }
}

const HEADER: [&str; 7] = ["trunk", "state", "transport", "targets", "dialect", "mode", "domains"];

fn row(trunk: &Trunk) -> [String; 7] {
    [
        trunk.name.clone(),
        output::or_dash(trunk.state.as_deref().unwrap_or_default()).replace('_', " "),
        trunk.transport.clone(),
        trunk.targets.join(", "),
        trunk.dialect.clone(),
        trunk.session_mode.clone(),
        output::or_dash(trunk.domains.as_deref().unwrap_or_default().join(", ")),
    ]
}

fn show(trunk: &Trunk) {
    output::warnings(&trunk.warnings);
    let roots = if trunk.trust_roots == "system" { "system" } else { "own certificates" };
    output::fields([
        ("trunk", trunk.name.clone()),
        ("description", output::or_dash(&trunk.description)),
        ("state", output::or_dash(trunk.state.as_deref().unwrap_or_default()).replace('_', " ")),
        ("targets", trunk.targets.join(", ")),
        ("transport", trunk.transport.clone()),
        ("peer_names", output::or_dash(trunk.peer_names.join(", "))),
        ("trust_roots", roots.to_owned()),
        ("sources", output::or_dash(trunk.sources.join(", "))),
        ("congestion_safe", output::flag(trunk.congestion_safe)),
        ("dialect", trunk.dialect.clone()),
        ("session_mode", trunk.session_mode.clone()),
        ("enabled", output::flag(trunk.enabled)),
        ("domains", output::or_dash(trunk.domains.as_deref().unwrap_or_default().join(", "))),
        ("updated", output::time(trunk.updated_at.as_deref().unwrap_or_default())),
    ]);
    let targets = trunk.target_states.as_deref().unwrap_or_default();
    if !targets.is_empty() {
        output::line("");
        output::table(["target", "address", "state", "since", "round trip", "last error"], targets.iter().map(target));
    }
    let connections = trunk.connections.as_deref().unwrap_or_default();
    if !connections.is_empty() {
        output::line("");
        output::table(["connection", "direction", "transport", "since", "names"], connections.iter().map(connection));
    }
}

fn target(target: &TrunkTarget) -> [String; 6] {
    [
        target.target.clone(),
        output::or_dash(target.address.as_deref().unwrap_or_default()),
        target.state.clone(),
        output::time(&target.since),
        target.round_trip_ms.map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms")),
        output::or_dash(target.last_error.as_deref().unwrap_or_default()),
    ]
}

fn connection(connection: &TrunkConnection) -> [String; 5] {
    [
        connection.peer.clone(),
        connection.direction.clone(),
        connection.transport.clone(),
        output::time(&connection.since),
        output::or_dash(connection.names.join(", ")),
    ]
}
