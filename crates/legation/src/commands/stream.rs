//! `legation stream`.

use clap::Subcommand;
use panel::api::v1::dto::Stream;

use super::{Caller, status::certificate};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the live streams with partners and inner servers, a line for each pair of domains
    List,
    /// Close a stream; it is made again when it is needed
    Close {
        /// Its number, as the list shows it
        number: u64,
        /// Tell the partner why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        match self {
            Self::List => {
                let streams: Vec<Stream> = caller.client.list("/api/v1/streams").await?;
                if caller.format == Format::Json {
                    return output::json(&streams);
                }
                let header = [
                    "stream",
                    "leg",
                    "partner",
                    "pair",
                    "direction",
                    "method",
                    "tls",
                    "address",
                    "since",
                    "certificate",
                ];
                output::table(header, streams.iter().map(row));
                Ok(())
            }
            Self::Close { number, reason } => {
                let reason = reason.unwrap_or_default();
                caller.client.delete(&format!("/api/v1/streams/{number}?reason={}", escape(&reason))).await?;
                caller.removed(format_args!("Closed the stream {number}."));
                Ok(())
            }
        }
    }
}

fn row(stream: &Stream) -> [String; 10] {
    [
        stream.number.to_string(),
        stream.leg.clone(),
        stream.partner.clone(),
        format!("{} ↔ {}", stream.local, stream.remote),
        stream.direction.clone(),
        stream.method.clone(),
        output::or_dash(stream.tls_version.clone().unwrap_or_default()),
        stream.peer.clone(),
        output::time(&stream.since),
        stream.certificate.as_ref().map_or_else(|| "-".to_owned(), certificate),
    ]
}
