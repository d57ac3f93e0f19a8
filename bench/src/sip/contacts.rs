//! What stored contacts cost: how long the server takes to start with them, and the memory of all.

use std::path::Path;

use lexicon::{BareJid, Domain};
use store::{Step, Store};
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};

use super::ours::NAME;
use crate::{
    Failure, LOCAL, REMOTE,
    certificates::Certificates,
    figures::{Bound, Comparison},
    partner::Partner,
    process,
    server::Server,
    users::name,
};

/// Contacts of one internal user.
const CONTACTS_PER_USER: usize = 100;
/// Writes under way: the store commits those that come together.
const WRITES: usize = 256;

/// Limits of the issue that asked for contacts: start in under 3 s, less than 100 MB.
const START_MILLISECONDS_MAX: Bound = Bound::AtMost(3000.0);
const MEMORY_MIB_MAX: Bound = Bound::AtMost(95.4);

/// Starts the server without contacts, and with `count` of them, half of which watch.
pub(super) async fn measure(
    folder: &Path,
    files: &Certificates,
    count: usize,
    table: &mut Comparison,
) -> Result<(), Failure> {
    let partner = Partner::listen(files).await?;
    let mut before = 0.0;
    for (place, contacts) in [("no-contacts", 0), ("contacts", count)] {
        let folder = folder.join(place);
        std::fs::create_dir_all(&folder)?;
        let mut server = Server::prepare(&folder, files, partner.address())?;
        add_contacts(&server.database(), contacts).await?;
        let took = server.start()?;
        sleep(Duration::from_secs(2)).await;
        let memory = process::memory_mib(server.id()?)?;
        if contacts == 0 {
            before = memory;
            continue;
        }
        table.note(NAME, "start with all contacts, ms", START_MILLISECONDS_MAX, took);
        table.note(NAME, "all contacts, memory MiB", MEMORY_MIB_MAX, memory - before);
    }
    Ok(())
}

async fn add_contacts(database: &Path, count: usize) -> Result<(), Failure> {
    let store = Store::open(database).await?;
    let (local, remote) = (Domain::parse(LOCAL)?, Domain::parse(REMOTE)?);
    let mut writes = JoinSet::new();
    for number in 0..count {
        let internal = BareJid::of_user(&name(number / CONTACTS_PER_USER), local.clone())?;
        let partner = BareJid::of_user(&name(number), remote.clone())?;
        let step = if number.is_multiple_of(2) { Step::Added } else { Step::Authorised };
        let store = store.clone();
        writes.spawn(async move { store.contact_step(&internal, &partner, step).await });
        if writes.len() >= WRITES
            && let Some(written) = writes.join_next().await
        {
            written??;
        }
    }
    while let Some(written) = writes.join_next().await {
        written??;
    }
    store.close().await;
    Ok(())
}
