//! This machine: data directory, free space, clock, open files.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::{Resource, getrlimit};

use super::{Finding, Known, Live};

const MIB: u64 = 1 << 20;
/// Free space below which a server soon cannot write.
const FREE_MIN: u64 = 64 * MIB;
/// Free space below which an administrator should look.
const FREE_LOW: u64 = 1024 * MIB;
/// Descriptors beside those of connections with partners: database, listeners, inside.
const FILES_BESIDE: u64 = 1000;
/// How far the clock may seem to go back: writers of one moment are not ordered by it.
const SKEW_MILLIS_MAX: i64 = 1000;

pub(super) fn directory(path: &Path, findings: &mut Vec<Finding>) {
    const ABOUT: &str = "data directory";
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) => {
            let text = format!("{}: {error}", path.display());
            return findings.push(Finding::fail(ABOUT, text, "set the server up with legation init"));
        }
    };
    let mode = facts.mode() & 0o7777;
    findings.push(match mode & 0o027 {
        0 => Finding::ok(ABOUT, format!("{} has mode {mode:04o} and belongs to uid {}", path.display(), facts.uid())),
        _ => {
            let text = format!("{} is open to other users of this machine (mode {mode:04o})", path.display());
            Finding::fail(ABOUT, text, format!("chmod 750 {}", path.display()))
        }
    });
    const DISK: &str = "disk";
    let free = match rustix::fs::statvfs(path) {
        Ok(facts) => facts.f_bavail.saturating_mul(facts.f_frsize),
        Err(error) => return findings.push(Finding::warn(DISK, error.to_string(), "free space could not be told")),
    };
    let text = format!("{} MiB are free for {}", free / MIB, path.display());
    findings.push(match free {
        0..FREE_MIN => Finding::fail(DISK, text, "make room: without it no change can be stored"),
        FREE_MIN..FREE_LOW => Finding::warn(DISK, text, "make room soon"),
        _ => Finding::ok(DISK, text),
    });
}

/// Compared with the last time that the database holds: nobody else is asked.
pub(super) fn clock(contents: Known<'_>, findings: &mut Vec<Finding>) {
    const ABOUT: &str = "clock";
    let Some(last) = contents.and_then(|contents| contents.last_time) else {
        return findings.push(Finding::ok(ABOUT, "there is no time in the database to compare it with"));
    };
    let now = net::clock::now().wall;
    let behind = last.as_millis().saturating_sub(now.as_millis());
    findings.push(match behind > SKEW_MILLIS_MAX {
        true => {
            let text = format!("it shows {now}, and the database holds a time that is {} s later", behind / 1000);
            Finding::fail(ABOUT, text, "set the clock, best by NTP: certificates are judged by it")
        }
        false => Finding::ok(ABOUT, format!("it shows {now}, after the last time in the database ({last})")),
    });
}

pub(super) fn open_files(contents: Known<'_>, live: Option<&Live>, findings: &mut Vec<Finding>) {
    const ABOUT: &str = "open files";
    let Some(settings) = contents.map(|contents| contents.snapshot.settings()) else { return };
    let needed = settings.half_open_limit + settings.connection_limit + FILES_BESIDE;
    let of_server = live.and_then(|live| live.process).and_then(limit_of);
    let (whose, limit) = match of_server {
        Some(limit) => ("the running server", Some(limit)),
        // The server raises its soft limit to the hard one.
        None => ("this shell, which may not be that of the service,", getrlimit(Resource::Nofile).maximum),
    };
    let Some(limit) = limit else { return findings.push(Finding::ok(ABOUT, "there is no limit")) };
    let text = format!("{whose} may have {limit}; its limits of connections may need {needed}");
    findings.push(match limit >= needed {
        true => Finding::ok(ABOUT, text),
        false => {
            let remedy =
                "raise the hard limit (LimitNOFILE= of its unit), or lower half_open_limit and connection_limit";
            Finding::warn(ABOUT, text, remedy)
        }
    });
}

/// The soft limit of another process, which a server has raised as far as it could. None: unlimited or not told.
fn limit_of(process: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
