//! Debian's Chromium, driven by Playwright, and axe-core: an administrator at the control panel.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

const FIRST_RUN: &str = include_str!("first_run.py");
const SCRIPT: &str = include_str!("browser.py");

/// Where `./test packages` has put an interpreter with Playwright and axe-core.
const PYTHON: &str = "LEGATION_BROWSER_PYTHON";

/// Who sits there, and what they do.
pub struct Visit<'a> {
    /// Where the panel is.
    pub panel: SocketAddr,
    /// The administrator.
    pub name: &'a str,
    /// Their password.
    pub password: &'a str,
    /// The partner that they add.
    pub partner: &'a str,
    /// Its trusted roots, PEM.
    pub roots: &'a Path,
}

/// Follows the link of a first run to a partner of this domain that is tested and committed; what was seen.
pub fn first_run(link: &str, partner: &str) -> Value {
    run(FIRST_RUN, &[link, partner], None, &mut || panic!("a first run restarts nothing"))
}

/// Runs a script that prints one JSON object as its last line. Where it says `restart` it waits until `restart` has returned.
fn run(script: &str, arguments: &[&str], file: Option<&Path>, restart: &mut dyn FnMut()) -> Value {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| panic!("{PYTHON} is not set: run ./test"));
    let shots = std::env::var("LEGATION_SCREENSHOTS").unwrap_or_else(|_| "-".to_owned());
    let mut child = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .args(file)
        .arg(shots)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter of ./test packages can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        last = line.expect("the script prints text");
        if last == "restart" {
            restart();
            stdin.write_all(b"\n").expect("the script waits");
        }
    }
    assert!(child.wait().expect("the script ends").success(), "what is wrong stands above");
    serde_json::from_str(&last).expect("the script prints one JSON object")
}

impl Visit<'_> {
    /// Runs the whole visit, in which `restart` ends the server and starts it again; what was seen.
    pub fn run(&self, mut restart: impl FnMut()) -> Value {
        let url = format!("https://{}", self.panel);
        run(SCRIPT, &[&url, self.name, self.password, self.partner], Some(self.roots), &mut restart)
    }
}
