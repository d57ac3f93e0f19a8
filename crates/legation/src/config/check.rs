//! From the file as written to a configuration, or to every problem that can be found.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use lexicon::Domain;
use net::{
    dns::{DnsConfig, Target},
    tls::CertificateFiles,
};
use toml::Spanned;

use super::{
    Config, VERSION, contact,
    file::{Certificate, Component, Dns, File, Head, Text},
    position::{self, Position, Problem},
};

/// Longest path of a Unix socket in octets (`sun_path`, with its end).
const SOCKET_PATH_BYTES_MAX: usize = 107;

const ROLES: [&str; 3] = ["proxy", "gateway", "panel"];

/// Checks `text`; relative paths are relative to `directory`.
pub(super) fn config(text: &str, directory: &Path) -> Result<Config, Vec<Problem>> {
    let mut check = Check { text, directory, problems: Vec::new() };
    match toml::from_str::<Head>(text) {
        Ok(head) => check.version(head.version.as_ref()),
        Err(error) => check.syntax(&error),
    }
    if !check.problems.is_empty() {
        return Err(check.problems);
    }
    let file = toml::from_str::<File>(text).map_err(|error| {
        check.syntax(&error);
        std::mem::take(&mut check.problems)
    })?;
    let config = check.file(file);
    if check.problems.is_empty() {
        Ok(config)
    } else {
        check.problems.sort_by_key(|problem| problem.position);
        Err(check.problems)
    }
}

struct Check<'a> {
    text: &'a str,
    directory: &'a Path,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn file(&mut self, file: File) -> Config {
        self.roles(file.roles.as_ref());
        let mut config = Config::new(self.path(&file.data_dir));
        config.xmpp.certificates = self.certificates(&file.xmpp.certificates);
        config.inner.certificates = self.certificates(&file.inner.certificates);
        config.sip.certificates = self.certificates(&file.sip.certificates);
        config.admin.certificates = self.certificates(&file.admin.certificates);
        let none = file.xmpp.certificates.is_empty();
        fn first(listen: Option<&Vec<Text>>) -> Option<&Text> {
            listen.and_then(|listen| listen.first())
        }
        for (first, has_own, field) in [
            (first(file.xmpp.listen_tls.as_ref()), false, "xmpp.certificates"),
            (file.inner.listen_tls.first(), !file.inner.certificates.is_empty(), "inner.certificates"),
            (first(file.sip.tls.as_ref()), !file.sip.certificates.is_empty(), "sip.certificates"),
            (file.admin.listen.first(), !file.admin.certificates.is_empty(), "admin.certificates"),
        ] {
            if let Some(first) = first.filter(|_| none && !has_own) {
                self.refuse(first, format_args!("TLS needs a certificate: add one as [[{field}]]"));
            }
        }
        for own in [&mut config.sip.certificates, &mut config.admin.certificates] {
            if own.is_empty() {
                own.clone_from(&config.xmpp.certificates);
            }
        }
        for (given, addresses) in [
            (file.xmpp.listen, &mut config.xmpp.listen),
            (file.xmpp.listen_tls, &mut config.xmpp.listen_tls),
            (Some(file.inner.listen), &mut config.inner.listen),
            (Some(file.inner.listen_tls), &mut config.inner.listen_tls),
            (file.sip.udp, &mut config.sip.udp),
            (file.sip.tcp, &mut config.sip.tcp),
            (file.sip.tls, &mut config.sip.tls),
            (Some(file.admin.listen), &mut config.admin.listen),
        ] {
            if let Some(given) = given {
                *addresses = given.iter().filter_map(|text| self.address(text)).collect();
            }
        }
        config.xmpp.contacts = file.xmpp.contacts.iter().filter_map(|text| self.contact(text)).collect();
        config.xmpp.host = file.xmpp.host.as_ref().and_then(|text| self.parse(text));
        config.sip.host = file.sip.host.as_ref().and_then(|text| self.parse(text));
        config.component = self.component(&file.component);
        config.dns = self.dns(&file.dns);
        if let Some(socket) = &file.admin.socket {
            config.admin_socket = config.data_dir.join(socket.get_ref());
        }
        self.socket(&config.admin_socket, file.admin.socket.as_ref().unwrap_or(&file.data_dir));
        config.ops = file.ops.listen.iter().filter_map(|text| self.loopback(text)).collect();
        if let Some(level) = &file.log.level {
            config.log.level = self.parse(level).unwrap_or_default();
        }
        if let Some(format) = &file.log.format {
            config.log.format = self.parse(format).unwrap_or_default();
        }
        config
    }

    fn problem(&mut self, offset: usize, message: impl fmt::Display) {
        self.place(offset, position::field(self.text, offset), message);
    }

    fn place(&mut self, offset: usize, field: String, message: impl fmt::Display) {
        self.problems.push(Problem { position: Position::of(self.text, offset), field, message: message.to_string() });
    }

    /// What the parser refuses: syntax, an unknown or missing field, a value of another type.
    fn syntax(&mut self, error: &toml::de::Error) {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().trim().replace('\n', "; ");
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        match missing.map(|name| position::sibling(self.text, offset, name)) {
            Some(field) => self.place(offset, field, "it is missing"),
            None => self.problem(offset, message),
        }
    }

    fn version(&mut self, version: Option<&Spanned<i64>>) {
        match version {
            None => self.place(0, "version".to_owned(), format_args!("it is missing: write version = {VERSION}")),
            Some(version) if *version.get_ref() != VERSION => self.problem(
                version.span().start,
                format_args!("{} was entered; this legation reads version {VERSION}", version.get_ref()),
            ),
            Some(_) => {}
        }
    }

    /// Roles can be named, so that a file says what it is for; they cannot be split yet.
    fn roles(&mut self, roles: Option<&Spanned<Vec<Text>>>) {
        let Some(roles) = roles else { return };
        for role in roles.get_ref() {
            if !ROLES.contains(&role.get_ref().as_str()) {
                self.refuse(role, format_args!("allowed are {}", ROLES.join(", ")));
            }
        }
        let has = |name: &&str| roles.get_ref().iter().any(|role| role.get_ref() == name);
        if !ROLES.iter().all(has) {
            let message = format!("this version runs all roles in one process: list {}", ROLES.join(", "));
            self.problem(roles.span().start, message);
        }
    }

    fn refuse(&mut self, text: &Text, allowed: impl fmt::Display) {
        self.problem(text.span().start, format_args!("{:?} was entered; {allowed}", text.get_ref()));
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, text: &Text) -> Option<T> {
        text.get_ref().parse().map_err(|error| self.refuse(text, error)).ok()
    }

    fn path(&mut self, text: &Text) -> PathBuf {
        if text.get_ref().is_empty() {
            self.refuse(text, "a path is required");
        }
        self.directory.join(text.get_ref())
    }

    fn address(&mut self, text: &Text) -> Option<SocketAddr> {
        let parsed = text.get_ref().parse().ok();
        if parsed.is_none() {
            self.refuse(text, "allowed is an IP address with a port, such as [::]:5269 or 192.0.2.1:5060");
        }
        parsed
    }

    /// Nobody logs in to what is served there.
    fn loopback(&mut self, text: &Text) -> Option<SocketAddr> {
        let address = self.address(text)?;
        if !address.ip().is_loopback() {
            self.refuse(text, "only loopback addresses are allowed, such as 127.0.0.1:9090 or [::1]:9090");
            return None;
        }
        Some(address)
    }

    /// XEP-0114 has no TLS: whoever is on the way reads everything and learns enough to guess the secret.
    fn component(&mut self, component: &Component) -> Vec<SocketAddr> {
        let mut listen = Vec::new();
        for text in &component.listen {
            let Some(address) = self.address(text) else { continue };
            if !address.ip().is_loopback() && !component.allow_remote {
                self.refuse(
                    text,
                    "components connect without TLS, so only loopback addresses are allowed, such as 127.0.0.1:5347; \
                     where the network between is trusted, add allow_remote = true",
                );
                continue;
            }
            listen.push(address);
        }
        listen
    }

    fn contact(&mut self, text: &Text) -> Option<String> {
        if !contact::is_uri(text.get_ref()) {
            self.refuse(text, "allowed is a URI, such as mailto:admin@contoso.example or https://contoso.example/help");
            return None;
        }
        Some(text.get_ref().clone())
    }

    fn certificates(&mut self, files: &[Certificate]) -> Vec<CertificateFiles> {
        files
            .iter()
            .map(|pair| CertificateFiles { certificate: self.path(&pair.certificate), key: self.path(&pair.key) })
            .collect()
    }

    fn dns(&mut self, dns: &Dns) -> DnsConfig {
        let mut overrides = BTreeMap::new();
        for (name, targets) in &dns.overrides {
            let Some(domain) = self.parse::<Domain>(name) else { continue };
            let parsed: Vec<Target> = targets.iter().filter_map(|target| self.parse(target)).collect();
            if targets.is_empty() {
                self.refuse(name, "at least one host is needed, such as \"192.0.2.1:5269\"");
            }
            if overrides.insert(domain, parsed).is_some() {
                self.refuse(name, "the same domain stands here twice");
            }
        }
        let name_servers = dns.name_servers.iter().filter_map(|text| self.name_server(text)).collect();
        DnsConfig { name_servers, overrides, ..DnsConfig::default() }
    }

    fn name_server(&mut self, text: &Text) -> Option<SocketAddr> {
        let with_port = text.get_ref().parse::<SocketAddr>().ok();
        let server = with_port.or_else(|| text.get_ref().parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)));
        if server.is_none() {
            self.refuse(
                text,
                "allowed is an IP address, with a port if it is not 53, such as 192.0.2.53 or [::1]:5353",
            );
        }
        server
    }

    fn socket(&mut self, path: &Path, at: &Text) {
        let bytes = path.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            let message = format!(
                "the path of the admin socket, {}, has {bytes} octets; at most {SOCKET_PATH_BYTES_MAX} are allowed",
                path.display()
            );
            self.problem(at.span().start, message);
        }
    }
}
