//! `legation completions` and `legation man`: made from the description of the command line itself.

use std::{fs, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Line;
use crate::output::{self, Failure};

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "legation", &mut script);
    output::file(&script)
}

/// The page of the whole; into a directory a page for each command beside, such as `legation-partner-add.1`.
pub(super) fn pages(directory: Option<&Path>) -> Result<(), Failure> {
    match directory {
        Some(directory) => {
            fs::create_dir_all(directory).map_err(Failure::failed)?;
            clap_mangen::generate_to(Line::command(), directory).map_err(Failure::failed)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Line::command()).render(&mut page).map_err(Failure::failed)?;
            output::file(&page)
        }
    }
}
