//! A whole test world: DNS, our server as contoso.example, and what is needed to start partners' servers and SIP users in it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use interop::baresip::{Account, Baresip, Transport};
use interop::ca::{Authority, Identity};
use interop::dns::Dns;
use interop::ejabberd::{self, Ejabberd};
use interop::kamailio::{self, Kamailio};
use interop::legation::{self, Legation, Ports};
use interop::loopback::Loopback;
use interop::prosody::{self, Demands, Prosody};

/// Our internal domain.
pub(crate) const OURS: &str = "contoso.example";

/// The partner that tests configure.
pub(crate) const PARTNER: &str = "fabrikam.example";

/// A domain that tests never configure as a partner.
pub(crate) const STRANGER: &str = "litware.example";

/// Our internal domain for components.
pub(crate) const BOTS: &str = "bots.contoso.example";

/// Our internal domain behind a trunk.
pub(crate) const CORP: &str = "corp.example";

/// Our internal domain for an XMPP server of our own side.
pub(crate) const OFFICE: &str = "office.example";

/// Our internal user.
pub(crate) const ALICE: &str = "alice@contoso.example";

/// The password of internal users.
pub(crate) const PASSWORD: &str = "wonderland-2026";

/// Rows of partner-policy.md §2: TLS, SASL, dialback.
pub(crate) const ROW_2: [&str; 3] = ["required", "required", "false"];
pub(crate) const ROW_7: [&str; 3] = ["required", "optional", "true"];
pub(crate) const ROW_13: [&str; 3] = ["required", "not_supported", "true"];
pub(crate) const ROW_17: [&str; 3] = ["not_supported", "not_supported", "true"];

/// What can differ from the usual world.
pub(crate) struct Plan {
    /// Its address.
    pub(crate) loopback: Loopback,
    /// What DNS says of each domain beside its address, as lines of a zone file.
    pub(crate) records: BTreeMap<&'static str, String>,
    /// Our certificate.
    pub(crate) certificate: fn(&Authority) -> Identity,
    ours: u16,
    partners: [(&'static str, u16); 2],
}

impl Plan {
    fn usual() -> Self {
        let loopback = Loopback::new();
        let ours = loopback.port();
        let partners = [PARTNER, STRANGER].map(|domain| (domain, loopback.port()));
        let records = partners.into_iter().chain([(OURS, ours), (BOTS, ours), (CORP, ours)]);
        let records = records.map(|(domain, port)| (domain, starttls_at(port))).collect();
        let certificate = |authority: &Authority| authority.issue(OURS);
        Self { loopback, records, certificate, ours, partners }
    }

    /// Where the server of a partner's domain will listen.
    pub(crate) fn port_of(&self, domain: &str) -> u16 {
        port_of(&self.partners, domain)
    }
}

fn port_of(partners: &[(&str, u16)], domain: &str) -> u16 {
    partners.iter().find(|(name, _)| *name == domain).expect("the world has this domain").1
}

/// The record of a server for STARTTLS.
pub(crate) fn starttls_at(port: u16) -> String {
    format!("_xmpp-server._tcp SRV 5 0 {port} xmpp\n")
}

/// One world. Its programs end and its folder goes when it is dropped.
pub(crate) struct World {
    /// Our server, with the internal domain and the user alice, and no partner yet.
    pub(crate) server: Legation,
    /// Signs every good certificate of the world.
    pub(crate) authority: Authority,
    /// Our certificate.
    pub(crate) identity: Identity,
    dns: Dns,
    ports: [(&'static str, u16); 2],
    loopback: Loopback,
    folder: TempDir,
}

impl World {
    /// Starts DNS and our server.
    pub(crate) fn start() -> Self {
        Self::start_changed(|_| {})
    }

    /// The same with what the test has changed.
    pub(crate) fn start_changed(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::usual();
        change(&mut plan);
        let Plan { loopback, records, certificate, ours, partners } = plan;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let authority = Authority::new(folder.path());
        let records: Vec<_> = records.into_iter().collect();
        let dns = Dns::start_with_records(folder.path(), loopback, &records);
        let identity = certificate(&authority);
        let setup = legation::Setup {
            program: Path::new(env!("CARGO_BIN_EXE_legation-under-test")),
            domain: OURS,
            identity: &identity,
            ports: Ports { xmpp: ours, sip: loopback.port() },
            dns: dns.address,
        };
        let server = Legation::install(folder.path(), loopback, &setup);
        server.add_user(ALICE, PASSWORD);
        Self { server, authority, identity, dns, ports: partners, loopback, folder }
    }

    /// A new folder inside that of this world.
    pub(crate) fn subfolder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("the world's folder can be written");
        path
    }

    /// Where the name server says that the server of `domain` is.
    pub(crate) fn server_of(&self, domain: &str) -> SocketAddr {
        SocketAddr::new(self.loopback.ip(), port_of(&self.ports, domain))
    }

    /// Its address.
    pub(crate) fn loopback(&self) -> Loopback {
        self.loopback
    }

    /// An address that is free.
    pub(crate) fn free_address(&self) -> SocketAddr {
        SocketAddr::new(self.loopback.ip(), self.loopback.port())
    }

    /// Starts Prosody for `domain` with a certificate of this world's root.
    pub(crate) fn prosody(&self, domain: &str, demands: Demands) -> Prosody {
        self.prosody_signed_by(domain, demands, &self.authority)
    }

    /// The same with a configuration that `change` has changed.
    pub(crate) fn prosody_changed(
        &self,
        domain: &str,
        demands: Demands,
        change: impl FnOnce(String, &Path) -> String,
    ) -> Prosody {
        let (identity, server_port) = (self.authority.issue(domain), self.server_of(domain).port());
        let (identity, authority, dns) = (&identity, &self.authority, self.dns.address);
        let setup = prosody::Setup { domain, identity, authority, demands, server_port, dns };
        Prosody::start_changed(self.folder.path(), self.loopback, &setup, change)
    }

    /// Starts Prosody for `domain` with a certificate of another root. Prosody itself trusts this world's root.
    pub(crate) fn prosody_signed_by(&self, domain: &str, demands: Demands, signer: &Authority) -> Prosody {
        self.prosody_showing(domain, demands, &signer.issue(domain))
    }

    /// Starts Prosody for `domain` with this certificate. Prosody itself trusts this world's root.
    pub(crate) fn prosody_showing(&self, domain: &str, demands: Demands, identity: &Identity) -> Prosody {
        self.prosody_at(self.server_of(domain).port(), (domain, demands), identity, &self.authority)
    }

    /// The same at another port and with the root that it trusts.
    pub(crate) fn prosody_at(
        &self,
        server_port: u16,
        (domain, demands): (&str, Demands),
        identity: &Identity,
        authority: &Authority,
    ) -> Prosody {
        let setup = prosody::Setup { domain, identity, authority, demands, server_port, dns: self.dns.address };
        Prosody::start(self.folder.path(), self.loopback, &setup)
    }

    /// Starts ejabberd for [`PARTNER`] with a certificate of this world's root.
    pub(crate) fn ejabberd(&self, demands: ejabberd::Demands) -> Ejabberd {
        self.ejabberd_showing(demands, &self.authority.issue(PARTNER), "")
    }

    /// Starts ejabberd for [`PARTNER`] with this certificate and further lines of configuration.
    pub(crate) fn ejabberd_showing(&self, demands: ejabberd::Demands, identity: &Identity, further: &str) -> Ejabberd {
        let setup = ejabberd::Setup {
            domain: PARTNER,
            identity,
            authority: &self.authority,
            demands,
            server_port: self.server_of(PARTNER).port(),
            dns: self.dns.address,
            domains: &[OURS, OFFICE, PARTNER, STRANGER],
            further,
        };
        Ejabberd::start(self.folder.path(), self.loopback, &setup)
    }

    /// Starts a Kamailio of [`CORP`], in a folder of this name, that reaches our server by this transport.
    pub(crate) fn kamailio(
        &self,
        name: &str,
        transport: kamailio::Transport,
        identity: &Identity,
        root: &Path,
    ) -> Kamailio {
        self.kamailio_at(None, (name, transport), identity, root)
    }

    /// The same at this port for TLS.
    pub(crate) fn kamailio_at(
        &self,
        tls_port: Option<u16>,
        (name, transport): (&str, kamailio::Transport),
        identity: &Identity,
        root: &Path,
    ) -> Kamailio {
        let gateway = if transport == kamailio::Transport::Tls { self.server.sip_tls } else { self.server.sip };
        let setup = kamailio::Setup { domain: CORP, identity, root, gateway, transport, tls_port, presence: None };
        Kamailio::start(self.folder.path(), name, self.loopback, &setup)
    }

    /// One that is also a presence server, without TLS towards us.
    pub(crate) fn presence_server(&self, transport: kamailio::Transport, watchers: kamailio::Watchers) -> Kamailio {
        let identity = &self.authority.issue("sip.corp.example");
        let (root, gateway, presence) = (self.authority.root(), self.server.sip, Some(watchers));
        let setup = kamailio::Setup { domain: CORP, identity, root, gateway, transport, tls_port: None, presence };
        Kamailio::start(self.folder.path(), "presence-server", self.loopback, &setup)
    }

    /// Registers a user behind a Kamailio, who writes to `contact`.
    pub(crate) fn user_of(&self, kamailio: &Kamailio, address: &str, contact: &str) -> Baresip {
        // Nobody asks for the password; without one baresip would ask its user.
        let transport = Transport::Udp;
        let account = Account { address, password: "unasked", contact, registrar: kamailio.sip, transport };
        let folder = self.subfolder(&format!("users-of-{}", kamailio.sip.port()));
        Baresip::register(&folder, self.loopback, &account)
    }

    /// Registers alice, who writes to `contact`.
    pub(crate) fn alice(&self, transport: Transport, contact: &str) -> Baresip {
        let account = Account { address: ALICE, password: PASSWORD, contact, registrar: self.server.sip, transport };
        Baresip::register(self.folder.path(), self.loopback, &account)
    }

    /// Registers alice, who publishes her presence and watches `contact`.
    pub(crate) fn watching_alice(&self, transport: Transport, contact: &str) -> Baresip {
        let account = Account { address: ALICE, password: PASSWORD, contact, registrar: self.server.sip, transport };
        Baresip::register_watching(self.folder.path(), self.loopback, &account)
    }

    /// The report of an attempt that ended with `code`; its remedy has these words.
    #[track_caller]
    pub(crate) fn explained(&self, domain: &str, direction: &str, code: &str, remedy: &str) -> Value {
        let report = self.server.report(domain, direction, code);
        let told = report["remedy"].as_str().unwrap_or_default();
        assert!(told.contains(remedy), "{remedy:?} is not in {report:#}");
        report
    }
}
