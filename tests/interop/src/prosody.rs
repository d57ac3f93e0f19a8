//! Prosody from Debian as a partner's server.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ca::{Authority, Identity};
use crate::loopback::Loopback;
use crate::process::Process;
use crate::slixmpp::{Home, PASSWORD, USERS};

/// What Prosody demands of other servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demands {
    /// TLS and a good certificate; no dialback at all (`s2s_secure_auth`, module dialback not loaded).
    Certificate,
    /// TLS and a good certificate, while dialback is loaded.
    CertificateWithDialback,
    /// TLS; dialback proves who it is.
    Encryption,
    /// Nothing: TLS is never used, dialback over TCP.
    Nothing,
}

/// How to start Prosody.
pub struct Setup<'a> {
    /// The domain that it serves.
    pub domain: &'a str,
    /// Its certificate; without one it can dial with TLS and cannot be dialled with it.
    pub identity: &'a Identity,
    /// The root that it trusts.
    pub authority: &'a Authority,
    /// What it demands.
    pub demands: Demands,
    /// Where it listens for other servers.
    pub server_port: u16,
    /// The name server that it asks.
    pub dns: SocketAddr,
}

/// A running Prosody with the usual accounts.
pub struct Prosody {
    /// Its log, at level debug.
    pub process: Process,
    clients: SocketAddr,
    config: PathBuf,
    domain: String,
    server_port: u16,
}

impl Home for Prosody {
    fn clients(&self) -> SocketAddr {
        self.clients
    }
}

impl Prosody {
    /// Starts it and waits until both ports are open.
    pub fn start(folder: &Path, world: Loopback, setup: &Setup<'_>) -> Self {
        Self::start_with(folder, world, setup, "", |configuration, _| configuration)
    }

    /// The same with a configuration that `change` has changed; it is told a folder for what it needs beside.
    pub fn start_changed(
        folder: &Path,
        world: Loopback,
        setup: &Setup<'_>,
        change: impl FnOnce(String, &Path) -> String,
    ) -> Self {
        Self::start_with(folder, world, setup, "", change)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after its end, at the same ports and with what it had stored.
    pub fn restart(&mut self) {
        self.process = serve(&self.domain, &self.config, [self.clients.port(), self.server_port]);
    }

    /// The same with direct TLS on a further port; other servers are found by `_xmpps-server` records too.
    pub fn start_with_direct_tls(folder: &Path, world: Loopback, setup: &Setup<'_>, port: u16) -> Self {
        let prosody = Self::start_with(folder, world, setup, &port.to_string(), |configuration, _| configuration);
        prosody.process.wait_for(0, &["Activated service 's2s_direct_tls'", &format!(":{port}")]);
        prosody
    }

    fn start_with(
        folder: &Path,
        world: Loopback,
        setup: &Setup<'_>,
        direct_tls_ports: &str,
        change: impl FnOnce(String, &Path) -> String,
    ) -> Self {
        let folder = folder.join(format!("prosody-{}", setup.domain));
        let accounts = folder.join("data").join(encoded(setup.domain)).join("accounts");
        fs::create_dir_all(&accounts).expect("the world's folder can be written");
        for user in USERS {
            let account = format!("return {{ [\"password\"] = \"{PASSWORD}\" }};\n");
            fs::write(accounts.join(format!("{user}.dat")), account).expect("the world's folder can be written");
        }
        let client_port = world.port();
        let config = folder.join("prosody.cfg.lua");
        let usual = configuration(&folder, world.ip(), client_port, direct_tls_ports, setup);
        fs::write(&config, change(usual, &folder)).expect("the folder can be written");
        let process = serve(setup.domain, &config, [client_port, setup.server_port]);
        let (domain, server_port) = (setup.domain.to_owned(), setup.server_port);
        Self { process, clients: SocketAddr::new(world.ip(), client_port), config, domain, server_port }
    }

    /// What `prosodyctl shell` answers: an outside witness of the streams that exist.
    pub fn shell(&self, command: &str) -> String {
        let mut shell = Command::new("prosodyctl");
        shell.arg("--config").arg(&self.config).args(["shell", command]);
        let output = shell.output().expect("prosodyctl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Runs Prosody until both ports, for clients and for servers, are open.
fn serve(domain: &str, config: &Path, [clients, servers]: [u16; 2]) -> Process {
    let path = config.to_str().expect("temporary paths are UTF-8");
    let process = Process::start(domain, "prosody", &["-F", "--config", path]);
    process.wait_for(0, &["Activated service 'c2s'", &format!(":{clients}")]);
    process.wait_for(0, &["Activated service 's2s'", &format!(":{servers}")]);
    process
}

/// How Prosody's storage writes a domain as a folder name.
fn encoded(domain: &str) -> String {
    domain.replace('.', "%2e").replace('-', "%2d")
}

fn configuration(folder: &Path, ip: IpAddr, client_port: u16, direct_tls_ports: &str, setup: &Setup<'_>) -> String {
    let dialback = if setup.demands == Demands::Certificate { "" } else { "\"dialback\";" };
    let tls = if setup.demands == Demands::Nothing { "" } else { "\"tls\";" };
    let secure = matches!(setup.demands, Demands::Certificate | Demands::CertificateWithDialback);
    let encrypted = setup.demands != Demands::Nothing;
    let Identity { certificate, key } = setup.identity;
    let shown = if setup.identity.is_none() {
        String::new()
    } else {
        format!("certificate = \"{}\"; key = \"{}\"; ", certificate.display(), key.display())
    };
    format!(
        r#"
daemonize = false
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
admin_socket = "{folder}/shell"
interfaces = {{ "{ip}" }}
use_ipv6 = false
c2s_ports = {{ {client_port} }}
c2s_direct_tls_ports = {{}}
legacy_ssl_ports = {{}}
s2s_ports = {{ {server_port} }}
s2s_direct_tls_ports = {{ {direct_tls_ports} }}
modules_enabled = {{ "roster"; "saslauth"; "disco"; "ping"; "admin_shell"; {dialback} {tls} }}
modules_disabled = {{ "s2s_bidi"; "offline"; "http"; "posix" }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = {encrypted}
s2s_secure_auth = {secure}
statistics = "internal"
unbound = {{
    resolvconf = false;
    hoststxt = false;
    forward = {{ "{dns_ip}@{dns_port}" }};
    options = {{ ["do-not-query-localhost:"] = "no"; ["module-config:"] = "iterator" }};
}}
log = {{ debug = "*console" }}
ssl = {{ {shown}cafile = "{root}"; capath = "{folder}/none" }}

VirtualHost "{domain}"
"#,
        folder = folder.display(),
        server_port = setup.server_port,
        dns_ip = setup.dns.ip(),
        dns_port = setup.dns.port(),
        root = setup.authority.root().display(),
        domain = setup.domain,
    )
}
