//! `legation config`.

use std::path::Path;

use clap::Subcommand;
use net::tls::Identities;
use serde_json::json;

use crate::{
    config::Config,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the configuration file and the certificates it names; nothing is started or changed
    Check,
}

impl Command {
    pub(super) fn run(self, path: &Path, format: Format) -> Result<(), Failure> {
        let Self::Check = self;
        let config = Config::load(path).map_err(Failure::failed)?;
        let identities = Identities::load(&config.xmpp.certificates).map_err(Failure::failed)?;
        Identities::load(&config.inner.certificates).map_err(Failure::failed)?;
        match format {
            Format::Json => output::json(&json!({
                "file": path,
                "data_dir": config.data_dir,
                "admin_socket": config.admin_socket,
                "certificates": identities.iter().map(|certificate| &certificate.names.dns).collect::<Vec<_>>(),
            })),
            Format::Table => {
                output::line(format_args!("{} is valid.", path.display()));
                Ok(())
            }
        }
    }
}
