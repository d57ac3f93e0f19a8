//! Every command against a running server: what is set is shown, survives, is recorded, and what is refused is not
//! saved.

use serde_json::{Value, json};

use crate::harness::{Place, Ran, Server};

impl Server<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        self.place.run(arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat()).succeeded().json()
    }

    fn revision(&self) -> Value {
        self.json(&["status"])["revision"].clone()
    }
}

fn started(place: &Place) -> Server<'_> {
    place.init().succeeded();
    Server::start(place)
}

#[test]
fn domains_are_added_and_removed() {
    let place = Place::new();
    let server = started(&place);
    server.run(&["domain", "add", "BÜCHER.example"]).succeeded();
    let names = |list: &Value| list.as_array().unwrap().iter().map(|d| d["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&server.json(&["domain", "list"])), ["contoso.example", "xn--bcher-kva.example"]);
    let table = server.run(&["domain", "list"]).succeeded().stdout;
    assert!(table.starts_with(" DOMAIN") && table.contains("bücher.example") && table.contains("registrar"), "{table}");

    server.run(&["domain", "add", "contoso.example"]).failed(1, &["name: ", "already an internal domain"]);
    server.run(&["domain", "add", "192.0.2.1"]).failed(1, &["name: ", "an IP address is not a domain name"]);
    server.run(&["domain", "remove", "bücher.example"]).succeeded();
    server.run(&["domain", "remove", "bücher.example"]).failed(1, &["there is no internal domain bücher.example"]);
    assert_eq!(names(&server.json(&["domain", "list"])), ["contoso.example"]);
}

#[test]
fn a_component_has_a_secret_that_is_shown_once_or_never() {
    let place = Place::new();
    let server = started(&place);
    let bots = "bots.contoso.example";
    let add = ["domain", "add", bots, "--backend", "component"];
    server.place.run_with(&add, "short\n").failed(1, &["secret: ", "at least 16"]);
    server.place.run_with(&add, "\n").failed(1, &["secret: it is empty"]);
    let added = server.place.run_with(&add, "what only the bots know\n").succeeded();
    assert!(!added.stdout.contains("what only"), "{added:?}");
    let table = server.run(&["domain", "list"]).succeeded().stdout;
    let row = table.lines().find(|line| line.contains(bots)).unwrap();
    assert!(row.contains("component") && row.contains(" no "), "{table}");
    assert_eq!(server.json(&["domain", "show", bots])["connected"], json!(false));

    server.place.run_with(&["domain", "set", bots, "--new-secret"], "what the bots learned\n").succeeded();
    let shown = server.run(&["domain", "set", bots, "--generate-secret"]).succeeded().stdout;
    let made = shown.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(made.len(), 64, "{shown}");
    let file = place.write("secret", "what a file tells\n");
    server.run(&["domain", "set", bots, "--secret-file", file.to_str().unwrap()]).succeeded();
    server.run(&["domain", "set", bots]).failed(2, &["a backend, a field of the XMPP server, or a new secret"]);
    server.run(&["domain", "set", "contoso.example", "--backend", "component"]).failed(1, &["secret: ", "give one"]);
    server.run(&["domain", "set", "contoso.example", "--new-secret"]).failed(1, &["secret"]);
    server.run(&["domain", "set", bots, "--backend", "registrar"]).succeeded();
    assert_eq!(server.json(&["domain", "show", bots])["backends"], json!(["registrar"]));
    let audit = server.json(&["audit", "list", "--subject", bots]).to_string();
    for secret in ["what only", "what the bots", "what a file", &made] {
        assert!(!audit.contains(secret), "{audit}");
    }
    let actions = audit.matches("domain.secret_changed").count();
    assert_eq!((actions, audit.matches("domain.updated").count()), (3, 1), "{audit}");
}

#[test]
fn a_partner_is_added_with_every_field() {
    let place = Place::new();
    let server = started(&place);
    let added = server.run(&[
        "partner",
        "add",
        "Fabrikam.Example",
        "--type",
        "federated",
        "--tls",
        "required",
        "--sasl",
        "optional",
        "--dialback",
        "true",
        "--additional-domain",
        "it.fabrikam.example",
        "--additional-domain",
        "hr.fabrikam.example",
        "--connection-limit",
        "4",
        "--proxy-fqdn",
        "xmpp.fabrikam.example:15269",
    ]);
    let added = added.succeeded();
    assert!(
        added.stdout.contains("fabrikam.example") && added.stdout.contains("sasl_over_tls, tls_dialback"),
        "{added:?}"
    );
    assert_eq!(added.stderr, "");

    let shown = server.json(&["partner", "show", "fabrikam.example"]);
    for (field, value) in [
        ("primary_domain", json!("fabrikam.example")),
        ("partner_type", json!("federated")),
        ("additional_domains", json!(["it.fabrikam.example", "hr.fabrikam.example"])),
        ("connection_limit", json!(4)),
        ("proxy_fqdn", json!("xmpp.fabrikam.example:15269")),
        ("trust_roots", json!("system")),
        ("row", json!(7)),
        ("enabled", json!(true)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
}

#[test]
fn a_partner_is_changed_and_removed() {
    let place = Place::new();
    let server = started(&place);
    let domains = ["--additional-domain", "it.fabrikam.example", "--additional-domain", "hr.fabrikam.example"];
    let rest = ["--connection-limit", "4", "--proxy-fqdn", "xmpp.example", "--sasl", "optional"];
    server.run(&[&["partner", "add", "fabrikam.example"][..], &domains, &rest].concat()).succeeded();
    server
        .run(&[
            "partner",
            "set",
            "fabrikam.example",
            "--add-domain",
            "ops.fabrikam.example",
            "--remove-domain",
            "it.fabrikam.example",
            "--connection-limit",
            "none",
            "--proxy-fqdn",
            "none",
            "--type",
            "public-verified",
        ])
        .succeeded();
    server.run(&["partner", "disable", "fabrikam.example"]).succeeded();
    let shown = server.json(&["partner", "show", "fabrikam.example"]);
    assert_eq!(shown["additional_domains"], json!(["hr.fabrikam.example", "ops.fabrikam.example"]));
    assert_eq!((&shown["connection_limit"], &shown["proxy_fqdn"]), (&Value::Null, &Value::Null));
    assert_eq!((&shown["enabled"], &shown["partner_type"]), (&json!(false), &json!("public_verified")));
    server.run(&["partner", "enable", "fabrikam.example"]).succeeded();
    let table = server.run(&["partner", "list"]).succeeded().stdout;
    assert!(table.contains("fabrikam.example (+2)") && table.contains("yes"), "{table}");

    server.run(&["partner", "remove", "fabrikam.example"]).succeeded();
    server.run(&["partner", "show", "fabrikam.example"]).failed(1, &["there is no partner fabrikam.example"]);
    assert_eq!(server.run(&["partner", "list"]).succeeded().stdout, "(none)\n");
}

/// All 18 rows: an invalid one is refused with its reason and nothing is saved; warnings go to standard error.
#[test]
fn an_invalid_row_is_refused_with_its_reason_and_nothing_is_saved() {
    let place = Place::new();
    let server = started(&place);
    for row in &policy::negotiation::ROWS {
        let domain = format!("row{}.example", row.number);
        let before = server.revision();
        let ran = server.run(&[
            "partner",
            "add",
            &domain,
            "--tls",
            row.negotiation.tls.as_str(),
            "--sasl",
            row.negotiation.sasl.as_str(),
            "--dialback",
            if row.negotiation.dialback { "true" } else { "false" },
        ]);
        match row.invalid() {
            Some(invalid) => {
                ran.failed(1, &["error: sasl: ", invalid.reason(), invalid.remedy()]);
                assert_eq!(server.revision(), before, "row {}", row.number);
                server.run(&["partner", "show", &domain]).failed(1, &["there is no partner"]);
            }
            None => {
                let ran = ran.succeeded();
                let warnings: Vec<_> = ran.stderr.lines().collect();
                assert_eq!(warnings.len(), row.warnings().len(), "{ran:?}");
                for (line, warning) in warnings.iter().zip(row.warnings()) {
                    let expected = format!("warning: {}: {}", warning.field(), warning.text());
                    assert_eq!(*line, expected);
                }
            }
        }
    }
}

#[test]
fn every_faulty_field_is_named_at_once() {
    let place = Place::new();
    let server = started(&place);
    let before = server.revision();
    let ran = server.run(&[
        "partner",
        "add",
        "contoso.example",
        "--type",
        "friend",
        "--tls",
        "not_supported",
        "--connection-limit",
        "1",
        "--pin",
        "abc",
        "--trust-roots",
        "/nonexistent/roots.pem",
    ]);
    ran.failed(1, &["trust_roots: cannot read /nonexistent/roots.pem"]);
    let ran = server.run(&[
        "partner",
        "add",
        "contoso.example",
        "--type",
        "friend",
        "--tls",
        "not_supported",
        "--connection-limit",
        "1",
        "--pin",
        "abc",
    ]);
    let ran = ran.failed(1, &[]);
    let fields: Vec<_> = ran.stderr.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(fields, ["primary_domain", "partner_type", "sasl", "connection_limit", "pins"], "{ran:?}");
    assert_eq!(server.revision(), before);
}

#[test]
fn a_dry_run_saves_nothing() {
    let place = Place::new();
    let server = started(&place);
    server.run(&["partner", "add", "fabrikam.example"]).succeeded();
    let before = server.revision();
    let ran = server.run(&["partner", "set", "fabrikam.example", "--tls", "optional", "--dry-run"]).succeeded();
    assert!(ran.stdout.contains("dry run") && ran.stderr.contains("warning: tls: "), "{ran:?}");
    let ran = server.run(&["settings", "set", "queue_age=30", "--dry-run"]).succeeded();
    assert!(ran.stdout.contains("dry run"), "{ran:?}");
    assert_eq!(server.revision(), before);
}

#[test]
fn users_have_passwords_that_nobody_sees() {
    let place = Place::new();
    let server = started(&place);
    let secret = "correct horse battery staple";
    let added =
        place.run_with(&["user", "add", "Alice@contoso.example", "--display-name", "Alice"], secret).succeeded();
    let file = place.write("password", &format!("{secret}\nsecond line\n"));
    let file = file.to_str().unwrap();
    let bob =
        server.run(&["user", "add", "bob@contoso.example", "--digest", "md5", "--password-file", file]).succeeded();
    let set = place.run_with(&["user", "passwd", "bob@contoso.example"], "another secret").succeeded();
    let audit = server.run(&["audit", "list", "--output", "json"]).succeeded();
    let list = server.run(&["user", "list"]).succeeded();
    for ran in [&added, &bob, &set, &audit, &list] {
        assert!(!ran.stdout.contains("horse") && !ran.stdout.contains("another secret"), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
    let alice = server.json(&["user", "show", "alice@contoso.example"]);
    assert_eq!((&alice["display_name"], &alice["algorithms"]), (&json!("Alice"), &json!(["MD5", "SHA-256"])));
    assert!(list.stdout.contains("alice@contoso.example") && list.stdout.contains("bob@contoso.example"), "{list:?}");

    for (arguments, input, part) in [
        (&["user", "add", "alice@contoso.example"][..], "x", "exists already"),
        (
            &["user", "add", "carol@fabrikam.example"],
            "x",
            "address: fabrikam.example is not one of our internal domains",
        ),
        (&["user", "add", "contoso.example"], "x", "address: "),
        (&["user", "add", "dave@contoso.example"], "", "password: "),
        (&["user", "passwd", "nobody@contoso.example"], "x", "there is no user nobody@contoso.example"),
    ] {
        place.run_with(arguments, input).failed(1, &[part]);
    }
    server.run(&["domain", "remove", "contoso.example"]).failed(1, &["still has 2 users"]);
    server.run(&["user", "remove", "bob@contoso.example"]).succeeded();
    server.run(&["user", "show", "bob@contoso.example"]).failed(1, &["there is no user"]);
}

#[test]
fn settings_are_changed_together_or_not_at_all() {
    let place = Place::new();
    let server = started(&place);
    let shown = server.json(&["settings", "show"]);
    assert_eq!(shown["items"].as_array().unwrap().len(), policy::settings::SETTINGS.len());
    server.run(&["settings", "set", "queue_age=5m", "queue_bytes=2MiB", "log_message_bodies=true"]).succeeded();
    assert_eq!(server.json(&["settings", "show", "queue_age"])["value"], 300);
    assert_eq!(server.json(&["settings", "show", "queue_bytes"])["value"], 2 << 20);

    let ran = server.run(&["settings", "set", "queue_age=0", "connection_limit=5", "queue_stanzas=7", "queue_ages=1"]);
    let parts =
        ["queue_age: \"0\" was entered; allowed is 1 to 600 s", "connection_limit: ", "10 to 100000", "queue_ages"];
    ran.failed(1, &parts);
    assert_eq!(server.json(&["settings", "show", "queue_stanzas"])["value"], 1000);
    server.run(&["settings", "show", "nonsense"]).failed(1, &["nonsense"]);

    place.run_with(&["settings", "set", "dialback_passphrase"], "a secret of some length").succeeded();
    place
        .run_with(&["settings", "set", "dialback_passphrase"], "too short")
        .failed(1, &["dialback_passphrase: ", "at least 16"]);
    let table = server.run(&["settings", "show"]).succeeded().stdout;
    assert!(table.contains("(set, never shown)") && !table.contains("a secret of"), "{table}");
    let audit = server.run(&["audit", "list", "--output", "json"]).succeeded().stdout;
    assert!(!audit.contains("a secret of"), "{audit}");
}

#[test]
fn contacts_are_added_blocked_and_ended() {
    let place = Place::new();
    let server = started(&place);
    place.run_with(&["user", "add", "alice@contoso.example"], "secret").succeeded();
    server.run(&["partner", "add", "fabrikam.example"]).succeeded();
    let pair = ["alice@contoso.example", "juliet@fabrikam.example"];
    for (step, state) in [("add", "added"), ("block", "blocked, added"), ("unblock", "added"), ("end", "none")] {
        let ran = server.run(&["contact", step, pair[0], pair[1]]).succeeded();
        assert!(ran.stdout.contains(&format!("(state: {state})")), "{ran:?}");
    }
    server.run(&["contact", "add", pair[0], pair[1]]).succeeded();
    let list = server.json(&["contact", "list", "--internal", pair[0]]);
    let found = list.as_array().unwrap();
    assert_eq!(found.len(), 1, "{list}");
    assert_eq!((&found[0]["partner"], &found[0]["added"]), (&json!(pair[1]), &json!(true)));
    assert_eq!(server.json(&["contact", "list", "--partner", "romeo@fabrikam.example"]), json!([]));
    let table = server.run(&["contact", "list"]).succeeded().stdout;
    assert!(table.contains(pair[0]) && table.contains("administrator"), "{table}");

    for (step, internal, partner, part) in [
        ("accept", pair[0], pair[1], "invitation"),
        ("decline", pair[0], "romeo@fabrikam.example", "invitation"),
        ("add", "bob@contoso.example", pair[1], "internal: there is no user bob@contoso.example"),
        ("add", pair[0], "juliet@litware.example", "partner: litware.example is not a domain of a partner"),
        ("add", "contoso.example", "fabrikam.example", "internal: "),
    ] {
        server.run(&["contact", step, internal, partner]).failed(1, &[part]);
    }
}

#[test]
fn every_change_is_recorded_with_its_author() {
    let place = Place::new();
    let server = started(&place);
    server.run(&["partner", "add", "fabrikam.example", "--description", "old"]).succeeded();
    server.run(&["partner", "set", "fabrikam.example", "--description", "new"]).succeeded();
    server.run(&["partner", "remove", "fabrikam.example"]).succeeded();
    let rows = server.json(&["audit", "list"]);
    let actions: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..4], ["partner.removed", "partner.updated", "partner.added", "domain.added"], "{rows}");
    let who: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["who"].as_str().unwrap()).collect();
    assert!(who[..3].iter().all(|who| who.starts_with("uid:")) && who[3] == "legation init", "{rows}");
    let table = server.run(&["audit", "list", "--subject", "fabrikam.example"]).succeeded().stdout;
    assert!(table.contains("description: old → new"), "{table}");
    assert_eq!(server.json(&["audit", "list", "--limit", "2"]).as_array().unwrap().len(), 2);
}

#[test]
fn what_was_set_survives_a_kill() {
    let place = Place::new();
    let server = started(&place);
    server.run(&["partner", "add", "fabrikam.example", "--type", "federated"]).succeeded();
    place.run_with(&["user", "add", "alice@contoso.example"], "secret").succeeded();
    server.run(&["contact", "block", "alice@contoso.example", "juliet@fabrikam.example"]).succeeded();
    server.run(&["settings", "set", "queue_age=77"]).succeeded();
    let everything = |server: &Server<'_>| {
        [&["partner", "list"][..], &["user", "list"], &["contact", "list"], &["settings", "show"], &["audit", "list"]]
            .map(|arguments| server.json(arguments))
    };
    let before = everything(&server);
    server.kill();
    let server = Server::start(&place);
    assert_eq!(everything(&server), before);
    assert_eq!(server.stop(), Some(0));
    assert!(!place.path("data/admin.sock").exists());
}

#[test]
fn status_tells_where_the_server_listens() {
    let place = Place::new();
    let server = started(&place);
    let status = server.json(&["status"]);
    let listeners = status["listeners"].as_array().unwrap();
    for (name, transport) in [("xmpp", "tcp"), ("sip", "udp"), ("sip", "tcp"), ("api", "unix")] {
        let found = listeners.iter().find(|l| l["name"] == name && l["transport"] == transport);
        let address = found.unwrap_or_else(|| panic!("{name} {transport}: {status}"))["address"].as_str().unwrap();
        assert!(!address.ends_with(":0"), "{status}");
    }
    let table = server.run(&["status"]).succeeded().stdout;
    assert!(table.contains("version") && table.contains("LISTENER"), "{table}");
}
