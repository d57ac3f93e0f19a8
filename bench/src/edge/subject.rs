//! A server under test: its process, and what arrives inside it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::tcp::OwnedWriteHalf, time::sleep};

use super::{
    Towards,
    component::{self, Arrivals},
    load::message,
};
use crate::{Failure, LOCAL, certificates::Certificates, process, server::ROLE};

/// The role of [`super::ours`].
pub(crate) const ROLE_EDGE: &str = "edge";

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A server under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Where it listens for partners.
    pub(crate) address: SocketAddr,
    child: Child,
    inside: Inside,
}

/// What takes the place of the users' side.
enum Inside {
    /// In our process, asked by lines.
    Told { commands: ChildStdin, answers: BufReader<ChildStdout> },
    /// In this process, on a component's connection.
    Component { arrivals: Arc<Arrivals>, writer: OwnedWriteHalf },
}

impl Subject {
    /// Starts our proxy.
    pub(crate) fn ours(files: &Certificates, dns: SocketAddr) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, ROLE_EDGE).env_remove("RUST_LOG");
        command.arg(&files.local.certificate).arg(&files.local.key).arg(&files.root).arg(dns.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = child.stdin.take().ok_or("no standard input")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| "our proxy did not start")?;
        Ok(Self { name: "Legation", address, child, inside: Inside::Told { commands, answers } })
    }

    /// Waits for a foreign server and connects its inside.
    pub(crate) async fn foreign(
        name: &'static str,
        child: Child,
        address: SocketAddr,
        component: SocketAddr,
    ) -> Result<Self, Failure> {
        let mut guard = Guard(Some(child));
        let begun = Instant::now();
        let (arrivals, writer) = loop {
            match component::connect(component).await {
                Ok(connected) => break connected,
                Err(failure) if begun.elapsed() > START_MAX => return Err(format!("{name}: {failure}").into()),
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        let child = guard.0.take().ok_or("the process is gone")?;
        Ok(Self { name, address, child, inside: Inside::Component { arrivals, writer } })
    }

    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        process::cpu(self.child.id())
    }

    /// Memory in use.
    pub(crate) fn memory_kib(&self) -> Result<f64, Failure> {
        Ok(process::memory_mib(self.child.id())? * 1024.0)
    }

    /// Messages that have arrived inside so far.
    pub(crate) fn arrived(&mut self) -> Result<u64, Failure> {
        match &self.inside {
            Inside::Component { arrivals, .. } => Ok(arrivals.count()),
            Inside::Told { .. } => Ok(self.ask("count")?.parse()?),
        }
    }

    /// The 99th percentile of the latencies of all messages that say when they were sent.
    pub(crate) fn p99(&mut self) -> Result<Duration, Failure> {
        match &self.inside {
            Inside::Component { arrivals, .. } => Ok(arrivals.p99()),
            Inside::Told { .. } => Ok(Duration::from_micros(self.ask("p99")?.parse()?)),
        }
    }

    /// Makes the inside send messages to partners in turn, so many in one write.
    pub(crate) async fn send(&mut self, towards: Towards, messages: usize, together: usize) -> Result<(), Failure> {
        let Inside::Component { writer, .. } = &mut self.inside else {
            // Meanwhile the partners must go on reading.
            let order = format!("send {} {messages} {together}", towards.word());
            return tokio::task::block_in_place(|| self.ask(&order)).map(drop);
        };
        let texts: Vec<String> =
            towards.partners().iter().map(|name| message(LOCAL, name, "m").repeat(together)).collect();
        for number in 0..messages / together {
            writer.write_all(texts[number % texts.len()].as_bytes()).await?;
        }
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Result<String, Failure> {
        let Inside::Told { commands, answers } = &mut self.inside else { return Err("nobody to ask".into()) };
        writeln!(commands, "{line}")?;
        commands.flush()?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        if answer.is_empty() { Err("our proxy has ended".into()) } else { Ok(answer.trim().to_owned()) }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Nothing of it is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a process that did not become a [`Subject`].
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
