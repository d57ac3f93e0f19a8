//! Dependencies between our own crates: only downwards, only the edges that the architecture page names.

use cargo_metadata::DependencyKind;
use tidy::{PURE_CRATES, compiled, members, report};

/// Allowed normal edges. `legation` may use every crate of the house.
const NORMAL: [(&str, &[&str]); 14] = [
    ("lexicon", &[]),
    ("xmpp", &["lexicon"]),
    ("sip", &["lexicon"]),
    ("policy", &["lexicon"]),
    ("net", &["lexicon"]),
    ("interwork", &["lexicon", "xmpp", "sip", "policy"]),
    ("link", &["lexicon", "xmpp", "policy"]),
    ("store", &["lexicon", "policy"]),
    ("proxy", &["lexicon", "xmpp", "policy", "net", "link"]),
    ("gateway", &["lexicon", "interwork", "xmpp", "sip", "policy", "net", "link", "store"]),
    ("panel", &["lexicon", "policy", "net", "link", "store"]),
    (
        "legation",
        &["lexicon", "xmpp", "sip", "policy", "interwork", "net", "link", "store", "proxy", "gateway", "panel"],
    ),
    ("tidy", &[]),
    ("interop", &["legation"]),
];

/// The load generators are made from the same cores as the server that they load; the edge is also loaded alone.
const BENCH: &[&str] = &["legation", "lexicon", "link", "net", "panel", "policy", "proxy", "sip", "store", "xmpp"];

/// Allowed in tests only: the stream machines are proven against all 18 negotiation rows, the resolver against a real name
/// server.
const DEVELOPMENT: [(&str, &[&str]); 2] = [("xmpp", &["policy"]), ("interop", &["lexicon", "net"])];

/// Means that a pure crate must not reach, however indirectly.
const IMPURE: [&str; 8] = ["async-std", "getrandom", "mio", "rand", "rustls", "socket2", "sqlx", "tokio"];

fn allowed(table: &[(&str, &'static [&'static str])], name: &str) -> &'static [&'static str] {
    table.iter().find(|(from, _)| *from == name).map_or(&[], |(_, to)| to)
}

#[test]
fn crates_depend_only_along_allowed_edges() {
    let members = members();
    let ours: Vec<&str> = members.packages.iter().map(|package| package.name.as_str()).collect();
    let mut faults = Vec::new();
    for package in &members.packages {
        let from = package.name.as_str();
        let normal = if from == "bench" { BENCH } else { allowed(&NORMAL, from) };
        for dependency in package.dependencies.iter().filter(|d| ours.contains(&d.name.as_str())) {
            let to = dependency.name.as_str();
            let permitted = match dependency.kind {
                DependencyKind::Normal => normal.contains(&to),
                DependencyKind::Development => normal.contains(&to) || allowed(&DEVELOPMENT, from).contains(&to),
                _ => false,
            };
            if !permitted {
                faults.push(format!("{from} -> {to} ({:?})", dependency.kind));
            }
        }
    }
    report("an edge between crates that the architecture does not allow:", &faults);
}

#[test]
fn every_member_is_in_the_table_of_edges() {
    let faults: Vec<String> = members()
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .filter(|name| name != "bench" && !NORMAL.iter().any(|(from, _)| from == name))
        .collect();
    report("a crate that the table of edges does not know:", &faults);
}

#[test]
fn pure_crates_never_reach_a_runtime_a_socket_or_randomness() {
    let mut faults = Vec::new();
    for pure in PURE_CRATES {
        for package in compiled(&["--package", pure, "--edges", "normal"]) {
            let name = package.split(' ').next().unwrap_or_default();
            if IMPURE.contains(&name) {
                faults.push(format!("{pure} reaches {package}"));
            }
        }
    }
    report("a pure crate has a dependency that is not pure:", &faults);
}
