//! The table of results.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the program's output")]

use std::time::Duration;

use crate::{Failure, road::Direction};

/// What one run gave.
pub(crate) struct Run {
    /// Messages delivered.
    pub(crate) count: usize,
    /// From the first message written to the last delivered.
    pub(crate) took: Duration,
    /// From writing to delivery, of each.
    pub(crate) latencies: Vec<Duration>,
}

/// Rows of a name and a number.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, f64)>);

impl Table {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn run(&mut self, direction: Direction, pace: Option<usize>, run: &Run, cpu_ms_per_thousand: f64) {
        let road = match direction {
            Direction::Inward => "partner to SIP",
            Direction::Outward => "SIP to partner",
        };
        let mut latencies = run.latencies.clone();
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
            latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        let name = match pace {
            Some(rate) => format!("{road} at {rate}/s"),
            None => format!("{road}, all it takes"),
        };
        self.add(&format!("{name}: messages"), run.count as f64);
        self.add(&format!("{name}: messages/s"), run.count as f64 / run.took.as_secs_f64());
        self.add(&format!("{name}: server CPU, ms per 1,000"), cpu_ms_per_thousand);
        self.add(&format!("{name}: latency p50, ms"), at(0.50));
        self.add(&format!("{name}: latency p99, ms"), at(0.99));
    }
}

pub(crate) fn print(table: &Table) {
    let width = table.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &table.0 {
        if value.fract() == 0.0 || *value >= 1000.0 {
            println!("{name:width$}  {value:>10.0}");
        } else {
            println!("{name:width$}  {value:>10.2}");
        }
    }
}

/// One column for each server, one row for each figure, the target beside.
#[derive(Default)]
pub(crate) struct Comparison {
    servers: Vec<&'static str>,
    rows: Vec<Row>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing was asked for.
    None,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::None => f.write_str("–"),
        }
    }
}

struct Row {
    name: &'static str,
    target: Bound,
    /// Server and figure.
    values: Vec<(&'static str, f64)>,
}

impl Comparison {
    pub(crate) fn note(&mut self, server: &'static str, row: &'static str, target: Bound, value: f64) {
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        match self.rows.iter_mut().find(|known| known.name == row) {
            Some(known) => known.values.push((server, value)),
            None => self.rows.push(Row { name: row, target, values: vec![(server, value)] }),
        }
        eprintln!("{server}: {row}: {value:.2}");
    }
}

pub(crate) fn print_comparison(table: &Comparison) {
    let width = table.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>14} |")).collect();
        println!("| {name:width$} |{cells}");
    };
    let titles = table.servers.iter().map(|name| (*name).to_owned()).chain(["target".to_owned()]);
    line("what", &titles.collect::<Vec<_>>());
    line("---", &vec!["---:".to_owned(); table.servers.len() + 1]);
    for Row { name, target, values } in &table.rows {
        let of = |server: &&str| values.iter().find(|(known, _)| known == server).map(|(_, value)| *value);
        let cells =
            table.servers.iter().map(|server| of(server).map_or("–".to_owned(), |value| format!("{value:.2}")));
        line(name, &cells.chain([target.to_string()]).collect::<Vec<_>>());
    }
}

pub(crate) fn complain(failure: &Failure) {
    eprintln!("error: {failure}");
}
