//! The stage of the demonstration: a temporary data directory, a private authority, the server and its scripted peers.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use lexicon::Domain;
use net::{
    dns::{DnsConfig, Kind, Target},
    tls::CertificateFiles,
};
use panel::api::v1::dto::{NewDomain, NewUser};
use policy::{
    Settings,
    settings::{Passphrase, PrivateTargets},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use store::Store;
use tempfile::TempDir;

use super::{
    DemoError,
    partner::ScriptedPartner,
    sip_user::{SipAccount, SipUser},
};
use crate::{Config, Running, client::Client};

const OURS: &str = "contoso.example";
const PARTNERS: [&str; 2] = ["fabrikam.example", "litware.example"];
const PASSWORD: &str = "wherefore";

pub(super) struct Stage {
    /// Removed with everything in it when the stage is struck.
    directory: TempDir,
    authority: String,
    server: Running,
    partner: ScriptedPartner,
}

impl Stage {
    pub(super) async fn set() -> Result<Self, DemoError> {
        let directory = tempfile::Builder::new().prefix("legation-demo-").tempdir().map_err(failed)?;
        let authority = Authority::new()?;
        let (our_port, their_port) = free_ports()?;
        let partner = ScriptedPartner::start(
            proxy::ProxyConfig {
                listen_tls: Vec::new(),
                listen: vec![their_port],
                certificates: vec![authority.certificate(directory.path(), "partner", &PARTNERS)?],
                dns: names(&[OURS], our_port)?,
                extensions: proxy::Extensions::ALL,
                ..proxy::ProxyConfig::default()
            },
            &PARTNERS.iter().map(|name| domain(name)).collect::<Result<Vec<_>, _>>()?,
            ScriptedPartner::settings_for(domain(OURS)?, &authority.pem)?,
            partner_settings()?,
        )
        .await?;

        let mut config = Config::new(directory.path().join("data"));
        config.xmpp.listen = vec![our_port];
        config.xmpp.certificates = vec![authority.certificate(directory.path(), OURS, &[OURS])?];
        config.sip.udp = vec![loopback(0)];
        config.sip.tcp = vec![loopback(0)];
        config.dns = names(&PARTNERS, their_port)?;
        let made = Store::open(config.database()).await.map_err(|error| DemoError::Stage(error.to_string()))?;
        made.close().await;
        let server = crate::start(config).await?;
        let stage = Self { directory, authority: authority.pem, server, partner };
        stage.furnish().await?;
        Ok(stage)
    }

    /// The internal domain, its user, and leave to dial loopback.
    async fn furnish(&self) -> Result<(), DemoError> {
        let api = self.api();
        api.post("/api/v1/domains", &NewDomain { name: OURS.to_owned(), ..NewDomain::default() }).await?;
        api.patch("/api/v1/settings", &json!({ "allow_private_targets": "127.0.0.0/8" })).await?;
        let alice = NewUser {
            address: format!("alice@{OURS}"),
            password: PASSWORD.to_owned(),
            display_name: "Alice".to_owned(),
            ..NewUser::default()
        };
        api.post("/api/v1/users", &alice).await?;
        Ok(())
    }

    pub(super) fn api(&self) -> Client {
        Client::new(&self.admin_socket())
    }

    pub(super) fn admin_socket(&self) -> PathBuf {
        self.server.addresses().admin_socket
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn partner(&mut self) -> &mut ScriptedPartner {
        &mut self.partner
    }

    pub(super) fn description(&self) -> String {
        let addresses = self.server.addresses();
        let list =
            |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "server up: XMPP {}, SIP {}; partners' server: {}",
            list(&addresses.xmpp),
            list(&addresses.sip_udp),
            list(self.partner.addresses())
        )
    }

    pub(super) async fn sip_user(&self, user: &str) -> Result<SipUser, DemoError> {
        let gateway = *self.server.addresses().sip_udp.first().ok_or_else(|| failed("no SIP address"))?;
        let account =
            SipAccount { user: user.to_owned(), domain: OURS.to_owned(), password: PASSWORD.to_owned(), gateway };
        Ok(SipUser::start(account, net::entropy::seed()).await?)
    }

    pub(super) async fn strike(self) {
        self.partner.stop().await;
        self.server.stop().await;
        if let Err(error) = self.directory.close() {
            tracing::warn!(%error, "the temporary directory was not removed");
        }
    }
}

fn partner_settings() -> Result<Settings, DemoError> {
    let network = "127.0.0.0/8".parse().map_err(failed)?;
    let settings = Settings::new(Passphrase::from_random(net::entropy::seed()));
    Ok(Settings { allow_private_targets: PrivateTargets::Networks(vec![network]), ..settings })
}

fn failed(reason: impl std::fmt::Display) -> DemoError {
    DemoError::Stage(reason.to_string())
}

fn domain(name: &str) -> Result<Domain, DemoError> {
    Domain::parse(name).map_err(failed)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Two ports that are free now. Each server must know the other's before either listens, so the kernel is asked ahead.
fn free_ports() -> Result<(SocketAddr, SocketAddr), DemoError> {
    let bind = || TcpListener::bind(loopback(0)).map_err(failed);
    let (ours, theirs) = (bind()?, bind()?);
    Ok((ours.local_addr().map_err(failed)?, theirs.local_addr().map_err(failed)?))
}

/// No DNS: every name of the play leads to one address.
fn names(names: &[&str], address: SocketAddr) -> Result<DnsConfig, DemoError> {
    let target = Target { host: address.ip().to_string(), port: address.port(), kind: Kind::Starttls };
    let overrides: Result<BTreeMap<_, _>, _> =
        names.iter().map(|name| Ok::<_, DemoError>((domain(name)?, vec![target.clone()]))).collect();
    Ok(DnsConfig { name_servers: vec![loopback(9)], overrides: overrides?, ..DnsConfig::default() })
}

/// The private authority that both sides trust.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Result<Self, DemoError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "Legation demo authority");
        let key = KeyPair::generate().map_err(failed)?;
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// A certificate for `names`, in two files.
    fn certificate(&self, directory: &Path, file: &str, names: &[&str]) -> Result<CertificateFiles, DemoError> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let files = CertificateFiles {
            certificate: directory.join(format!("{file}.pem")),
            key: directory.join(format!("{file}.key")),
        };
        fs::write(&files.certificate, certificate.pem()).map_err(failed)?;
        let mut options = fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(0o600).open(&files.key).map_err(failed)?;
        std::io::Write::write_all(&mut opened, key.serialize_pem().as_bytes()).map_err(failed)?;
        Ok(files)
    }
}
