//! The XMPP servers behind internal domains: whether they accept connections.

use std::{num::NonZeroU16, time::Duration};

use net::{
    dial::dial,
    dns::{DnsConfig, Kind, Resolver, Target, XMPP_SERVER_PORT},
};
use policy::peer::{Host, HostPort};
use store::inspection::Contents;

use super::Finding;
use crate::Config;

/// Longest wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn examine(config: &Config, contents: &Contents, findings: &mut Vec<Finding>) {
    let servers: Vec<_> = contents.serving.inner_leg().collect();
    if servers.is_empty() {
        return;
    }
    let Ok(resolver) = Resolver::new(DnsConfig { overrides: Default::default(), ..config.dns.clone() }) else { return };
    for (domain, server) in &servers {
        for target in &server.targets {
            let about = format!("XMPP server of {domain}");
            findings.push(match reach(&resolver, target).await {
                Ok(()) => Finding::ok(about, format!("{target} accepts connections")),
                Err(reason) => {
                    let remedy = "start it, or correct the domain's --xmpp-server";
                    Finding::fail(about, format!("{target}: {reason}"), remedy)
                }
            });
        }
    }
    if config.inner.listen.is_empty() && config.inner.listen_tls.is_empty() {
        let text = "no listener for it is configured, so it can neither send to us nor ask for our dialback keys";
        findings.push(Finding::fail("inner XMPP servers", text, "set inner.listen in the configuration file"));
    }
}

async fn reach(resolver: &Resolver, target: &HostPort) -> Result<(), String> {
    let host = match &target.host {
        Host::Name(name) => name.as_ascii().to_owned(),
        Host::Address(address) => address.to_string(),
    };
    let port = target.port.map_or(XMPP_SERVER_PORT, NonZeroU16::get);
    let asked = Target { host, port, kind: Kind::Starttls };
    let found = resolver.resolve(&[asked]).await.map_err(|error| error.to_string())?;
    let addresses: Vec<_> = found.iter().map(|endpoint| endpoint.address).collect();
    dial(&addresses, TIMEOUT).await.map(|_| ()).map_err(|error| error.to_string())
}
