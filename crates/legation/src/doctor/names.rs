//! Our own records in DNS.

use panel::DnsRecord;
use store::inspection::Contents;

use super::{Finding, Live};
use crate::{
    Config,
    published::{self, Reach},
};

pub(super) async fn examine(config: &Config, live: Option<&Live>, contents: &Contents, findings: &mut Vec<Finding>) {
    let reach = reach(config, live);
    let enabled = contents.snapshot.partners().iter().filter(|partner| partner.enabled);
    let partners: Vec<_> = enabled.flat_map(|partner| partner.domains().cloned()).collect();
    match published::check(&config.dns, &reach, &contents.serving, &partners).await {
        Ok(zones) => {
            // What is for the deployment's DNS is for its administrators to look at.
            let records = zones.iter().flat_map(|zone| &zone.records).filter(|record| record.scope == "public");
            findings.extend(records.filter_map(finding));
        }
        Err(error) => findings.push(Finding::fail("dns", error.to_string(), "set dns.name_servers")),
    }
    if config.xmpp.host.is_none() {
        let text = "the configuration file does not say which host partners connect to, so only ports were compared";
        findings.push(Finding::warn("dns", text, "say it as xmpp.host"));
    }
}

/// The real ports, where the server runs.
fn reach(config: &Config, live: Option<&Live>) -> Reach {
    let reach = Reach::of(config);
    let Some(live) = live else { return reach };
    let of = |name: &str, transport: &str| {
        let same = live.listeners.iter().filter(|known| known.name == name && known.transport == transport);
        same.filter_map(|listener| listener.address.parse().ok()).collect()
    };
    Reach {
        xmpp: of("xmpp", "tcp"),
        xmpp_tls: of("xmpp", "tls"),
        sip_udp: of("sip", "udp"),
        sip_tcp: of("sip", "tcp"),
        sip_tls: of("sip", "tls"),
        ..reach
    }
}

/// What is only optional and not there is left out.
fn finding(record: &DnsRecord) -> Option<Finding> {
    let about = format!("dns {} {}", record.name, record.kind);
    let note = record.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let remedy = match record.value.as_str() {
        "" => "take it out of DNS".to_owned(),
        value => format!("publish {} {} {value}", record.name, record.kind),
    };
    let found = record.found.join(", ");
    Some(match record.state.as_str() {
        "present" => Finding::ok(about, format!("present, {found}{note}")),
        "absent" if !record.needed => return None,
        "absent" => Finding::warn(about, format!("absent; for {}", record.purpose), remedy),
        "failed" => Finding::warn(about, record.note.clone().unwrap_or_default(), "look at the name servers"),
        _ if record.needed && record.kind == "SRV" => Finding::fail(about, format!("differs, {found}{note}"), remedy),
        _ => Finding::warn(about, format!("differs, {found}{note}"), remedy),
    })
}
