//! `legation init`: everything that a first `legation serve` needs.
//!
//! All that can be known beforehand is checked before anything is made, nothing that exists is overwritten, and what
//! was made is removed again if a later step fails.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clap::Args;
use lexicon::{Domain, Timestamp};
use net::tls::{CertificateFiles, Identities};
use store::{Actor, Backend, Store};

use super::{CONFIG_DEFAULT, config_path};
use crate::{
    config::{self, Config, Template},
    output::{self, Failure},
};

mod certificate;

/// How long the link that makes the first administrator works.
const SETUP_MILLIS: i64 = 3600 * 1000;

/// Makes a data directory, a configuration file and a database with a first internal domain.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The first internal domain: contoso.example
    #[arg(long, value_name = "DOMAIN")]
    domain: String,
    /// The data directory; made with mode 0700
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/lib/legation")]
    data_dir: PathBuf,
    /// The domain's certificate with its chain, PEM [default: a self-signed one is made]
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Where partners' servers connect [default: [::]:5269]
    #[arg(long, value_name = "ADDRESS:PORT")]
    xmpp_listen: Option<String>,
    /// Where SIP clients register, UDP and TCP [default: 0.0.0.0:5060]
    #[arg(long, value_name = "ADDRESS:PORT")]
    sip_listen: Option<String>,
    /// Where the control panel and the API are served over HTTPS: 127.0.0.1:8443 [default: not served]
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
}

impl Init {
    /// `config` is what `--config` names.
    pub(super) fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        let domain = Domain::parse(self.domain.trim())
            .map_err(|error| Failure::Failed(format!("domain: {}: {error}", self.domain)))?;
        let file = absolute(&config_path(config))?;
        let data_dir = absolute(&self.data_dir)?;
        for address in [&self.xmpp_listen, &self.sip_listen, &self.admin_listen].into_iter().flatten() {
            if address.parse::<std::net::SocketAddr>().is_err() {
                return Err(Failure::Usage(format!("{address}: write ADDRESS:PORT, such as [::]:5269")));
            }
        }
        let installed = Config::new(&data_dir);
        for path in [&file, &installed.database()] {
            if path.symlink_metadata().is_ok() {
                let path = path.display();
                return Err(Failure::Failed(format!("{path} exists already; legation init overwrites nothing")));
            }
        }
        let mut made = Made::default();
        let setup = self.admin_listen.as_ref().map(|_| secret());
        let done = self.make(&domain, &file, &installed, setup.as_deref(), &mut made);
        match done {
            Ok(files) => {
                made.keep();
                self.next_steps(&domain, &file, config.is_some(), &files, setup.as_deref());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// `setup` is the secret of the link that makes the first administrator, where the control panel is served.
    fn make(
        &self,
        domain: &Domain,
        file: &Path,
        installed: &Config,
        setup: Option<&str>,
        made: &mut Made,
    ) -> Result<Files, Failure> {
        made.directory(&installed.data_dir, 0o700)?;
        let files = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Files {
                pair: CertificateFiles { certificate: absolute(certificate)?, key: absolute(key)? },
                is_self_signed: false,
            },
            _ => Files { pair: self_signed(domain, &installed.data_dir, made)?, is_self_signed: true },
        };
        Identities::load(std::slice::from_ref(&files.pair)).map_err(Failure::failed)?;
        made.database(&installed.database());
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::failed)?
            .block_on(populate(&installed.database(), domain, setup))?;
        let text = config::render(&Template {
            data_dir: &installed.data_dir,
            certificate: &files.pair.certificate,
            key: &files.pair.key,
            xmpp_listen: self.xmpp_listen.as_deref(),
            sip_listen: self.sip_listen.as_deref(),
            admin_listen: self.admin_listen.as_deref(),
        });
        made.file(file, &text, 0o644)?;
        Ok(files)
    }

    fn next_steps(&self, domain: &Domain, file: &Path, named: bool, files: &Files, setup: Option<&str>) {
        let option = if named || file != Path::new(CONFIG_DEFAULT) {
            format!(" --config {}", file.display())
        } else {
            String::new()
        };
        output::line(format_args!("Made {} and a database with the internal domain {domain}.", file.display()));
        if files.is_self_signed {
            output::line(format_args!(
                "Made a self-signed certificate, {}. Partners will not trust it: replace it before you federate with SASL.",
                files.pair.certificate.display()
            ));
        }
        output::line("\nNext:");
        output::line(format_args!("  legation{option} serve"));
        if let Some((panel, secret)) = self.admin_listen.as_ref().zip(setup) {
            output::line("  and in a browser the link that makes the first administrator, once, within an hour:");
            output::line(format_args!("  https://{panel}/setup/{secret}"));
            output::line(format_args!("  later: legation{option} admin add NAME --role administrator"));
        }
        output::line(format_args!("  legation{option} user add alice@{domain}"));
        output::line(format_args!("  legation{option} partner add fabrikam.example --type federated"));
    }
}

/// Our certificate.
struct Files {
    pair: CertificateFiles,
    is_self_signed: bool,
}

/// 256 random bits in hexadecimal.
fn secret() -> String {
    net::entropy::bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn self_signed(domain: &Domain, data_dir: &Path, made: &mut Made) -> Result<CertificateFiles, Failure> {
    let pair = CertificateFiles {
        certificate: data_dir.join(format!("{}.pem", domain.as_ascii())),
        key: data_dir.join(format!("{}.key", domain.as_ascii())),
    };
    let pem = certificate::self_signed(domain).map_err(Failure::failed)?;
    made.file(&pair.key, &pem.key, 0o600)?;
    made.file(&pair.certificate, &pem.certificate, 0o644)?;
    Ok(pair)
}

async fn populate(database: &Path, domain: &Domain, setup: Option<&str>) -> Result<(), Failure> {
    let store = Store::open(database).await.map_err(Failure::failed)?;
    let actor = Actor::new("legation init", "setup");
    let mut done = store.add_domain(&actor, domain, &[Backend::Registrar]).await.map(drop);
    if let (Ok(()), Some(secret)) = (&done, setup) {
        let expires_at = Timestamp::from_millis(net::clock::now().wall.as_millis() + SETUP_MILLIS);
        done = store.offer_setup(&actor, secret, expires_at).await;
    }
    store.close().await;
    done.map_err(Failure::failed)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// What was made; removed again unless kept.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    /// Makes `path` and its missing parents.
    fn directory(&mut self, path: &Path, mode: u32) -> Result<(), Failure> {
        if path.is_dir() {
            return Ok(());
        }
        let failed = |error: io::Error| Failure::Failed(format!("cannot make {}: {error}", path.display()));
        let missing: Vec<_> = path.ancestors().take_while(|ancestor| !ancestor.exists()).map(Path::to_owned).collect();
        fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
        self.directories.extend(missing);
        Ok(())
    }

    /// Makes a file that does not exist yet, and the directory it is in.
    fn file(&mut self, path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
        if let Some(parent) = path.parent() {
            self.directory(parent, 0o755)?;
        }
        let failed = |error: io::Error| Failure::Failed(format!("cannot make {}: {error}", path.display()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
        self.files.push(path.to_owned());
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Remembers the files of a database that is about to be made.
    fn database(&mut self, path: &Path) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            self.files.push(name.into());
        }
    }

    fn keep(&mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for directory in &self.directories {
            // Refused by the system if something of others is in it.
            let _ = fs::remove_dir(directory);
        }
    }
}
