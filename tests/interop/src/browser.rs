//! Debian's Chromium, driven by Playwright, and axe-core: an administrator at the control panel.

use std::{net::SocketAddr, path::Path, process::Command};

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
    run(FIRST_RUN, &[link, partner], None)
}

fn run(script: &str, arguments: &[&str], file: Option<&Path>) -> Value {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| panic!("{PYTHON} is not set: run ./test"));
    let shots = std::env::var("LEGATION_SCREENSHOTS").unwrap_or_else(|_| "-".to_owned());
    let output = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .args(file)
        .arg(shots)
        .output()
        .expect("the interpreter of ./test packages can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints one JSON object")
}

impl Visit<'_> {
    /// Runs the whole visit; what was seen.
    pub fn run(&self) -> Value {
        let url = format!("https://{}", self.panel);
        run(SCRIPT, &[&url, self.name, self.password, self.partner], Some(self.roots))
    }
}
