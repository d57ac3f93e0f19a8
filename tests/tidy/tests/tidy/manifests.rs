//! Manifests and lint files of the members.

use std::fs;

use tidy::{PURE_CRATES, members, report, root, sources};

/// What the clippy.toml of each pure crate must ban. It replaces the root's file, so it repeats what that allows.
const BANS: [&str; 7] = [
    "allow-unwrap-in-tests = true",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::net::TcpStream",
    "std::net::UdpSocket",
];

/// The names of test targets that `./test` runs, one integration binary per crate.
const TEST_TARGETS: [&str; 3] = ["foreign", "it", "tidy"];

#[test]
fn features_are_declared_only_in_the_workspace() {
    let mut faults = Vec::new();
    for manifest in sources(&["toml"]) {
        let is_member = manifest.path.ends_with("/Cargo.toml") && !manifest.path.starts_with("fuzz/");
        if !is_member {
            continue;
        }
        let mut in_dependencies = false;
        for line in manifest.text.lines().map(str::trim) {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
                if !in_dependencies && line.contains("dependencies") {
                    faults.push(format!("{}: {line}", manifest.path));
                }
            } else if in_dependencies && !line.is_empty() && !line.ends_with(".workspace = true") {
                faults.push(format!("{}: {line}", manifest.path));
            }
        }
    }
    report("a member's dependency must be `name.workspace = true`:", &faults);
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    let mut faults = Vec::new();
    for package in members().packages {
        let text = fs::read_to_string(&package.manifest_path).expect("a manifest can be read");
        if !text.contains("[lints]\nworkspace = true\n") {
            faults.push(package.name.to_string());
        }
    }
    report("a member without `[lints] workspace = true`:", &faults);
}

#[test]
fn every_pure_crate_bans_clocks_sockets_and_randomly_keyed_maps() {
    let mut faults = Vec::new();
    for pure in PURE_CRATES {
        let text = fs::read_to_string(root().join("crates").join(pure).join("clippy.toml")).unwrap_or_default();
        for ban in BANS.iter().filter(|ban| !text.contains(**ban)) {
            faults.push(format!("crates/{pure}/clippy.toml lacks {ban}"));
        }
    }
    report("a pure crate's own clippy.toml is incomplete:", &faults);
}

#[test]
fn the_test_script_knows_every_test_target() {
    let mut faults = Vec::new();
    for package in members().packages {
        let tests: Vec<&str> = package.targets.iter().filter(|t| t.is_test()).map(|t| t.name.as_str()).collect();
        if tests.len() > 1 || tests.iter().any(|name| !TEST_TARGETS.contains(name)) {
            faults.push(format!("{}: {tests:?}", package.name));
        }
    }
    report("a crate has one integration test binary, of a name that ./test runs:", &faults);
}
