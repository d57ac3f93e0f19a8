//! What the system says of a process.

use std::{fs, process::Command, time::Duration};

use crate::Failure;

/// Clock ticks per second in /proc: 100 on every Linux that counts.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time used so far, of all threads.
pub(crate) fn cpu(id: u32) -> Result<Duration, Failure> {
    Ok(cpu_in(&fs::read_to_string(format!("/proc/{id}/stat"))?))
}

/// CPU time used so far by the living processes of a group.
pub(crate) fn cpu_of_group(group: u32) -> Result<Duration, Failure> {
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        // What has no such file is no process, or has just ended.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if fields(&stat).nth(2).and_then(|field| field.parse().ok()) == Some(group) {
            sum += cpu_in(&stat);
        }
    }
    Ok(sum)
}

/// The fields of a stat file from the third on: the name before the last parenthesis may hold blanks.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// User and system time are fields 14 and 15.
fn cpu_in(stat: &str) -> Duration {
    let ticks: u64 = fields(stat).skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Memory in use.
pub(crate) fn memory_mib(id: u32) -> Result<f64, Failure> {
    status_mib(id, "VmRSS:")
}

/// The most memory that was in use.
pub(crate) fn memory_peak_mib(id: u32) -> Result<f64, Failure> {
    status_mib(id, "VmHWM:")
}

fn status_mib(id: u32, field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such figure")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Lets this process, and those that it starts, open so many descriptors if the machine permits it.
pub(crate) fn allow_sockets(count: usize) -> Result<(), Failure> {
    let id = std::process::id().to_string();
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).ok_or("no such limit")?;
    if line.split_whitespace().next().and_then(|soft| soft.parse().ok()).is_none_or(|soft: usize| soft >= count) {
        return Ok(());
    }
    // From util-linux, which every Debian has. The colon leaves the hard limit as it is.
    let done = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={count}:")]).status()?;
    if done.success() {
        Ok(())
    } else {
        Err(format!("the limit of open files is below {count}; use fewer --streams").into())
    }
}
