//! Looks for what is wrong with this server, and tells what a partner will see.
//!
//! Works whether the server runs or not: the configuration file, the database (read only, without its lock), the
//! certificate files, this machine and DNS are looked at from outside; a running server is asked for its listeners and
//! trunks. Nothing is changed. Each finding is ok, a warning, or a failure, with what to do about it.
//!
//! Left out: the dates of other machines. The clock is compared with what the database holds and with certificates alone.

use std::path::{Path, PathBuf};

use panel::api::v1::dto::{Listener, Page, Status, Trunk};
use serde::Serialize;
use store::inspection::Contents;

use crate::{Config, client::Client};

mod certificates;
mod inner_servers;
mod listeners;
mod machine;
mod names;
mod partner_view;
mod store_file;

/// How a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    /// The word in the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// What was looked at.
    pub(crate) about: String,
    /// What was found.
    pub(crate) text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Finding {
    fn ok(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, about: about.into(), text: text.into(), remedy: None }
    }

    fn warn(about: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, about: about.into(), text: text.into(), remedy: Some(remedy.into()) }
    }

    fn fail(about: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, about: about.into(), text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Diagnosis {
    /// Of this server.
    pub(crate) findings: Vec<Finding>,
    /// What a partner will see, by internal domain.
    pub(crate) partners_view: Vec<Finding>,
}

impl Diagnosis {
    /// The worst verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        let all = self.findings.iter().chain(&self.partners_view);
        all.map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }
}

/// A server that runs.
struct Live {
    listeners: Vec<Listener>,
    trunks: Vec<Trunk>,
    /// Its process, if the kernel has said.
    process: Option<i32>,
}

/// Looks at everything. `socket` stands for the one that the configuration file names.
pub(crate) async fn examine(path: &Path, socket: Option<PathBuf>) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            let remedy = "nothing else can be looked at before it is corrected";
            diagnosis.findings.push(Finding::fail("configuration", error.to_string(), remedy));
            return diagnosis;
        }
    };
    let findings = &mut diagnosis.findings;
    findings.push(Finding::ok("configuration", format!("{} is valid", path.display())));
    let live = ask(&socket.unwrap_or_else(|| config.admin_socket.clone()), findings).await;
    machine::directory(&config.data_dir, findings);
    let contents = store_file::examine(&config.database(), findings).await;
    machine::clock(contents.as_ref(), findings);
    machine::open_files(contents.as_ref(), live.as_ref(), findings);
    listeners::examine(&config, live.as_ref(), findings).await;
    let domains = contents.as_ref().map(|contents| contents.serving.domains.as_slice()).unwrap_or_default();
    certificates::examine(&config, domains, findings);
    if let Some(live) = &live {
        trunks(&live.trunks, findings);
    }
    if let Some(contents) = &contents {
        inner_servers::examine(&config, contents, findings).await;
        names::examine(&config, live.as_ref(), contents, findings).await;
        diagnosis.partners_view = partner_view::examine(&config, live.is_some(), contents).await;
    }
    diagnosis
}

/// What a running server tells; none if none answers.
async fn ask(socket: &Path, findings: &mut Vec<Finding>) -> Option<Live> {
    let client = Client::new(socket);
    let status = match client.get("/api/v1/status").await.and_then(|answer| answer.read::<Status>()) {
        Ok(status) => status,
        Err(error) => {
            let remedy = "what only a running server can tell is left out";
            findings.push(Finding::warn("server", error.to_string(), remedy));
            return None;
        }
    };
    findings.push(match status.version == env!("CARGO_PKG_VERSION") {
        true => Finding::ok("server", format!("it runs, version {}, since {}", status.version, status.started_at)),
        false => {
            let text = format!("version {} runs, and this is version {}", status.version, env!("CARGO_PKG_VERSION"));
            Finding::warn("server", text, "restart the server after an update")
        }
    });
    for warning in &status.warnings {
        findings.push(Finding::warn("server", warning, "see legation status"));
    }
    let trunks = client.get("/api/v1/trunks").await.and_then(|answer| answer.read::<Page<Trunk>>());
    let trunks = trunks.map(|page| page.items).unwrap_or_default();
    let process = tokio::net::UnixStream::connect(socket).await.ok().and_then(|stream| stream.peer_cred().ok()?.pid());
    Some(Live { listeners: status.listeners, trunks, process })
}

fn trunks(trunks: &[Trunk], findings: &mut Vec<Finding>) {
    for trunk in trunks {
        let about = format!("trunk {}", trunk.name);
        let errors = trunk.target_states.iter().flatten().filter(|target| target.state != "up");
        let errors: Vec<_> = errors
            .map(|target| match target.last_error.as_deref() {
                Some(error) if error.starts_with(&target.target) => error.to_owned(),
                error => format!("{}: {}", target.target, error.unwrap_or("no answer yet")),
            })
            .collect();
        let remedy = format!("legation trunk test {}", trunk.name);
        findings.push(match trunk.state.as_deref() {
            Some("up") => Finding::ok(about, "its targets answer"),
            Some("disabled") => Finding::ok(about, "it is disabled"),
            Some("down") => Finding::fail(about, format!("no target answers: {}", errors.join("; ")), remedy),
            Some("degraded") => {
                Finding::warn(about, format!("not every target answers: {}", errors.join("; ")), remedy)
            }
            _ => Finding::warn(about, "no target was asked yet", remedy),
        });
    }
}

/// The database's contents that most checks need.
type Known<'a> = Option<&'a Contents>;
