//! Kamailio as a plain stateful relay: the fastest settings that make sense, no database, no log.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::sleep};

use super::deployment::Transport;
use crate::{Failure, certificates::Certificates, process};

/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// Kamailio at work.
pub(crate) struct Kamailio {
    child: Child,
    ports: [u16; 2],
}

impl Kamailio {
    /// Starts it: what comes over a transport goes over the same to `target`.
    pub(crate) async fn start(
        folder: &Path,
        files: &Certificates,
        transport: Transport,
        target: SocketAddr,
    ) -> Result<Self, Failure> {
        let folder = folder.join(format!("kamailio-{}", transport.word()));
        fs::create_dir_all(&folder)?;
        let free = || Ok::<_, Failure>(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
        let ports = [free()?, free()?];
        let (config, tls) = (folder.join("kamailio.cfg"), folder.join("tls.cfg"));
        fs::write(&tls, tls_config(files))?;
        fs::write(&config, relay_config(&tls, ports, transport, target))?;
        let mut command = Command::new("kamailio");
        command.args(["-DD", "-E", "-m", "2048", "-M", "16", "-Y"]).arg(&folder);
        command.arg("-P").arg(folder.join("pid")).arg("-f").arg(&config);
        let output = fs::File::create(folder.join("output"))?;
        let error = output.try_clone()?;
        // A group of its own, so that its workers can be counted together.
        let child = command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(error).spawn()?;
        let mut started = Self { child, ports };
        let begun = Instant::now();
        while TcpStream::connect(started.address(Transport::Tcp)).await.is_err() {
            if begun.elapsed() > START_MAX || started.child.try_wait()?.is_some() {
                let output = fs::read_to_string(folder.join("output")).unwrap_or_default();
                return Err(format!("Kamailio did not start: {output}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(started)
    }

    /// Where it listens.
    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        let port = if transport == Transport::Tls { self.ports[1] } else { self.ports[0] };
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// CPU time of all its workers.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        process::cpu_of_group(self.child.id())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // The first process ends the others when it is told to.
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn tls_config(files: &Certificates) -> String {
    let (certificate, key) = (files.local.certificate.display(), files.local.key.display());
    let root = files.root.display();
    let section = |name: &str| {
        format!(
            "[{name}:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\n\
             certificate = {certificate}\nprivate_key = {key}\nca_list = {root}\n"
        )
    };
    format!("{}{}", section("server"), section("client"))
}

fn relay_config(tls: &Path, [port, port_tls]: [u16; 2], transport: Transport, target: SocketAddr) -> String {
    let word = transport.word().to_ascii_lowercase();
    format!(
        r#"#!KAMAILIO
debug=-1
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
disable_tcp=no
enable_tls=yes
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
listen=tls:127.0.0.1:{port_tls}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "tls.so"
modparam("tls", "config", "{tls}")
request_route {{
    if (!mf_process_maxfwd_header("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    $du = "sip:{target};transport={word}";
    t_relay();
}}
"#,
        tls = tls.display(),
    )
}
