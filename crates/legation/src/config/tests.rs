use std::path::Path;

use super::*;

fn load(text: &str) -> Result<Config, Vec<Problem>> {
    check::config(text, Path::new("/etc/legation"))
}

#[test]
fn the_smallest_file_has_every_default() {
    let config = load("version = 1\ndata_dir = \"data\"\n").unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/legation/data"));
    assert_eq!(config.database(), Path::new("/etc/legation/data/legation.db"));
    assert_eq!(config.admin_socket, Path::new("/etc/legation/data/admin.sock"));
    assert_eq!(config.xmpp.listen, ["[::]:5269".parse().unwrap()]);
    assert!(config.xmpp.certificates.is_empty());
    assert_eq!((config.sip.udp.clone(), config.sip.tcp.clone()), {
        let sip: Vec<SocketAddr> = vec!["0.0.0.0:5060".parse().unwrap()];
        (sip.clone(), sip)
    });
    assert!(config.sip.tls.is_empty() && config.sip.certificates.is_empty());
    assert!(config.dns.name_servers.is_empty() && config.dns.overrides.is_empty());
    assert!(config.component.is_empty() && config.xmpp.contacts.is_empty());
    assert_eq!(config.log, LogConfig { level: LogLevel::Info, format: LogFormat::Text });
}

#[test]
fn every_field_is_read() {
    let config = load(
        r#"
        version = 1
        data_dir = "/var/lib/legation"
        roles = ["proxy", "gateway", "panel"]
        [xmpp]
        listen = ["127.0.0.1:15269", "[::1]:0"]
        contacts = ["mailto:admin@contoso.example"]
        host = "XMPP.contoso.example."
        [[xmpp.certificates]]
        certificate = "contoso.pem"
        key = "/secret/contoso.key"
        [sip]
        udp = ["127.0.0.1:5060"]
        tcp = []
        host = "sip.contoso.example"
        tls = ["127.0.0.1:5061"]
        [[sip.certificates]]
        certificate = "sip.pem"
        key = "sip.key"
        [component]
        listen = ["127.0.0.1:5347", "[::1]:5347"]
        [dns]
        name_servers = ["192.0.2.53", "[::1]:5353"]
        [dns.overrides]
        "BÜCHER.example" = ["127.0.0.1:15270", "xmpp.example"]
        [admin]
        socket = "/run/legation.sock"
        listen = ["127.0.0.1:8443"]
        [[admin.certificates]]
        certificate = "admin.pem"
        key = "admin.key"
        [log]
        level = "debug"
        format = "json"
        "#,
    )
    .unwrap();
    assert_eq!(config.xmpp.listen, ["127.0.0.1:15269".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    let files = &config.xmpp.certificates[0];
    assert_eq!(files.certificate, Path::new("/etc/legation/contoso.pem"));
    assert_eq!(files.key, Path::new("/secret/contoso.key"));
    assert_eq!((config.sip.udp.len(), config.sip.tcp.len()), (1, 0));
    let hosts = (config.xmpp.host.as_ref().unwrap().as_ascii(), config.sip.host.as_ref().unwrap().as_ascii());
    assert_eq!(hosts, ("xmpp.contoso.example", "sip.contoso.example"));
    assert_eq!(config.sip.tls, ["127.0.0.1:5061".parse().unwrap()]);
    assert_eq!(config.sip.certificates[0].certificate, Path::new("/etc/legation/sip.pem"));
    assert_eq!(config.dns.name_servers, ["192.0.2.53:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    let (domain, targets) = config.dns.overrides.first_key_value().unwrap();
    assert_eq!(domain.as_ascii(), "xn--bcher-kva.example");
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["127.0.0.1:15270", "xmpp.example:5269"]);
    assert_eq!(config.component, ["127.0.0.1:5347".parse().unwrap(), "[::1]:5347".parse().unwrap()]);
    assert_eq!(config.xmpp.contacts, ["mailto:admin@contoso.example"]);
    assert_eq!(config.admin_socket, Path::new("/run/legation.sock"));
    assert_eq!(config.log, LogConfig { level: LogLevel::Debug, format: LogFormat::Json });
}

#[test]
fn sip_shows_the_certificates_of_xmpp_unless_it_has_its_own() {
    let shared = "[xmpp]\n[[xmpp.certificates]]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    let own = "[sip]\ntls = [\"[::]:5061\"]\n[[sip.certificates]]\ncertificate = \"b.pem\"\nkey = \"b.key\"\n";
    for (text, certificate) in [(shared.to_owned(), "a.pem"), (format!("{shared}{own}"), "b.pem")] {
        let config = load(&format!("version = 1\ndata_dir = \"d\"\n{text}")).unwrap();
        assert_eq!(config.sip.certificates[0].certificate, Path::new("/etc/legation").join(certificate));
    }
}

/// A file, the line and column of its one problem, the field, and a part of what is said.
type Faulty = (&'static str, usize, usize, &'static str, &'static str);

const FAULTY: &[Faulty] = &[
    ("version = 1\ndata_dir = \"d\"\n[sip]\ntls = [\"[::]:5061\"]", 4, 8, "sip.tls", "[[sip.certificates]]"),
    ("", 1, 1, "version", "version = 1"),
    ("data_dir = \"d\"", 1, 1, "version", "version = 1"),
    ("version = 2\nnovelty = true", 1, 11, "version", "2 was entered; this legation reads version 1"),
    ("version = \"1\"", 1, 11, "version", "expected"),
    ("version = 1\ndata_dir = ", 2, 12, "data_dir", ""),
    ("version = 1", 1, 1, "data_dir", "it is missing"),
    ("version = 1\ndata_dir = \"\"", 2, 12, "data_dir", "a path is required"),
    ("version = 1\ndata_dir = 7", 2, 12, "data_dir", "expected a string"),
    ("version = 1\ndata_dir = \"d\"\nport = 5269", 3, 1, "port", "unknown field `port`, expected one of"),
    ("version = 1\ndata_dir = \"d\"\n[xmpp]\nlistn = []", 4, 1, "xmpp.listn", "`listen`"),
    (
        "version = 1\ndata_dir = \"d\"\n[xmpp]\nlisten = [\"[::]:5269\", \"é\"]",
        4,
        24,
        "xmpp.listen",
        "\"é\" was entered; allowed is an IP address with a port",
    ),
    (
        "version = 1\ndata_dir = \"d\"\n[sip]\nudp = [\n  # the phones\n  \"localhost:5060\",\n]",
        6,
        3,
        "sip.udp",
        "allowed is an IP address with a port",
    ),
    (
        "version = 1\ndata_dir = \"d\"\n[[xmpp.certificates]]\ncertificate = \"a\"",
        3,
        1,
        "xmpp.certificates.key",
        "it is missing",
    ),
    (
        "version = 1\ndata_dir = \"d\"\n[xmpp]\ncontacts = [\"admin@contoso.example\"]",
        4,
        13,
        "xmpp.contacts",
        "allowed is a URI, such as mailto:",
    ),
    ("version = 1\ndata_dir = \"d\"\n[xmpp]\nhost = \"192.0.2.1\"", 4, 8, "xmpp.host", "an IP address is not a domain"),
    ("version = 1\ndata_dir = \"d\"\n[sip]\nhost = \"a b\"", 4, 8, "sip.host", "this is not a domain name"),
    (
        "version = 1\ndata_dir = \"d\"\n[component]\nlisten = [\"0.0.0.0:5347\"]",
        4,
        11,
        "component.listen",
        "without TLS, so only loopback addresses",
    ),
    ("version = 1\ndata_dir = \"d\"\n[dns]\nname_servers = [\"ns.example\"]", 4, 17, "dns.name_servers", "192.0.2.53"),
    (
        "version = 1\ndata_dir = \"d\"\n[dns.overrides]\n\"a.example\" = [\"a b\"]",
        4,
        16,
        "dns.overrides.\"a.example\"",
        "not a host",
    ),
    ("version = 1\ndata_dir = \"d\"\n[dns.overrides]\n\"a..b\" = [\"c\"]", 4, 1, "dns.overrides.\"a..b\"", "domain"),
    ("version = 1\ndata_dir = \"d\"\n[dns.overrides]\n\"a.b\" = []", 4, 1, "dns.overrides.\"a.b\"", "at least one"),
    ("version = 1\ndata_dir = \"d\"\n[log]\nlevel = \"loud\"", 4, 9, "log.level", "error, warn, info, debug"),
    ("version = 1\ndata_dir = \"d\"\n[log]\nformat = \"xml\"", 4, 10, "log.format", "allowed are text and json"),
    ("version = 1\nroles = [\"edge\", \"proxy\", \"gateway\", \"panel\"]\ndata_dir = \"d\"", 2, 10, "roles", "proxy"),
    ("version = 1\nroles = [\"proxy\"]\ndata_dir = \"d\"", 2, 9, "roles", "all roles in one process"),
];

#[test]
fn a_problem_names_line_column_field_and_what_is_allowed() {
    for &(text, line, column, field, part) in FAULTY {
        let problems = load(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}\n{problems:?}");
        let problem = &problems[0];
        assert_eq!(problem.position, Position { line, column }, "{text}\n{problem}");
        assert_eq!(problem.field, field, "{text}\n{problem}");
        assert!(problem.message.contains(part), "{text}\n{problem}");
    }
}

#[test]
fn direct_tls_needs_a_certificate() {
    let text = "version = 1\ndata_dir = \"d\"\n[xmpp]\nlisten_tls = [\"[::]:5270\"]\n";
    let problems = load(text).unwrap_err();
    assert_eq!((problems.len(), problems[0].field.as_str()), (1, "xmpp.listen_tls"));
    assert_eq!(problems[0].position, Position { line: 4, column: 15 });
    assert!(problems[0].message.contains("needs a certificate"), "{}", problems[0]);
    let with_certificate = format!("{text}[[xmpp.certificates]]\ncertificate = \"c\"\nkey = \"k\"\n");
    assert_eq!(load(&with_certificate).unwrap().xmpp.listen_tls, ["[::]:5270".parse().unwrap()]);
}

/// Without certificates of its own the inner leg shows those that partners see.
#[test]
fn the_inner_leg_is_listened_on_only_where_the_file_says_so() {
    let text = "version = 1\ndata_dir = \"d\"\n";
    let none = load(text).unwrap();
    assert!(none.inner.listen.is_empty() && none.inner.listen_tls.is_empty());
    let text = format!("{text}[inner]\nlisten = [\"10.0.0.1:5269\"]\nlisten_tls = [\"10.0.0.1:5270\"]\n");
    let problems = load(&text).unwrap_err();
    assert_eq!((problems.len(), problems[0].field.as_str()), (1, "inner.listen_tls"));
    assert!(problems[0].message.contains("[[inner.certificates]]"), "{}", problems[0]);
    let outer = format!("{text}[[xmpp.certificates]]\ncertificate = \"c\"\nkey = \"k\"\n");
    let config = load(&outer).unwrap();
    assert_eq!(config.inner.listen, ["10.0.0.1:5269".parse().unwrap()]);
    assert_eq!(config.inner_certificates()[0].certificate.file_name().unwrap(), "c");
    let both = format!("{outer}[[inner.certificates]]\ncertificate = \"i\"\nkey = \"k\"\n");
    let config = load(&both).unwrap();
    assert_eq!(config.inner_certificates()[0].certificate.file_name().unwrap(), "i");
    assert_eq!(config.xmpp.certificates.len(), 1);
}

/// XEP-0114 has no TLS.
#[test]
fn components_connect_from_elsewhere_only_where_the_file_says_so() {
    let text = "version = 1\ndata_dir = \"d\"\n[component]\nlisten = [\"192.0.2.1:5347\"]\n";
    assert!(load(&format!("{text}allow_remote = false")).is_err());
    let config = load(&format!("{text}allow_remote = true")).unwrap();
    assert_eq!(config.component, ["192.0.2.1:5347".parse().unwrap()]);
}

#[test]
fn problems_of_values_are_shown_all_at_once_in_order() {
    let problems = load(
        "version = 1\ndata_dir = \"d\"\n[sip]\ntcp = [\"x\", \"y\"]\n[xmpp]\nlisten = [\"z\"]\n[log]\nlevel = \"loud\"",
    )
    .unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.position.line, problem.field.as_str())).collect();
    assert_eq!(found, [(4, "sip.tcp"), (4, "sip.tcp"), (6, "xmpp.listen"), (8, "log.level")]);
}

#[test]
fn a_socket_path_fits_the_operating_system() {
    let text = format!("version = 1\ndata_dir = \"/{}\"", "d".repeat(107));
    let problems = load(&text).unwrap_err();
    assert!(problems[0].message.contains("at most 107"), "{}", problems[0]);
    let text = format!("{text}\n[admin]\nsocket = \"/run/legation.sock\"");
    assert!(load(&text).is_ok());
}

#[test]
fn what_init_writes_is_a_valid_file_with_the_defaults() {
    let data_dir = Path::new("/var/lib/le \"g\"ation\\");
    let template = Template {
        data_dir,
        certificate: Path::new("contoso.pem"),
        key: Path::new("contoso.key"),
        xmpp_listen: None,
        sip_listen: None,
        admin_listen: None,
    };
    let (found, expected) = (load(&render(&template)).unwrap(), Config::new(data_dir));
    assert_eq!(found.data_dir, data_dir);
    assert_eq!(found.admin_socket, expected.admin_socket);
    assert_eq!(found.xmpp.listen, expected.xmpp.listen);
    assert_eq!(found.xmpp.listen_tls, expected.xmpp.listen_tls);
    assert_eq!((&found.sip.udp, &found.sip.tcp), (&expected.sip.udp, &expected.sip.tcp));
    assert_eq!(found.xmpp.certificates.len(), 1);
    assert_eq!(found.log, expected.log);
    let loopback = Some("127.0.0.1:0");
    let chosen = Template { xmpp_listen: loopback, sip_listen: loopback, admin_listen: loopback, ..template };
    let config = load(&render(&chosen)).unwrap();
    assert_eq!((config.xmpp.listen[0].port(), config.sip.udp[0].port()), (0, 0));
}

#[test]
fn a_missing_file_names_the_way_out() {
    let error = Config::load(Path::new("/nonexistent/legation.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/legation.toml") && error.contains("legation init"), "{error}");
}
