//! A real DNS server (Knot) with one zone for each XMPP domain.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::loopback::Loopback;
use crate::process::Process;

/// One domain and where its server listens for other servers.
pub struct Zone<'a> {
    /// The XMPP domain, which is also the zone.
    pub domain: &'a str,
    /// The target of its `_xmpp-server._tcp` record; `None` publishes the address alone.
    pub server: Option<u16>,
}

/// A running authoritative server.
pub struct Dns {
    /// Where it answers, over UDP and TCP.
    pub address: SocketAddr,
    process: Process,
}

impl Dns {
    /// Starts Knot with `zones`; every server name has the world's address.
    pub fn start(folder: &Path, world: Loopback, zones: &[Zone<'_>]) -> Self {
        let folder = folder.join("knot");
        fs::create_dir_all(&folder).expect("the world's folder can be written");
        let address = SocketAddr::new(world.ip(), world.port());
        let mut config = format!(
            "server:\n  listen: {}@{}\n  rundir: {dir}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: {dir}\nlog:\n  - target: stdout\n    any: info\nzone:\n",
            address.ip(),
            address.port(),
            dir = folder.display()
        );
        for zone in zones {
            let file = folder.join(format!("{}.zone", zone.domain));
            fs::write(&file, records(zone, world)).expect("the world's folder can be written");
            write!(config, "  - domain: {}\n    file: {}\n    journal-content: none\n", zone.domain, file.display())
                .expect("a string takes everything");
        }
        let path = folder.join("knot.conf");
        fs::write(&path, config).expect("the world's folder can be written");
        let process = Process::start("knotd", "knotd", &["-c", path.to_str().expect("temporary paths are UTF-8")]);
        for zone in zones {
            process.wait_for(0, &[&format!("[{}.]", zone.domain), "loaded"]);
        }
        process.wait_for(0, &["server started"]);
        Self { address, process }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn records(zone: &Zone<'_>, world: Loopback) -> String {
    let mut text = format!(
        "$ORIGIN {}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n@ A {ip}\nns A {ip}\nxmpp A {ip}\n",
        zone.domain,
        ip = world.ip()
    );
    if let Some(port) = zone.server {
        writeln!(text, "_xmpp-server._tcp SRV 5 0 {port} xmpp").expect("a string takes everything");
    }
    text
}
