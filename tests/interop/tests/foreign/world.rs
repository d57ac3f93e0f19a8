//! A whole test world: DNS, our server as contoso.example, and what is needed to start partners' servers and SIP users in it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use interop::baresip::{Account, Baresip, Transport};
use interop::ca::{Authority, Identity};
use interop::dns::{Dns, Zone};
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

/// Our internal user.
pub(crate) const ALICE: &str = "alice@contoso.example";

/// The password of internal users.
pub(crate) const PASSWORD: &str = "wonderland-2026";

/// Rows of partner-policy.md §2: TLS, SASL, dialback.
pub(crate) const ROW_2: [&str; 3] = ["required", "required", "false"];
pub(crate) const ROW_7: [&str; 3] = ["required", "optional", "true"];
pub(crate) const ROW_13: [&str; 3] = ["required", "not_supported", "true"];
pub(crate) const ROW_17: [&str; 3] = ["not_supported", "not_supported", "true"];

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
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let loopback = Loopback::new();
        let authority = Authority::new(folder.path());
        let ports = Ports { xmpp: loopback.port(), sip: loopback.port() };
        let partners = [(PARTNER, loopback.port()), (STRANGER, loopback.port())];
        let zones = [
            Zone { domain: OURS, server: Some(ports.xmpp) },
            Zone { domain: BOTS, server: Some(ports.xmpp) },
            Zone { domain: PARTNER, server: Some(partners[0].1) },
            Zone { domain: STRANGER, server: Some(partners[1].1) },
        ];
        let dns = Dns::start(folder.path(), loopback, &zones);
        let identity = authority.issue(OURS);
        let setup = legation::Setup {
            program: Path::new(env!("CARGO_BIN_EXE_legation-under-test")),
            domain: OURS,
            identity: &identity,
            ports,
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
        let (_, port) = *self.ports.iter().find(|(name, _)| *name == domain).expect("the world has this domain");
        SocketAddr::new(self.loopback.ip(), port)
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
        let identity = self.authority.issue(domain);
        let setup = self.setup(domain, demands, &identity);
        Prosody::start_changed(self.folder.path(), self.loopback, &setup, change)
    }

    /// Starts Prosody for `domain` with a certificate of another root. Prosody itself trusts this world's root.
    pub(crate) fn prosody_signed_by(&self, domain: &str, demands: Demands, signer: &Authority) -> Prosody {
        let identity = signer.issue(domain);
        Prosody::start(self.folder.path(), self.loopback, &self.setup(domain, demands, &identity))
    }

    fn setup<'a>(&'a self, domain: &'a str, demands: Demands, identity: &'a Identity) -> prosody::Setup<'a> {
        prosody::Setup {
            domain,
            identity,
            authority: &self.authority,
            demands,
            server_port: self.server_of(domain).port(),
            dns: self.dns.address,
        }
    }

    /// Registers alice, who writes to `contact`.
    pub(crate) fn alice(&self, transport: Transport, contact: &str) -> Baresip {
        let account = Account { address: ALICE, password: PASSWORD, contact, registrar: self.server.sip, transport };
        Baresip::register(self.folder.path(), self.loopback, &account)
    }
}
