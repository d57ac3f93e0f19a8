//! The file that `legation init` writes: every field, with its default and a line that explains it.

use std::path::Path;

/// What differs between installations.
pub(crate) struct Template<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
    pub(crate) xmpp_listen: Option<&'a str>,
    pub(crate) sip_listen: Option<&'a str>,
    pub(crate) admin_listen: Option<&'a str>,
}

/// The text of the file.
pub(crate) fn render(template: &Template<'_>) -> String {
    let Template { data_dir, certificate, key, xmpp_listen, sip_listen, admin_listen } = template;
    let xmpp = quoted(xmpp_listen.unwrap_or("[::]:5269"));
    let sip = quoted(sip_listen.unwrap_or("0.0.0.0:5060"));
    let (data_dir, certificate, key) =
        (quoted(&data_dir.to_string_lossy()), quoted(&certificate.to_string_lossy()), quoted(&key.to_string_lossy()));
    let start = format!(
        r#"# What legation needs to start. Everything else is changed while it runs: legation help.
version = 1

# Database and admin socket; must be closed to other users (mode 0700).
data_dir = {data_dir}

[xmpp]
# Where partners' servers connect.
listen = [{xmpp}]

# Where they connect with direct TLS, once _xmpps-server records lead here (XEP-0368). Example: ["[::]:5270"]
listen_tls = []

# The name that partners' servers connect to: what dns show and doctor compare DNS with. Example:
# host = "xmpp.contoso.example"

# Whom to write to about this server, told to whoever asks it (XEP-0157). Example: ["mailto:admin@contoso.example"]
contacts = []

# Certificates for the internal domains, as PEM files. The first one is shown when no other fits.
[[xmpp.certificates]]
certificate = {certificate}
key = {key}

[sip]
# Where SIP clients register, and trunks connect.
udp = [{sip}]
tcp = [{sip}]
# The same with TLS, as trunks with certificates need. Example: ["0.0.0.0:5061"]
tls = []
# It shows the certificates above, unless there are [[sip.certificates]] of their own (certificate, key).
# The name that they connect to, as it is published in DNS. Example:
# host = "sip.contoso.example"
"#
    );
    let admin = admin_listen.map(quoted).unwrap_or_default();
    start + &REST.replacen("of its own.\nlisten = []", &format!("of its own.\nlisten = [{admin}]"), 1)
}

/// The sections that are the same everywhere.
const REST: &str = r#"
[component]
# Where programs connect that serve an internal domain (XEP-0114); empty: none can. Example: ["127.0.0.1:5347"]
listen = []
# Their connections have no TLS: other addresses than loopback ones are listened on only with this.
allow_remote = false

[inner]
# Where XMPP servers of your own side connect that serve an internal domain. There, and only there, this server stands for
# partners' domains: never a public address. Empty: there are none. Example: ["10.0.0.1:5269"]
listen = []
# The same with direct TLS.
listen_tls = []
# What is shown to them, as [[inner.certificates]] with certificate and key; without any: those of [xmpp].

[dns]
# Name servers for finding partners; empty: those of this machine. Example: ["192.0.2.53", "[2001:db8::53]:53"]
name_servers = []

# Partners whose servers are known without asking, by domain. Examples: "fabrikam.example" = ["192.0.2.1:5269"],
# and for direct TLS "litware.example" = ["xmpps:192.0.2.2:5270"]
[dns.overrides]

[admin]
# Where the control panel and the API are served over HTTPS, to who logs in (legation admin add) or shows a token (legation
# admin token add); empty: the API on the Unix socket alone. Example: ["127.0.0.1:8443"]. It shows the certificates of [xmpp], unless there are [[admin.certificates]] of its own.
listen = []

[log]
# error, warn, info, debug or trace
level = "info"
# text or json
format = "text"

[ops]
# Loopback addresses for /metrics, /healthz and /readyz; empty: not served. Example: ["127.0.0.1:9090"]
listen = []
"#;

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
