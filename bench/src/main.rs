//! Load on the real server: messages per second each way, start time, memory, CPU per message, latency.
//!
//! The server runs as a process of its own, which is this same program in another role, so that its CPU time and memory
//! are those of the server alone. Partner and SIP users are in this process and share the machine: the figures say what
//! one message costs, and what this machine carries together with its load. Everything is on loopback, with TLS 1.3 and
//! SASL EXTERNAL both ways, SIP over UDP with digest.
//!
//! `cargo run --profile dist -p bench -- [--messages N] [--users N] [--rate N]`
//!
//! `… -- edge [--messages N] [--streams N] [--set-ups N] [legation] [prosody] [ejabberd]` measures the edge alone beside
//! other servers, which must be installed (Debian: `prosody lua-unbound lua-sec ejabberd libnss-wrapper`).
//!
//! `… -- sip [--messages N] [--uris N] [--registrations N] [--contacts N]
//! [--dialogs N] [legation] [kamailio]` measures the gateway beside
//! Kamailio (Debian: `kamailio kamailio-tls-modules`), and what registrations, contacts and sessions cost.
//!
//! `… -- panel [--partners N] [--looks N]` measures the control panel's pages with many partners.

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

mod certificates;
mod edge;
mod figures;
mod panel;
mod partner;
mod process;
mod road;
mod server;
mod sip;
mod users;

use figures::Table;
use partner::Partner;
use server::Server;
use users::Users;

/// What can go wrong in a measurement: it is told and ends it.
type Failure = Box<dyn Error + Send + Sync>;

/// Descriptors beside those of idle streams: the 1,000 partners, files, the streams of the load.
const SOCKETS_BESIDE: usize = 6000;

const LOCAL: &str = "contoso.example";
const REMOTE: &str = "fabrikam.example";

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    /// Messages of each saturating run.
    messages: usize,
    /// SIP users, each with one contact.
    users: usize,
    /// Messages a second of the latency runs.
    rate: usize,
}

impl Plan {
    const MESSAGES_MAX: usize = 1_000_000;
    const USERS_MAX: usize = 200;

    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut plan = Self { messages: 20_000, users: 32, rate: 1000 };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let (field, max) = match name.as_str() {
                "--messages" => (&mut plan.messages, Self::MESSAGES_MAX),
                "--users" => (&mut plan.users, Self::USERS_MAX),
                "--rate" => (&mut plan.rate, 5000),
                other => return Err(format!("{other}: use --messages, --users and --rate").into()),
            };
            let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            *field = value.parse().ok().filter(|n| (1..=max).contains(n)).ok_or(format!("{name}: 1 to {max}"))?;
        }
        Ok(plan)
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let done = match server::role().as_deref() {
        Some(edge::ROLE_EDGE) => edge::ours::serve(arguments),
        Some(_) => return legation::commands::main(),
        None if arguments.next_if(|first| first == "edge").is_some() => compare(arguments),
        None if arguments.next_if(|first| first == "sip").is_some() => beside_kamailio(arguments),
        None if arguments.next_if(|first| first == "panel").is_some() => looked_at(arguments),
        None => load(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            figures::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn load(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    net::tls::install_provider();
    let plan = Plan::read(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    figures::print(&runtime.block_on(measure(plan))?);
    Ok(())
}

fn compare(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut plan = edge::Plan { messages: 200_000, streams: 5000, set_ups: 300 };
    let fields =
        [("--messages", &mut plan.messages), ("--streams", &mut plan.streams), ("--set-ups", &mut plan.set_ups)];
    let names = read(arguments, fields, &["legation", "prosody", "ejabberd"])?;
    process::allow_sockets(2 * plan.streams + SOCKETS_BESIDE)?;
    compared(edge::measure(plan, &names))
}

fn beside_kamailio(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut plan =
        sip::Plan { messages: 50_000, uris: 1000, registrations: 10_000, contacts: 100_000, dialogs: 10_000 };
    let fields = [
        ("--messages", &mut plan.messages),
        ("--uris", &mut plan.uris),
        ("--registrations", &mut plan.registrations),
        ("--contacts", &mut plan.contacts),
        ("--dialogs", &mut plan.dialogs),
    ];
    let names = read(arguments, fields, &["legation", "kamailio"])?;
    process::allow_sockets(plan.registrations + SOCKETS_BESIDE)?;
    compared(sip::measure(plan, &names))
}

fn looked_at(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut plan = panel::Plan { partners: 10_000, looks: 200 };
    read(arguments, [("--partners", &mut plan.partners), ("--looks", &mut plan.looks)], &[])?;
    compared(panel::measure(plan))
}

fn compared(measured: impl Future<Output = Result<figures::Comparison, Failure>>) -> Result<(), Failure> {
    net::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    figures::print_comparison(&runtime.block_on(measured)?);
    Ok(())
}

/// Reads numbers into `fields`; the other words are the servers' names, all of them if there is none.
fn read<const N: usize>(
    mut arguments: impl Iterator<Item = String>,
    mut fields: [(&str, &mut usize); N],
    all: &[&str],
) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    while let Some(word) = arguments.next() {
        let Some((_, field)) = fields.iter_mut().find(|(name, _)| *name == word) else {
            names.push(word);
            continue;
        };
        let value = arguments.next().and_then(|value| value.parse().ok()).filter(|value| *value > 0);
        **field = value.ok_or_else(|| format!("{word} needs a number above 0"))?;
    }
    if names.is_empty() {
        names = all.iter().map(|&name| name.to_owned()).collect();
    }
    Ok(names)
}

async fn measure(plan: Plan) -> Result<Table, Failure> {
    let folder = tempfile::tempdir()?;
    let certificates = certificates::make(folder.path())?;
    let partner = Arc::new(Partner::listen(&certificates).await?);
    let mut server = Server::prepare(folder.path(), &certificates, partner.address())?;
    let mut table = Table::default();
    table.add("start to listening, empty database, ms", server.start()?);
    table.add("memory after start, MiB", process::memory_mib(server.id()?)?);

    server.provision(plan.users, &certificates)?;
    let users = Arc::new(Users::register(server.sip_address("udp")?, plan.users).await?);
    partner.dial(server.xmpp_address()?).await?;
    road::warm_up(&partner, &users).await?;
    table.add("memory with all users registered, MiB", process::memory_mib(server.id()?)?);

    for (direction, pace) in [
        (road::Direction::Inward, None),
        (road::Direction::Outward, None),
        (road::Direction::Inward, Some(plan.rate)),
        (road::Direction::Outward, Some(plan.rate)),
    ] {
        let count = pace.map_or(plan.messages, |rate| (rate * 10).min(plan.messages));
        let before = process::cpu(server.id()?)?;
        let run = road::run(direction, count, pace, &partner, &users).await?;
        // The last settlements are still on their way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let cpu_ms = (process::cpu(server.id()?)? - before).as_secs_f64() * 1e6 / count as f64;
        table.run(direction, pace, &run, cpu_ms);
    }
    table.add("peak memory, MiB", process::memory_peak_mib(server.id()?)?);
    table.add("SIP responses other than success", users.refused() as f64);
    table.add("stanza errors received by the partner", partner.errors() as f64);
    Ok(table)
}
