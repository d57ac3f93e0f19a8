//! Prosody and ejabberd from Debian, with the fastest settings that make sense: no module that the traffic does not need,
//! errors only in the log, no limits, no TLS compression. Their inside is a component (XEP-0114).

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

use super::{component::SECRET, dns::HOST, subject::Subject};
use crate::{Failure, LOCAL, certificates::Certificates};

/// Where a server under test listens.
#[derive(Clone, Copy)]
struct Ports {
    partners: u16,
    component: u16,
}

impl Ports {
    /// Free ones. Another process could take them before the server does; then it does not start, and that is told.
    fn free() -> Result<Self, Failure> {
        let (one, other) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
        Ok(Self { partners: one.local_addr()?.port(), component: other.local_addr()?.port() })
    }
}

/// Starts Prosody.
pub(crate) async fn prosody(folder: &Path, files: &Certificates, dns: SocketAddr) -> Result<Subject, Failure> {
    let ports = Ports::free()?;
    let folder = folder.join("prosody");
    fs::create_dir_all(&folder)?;
    let config = folder.join("prosody.cfg.lua");
    fs::write(&config, prosody_config(&folder, files, dns, ports))?;
    let mut command = Command::new("prosody");
    command.arg("-F").arg("--config").arg(&config);
    foreign("Prosody 0.12", command, &folder, ports).await
}

fn prosody_config(folder: &Path, files: &Certificates, dns: SocketAddr, ports: Ports) -> String {
    format!(
        r#"
daemonize = false
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
c2s_ports = {{}}
c2s_direct_tls_ports = {{}}
s2s_ports = {{ {s2s} }}
s2s_direct_tls_ports = {{}}
component_ports = {{ {component} }}
component_interfaces = {{ "127.0.0.1" }}
modules_enabled = {{ "saslauth"; "tls"; "dialback"; "s2s"; "component"; "s2s_auth_certs" }}
modules_disabled = {{ "c2s"; "s2s_bidi"; "offline"; "http"; "posix"; "limits" }}
network_backend = "epoll"
gc = {{ mode = "generational" }}
storage = "none"
s2s_require_encryption = true
s2s_secure_auth = false
unbound = {{
    resolvconf = false;
    hoststxt = false;
    forward = {{ "{dns_ip}@{dns_port}" }};
    options = {{ ["do-not-query-localhost:"] = "no"; ["module-config:"] = "iterator" }};
}}
log = {{ error = "{folder}/log" }}
ssl = {{ certificate = "{certificate}"; key = "{key}"; cafile = "{root}"; capath = "{folder}/none"; protocol = "tlsv1_3" }}

VirtualHost "internal.invalid"

Component "{LOCAL}"
    component_secret = "{SECRET}"
"#,
        folder = folder.display(),
        s2s = ports.partners,
        component = ports.component,
        dns_ip = dns.ip(),
        dns_port = dns.port(),
        certificate = files.local.certificate.display(),
        key = files.local.key.display(),
        root = files.root.display(),
    )
}

/// Starts ejabberd, without the Erlang port mapper or any other node. For SRV records it asks `dns`; for addresses it asks
/// the C library, which reads a hosts file of ours (`libnss-wrapper`) before the machine's own name servers.
pub(crate) async fn ejabberd(folder: &Path, files: &Certificates, dns: SocketAddr) -> Result<Subject, Failure> {
    let ports = Ports::free()?;
    let folder = folder.join("ejabberd");
    fs::create_dir_all(&folder)?;
    let pem = folder.join("all.pem");
    let parts = [&files.local.certificate, &files.root, &files.local.key].map(fs::read_to_string);
    fs::write(&pem, parts.into_iter().collect::<Result<String, _>>()?)?;
    let (config, inetrc) = (folder.join("ejabberd.yml"), folder.join("inetrc"));
    fs::write(&config, ejabberd_config(&pem, files, ports))?;
    let nameserver =
        format!("{{resolv_conf,\"\"}}.\n{{lookup,[dns]}}.\n{{nameserver,{{127,0,0,1}},{}}}.\n", dns.port());
    fs::write(&inetrc, nameserver)?;
    let hosts = folder.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 {HOST}\n"))?;
    let installed = fs::read_dir("/usr/lib/x86_64-linux-gnu")?.filter_map(Result::ok).map(|entry| entry.path());
    let ebin = installed
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ejabberd-")))
        .map(|path| path.join("ebin"))
        .find(|path| path.is_dir())
        .ok_or("ejabberd is not installed")?;
    let mut command = Command::new("erl");
    command.args(["-noinput", "-noshell", "+K", "true", "+P", "250000", "-pa"]).arg(ebin);
    command.args(["-mnesia", "dir"]).arg(format!("\"{}\"", folder.join("data").display()));
    command.args(["-s", "ejabberd"]);
    command.env("EJABBERD_CONFIG_PATH", &config).env("EJABBERD_LOG_PATH", folder.join("log"));
    command.env("ERL_INETRC", &inetrc).env("HOME", &folder);
    command.env("LD_PRELOAD", "libnss_wrapper.so").env("NSS_WRAPPER_HOSTS", &hosts);
    foreign("ejabberd 23.01", command, &folder, ports).await
}

fn ejabberd_config(pem: &Path, files: &Certificates, ports: Ports) -> String {
    format!(
        r#"
loglevel: error
hosts: ["internal.invalid"]
certfiles: ["{pem}"]
ca_file: "{root}"
s2s_cafile: "{root}"
s2s_use_starttls: optional
s2s_protocol_options: [no_sslv3, no_tlsv1, no_tlsv1_1]
s2s_tls_compression: false
s2s_queue_type: ram
outgoing_s2s_families: [ipv4]

listen:
  - port: {s2s}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    shaper: none
    max_stanza_size: 524288
  - port: {component}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    shaper_rule: none
    hosts:
      "{LOCAL}":
        password: "{SECRET}"
modules:
  mod_s2s_dialback: {{}}
"#,
        pem = pem.display(),
        root = files.root.display(),
        s2s = ports.partners,
        component = ports.component,
    )
}

async fn foreign(name: &'static str, mut command: Command, folder: &Path, ports: Ports) -> Result<Subject, Failure> {
    let output = fs::File::create(folder.join("output"))?;
    let error = output.try_clone()?;
    let child = command.stdin(Stdio::null()).stdout(output).stderr(error).spawn()?;
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Subject::foreign(name, child, address(ports.partners), address(ports.component)).await
}
