//! `legation status`. Counters that are zero are left out of the table; JSON has them all.

use panel::api::v1::dto::{PeerCertificate, Status};

use super::Caller;
use crate::output::{self, Failure, Format};

pub(super) async fn run(caller: &Caller) -> Result<(), Failure> {
    let status: Status = caller.client.get("/api/v1/status").await?.read()?;
    if caller.format == Format::Json {
        return output::json(&status);
    }
    output::fields([
        ("version", status.version.clone()),
        ("started", output::time(&status.started_at)),
        ("revision", status.revision.to_string()),
        ("registrations", status.registrations.to_string()),
        ("message sessions", status.message_sessions.to_string()),
        ("messages in the last minute", status.messages_per_minute.to_string()),
        ("streams", status.streams.len().to_string()),
    ]);
    output::line("");
    let listeners = status.listeners.iter();
    output::table(
        ["listener", "transport", "address"],
        listeners.map(|listener| [listener.name.clone(), listener.transport.clone(), listener.address.clone()]),
    );
    if !status.streams.is_empty() {
        output::line("");
        let streams = status.streams.iter().map(|stream| {
            let pair = format!("{} ↔ {}", stream.local, stream.remote);
            [
                stream.partner.clone(),
                pair,
                stream.direction.clone(),
                stream.method.clone(),
                output::time(&stream.since),
                stream.certificate.as_ref().map_or_else(|| "-".to_owned(), certificate),
            ]
        });
        output::table(["partner", "pair", "direction", "method", "since", "certificate"], streams);
    }
    if !status.components.is_empty() {
        output::line("");
        let components = status.components.iter().map(|component| {
            let since = output::time(&component.since);
            [component.domain.clone(), component.peer.clone(), since, component.waiting.to_string()]
        });
        output::table(["component", "address", "since", "waiting"], components);
    }
    let counted: Vec<_> = status.ledger.iter().filter(|(_, value)| **value > 0).collect();
    if !counted.is_empty() {
        output::line("");
        output::table(["counter", "value"], counted.iter().map(|(name, value)| [(*name).clone(), value.to_string()]));
    }
    for warning in &status.warnings {
        output::note(format_args!("warning: {}", output::plain(warning)));
    }
    Ok(())
}

/// A partner's certificate in a table cell.
pub(super) fn certificate(shown: &PeerCertificate) -> String {
    format!("{}, issued by {}, {} days left", shown.subject, shown.issuer, shown.days_left)
}
