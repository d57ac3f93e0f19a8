//! The fields of a partner as options of the command line.

use std::{fs, path::Path};

use clap::Args;
use panel::api::v1::dto::PartnerChanges;

use crate::output::Failure;

/// The word that empties a field.
const NONE: &str = "none";

/// What can be set of a partner. Words are checked by the server, so that all errors are shown at once.
#[derive(Debug, Args)]
pub(in crate::commands) struct Fields {
    /// Notes, contact data; at most 1,024 characters
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// federated, public_verified or public_unverified
    #[arg(long = "type", value_name = "TYPE")]
    partner_type: Option<String>,
    /// TLS: required, optional or not_supported
    #[arg(long, value_name = "REQUIREMENT")]
    tls: Option<String>,
    /// SASL EXTERNAL with certificates: required, optional or not_supported
    #[arg(long, value_name = "REQUIREMENT")]
    sasl: Option<String>,
    /// Server dialback
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    dialback: Option<bool>,
    /// Connections over all domains, from 2; none for the gateway-wide limit
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    connection_limit: Option<Limit>,
    /// Ask quiet streams for proof of life
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    keep_alive: Option<bool>,
    /// Connect here instead of asking SRV: HOST or HOST:PORT; none to ask
    #[arg(long, value_name = "HOST[:PORT]")]
    proxy_fqdn: Option<String>,
    /// Who may vouch for the partner's certificate: system, or a file of PEM certificates
    #[arg(long, value_name = "system|FILE")]
    trust_roots: Option<String>,
    /// SHA-256 of a key that the partner may have, hexadecimal or Base64; may be repeated; none for any key
    #[arg(long, value_name = "SHA256")]
    pin: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Limit(Option<i64>);

fn limit(text: &str) -> Result<Limit, String> {
    if text == NONE {
        return Ok(Limit(None));
    }
    text.parse().map(|limit| Limit(Some(limit))).map_err(|_| "allowed are a number from 2, and none".to_owned())
}

impl Fields {
    /// What the API is asked to change.
    pub(in crate::commands) fn changes(self) -> Result<PartnerChanges, Failure> {
        Ok(PartnerChanges {
            description: self.description,
            partner_type: self.partner_type.map(word),
            tls: self.tls.map(word),
            sasl: self.sasl.map(word),
            dialback: self.dialback,
            connection_limit: self.connection_limit.map(|limit| limit.0),
            keep_alive: self.keep_alive,
            proxy_fqdn: self.proxy_fqdn.map(|target| (target != NONE).then_some(target)),
            trust_roots: self.trust_roots.map(roots).transpose()?,
            pins: list(self.pin),
            ..PartnerChanges::default()
        })
    }
}

/// A list that replaces the whole list: nothing was given, `none`, or the values.
pub(in crate::commands) fn list(given: Vec<String>) -> Option<Vec<String>> {
    match given.as_slice() {
        [] => None,
        [word] if word == NONE => Some(Vec::new()),
        _ => Some(given),
    }
}

/// Accepts the dashes that people expect on a command line.
pub(in crate::commands) fn word(text: String) -> String {
    text.replace('-', "_")
}

/// The word `system`, or what stands in the file.
pub(in crate::commands) fn roots(text: String) -> Result<String, Failure> {
    if text == "system" {
        return Ok(text);
    }
    fs::read_to_string(Path::new(&text))
        .map_err(|error| Failure::Failed(format!("trust_roots: cannot read {text}: {error}")))
}
