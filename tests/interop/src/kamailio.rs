//! Kamailio from Debian as the SIP deployment behind a trunk: registrar, proxy and, if wanted, presence server of a domain of
//! ours.
//!
//! Its users register without a password. What is not for its domain goes to our server. Inside TLS it demands a
//! certificate of the root that it trusts, of clients and of servers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::ca::Identity;
use crate::loopback::Loopback;
use crate::process::Process;

/// How it reaches our server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection inside TLS, with certificates on both sides.
    Tls,
}

impl Transport {
    /// As a URI parameter, and as our server's configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Whom a presence server lets watch its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchers {
    /// Everybody.
    All,
    /// Nobody.
    Nobody,
}

impl Watchers {
    fn script(self) -> &'static str {
        match self {
            Self::All => HANDLES_PRESENCE,
            Self::Nobody => DECLINES,
        }
    }
}

/// How to start Kamailio.
pub struct Setup<'a> {
    /// Its domain.
    pub domain: &'a str,
    /// Its certificate.
    pub identity: &'a Identity,
    /// The root that it trusts, as a PEM file.
    pub root: &'a Path,
    /// Where our server listens, over `transport`.
    pub gateway: SocketAddr,
    /// How it reaches our server.
    pub transport: Transport,
    /// Where it listens with TLS; none: anywhere.
    pub tls_port: Option<u16>,
    /// Whether it is a presence server, and whom it lets watch.
    pub presence: Option<Watchers>,
}

/// A running Kamailio.
pub struct Kamailio {
    /// Its log.
    pub process: Process,
    /// Where it listens with datagrams and without TLS.
    pub sip: SocketAddr,
    /// Where it listens with TLS.
    pub tls: SocketAddr,
}

impl Kamailio {
    /// Starts it in a new folder `name` and waits until its workers run.
    pub fn start(folder: &Path, name: &str, world: Loopback, setup: &Setup<'_>) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("the world's folder can be written");
        let sip = SocketAddr::new(world.ip(), world.port());
        let tls = SocketAddr::new(world.ip(), setup.tls_port.unwrap_or_else(|| world.port()));
        let tls_config = folder.join("tls.cfg");
        fs::write(&tls_config, tls_of(setup)).expect("the world's folder can be written");
        let config = folder.join("kamailio.cfg");
        let presence = setup.presence.map(|_| presence(&folder, sip)).unwrap_or_default();
        let text = configuration(setup, sip, tls, &tls_config, &presence);
        fs::write(&config, text).expect("the world's folder can be written");
        let text = |path: &Path| path.to_str().expect("temporary paths are UTF-8").to_owned();
        let (config, folder) = (text(&config), text(&folder));
        let process = Process::start(
            name,
            "kamailio",
            &["-DD", "-E", "-f", &config, "-w", &folder, "-Y", &folder, "-m", "16", "-M", "4"],
        );
        process.wait_for(0, &["a worker is ready for TLS"]);
        Self { process, sip, tls }
    }

    /// Where it listens for a transport.
    pub fn address(&self, transport: Transport) -> SocketAddr {
        if transport == Transport::Tls { self.tls } else { self.sip }
    }

    /// `kill -9`, of its workers too.
    pub fn kill(&mut self) {
        let workers = workers(self.process.id());
        self.process.kill();
        if !workers.is_empty() {
            // Some have seen the end of the first process already.
            let _ = Command::new("kill").arg("-KILL").args(workers).output();
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes that a process has started.
fn workers(process: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    children.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn tls_of(setup: &Setup<'_>) -> String {
    let side = |side: &str| {
        format!(
            "[{side}:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\n\
             private_key = {}\ncertificate = {}\nca_list = {}\n",
            setup.identity.key.display(),
            setup.identity.certificate.display(),
            setup.root.display()
        )
    };
    side("server") + &side("client")
}

/// The tables that Debian's package has, empty.
fn presence(folder: &Path, sip: SocketAddr) -> String {
    let tables = folder.join("dbtext");
    fs::create_dir_all(&tables).expect("the world's folder can be written");
    for table in ["version", "presentity", "active_watchers", "watchers", "xcap", "pua"] {
        let from = Path::new("/usr/share/kamailio/dbtext/kamailio").join(table);
        fs::copy(from, tables.join(table)).expect("the tables of Debian's package are there");
    }
    let url = tables.display();
    format!(
        r#"
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("presence", "db_url", "text://{url}")
modparam("presence", "server_address", "sip:{sip}")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "max_expires", 8)
modparam("presence", "min_expires", 0)
modparam("presence", "expires_offset", 0)
modparam("presence_xml", "db_url", "text://{url}")
modparam("presence_xml", "force_active", 1)
"#
    )
}

const DECLINES: &str = r#"
    if (is_method("SUBSCRIBE")) {
        sl_send_reply("603", "Decline");
        exit;
    }
"#;

const HANDLES_PRESENCE: &str = r#"
    if (is_method("SUBSCRIBE|PUBLISH")) {
        if (!t_newtran()) {
            sl_reply_error();
            exit;
        }
        if (is_method("PUBLISH")) {
            handle_publish();
        } else {
            xlog("L_NOTICE", "SUBSCRIBE of $fU to-tag=$tt expires=$hdr(Expires)\n");
            handle_subscribe();
        }
        t_release();
        exit;
    }
"#;

fn configuration(setup: &Setup<'_>, sip: SocketAddr, tls: SocketAddr, tls_config: &Path, presence: &str) -> String {
    let handles_presence = setup.presence.map_or("", Watchers::script);
    let Setup { domain, gateway, transport, .. } = setup;
    let modules =
        ["tm", "tmx", "sl", "rr", "maxfwd", "pv", "siputils", "textops", "xlog", "usrloc", "registrar", "tls"];
    let modules: String = modules.iter().map(|name| format!("loadmodule \"{name}.so\"\n")).collect();
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
enable_tls=yes
listen=udp:{sip}
listen=tcp:{sip}
listen=tls:{tls}
alias="{domain}"
{modules}{presence}
modparam("usrloc", "db_mode", 0)
modparam("tm", "fr_timer", 5000)
modparam("tls", "config", "{tls_config}")

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!save("location")) {{
            sl_reply_error();
        }}
        exit;
    }}
    if (is_method("OPTIONS") && $rd == "{domain}") {{
        sl_send_reply("200", "OK");
        exit;
    }}
{handles_presence}    if (!is_method("MESSAGE")) {{
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    if ($rd == "{domain}") {{
        if (proto == TLS) {{
            xlog("L_NOTICE", "MESSAGE inside TLS, verified=$tls_peer_verified\n");
        }}
        if (!lookup("location")) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
        t_relay();
        exit;
    }}
    $du = "sip:{gateway};transport={transport}";
    t_relay();
}}

event_route[core:worker-one-init] {{
    xlog("L_NOTICE", "a worker is ready for TLS\n");
}}
"#,
        tls_config = tls_config.display(),
        transport = transport.as_str(),
    )
}
