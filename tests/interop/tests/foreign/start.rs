//! A server that has run and cannot start again: one sentence, exit code 1, nothing changed. The process tests of the
//! program itself have the other causes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::world::World;

/// Runs SQL by an SQLite that is not ours.
fn sql(database: &Path, statement: &str) {
    let program =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()";
    let mut python = Command::new("/usr/bin/python3");
    let done = python.args(["-c", program]).arg(database).arg(statement).status().expect("Debian's interpreter runs");
    assert!(done.success(), "{statement}");
}

#[test]
fn a_start_that_fails_says_why_in_one_sentence_and_changes_nothing() {
    let mut world = World::start();
    let data = world.subfolder("legation-data");
    let database = data.join("legation.db");
    world.server.kill();
    // Into the file, so that the bytes of the file are all there is.
    sql(&database, "PRAGMA wal_checkpoint(TRUNCATE)");
    let refused = |what: &str, parts: &[&str]| {
        let before = fs::read(&database).unwrap();
        let ran = world.server.cli(&["serve"]).failed(parts);
        let sentences = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(sentences, 1, "{what}: {ran:#?}");
        assert_eq!(fs::read(&database).unwrap(), before, "{what}: the database was changed");
    };

    let certificate = world.identity.certificate.clone();
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "not a certificate\n").unwrap();
    refused("a certificate that is none", &["contoso.example.crt"]);
    fs::remove_file(&certificate).unwrap();
    refused("no certificate", &["contoso.example.crt"]);
    fs::write(&certificate, good).unwrap();

    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    refused("a folder open to others", &["open to other users"]);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();

    sql(&database, "INSERT INTO schema_migration (number, name, applied_at) VALUES (9000, 'later', 0)");
    refused("a newer database", &["schema 9000", "install the version that wrote it"]);
    sql(&database, "DELETE FROM schema_migration WHERE number = 9000");

    // What is put right is all that it takes.
    world.server.restart();
    world.server.cli(&["status"]).succeeded();
}
