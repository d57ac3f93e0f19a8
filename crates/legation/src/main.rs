//! The `legation` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    legation::commands::main()
}
