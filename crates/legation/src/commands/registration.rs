//! `legation registration`.

use clap::Subcommand;
use panel::api::v1::dto::Registration;

use super::Caller;
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the endpoints that users of the SIP registrar have registered
    List {
        /// Only those with this in the address, the URI or where it came from
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let Self::List { search } = self;
        let path = format!("/api/v1/registrations?q={}", escape(&search.unwrap_or_default()));
        let registrations: Vec<Registration> = caller.client.list(&path).await?;
        if caller.format == Format::Json {
            return output::json(&registrations);
        }
        output::table(["user", "endpoint", "transport", "source", "valid for", "state"], registrations.iter().map(row));
        Ok(())
    }
}

fn row(registration: &Registration) -> [String; 6] {
    [
        registration.user.clone(),
        registration.contact.clone(),
        registration.transport.clone(),
        registration.source.clone(),
        format!("{} s", registration.expires_in_seconds),
        if registration.unreachable { "does not answer" } else { "reachable" }.to_owned(),
    ]
}
