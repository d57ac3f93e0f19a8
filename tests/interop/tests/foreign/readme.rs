//! The commands of the README, as they stand there, in a network and a file system of their own: from nothing to a partner
//! that is tested and committed in the browser. The partner is Prosody, found by a real name server at port 53.

use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use interop::{
    browser,
    ca::Authority,
    dns::{self, Dns},
    loopback::Loopback,
    process::Process,
    prosody::{self, Demands, Prosody},
};

const README: &str = include_str!("../../../../README.md");
/// Set where the namespaces are the test's own.
const INSIDE: &str = "LEGATION_TEST_NAMESPACE";
const NAME: &str = "readme::the_readme_goes_from_nothing_to_a_tested_partner";
/// Neither loopback nor private: so are partners' servers found.
const OURS: &str = "11.0.0.10";
const THEIRS: &str = "11.0.0.20";
/// Ours listens on all addresses of the machine.
const THEIR_PORT: u16 = 5299;
const PARTNER: &str = "litware.example";

#[test]
fn the_readme_goes_from_nothing_to_a_tested_partner() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let myself = env::current_exe().expect("this program has a name");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--"]).arg(myself).args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1");
    let ran = command.output().expect("unshare can be started");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ran.stderr));
}

fn inside() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let (folder, world) = (folder.path(), Loopback::new());
    own_system(folder);
    let authority = Authority::new(folder);
    let name_server: SocketAddr = "127.0.0.1:53".parse().expect("an address");
    let zone = |domain: &'static str, ip: &str, port: u16| {
        let service = format!("_xmpp-server._tcp SRV 5 0 {port} xmpp\n");
        (domain, dns::records(domain, ip.parse().expect("an address")) + &service)
    };
    let zones = [zone("contoso.example", OURS, 5269), zone(PARTNER, THEIRS, THEIR_PORT)];
    let _dns = Dns::start_at(name_server, folder, &zones, &[]);
    let setup = prosody::Setup {
        domain: PARTNER,
        identity: &authority.issue(PARTNER),
        authority: &authority,
        demands: Demands::Encryption,
        server_port: THEIR_PORT,
        dns: name_server,
    };
    let there = |configuration: String, _: &Path| {
        let interfaces = format!("s2s_interfaces = {{ \"{THEIRS}\" }}\n");
        format!("{interfaces}{configuration}")
    };
    let _prosody = Prosody::start_changed(folder, world, &setup, there);

    let commands = commands();
    let (init, rest) = commands.split_first().expect("the README begins with init");
    let made = shell(folder, init, "");
    let link = made.split_whitespace().find(|word| word.contains("/setup/")).expect("init prints the link");
    let mut server = None;
    for command in rest {
        if *command == "legation serve" {
            let path = path_with(folder);
            let started = Process::start("serve", "env", &[&format!("PATH={path}"), "sh", "-c", command]);
            started.wait_for(0, &["legation is ready"]);
            server = Some(started);
            let seen = browser::first_run(link, PARTNER);
            let stages = ["1. Administrator", "2. Internal domain", "3. What to publish"];
            assert_eq!(seen["stages"], serde_json::json!(stages));
            let published = seen["published"].as_str().expect("a text");
            let line = "_xmpp-server._tcp.contoso.example. 3600 IN SRV";
            assert!([line, "Published", "Open"].iter().all(|part| published.contains(part)), "{published}");
            let tested = seen["tested"].as_str().expect("a text");
            assert!(tested.contains("TLS Required · SASL Not supported · Dialback Yes"), "{tested}");
            assert!(seen["saved"].as_str().is_some_and(|text| text.contains("Saved: litware.example")), "{seen:#}");
            assert_eq!(seen["again"], 404, "the link works once");
        } else {
            shell(folder, command, "a password for alice\n");
        }
    }
    assert!(server.is_some(), "the README starts the server: {commands:?}");
    let shown = shell(folder, "legation partner show litware.example --output json", "");
    let partner: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((&partner["partner_type"], &partner["row"]), (&"federated".into(), &13.into()), "{partner:#}");
}

/// A network with two addresses that look like others', and folders where nothing is installed.
fn own_system(folder: &Path) {
    let etc = folder.join("etc");
    for command in [
        "ip link set lo up".to_owned(),
        format!("ip address add {OURS}/32 dev lo"),
        format!("ip address add {THEIRS}/32 dev lo"),
        format!("cp -a /etc {}", etc.display()),
        format!("rm -f {}/resolv.conf", etc.display()),
        format!("mount --bind {} /etc", etc.display()),
        "mount -t tmpfs tmpfs /var/lib".to_owned(),
    ] {
        shell(folder, &command, "");
    }
    fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\n").expect("this /etc is ours");
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("the folder can be written");
    symlink(env!("CARGO_BIN_EXE_legation-under-test"), bin.join("legation")).expect("the folder can be written");
}

/// The README's `legation` commands up to where it goes on to deployments of its own users.
fn commands() -> Vec<&'static str> {
    let (start, _) = README.split_once("Where a deployment has its own users").expect("the README says so");
    let lines = start.lines().filter(|line| line.starts_with("    legation "));
    let commands = lines.map(|line| line.split(" #").next().unwrap_or(line).trim()).collect::<Vec<_>>();
    assert!(commands.len() > 4, "{commands:?}");
    commands
}

fn path_with(folder: &Path) -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{}:/usr/sbin:/sbin:{path}", folder.join("bin").display())
}

/// Runs a line as a person would, who answers `typed`; what it printed.
fn shell(folder: &Path, line: &str, typed: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("sh")
        .args(["-c", line])
        .env("PATH", path_with(folder))
        .env_remove("LEGATION_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    // Who asks nothing has closed its end already.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(typed.as_bytes()));
    let ran = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{line}: {told}{}", String::from_utf8_lossy(&ran.stderr));
    told
}
