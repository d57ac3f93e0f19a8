//! The program under test, built with the tests: they never run a stale one.

use std::process::ExitCode;

fn main() -> ExitCode {
    legation::commands::main()
}
