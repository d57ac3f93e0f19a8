//! MESSAGE ↔ stanza beside Kamailio's relay of the same messages, over UDP, TCP and TLS, in one run.
//!
//! A deployment with many users is played here ([`deployment`]), and for us a partner on XMPP as well. Kamailio hands each
//! MESSAGE on to the deployment that it came from: reading, a transaction on each side, writing. We do the same between SIP
//! and a stream with TLS, under the contact rules. The figure is the CPU time of the server's processes.

mod contacts;
mod deployment;
mod dialogs;
mod kamailio;
mod ours;
mod registrations;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    Failure, LOCAL,
    certificates::{self, Certificates},
    figures::{Bound, Comparison, Run},
    road,
};
use deployment::{Deployment, Listening, Transport};
use kamailio::Kamailio;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages of each run.
    pub(crate) messages: usize,
    /// Destination URIs, in turn.
    pub(crate) uris: usize,
    /// Contacts that are stored.
    pub(crate) contacts: usize,
    /// Users that register.
    pub(crate) registrations: usize,
    /// Sessions that are opened.
    pub(crate) dialogs: usize,
}

/// Messages a second that are asked for (quality.md), and the most CPU time of one.
const PER_SECOND_MIN: Bound = Bound::AtLeast(5000.0);
const CPU_MICROSECONDS_MAX: Bound = Bound::AtMost(60.0);

/// The rows of one transport.
struct Rows {
    to_partner: [&'static str; 2],
    from_partner: [&'static str; 2],
}

impl Rows {
    fn of(transport: Transport) -> Self {
        macro_rules! rows {
            ($word:literal) => {
                Self {
                    to_partner: [
                        concat!($word, ", SIP to partner, messages/s"),
                        concat!($word, ", SIP to partner, CPU µs each"),
                    ],
                    from_partner: [
                        concat!($word, ", partner to SIP, messages/s"),
                        concat!($word, ", partner to SIP, CPU µs each"),
                    ],
                }
            };
        }
        match transport {
            Transport::Udp => rows!("UDP"),
            Transport::Tcp => rows!("TCP"),
            Transport::Tls => rows!("TLS"),
        }
    }
}

/// Measures every server that is named.
pub(crate) async fn measure(plan: Plan, names: &[String]) -> Result<Comparison, Failure> {
    let folder = tempfile::tempdir()?;
    let certificates = certificates::make(folder.path())?;
    let mut table = Comparison::default();
    for name in names {
        for transport in Transport::ALL {
            let rows = Rows::of(transport);
            let done = match name.as_str() {
                "legation" => ours::road(folder.path(), &certificates, transport, plan, &rows, &mut table).await,
                "kamailio" => relay(folder.path(), &certificates, transport, plan, &rows, &mut table).await,
                other => return Err(format!("{other}: legation or kamailio").into()),
            };
            if let Err(failure) = done {
                // The rows of this transport stay empty; the others are still measured.
                crate::figures::complain(&failure);
            }
        }
        if name == "legation" {
            registrations::measure(folder.path(), &certificates, plan.registrations, &mut table).await?;
            contacts::measure(folder.path(), &certificates, plan.contacts, &mut table).await?;
            dialogs::measure(folder.path(), &certificates, plan.dialogs, &mut table).await?;
        }
    }
    Ok(table)
}

/// Kamailio's relay; its figures stand in the rows of both directions.
async fn relay(
    folder: &Path,
    files: &Certificates,
    transport: Transport,
    plan: Plan,
    rows: &Rows,
    table: &mut Comparison,
) -> Result<(), Failure> {
    let listening = Listening::start(transport, plan.uris, &files.local).await?;
    let kamailio = Kamailio::start(folder, files, transport, listening.address()).await?;
    let deployment = Arc::new(listening.dial(kamailio.address(transport), LOCAL).await?);
    let send = async |count: usize| road::outward(count, None, &deployment.arrivals, &deployment).await;
    send(plan.uris).await?;
    let before = kamailio.cpu()?;
    let run = send(plan.messages).await?;
    sleep(Duration::from_millis(200)).await;
    let cpu = kamailio.cpu()? - before;
    for names in [rows.to_partner, rows.from_partner] {
        note(table, "Kamailio relay", names, &run, cpu);
    }
    complain_of_repetitions(&deployment);
    Ok(())
}

fn note(table: &mut Comparison, server: &'static str, [rate, each]: [&'static str; 2], run: &Run, cpu: Duration) {
    table.note(server, rate, PER_SECOND_MIN, run.count as f64 / run.took.as_secs_f64());
    table.note(server, each, CPU_MICROSECONDS_MAX, cpu.as_secs_f64() * 1e6 / run.count as f64);
}

/// Requests that were sent again are in the server's work and not among the messages.
fn complain_of_repetitions(deployment: &Deployment) {
    let repeated = deployment.repeated();
    if repeated > 0 {
        crate::figures::complain(&format!("{repeated} requests were sent again").into());
    }
}
