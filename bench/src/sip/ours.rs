//! The gateway under the same load: a trunk to the deployment, a partner on the other side.

use std::{path::Path, sync::Arc, time::Duration};

use lexicon::Domain;
use policy::{
    Backend, Trunk,
    trunk::{SessionMode, TrunkTransport},
};
use store::{Actor, Store};
use tokio::time::sleep;

use super::{
    Plan, Rows, complain_of_repetitions,
    deployment::{Listening, Transport},
    note,
};
use crate::{
    Failure, LOCAL, certificates::Certificates, figures::Comparison, partner::Partner, process, road, server::Server,
};

pub(super) const NAME: &str = "Legation";

/// A trunk between the gateway and the deployment that listens at `target`.
pub(super) async fn add_trunk(
    database: &Path,
    files: &Certificates,
    listening: &Listening,
    session_mode: SessionMode,
) -> Result<(), Failure> {
    let store = Store::open(database).await?;
    let actor = Actor::new("load", "bench");
    let transport = match listening.transport() {
        Transport::Udp => TrunkTransport::Udp,
        Transport::Tcp => TrunkTransport::Tcp,
        Transport::Tls => TrunkTransport::Tls,
    };
    let (local, name) = (Domain::parse(LOCAL)?, "load".parse()?);
    let peer_names = if transport == TrunkTransport::Tls { vec![local.clone()] } else { Vec::new() };
    let trunk = Trunk {
        targets: vec![listening.address().to_string().parse()?],
        transport,
        peer_names,
        trust_roots: std::fs::read_to_string(&files.root)?.parse()?,
        sources: vec!["127.0.0.0/8".parse()?],
        session_mode,
        ..Trunk::new(name)
    };
    store.add_trunk(&actor, &trunk).await?;
    store.set_domain(&actor, &local, &[Backend::Trunk(trunk.name)], None).await?;
    store.close().await;
    Ok(())
}

/// Messages both ways over one transport.
pub(super) async fn road(
    folder: &Path,
    files: &Certificates,
    transport: Transport,
    plan: Plan,
    rows: &Rows,
    table: &mut Comparison,
) -> Result<(), Failure> {
    let folder = folder.join(format!("legation-{}", transport.word()));
    std::fs::create_dir_all(&folder)?;
    let partner = Partner::listen(files).await?;
    let listening = Listening::start(transport, plan.uris, &files.local).await?;
    let mut server = Server::prepare(&folder, files, partner.address())?;
    add_trunk(&server.database(), files, &listening, SessionMode::Pager).await?;
    server.start()?;
    server.provision(0, files)?;
    let address = server.sip_address(&transport.word().to_ascii_lowercase())?;
    let deployment = Arc::new(listening.dial(address, crate::REMOTE).await?);
    partner.dial(server.xmpp_address()?).await?;
    road::warm_up(&partner, &deployment).await?;
    for (direction, names) in
        [(road::Direction::Outward, rows.to_partner), (road::Direction::Inward, rows.from_partner)]
    {
        let before = process::cpu(server.id()?)?;
        let run = road::run(direction, plan.messages, None, &partner, &deployment).await?;
        // The last settlements are still on their way.
        sleep(Duration::from_millis(200)).await;
        note(table, NAME, names, &run, process::cpu(server.id()?)? - before);
    }
    complain_of_repetitions(&deployment);
    if partner.errors() > 0 {
        return Err(format!("{} stanza errors", partner.errors()).into());
    }
    Ok(())
}
