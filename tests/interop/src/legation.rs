//! Our server as a child process: made by `legation init`, run by `legation serve`, driven by its command line alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::ca::Identity;
use crate::loopback::Loopback;
use crate::process::{GLANCE, PATIENCE, Process, until};

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// For partners' servers.
    pub xmpp: u16,
    /// For SIP clients, UDP and TCP.
    pub sip: u16,
}

/// How to install a server.
pub struct Setup<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its internal domain.
    pub domain: &'a str,
    /// Its certificate.
    pub identity: &'a Identity,
    /// Where it listens.
    pub ports: Ports,
    /// The name server that it asks.
    pub dns: SocketAddr,
}

/// Whom our server tells others to write to.
pub const CONTACT: &str = "mailto:admin@contoso.example";

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Ended with 0.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Ended with 1 after one sentence on standard error that has all of `parts`.
    #[track_caller]
    pub fn failed(self, parts: &[&str]) -> Self {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let ran = self.succeeded();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }
}

/// The counters of `legation status` when nothing was on the way.
#[derive(Debug)]
pub struct Ledger(BTreeMap<String, u64>);

impl Ledger {
    /// A counter; one that was never needed is 0.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Everything that ended in silence in one column.
    pub fn dropped(&self, column: &str) -> u64 {
        let prefix = format!("{column}.dropped.");
        self.0.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, count)| count).sum()
    }

    /// The first sentence about the ledger that is not true.
    fn fault(&self) -> Option<String> {
        let columns = ["proxy.from_partners", "proxy.to_partners", "proxy.errors_to_partners"];
        let inner = ["inner.from_servers", "inner.to_servers", "inner.errors_to_servers"];
        let columns = columns.into_iter().chain(inner).chain(["gateway.from_partners", "gateway.from_users"]);
        for column in columns {
            let count = |name: &str| self.count(&format!("{column}.{name}"));
            if count("queued") > 0 {
                return Some(format!("{column}: something is on the way"));
            }
            let ended = count("delivered") + count("answered") + count("delivery_unknown") + self.dropped(column);
            if count("accepted") != ended {
                return Some(format!("{column}: accepted is not the sum of what became of it"));
            }
        }
        for (one, other) in [
            ("proxy.from_partners.accepted", "gateway.from_partners.accepted"),
            ("gateway.from_users.delivered", "proxy.to_partners.delivered"),
            ("gateway.from_users.delivery_unknown", "proxy.to_partners.delivery_unknown"),
        ] {
            if self.count(one) != self.count(other) {
                return Some(format!("{one} differs from {other}"));
            }
        }
        None
    }
}

/// An installed server, running unless it was killed.
pub struct Legation {
    /// Its log; the last one if it was started again.
    pub process: Process,
    /// Where partners' servers connect.
    pub xmpp: SocketAddr,
    /// Where SIP clients register.
    pub sip: SocketAddr,
    /// Where trunks connect with TLS.
    pub sip_tls: SocketAddr,
    /// Where components connect.
    pub component: SocketAddr,
    /// Where the control panel is.
    pub admin: SocketAddr,
    /// Its configuration file.
    pub config: PathBuf,
    program: PathBuf,
}

impl Legation {
    /// Installs and starts it; waits until it says that it is ready.
    pub fn install(folder: &Path, world: Loopback, setup: &Setup<'_>) -> Self {
        let config = folder.join("legation.toml");
        let (xmpp, sip) = (SocketAddr::new(world.ip(), setup.ports.xmpp), SocketAddr::new(world.ip(), setup.ports.sip));
        let data = folder.join("legation-data");
        let mut init = command(setup.program, &config, &["init", "--domain", setup.domain]);
        init.arg("--data-dir").arg(&data).arg("--certificate").arg(&setup.identity.certificate);
        init.arg("--key").arg(&setup.identity.key);
        init.args(["--xmpp-listen", &xmpp.to_string(), "--sip-listen", &sip.to_string()]);
        run(init, "").succeeded();
        // What `init` does not ask for.
        edit(&config, "name_servers = []", &format!("name_servers = [\"{}\"]", setup.dns));
        let component = SocketAddr::new(world.ip(), world.port());
        edit(&config, "\"127.0.0.1:5347\"]\nlisten = []", &format!("\nlisten = [\"{component}\"]"));
        let sip_tls = SocketAddr::new(world.ip(), world.port());
        edit(&config, "\ntls = []", &format!("\ntls = [\"{sip_tls}\"]"));
        edit(&config, "contacts = []", &format!("contacts = [\"{CONTACT}\"]"));
        let admin = SocketAddr::new(world.ip(), world.port());
        edit(&config, "of its own.\nlisten = []", &format!("of its own.\nlisten = [\"{admin}\"]"));
        let process = serve(setup.program, &config);
        let server = Self { process, xmpp, sip, sip_tls, component, admin, config, program: setup.program.to_owned() };
        // Everything here is on loopback, which partners' names may not lead to otherwise.
        server.cli(&["settings", "set", "allow_private_targets=true"]).succeeded();
        server
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after its end.
    pub fn restart(&mut self) {
        self.process = serve(&self.program, &self.config);
    }

    /// Runs a command.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_with(arguments, "")
    }

    /// Runs a command with `input` on its standard input.
    pub fn cli_with(&self, arguments: &[&str], input: &str) -> Ran {
        run(command(&self.program, &self.config, arguments), input)
    }

    /// What a command prints with `--output json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.cli(&[&["--output", "json"], arguments].concat()).json()
    }

    /// Adds an internal user for a client that speaks MD5 digest only.
    pub fn add_user(&self, address: &str, password: &str) {
        self.cli_with(&["user", "add", address, "--digest", "md5"], &format!("{password}\n")).succeeded();
    }

    /// Adds an internal domain that a component with this secret serves.
    pub fn add_component(&self, domain: &str, secret: &str) {
        self.cli_with(&["domain", "add", domain, "--backend", "component"], &format!("{secret}\n")).succeeded();
    }

    /// Adds a trunk, and an internal domain that it serves.
    pub fn add_trunk(&self, name: &str, domain: &str, fields: &[&str]) {
        self.cli(&[&["trunk", "add", name], fields].concat()).succeeded();
        self.cli(&["domain", "add", domain, "--backend", &format!("trunk:{name}")]).succeeded();
    }

    /// Waits until the targets of a trunk stand so, in order, and gives the trunk as it is listed.
    #[track_caller]
    pub fn wait_for_targets(&self, name: &str, states: &[&str]) -> Value {
        until(&format!("targets of trunk {name} that are {states:?}"), || {
            let trunk = self.json(&["trunk", "show", name]);
            let targets = trunk["target_states"].as_array()?;
            targets
                .iter()
                .map(|target| target["state"].as_str().unwrap_or_default())
                .eq(states.iter().copied())
                .then(|| trunk.clone())
        })
    }

    /// Adds a partner: TLS, SASL, dialback; the file of roots that may vouch for it, or the system's.
    pub fn add_partner(&self, domain: &str, kind: &str, [tls, sasl, dialback]: [&str; 3], roots: Option<&Path>) {
        let mut arguments = vec!["partner", "add", domain, "--type", kind];
        arguments.extend(["--tls", tls, "--sasl", sasl, "--dialback", dialback]);
        if let Some(roots) = roots {
            arguments.extend(["--trust-roots", roots.to_str().expect("temporary paths are UTF-8")]);
        }
        self.cli(&arguments).succeeded();
    }

    /// Changes the negotiation of a partner: TLS, SASL, dialback.
    pub fn set_negotiation(&self, domain: &str, [tls, sasl, dialback]: [&str; 3]) {
        self.cli(&["partner", "set", domain, "--tls", tls, "--sasl", sasl, "--dialback", dialback]).succeeded();
    }

    /// Waits until the pairs with `partner` are authorised by these methods and no others: `(direction, method)`, sorted.
    #[track_caller]
    pub fn wait_for_methods(&self, partner: &str, wanted: &[(&str, &str)]) {
        until(&format!("streams {wanted:?} with {partner} in our status"), || {
            let status = self.json(&["status"]);
            let text = |stream: &Value, name: &str| stream[name].as_str().unwrap_or_default().to_owned();
            let streams = status["streams"].as_array().into_iter().flatten().filter(|s| s["partner"] == partner);
            let mut seen: Vec<_> = streams.map(|s| (text(s, "direction"), text(s, "method"))).collect();
            seen.sort();
            seen.iter()
                .map(|(direction, method)| (direction.as_str(), method.as_str()))
                .eq(wanted.iter().copied())
                .then_some(())
        });
    }

    /// Waits for a report that ended with `code`, of an attempt with `domain` in this direction, and gives it with its
    /// steps and its whole story. A domain that is no partner has the reports of strangers.
    #[track_caller]
    pub fn report(&self, domain: &str, direction: &str, code: &str) -> Value {
        let is_partner = self.cli(&["partner", "show", domain]).code == Some(0);
        let whose = if is_partner { vec!["--partner", domain] } else { vec!["--strangers"] };
        let list = [&["report", "list", "--direction", direction, "--outcome", code], whose.as_slice()].concat();
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = self.json(&list);
            let mut reports = listed.as_array().into_iter().flatten();
            if let Some(report) = reports.find(|report| report["remote"] == domain) {
                return self.json(&["report", "show", report["id"].as_str().unwrap_or_default()]);
            }
            let all = || self.cli(&["report", "list"]).stdout;
            assert!(Instant::now() < end, "no report {code:?} of {direction} attempts with {domain}:\n{}", all());
            thread::sleep(GLANCE);
        }
    }

    /// Waits until the ledger is at rest and balanced, whatever became of the stanzas.
    #[track_caller]
    pub fn at_rest(&self) -> Ledger {
        let end = Instant::now() + PATIENCE;
        loop {
            let ledger = self.ledger();
            let Some(fault) = ledger.fault() else { return ledger };
            assert!(Instant::now() < end, "{fault} after {PATIENCE:?}: {ledger:#?}");
            thread::sleep(GLANCE);
        }
    }

    /// The counters as they are now.
    pub fn ledger(&self) -> Ledger {
        let status = self.json(&["status"]);
        Ledger(serde_json::from_value(status["ledger"].clone()).expect("the ledger is numbers by name"))
    }

    /// Waits until the ledger is at rest and balanced, with these numbers of messages that reached internal users and partners.
    #[track_caller]
    pub fn settled(&self, to_users: u64, to_partners: u64) -> Ledger {
        let ledger = self.balanced(|ledger| {
            let delivered =
                (ledger.count("gateway.from_partners.delivered"), ledger.count("proxy.to_partners.delivered"));
            (delivered != (to_users, to_partners))
                .then(|| format!("delivered {delivered:?}, seen by the clients {:?}", (to_users, to_partners)))
        });
        assert_eq!(ledger.count("proxy.to_partners.delivery_unknown"), 0, "{ledger:#?}");
        ledger
    }

    /// Waits until the ledger is at rest and balanced, and `fault` finds none.
    #[track_caller]
    pub fn balanced(&self, fault: impl Fn(&Ledger) -> Option<String>) -> Ledger {
        let end = Instant::now() + PATIENCE;
        loop {
            let ledger = self.ledger();
            let Some(fault) = ledger.fault().or_else(|| fault(&ledger)) else { return ledger };
            assert!(Instant::now() < end, "{fault} after {PATIENCE:?}: {ledger:#?}");
            thread::sleep(GLANCE);
        }
    }

    /// Memory that it really uses now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a live process has memory");
        line.trim().trim_end_matches(" kB").parse().expect("the kernel writes a number")
    }
}

fn serve(program: &Path, config: &Path) -> Process {
    let path = |path: &Path| path.to_str().expect("temporary paths are UTF-8").to_owned();
    let log = "RUST_LOG=info,proxy=debug,gateway=debug,net=debug,link=debug";
    let process = Process::start("legation", "env", &[log, &path(program), "--config", &path(config), "serve"]);
    process.wait_for(0, &["legation is ready"]);
    process
}

fn command(program: &Path, config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LEGATION_CONFIG").env_remove("RUST_LOG");
    command.arg("--config").arg(config).args(arguments);
    command
}

fn run(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    // A program that does not read its input may have ended already.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the file was just made");
    assert!(text.contains(from), "{from:?} is not in the file of legation init:\n{text}");
    fs::write(file, text.replace(from, to)).expect("the world's folder can be written");
}
