//! The XMPP server behind an internal domain as options of the command line.

use clap::Args;
use panel::api::v1::dto::{XmppServer, XmppServerChanges};

use crate::{
    commands::partner::fields::{list, roots, word},
    output::{self, Failure},
};

/// What can be set of the server. Words are checked by the server, so that all errors are shown at once.
#[derive(Debug, Args)]
pub(in crate::commands) struct Fields {
    /// Where the XMPP server of the backend xmpp is reached; may be repeated, first choice first
    #[arg(long, value_name = "HOST[:PORT]")]
    xmpp_server: Vec<String>,
    /// A network that it may connect from; may be repeated; none for its own addresses
    #[arg(long, value_name = "NETWORK")]
    xmpp_source: Vec<String>,
    /// TLS with it: required, optional or not_supported
    #[arg(long, value_name = "REQUIREMENT")]
    xmpp_tls: Option<String>,
    /// SASL EXTERNAL with it: required, optional or not_supported
    #[arg(long, value_name = "REQUIREMENT")]
    xmpp_sasl: Option<String>,
    /// Server dialback with it
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    xmpp_dialback: Option<bool>,
    /// Who may vouch for its certificate: system, or a file of PEM certificates
    #[arg(long, value_name = "system|FILE")]
    xmpp_trust_roots: Option<String>,
    /// SHA-256 of a key that it may have; may be repeated; none for any key
    #[arg(long, value_name = "SHA256")]
    xmpp_pin: Vec<String>,
}

impl Fields {
    /// What the API is asked to change; nothing if no option was given.
    pub(super) fn changes(self) -> Result<Option<XmppServerChanges>, Failure> {
        let changes = XmppServerChanges {
            targets: (!self.xmpp_server.is_empty()).then_some(self.xmpp_server),
            sources: list(self.xmpp_source),
            tls: self.xmpp_tls.map(word),
            sasl: self.xmpp_sasl.map(word),
            dialback: self.xmpp_dialback,
            trust_roots: self.xmpp_trust_roots.map(roots).transpose()?,
            pins: list(self.xmpp_pin),
        };
        Ok((changes != XmppServerChanges::default()).then_some(changes))
    }
}

/// The server as fields.
pub(super) fn shown(server: &XmppServer) -> [(&'static str, String); 8] {
    let roots = if server.trust_roots == "system" { "system" } else { "own certificates" };
    [
        ("xmpp_server", server.targets.join(", ")),
        ("sources", output::or_dash(server.sources.join(", "))),
        ("tls", server.tls.clone()),
        ("sasl", server.sasl.clone()),
        ("dialback", output::flag(server.dialback)),
        ("trust_roots", roots.to_owned()),
        ("pins", output::or_dash(server.pins.join(", "))),
        ("methods", server.methods.join(", ")),
    ]
}
