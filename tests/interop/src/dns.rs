//! A real DNS server (Knot) with one zone for each XMPP domain.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
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
        let zones: Vec<_> = zones.iter().map(|zone| (zone.domain, service(zone))).collect();
        Self::start_with_records(folder, world, &zones)
    }

    /// Starts Knot with these zones; each has the address of the world, by its own name and as `xmpp`, and further records
    /// as lines of a zone file.
    pub fn start_with_records(folder: &Path, world: Loopback, zones: &[(&str, String)]) -> Self {
        Self::start_with_failing(folder, world, zones, &[])
    }

    /// The same, and zones that it should have and cannot load: it answers SERVFAIL.
    pub fn start_with_failing(folder: &Path, world: Loopback, zones: &[(&str, String)], failing: &[&str]) -> Self {
        let zones: Vec<_> =
            zones.iter().map(|(domain, further)| (*domain, records(domain, world.ip()) + further)).collect();
        Self::start_at(SocketAddr::new(world.ip(), world.port()), folder, &zones, failing)
    }

    /// Starts Knot at this address with these zones, whose text is whole.
    pub fn start_at(address: SocketAddr, folder: &Path, zones: &[(&str, String)], failing: &[&str]) -> Self {
        let folder = folder.join("knot");
        fs::create_dir_all(&folder).expect("the world's folder can be written");
        let mut config = format!(
            "server:\n  listen: {}@{}\n  rundir: {dir}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: {dir}\nlog:\n  - target: stdout\n    any: info\nzone:\n",
            address.ip(),
            address.port(),
            dir = folder.display()
        );
        for (domain, text) in zones {
            let file = folder.join(format!("{domain}.zone"));
            fs::write(&file, text).expect("the world's folder can be written");
        }
        for domain in zones.iter().map(|(domain, _)| domain).chain(failing) {
            let file = folder.join(format!("{domain}.zone"));
            write!(config, "  - domain: {domain}\n    file: {}\n    journal-content: none\n", file.display())
                .expect("a string takes everything");
        }
        let path = folder.join("knot.conf");
        fs::write(&path, config).expect("the world's folder can be written");
        let process = Process::start("knotd", "knotd", &["-c", path.to_str().expect("temporary paths are UTF-8")]);
        for (domain, _) in zones {
            process.wait_for(0, &[&format!("[{domain}.]"), "loaded"]);
        }
        process.wait_for(0, &["server started"]);
        Self { address, process }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The start of a zone whose names all have this address: its own, `ns` and `xmpp`.
pub fn records(domain: &str, ip: IpAddr) -> String {
    format!(
        "$ORIGIN {domain}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n@ A {ip}\nns A {ip}\nxmpp A {ip}\n"
    )
}

fn service(zone: &Zone<'_>) -> String {
    zone.server.map(|port| format!("_xmpp-server._tcp SRV 5 0 {port} xmpp\n")).unwrap_or_default()
}
