//! Reads a password, or another secret, without showing it: from a file, a pipe, or the terminal with echo off.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _},
    path::{Path, PathBuf},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::output::Failure;

/// Longest password in octets.
const BYTES_MAX: u64 = 1024;

/// The first line of `file`, or of standard input; a terminal is asked twice. `what` is what errors and the prompt call it.
pub(super) fn read(what: &str, file: Option<&Path>) -> Result<String, Failure> {
    let password = match file {
        Some(path) => {
            let unreadable = |error| Failure::failed(format_args!("cannot read {}: {error}", path.display()));
            first_line(File::open(path).map_err(unreadable)?).map_err(unreadable)?
        }
        None if io::stdin().is_terminal() => ask(what).map_err(Failure::failed)?,
        None => first_line(io::stdin().lock()).map_err(Failure::failed)?,
    };
    if password.is_empty() { Err(Failure::Failed(format!("{what}: it is empty"))) } else { Ok(password) }
}

fn first_line(source: impl Read) -> io::Result<String> {
    let mut line = String::new();
    let read = BufReader::new(source.take(BYTES_MAX + 2)).read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    if read as u64 > BYTES_MAX && line.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 1,024 octets"));
    }
    Ok(line.to_owned())
}

fn ask(what: &str) -> io::Result<String> {
    let silence = Silence::begin()?;
    let first = prompt(&format!("The {what}: "))?;
    let second = prompt("Again: ")?;
    drop(silence);
    if first == second { Ok(first) } else { Err(io::Error::other("the two entries differ")) }
}

fn prompt(text: &str) -> io::Result<String> {
    let mut terminal = io::stderr().lock();
    write!(terminal, "{text}")?;
    terminal.flush()?;
    let line = first_line(io::stdin().lock())?;
    writeln!(terminal)?;
    Ok(line)
}

/// The terminal's echo is off while this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes &= !LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Where the password comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Read the password from the first line of this file [default: standard input, or a prompt]
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

impl Source {
    pub(super) fn read(&self) -> Result<String, Failure> {
        read("password", self.password_file.as_deref())
    }
}
