//! The server as a process of its own, and what the system says of it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    Failure, LOCAL, REMOTE,
    certificates::{Certificates, private},
    users,
};

/// Set for the processes that are the server or its command line.
pub(crate) const ROLE: &str = "LEGATION_BENCH_ROLE";

/// What this process is to be, if it is not the load.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A server with its own data directory.
pub(crate) struct Server {
    config: PathBuf,
    password: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Makes a database and a configuration: every port free, the partner's address known.
    pub(crate) fn prepare(folder: &Path, certificates: &Certificates, partner: SocketAddr) -> Result<Self, Failure> {
        let (config, password, data) = (folder.join("legation.toml"), folder.join("password"), folder.join("data"));
        private(&password, users::PASSWORD)?;
        let server = Self { config, password, child: None };
        let (certificate, key) = (&certificates.local.certificate, &certificates.local.key);
        let local = "127.0.0.1:0";
        server.run(&[
            "init",
            "--domain",
            LOCAL,
            "--data-dir",
            &data.to_string_lossy(),
            "--certificate",
            &certificate.to_string_lossy(),
            "--key",
            &key.to_string_lossy(),
            "--xmpp-listen",
            local,
            "--sip-listen",
            local,
        ])?;
        let text = fs::read_to_string(&server.config)?;
        let table = format!("[dns.overrides]\n\"{REMOTE}\" = [\"{partner}\"]\n");
        let text =
            text.replace("[dns.overrides]\n", &table).replace("\ntls = []\n", &format!("\ntls = [\"{local}\"]\n"));
        fs::write(&server.config, text)?;
        Ok(server)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, "1").env_remove("RUST_LOG").arg("--config").arg(&self.config).args(arguments);
        Ok(command)
    }

    /// Runs a command of the program and gives its output.
    fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.command(arguments)?.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("legation {}: {text}", arguments.join(" ")).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts it; the milliseconds until it listened.
    pub(crate) fn start(&mut self) -> Result<f64, Failure> {
        let begun = Instant::now();
        let mut child = self.command(&["serve"])?.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = child.stderr.take().ok_or("the server has no log")?;
        self.child = Some(child);
        let mut lines = BufReader::new(log).lines();
        let mut seen = String::new();
        for line in lines.by_ref() {
            let line = line?;
            if line.contains("is ready") {
                let took = begun.elapsed();
                // What follows is read, so that the server never waits for us, and shown.
                std::thread::spawn(move || {
                    for line in
                        lines.map_while(Result::ok).filter(|line| line.contains("WARN") || line.contains("ERROR"))
                    {
                        let _ = writeln!(std::io::stderr(), "server: {line}");
                    }
                });
                return Ok(took.as_secs_f64() * 1000.0);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        Err(format!("the server did not start: {seen}").into())
    }

    /// Adds the partner, the users, and what loopback needs.
    pub(crate) fn provision(&self, users: usize, certificates: &Certificates) -> Result<(), Failure> {
        self.run(&["settings", "set", "allow_private_targets=true", "partner_stanzas_per_second=100000"])?;
        let root = certificates.root.to_string_lossy();
        self.run(&[
            "partner",
            "add",
            REMOTE,
            "--type",
            "federated",
            "--tls",
            "required",
            "--sasl",
            "required",
            "--dialback",
            "false",
            "--trust-roots",
            &root,
        ])?;
        let password = self.password.to_string_lossy();
        for number in 0..users {
            let address = format!("{}@{LOCAL}", users::name(number));
            self.run(&["user", "add", &address, "--password-file", &password])?;
        }
        Ok(())
    }

    pub(crate) fn xmpp_address(&self) -> Result<SocketAddr, Failure> {
        self.address("xmpp", "tcp")
    }

    /// Where SIP is listened for over `udp`, `tcp` or `tls`.
    pub(crate) fn sip_address(&self, transport: &str) -> Result<SocketAddr, Failure> {
        self.address("sip", transport)
    }

    /// Its database, for those who fill it before the start.
    pub(crate) fn database(&self) -> PathBuf {
        self.config.with_file_name("data").join("legation.db")
    }

    fn address(&self, name: &str, transport: &str) -> Result<SocketAddr, Failure> {
        let status: Value = serde_json::from_str(&self.run(&["--output", "json", "status"])?)?;
        let listeners = status["listeners"].as_array().ok_or("the status has no listeners")?;
        let wanted = |listener: &&Value| {
            let is = |field: &str, word: &str| listener[field].as_str().is_some_and(|t| t.eq_ignore_ascii_case(word));
            is("name", name) && is("transport", transport)
        };
        let found = listeners.iter().find(wanted).and_then(|listener| listener["address"].as_str());
        Ok(found.ok_or_else(|| format!("no {name} listener over {transport}: {listeners:?}"))?.parse()?)
    }

    /// The process id.
    pub(crate) fn id(&self) -> Result<u32, Failure> {
        Ok(self.child.as_ref().ok_or("the server does not run")?.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Its data directory is removed with the folder; nothing is left to save.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
