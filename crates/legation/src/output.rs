//! What commands print: tables or JSON to standard output, warnings and errors to standard error.
//!
//! Text that came from the server's peers is stripped of what acts on a terminal: it must neither move its cursor nor turn
//! the direction of what is read. In JSON it is escaped instead, so that it stays the same data.

use std::{
    fmt::{self, Display},
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::{Timestamp, tz::TimeZone};
use panel::api::v1::dto::FieldWarning;
use serde::Serialize;

use crate::client::ClientError;

/// How results are printed, as it is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Printed {
    /// Columns, for people.
    #[default]
    Table,
    /// One JSON document as the API gives it, for programs.
    Json,
    /// The columns of the table by commas (RFC 4180), for spreadsheets.
    Csv,
}

impl Printed {
    /// What commands tell apart: the columns of tables and CSV are the same.
    pub(crate) fn format(self) -> Format {
        BY_COMMAS.store(self == Self::Csv, Ordering::Relaxed);
        match self {
            Self::Json => Format::Json,
            Self::Table | Self::Csv => Format::Table,
        }
    }
}

/// Whether columns are printed by commas: said once, at the start of the process.
static BY_COMMAS: AtomicBool = AtomicBool::new(false);

/// Columns, or the document of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Columns.
    Table,
    /// One JSON document as the API gives it.
    Json,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused or failed: exit code 1.
    Failed(String),
    /// It was called in a way that makes no sense: exit code 2.
    Usage(String),
    /// The server cannot be reached: exit code 3.
    Unreachable(String),
}

impl Failure {
    /// Refused or failed, for this reason.
    pub(crate) fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// The exit code of the command line's contract.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Unreachable(text) => f.write_str(text),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::Unreachable(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Prints a line to standard output. A reader that has gone away is not an error.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line to standard error.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a file as it is.
pub(crate) fn file(bytes: &[u8]) -> Result<(), Failure> {
    io::stdout().lock().write_all(bytes).map_err(Failure::failed)
}

/// Asks a person at a terminal; who calls from a script has decided already.
pub(crate) fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Failure::failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Prints `value` as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(inert(&serde_json::to_string_pretty(value).map_err(Failure::failed)?));
    Ok(())
}

/// The same JSON document with everything escaped that acts on a terminal; serde escapes only what RFC 8259 demands.
fn inert(document: &str) -> String {
    let mut escaped = String::with_capacity(document.len());
    for c in document.chars() {
        match acts(c) {
            // All of them are in the basic plane, where one escape is one character.
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Prints rows under `header`; without rows, that there are none.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    if BY_COMMAS.load(Ordering::Relaxed) {
        return by_commas(std::iter::once(header.map(str::to_owned)).chain(rows));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    if table.is_empty() {
        line("(none)");
    } else {
        print(&table);
    }
}

/// Prints one thing as a list of names and values.
pub(crate) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) {
    if BY_COMMAS.load(Ordering::Relaxed) {
        return by_commas(fields.into_iter().map(|(name, value)| [name.to_owned(), value]));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for (name, value) in fields {
        table.add_row([name.to_owned(), plain(&value)]);
    }
    print(&table);
}

fn by_commas<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) {
    let mut writer = csv::Writer::from_writer(io::stdout().lock());
    for row in rows {
        if writer.write_record(row.map(|cell| cell_of(&cell))).is_err() {
            return;
        }
    }
    let _ = writer.flush();
}

/// A cell that begins like a formula is a text: spreadsheets would reckon it. A dash stands for nothing.
fn cell_of(text: &str) -> String {
    let is_number = text.strip_prefix('-').is_some_and(|rest| rest.parse::<f64>().is_ok());
    match text {
        "-" => String::new(),
        _ if text.starts_with(['=', '+', '-', '@']) && !is_number => format!("'{}", plain(text)),
        _ => plain(text),
    }
}

fn print(table: &Table) {
    for row in table.lines() {
        line(row.trim_end());
    }
}

/// `text` without what would act on a terminal; lines are kept.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// Controls of ISO 6429 (C0, DEL, C1) except the end of a line, and the format characters by which text is shown in another
/// order or as fewer lines than it has (UAX #9, §2).
fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n')
}

/// `yes` or `no`.
pub(crate) fn flag(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

/// `text`, or a dash for nothing.
pub(crate) fn or_dash(text: impl Display) -> String {
    let text = text.to_string();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A time of the API in the zone of this machine.
pub(crate) fn time(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        Err(_) => or_dash(text),
    }
}

/// Prints each warning to standard error.
pub(crate) fn warnings(warnings: &[FieldWarning]) {
    for warning in warnings {
        note(format_args!("warning: {}: {}", warning.field, plain(&warning.message)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        for (failure, code) in
            [(Failure::failed("x"), 1), (Failure::Usage(String::new()), 2), (Failure::Unreachable(String::new()), 3)]
        {
            assert_eq!(failure.exit_code(), ExitCode::from(code));
        }
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        for (text, cell) in
            [("=1+2", "'=1+2"), ("@x", "'@x"), ("-2", "-2"), ("-x", "'-x"), ("-", ""), ("a\x1bb", "a\u{fffd}b")]
        {
            assert_eq!(cell_of(text), cell);
        }
    }

    #[test]
    fn text_of_peers_cannot_act_on_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc\r"), "a\u{fffd}[2Jb\nc\u{fffd}");
        assert_eq!(plain("a\u{9b}2J\u{7f}\u{202e}b"), "a\u{fffd}2J\u{fffd}\u{fffd}b");
    }

    #[test]
    fn json_is_the_same_data_without_anything_that_acts_on_the_terminal() {
        let text = "a\x1b[2J\u{9b}2J\u{7f}\u{202e}\u{2028}\n\"\\ ü \u{1f600}";
        let document = inert(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(!document.chars().any(acts), "{document:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&document).unwrap(), [text]);
    }
}
