//! ejabberd from Debian (23.01) as a partner's server.
//!
//! The Erlang machine runs in the foreground without a node name, so that no port mapper (`epmd`) is started and several
//! run side by side; `ejabberdctl` would start both. It asks the world's name server for SRV records (`inetrc`). Addresses
//! it takes from the C library, which asks nobody but the name servers of the machine, on port 53: a hosts file of the
//! world stands in for them (`libnss-wrapper`).

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::ca::{Authority, Identity};
use crate::loopback::Loopback;
use crate::process::Process;
use crate::slixmpp::{Home, PASSWORD, USERS};

/// What ejabberd demands of other servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demands {
    /// TLS and a certificate that it trusts: no dialback at all (module `mod_s2s_dialback` not loaded).
    Certificate,
    /// TLS; a certificate that it trusts, or dialback.
    Encryption,
    /// Nothing: TLS is never used, dialback over TCP.
    Nothing,
}

/// How to start ejabberd.
pub struct Setup<'a> {
    /// The domain that it serves.
    pub domain: &'a str,
    /// Its certificate.
    pub identity: &'a Identity,
    /// The root that it trusts.
    pub authority: &'a Authority,
    /// What it demands.
    pub demands: Demands,
    /// Where it listens for other servers.
    pub server_port: u16,
    /// The name server that it asks.
    pub dns: SocketAddr,
    /// The domains of the world: it finds the addresses of their servers.
    pub domains: &'a [&'a str],
    /// Further lines of its configuration.
    pub further: &'a str,
}

/// A running ejabberd with the usual accounts.
pub struct Ejabberd {
    /// Its log, at level debug.
    pub process: Process,
    clients: SocketAddr,
}

impl Home for Ejabberd {
    fn clients(&self) -> SocketAddr {
        self.clients
    }
}

impl Ejabberd {
    /// Starts it and waits until both ports are open and the accounts exist.
    pub fn start(folder: &Path, world: Loopback, setup: &Setup<'_>) -> Self {
        let folder = folder.join(format!("ejabberd-{}", setup.domain));
        fs::create_dir_all(&folder).expect("the world's folder can be written");
        let clients = SocketAddr::new(world.ip(), world.port());
        let read = |path: &Path| fs::read_to_string(path).expect("the world's files can be read");
        let pem = read(&setup.identity.certificate) + &read(&setup.identity.key);
        let hosts: String =
            setup.domains.iter().map(|domain| format!("{0} {domain} xmpp.{domain}\n", world.ip())).collect();
        for (name, text) in [
            ("all.pem", pem),
            ("hosts", hosts),
            ("inetrc", inetrc(setup.dns)),
            ("ejabberd.yml", configuration(&folder, clients, setup)),
        ] {
            fs::write(folder.join(name), text).expect("the world's folder can be written");
        }
        let environment = environment(&folder);
        let database = format!("\"{}\"", folder.join("data").display());
        let begin = begin(setup.domain);
        let mut arguments: Vec<&str> = environment.iter().map(String::as_str).collect();
        arguments.extend(["erl", "-noinput", "+K", "true", "+P", "20000"]);
        arguments.extend(["-mnesia", "dir", &database, "-eval", &begin]);
        let process = Process::start(setup.domain, "env", &arguments);
        process.wait_for(0, &["the accounts are there"]);
        for (port, module) in [(clients.port(), "ejabberd_c2s"), (setup.server_port, "ejabberd_s2s_in")] {
            process.wait_for(0, &["Start accepting TCP connections", &format!("{}:{port} for {module}", world.ip())]);
        }
        Self { process, clients }
    }

    /// Waits until its log says that a connection ended for this reason; `of` are parts of the line that name it. Where the
    /// other side has closed at once after telling why, ejabberd may find the socket closed first, and says only that.
    pub fn wait_for_end(&self, of: &[&str], reason: &str) {
        let found_closed = reason.starts_with("Stream closed by peer").then_some("Connection failed: invalid argument");
        self.process.find(&format!("end of {of:?} because of {reason:?}"), 0, |lines| {
            let mut ends = lines.iter().filter(|line| of.iter().all(|part| line.contains(part)));
            ends.find(|line| line.contains(reason) || found_closed.is_some_and(|text| line.contains(text))).map(|_| ())
        });
    }
}

/// What is run once the Erlang machine is up.
fn begin(domain: &str) -> String {
    let register =
        |user: &str| format!("ok = ejabberd_auth:try_register(<<\"{user}\">>, <<\"{domain}\">>, <<\"{PASSWORD}\">>)");
    let register = USERS.map(register).join(", ");
    format!(
        "{{ok, _}} = application:ensure_all_started(ejabberd), {register}, io:format(\"the accounts are there~n\")."
    )
}

fn environment(folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("ERL_LIBS={}", libraries().display()),
        format!("ERL_INETRC={}", file("inetrc")),
        format!("ERL_CRASH_DUMP={}", file("crash")),
        format!("EJABBERD_CONFIG_PATH={}", file("ejabberd.yml")),
        format!("EJABBERD_LOG_PATH={}", file("ejabberd.log")),
        format!("HOME={}", folder.display()),
        "LD_PRELOAD=libnss_wrapper.so".to_owned(),
        format!("NSS_WRAPPER_HOSTS={}", file("hosts")),
    ]
}

/// Debian has ejabberd among the libraries of the machine's architecture.
fn libraries() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("every machine has libraries").flatten().map(|entry| entry.path());
    let has_ejabberd = |folder: &PathBuf| {
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with("ejabberd-"))
    };
    folders.into_iter().find(has_ejabberd).expect("Debian's ejabberd is installed")
}

/// Nothing but the world's name server.
fn inetrc(dns: SocketAddr) -> String {
    let IpAddr::V4(ip) = dns.ip() else { panic!("worlds are on IPv4") };
    let [a, b, c, d] = ip.octets();
    format!("{{resolv_conf, \"\"}}.\n{{lookup, [dns]}}.\n{{nameserver, {{{a},{b},{c},{d}}}, {}}}.\n", dns.port())
}

fn configuration(folder: &Path, clients: SocketAddr, setup: &Setup<'_>) -> String {
    let starttls = if setup.demands == Demands::Nothing { "false" } else { "required" };
    let dialback = if setup.demands == Demands::Certificate { "" } else { "mod_s2s_dialback: {}" };
    format!(
        r#"
loglevel: debug
log_burst_limit_count: 1000000
hosts: ["{domain}"]
certfiles: ["{folder}/all.pem"]
ca_file: "{root}"
s2s_cafile: "{root}"
s2s_use_starttls: {starttls}
auth_method: [internal]
outgoing_s2s_families: [ipv4]
listen:
  - port: {server_port}
    ip: "{ip}"
    module: ejabberd_s2s_in
  - port: {client_port}
    ip: "{ip}"
    module: ejabberd_c2s
    starttls: false
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  {dialback}
{further}
"#,
        domain = setup.domain,
        folder = folder.display(),
        root = setup.authority.root().display(),
        server_port = setup.server_port,
        ip = clients.ip(),
        client_port = clients.port(),
        further = setup.further,
    )
}
