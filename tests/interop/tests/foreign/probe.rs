//! `legation probe` against real servers: the rows with which it ends are those that really work, and no others.

use interop::ejabberd;
use interop::prosody::Demands;
use serde_json::Value;

use crate::world::{OURS, PARTNER, World};

/// Row `number` of partner-policy.md §2.
fn row(number: usize) -> [&'static str; 3] {
    let requirement = |place: usize| ["required", "optional", "not_supported"][place];
    let place = number - 1;
    [requirement(place / 2 % 3), requirement(place / 6), ["true", "false"][place % 2]]
}

/// Those that can be saved.
const VALID: [usize; 11] = [1, 2, 3, 4, 7, 8, 9, 10, 13, 15, 17];

/// Probes the domain with the settings of a row, which are saved nowhere.
fn probe(world: &World, number: usize) -> Value {
    let ([tls, sasl, dialback], roots) = (row(number), world.authority.root());
    let settings = ["--tls", tls, "--sasl", sasl, "--dialback", dialback, "--trust-roots"];
    let roots = roots.to_str().expect("temporary paths are UTF-8");
    let ran = world.server.cli(&[&["--output", "json", "probe", PARTNER], &settings[..], &[roots]].concat());
    let probe: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(ran.code == Some(0), probe["report"]["result"] == "ok", "{ran:?}");
    probe
}

/// The rows that a probe with this row ends with are `expected`, by number and method, and trying each row proves them.
fn ends_with(world: &World, first: usize, expected: &[(usize, &str)]) {
    let told = probe(world, first);
    let rows = told["rows"].as_array().into_iter().flatten();
    let rows: Vec<_> = rows.map(|row| (row["row"].as_u64(), row["method"].as_str())).collect();
    let wanted: Vec<_> = expected.iter().map(|(number, method)| (Some(*number as u64), Some(*method))).collect();
    assert_eq!(rows, wanted, "{told:#}");
    for number in VALID {
        let method = expected.iter().find(|(row, _)| *row == number).map(|(_, method)| *method);
        let tried = probe(world, number);
        assert_eq!(tried["report"]["method"].as_str(), method, "row {number}: {tried:#}");
    }
    world.server.settled(0, 0);
}

#[test]
fn where_everything_is_offered_every_row_with_tls_works() {
    let world = World::start();
    let _ejabberd = world.ejabberd(ejabberd::Demands::Encryption);
    let external = [1, 2, 3, 4, 7, 8, 9, 10].map(|number| (number, "sasl_over_tls"));
    let dialback = [13, 15].map(|number| (number, "tls_dialback"));
    ends_with(&world, 7, &[&external[..], &dialback[..]].concat());
}

#[test]
fn where_our_certificate_is_refused_the_rows_with_dialback_work() {
    let world = World::start_changed(|plan| plan.certificate = |authority| authority.issue_for_servers(OURS));
    let _ejabberd = world.ejabberd(ejabberd::Demands::Encryption);
    ends_with(&world, 2, &[7, 9, 13, 15].map(|number| (number, "tls_dialback")));
}

#[test]
fn where_a_certificate_is_demanded_the_rows_with_sasl_work() {
    let world = World::start();
    let _prosody = world.prosody(PARTNER, Demands::Certificate);
    ends_with(&world, 1, &[1, 2, 3, 4, 7, 8, 9, 10].map(|number| (number, "sasl_over_tls")));
}

/// Prosody asks after a key only on a stream on which it has proved itself; it may do so while it is probed.
#[test]
fn where_tls_is_not_offered_the_rows_that_do_without_work() {
    let world = World::start();
    let _prosody = world.prosody(PARTNER, Demands::Nothing);
    ends_with(&world, 7, &[9, 15, 17].map(|number| (number, "tcp_dialback")));
}
