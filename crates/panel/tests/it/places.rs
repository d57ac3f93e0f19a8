//! The places of the control panel beside the partners: each page for each role, and what is done on them.

use lexicon::{Direction, report::Code};
use serde_json::json;

use crate::{
    pages::{Browser, PASSWORD},
    report::attempt,
};

/// Every page that has an address of its own, and what only it says.
const PAGES: &[(&str, &str)] = &[
    ("/", "Needs attention"),
    ("/partners", "XMPP Federated Partners"),
    ("/partners/fabrikam.example", "State per direction"),
    ("/partners/fabrikam.example", "The user has not added the sender"),
    ("/partners/fabrikam.example", "No access by policy"),
    ("/policies", "Federation access"),
    ("/policies/new", "Enable communications with XMPP federated users"),
    ("/policies/global/edit", "Edit policy global"),
    ("/settings", "Stream inactivity timeout"),
    ("/import", "What to import"),
    ("/domains", "contoso.example"),
    ("/domains/new", "Backends, in order"),
    ("/domains/contoso.example/edit", "Component secret"),
    ("/domains/contoso.example/publish", "What to publish for contoso.example"),
    ("/trunks/new", "Names in its certificate"),
    ("/users", "alice@contoso.example"),
    ("/users/alice@contoso.example", "Yes, by policy global"),
    ("/users/new", "Display name"),
    ("/streams", "Direction and domain pair"),
    ("/streams", "TLS 1.3"),
    ("/reports", "Outcome"),
    ("/registrations", "Does not answer"),
    ("/message", "Empty: postmaster of the first internal domain"),
    ("/certificates", "Read the files again"),
    ("/account", "Where you are signed in"),
];

/// Those for some roles alone.
const OF_ADMINISTRATORS: &[&str] = &["/administrators", "/tokens"];
const OF_AUDITORS: &[&str] = &["/audit", "/audit/verify"];

#[tokio::test]
async fn every_page_is_there_for_each_role_and_refuses_what_the_role_may_not() {
    for (name, audits) in [("ops1", true), ("people", false), ("desk", false), ("watch", true)] {
        let browser = Browser::signed_in(name).await;
        for (path, part) in PAGES {
            let page = browser.get(path).await;
            assert!(page.status == 200 && page.text.contains(part), "{name} {path}: {} {}", page.status, page.text);
            for inline in ["<script>", " style=", " onclick=", "javascript:"] {
                assert!(!page.text.contains(inline), "{path}: {inline}");
            }
        }
        for path in OF_ADMINISTRATORS {
            assert_eq!(browser.get(path).await.status, if name == "ops1" { 200 } else { 403 }, "{name} {path}");
        }
        for path in OF_AUDITORS {
            assert_eq!(browser.get(path).await.status, if audits { 200 } else { 403 }, "{name} {path}");
        }
    }
}

#[tokio::test]
async fn every_page_speaks_korean() {
    let mut browser = Browser::signed_in("ops1").await;
    browser.cookies.push("__Host-language=ko".to_owned());
    for path in PAGES.iter().map(|(path, _)| path).chain(OF_ADMINISTRATORS).chain(OF_AUDITORS) {
        let page = browser.get(path).await;
        assert!(page.status == 200 && page.text.contains("<html lang=\"ko\">"), "{path}");
        for english in ["Sign out", "Overview", "Users", "Commit", "Needs attention"] {
            assert!(!page.text.contains(&format!(">{english}<")), "{path}: {english}");
        }
    }
}

#[tokio::test]
async fn what_a_role_may_not_is_shown_and_refused() {
    let browser = Browser::signed_in("desk").await;
    for (path, why) in [
        ("/policies", "Needs role administrator"),
        ("/settings", "Needs role administrator"),
        ("/domains", "Needs role administrator"),
        ("/users/alice@contoso.example", "Needs role administrator or user administrator"),
        ("/import", "Needs role administrator or viewer"),
    ] {
        let page = browser.get(path).await;
        assert!(page.text.contains(why), "{path}: {}", page.text);
    }
    for (path, fields) in [
        ("/settings", &[("connection_limit", "20")][..]),
        ("/policies/new", &[("scope", "user"), ("identity", "x")]),
        ("/domains/new", &[("name", "x.example"), ("backends", "registrar")]),
        ("/trunks/new", &[("name", "x"), ("targets", "x.example")]),
        ("/users/new", &[("address", "x@contoso.example"), ("password", "secret")]),
        ("/users/alice@contoso.example/contact", &[("verb", "add"), ("partner", "j@fabrikam.example")]),
        ("/users/alice@contoso.example/delete", &[]),
        ("/administrators/new", &[("name", "x"), ("role", "administrator"), ("password", PASSWORD)]),
        ("/tokens/new", &[("name", "x"), ("role", "administrator"), ("expires_in_days", "1")]),
        ("/import", &[("dry_run", "false"), ("file", "[]")]),
        ("/message", &[("to", "juliet@fabrikam.example")]),
        ("/streams/7/close", &[]),
        ("/certificates/reload", &[]),
    ] {
        assert_eq!(browser.post(path, fields).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn an_access_policy_is_made_assigned_and_removed() {
    let browser = Browser::signed_in("ops1").await;
    let fields = [("scope", "user"), ("identity", "Contractors"), ("enable_federation_access", "true")];
    let made = browser.post("/policies/new", &fields).await;
    assert_eq!(made.header("location"), Some("/policies?saved=1"), "{made:?}");
    let again = browser.post("/policies/new", &fields).await;
    assert!(again.status >= 400 && again.text.contains("value=\"Contractors\""), "{again:?}");
    let assigned = browser.post("/users/alice@contoso.example/policy", &[("policy", "user:Contractors")]).await;
    assert_eq!(assigned.status, 303, "{assigned:?}");
    let checked = browser.get("/policies?who=alice@contoso.example").await;
    assert!(checked.text.contains("No XMPP access") && checked.text.contains("Policy user:Contractors"));
    let page = browser.get("/users/alice@contoso.example").await;
    assert!(page.text.contains("No, by policy user:Contractors"), "{}", page.text);
    let edited =
        [("enable_federation_access", "true"), ("enable_xmpp_access", "true"), ("partners", "fabrikam.example")];
    assert_eq!(browser.post("/policies/user:Contractors/edit", &edited).await.status, 303);
    let refused = browser.post("/policies/user:Contractors/edit", &[("partners", "nobody.example")]).await;
    assert!(refused.status == 422 && refused.text.contains("href=\"#partners\""), "{refused:?}");
    assert!(browser.get("/policies/user:Contractors/delete").await.text.contains("Delete the policy"));
    browser.post("/users/alice@contoso.example/policy", &[("policy", "")]).await;
    assert_eq!(browser.post("/policies/user:Contractors/delete", &[]).await.status, 303);
}

/// Only what was changed is sent; a fault is told at its field, and nothing is saved.
#[tokio::test]
async fn settings_are_changed_or_refused_at_their_field() {
    let browser = Browser::signed_in("ops1").await;
    let settings = browser.fixture.get("/settings").await.body["items"].as_array().unwrap().clone();
    let values: Vec<(String, String)> = settings
        .iter()
        .filter(|setting| setting["value"] != json!(false) && !setting["value"].is_null())
        .map(|setting| {
            let value = setting["value"].as_str().map_or_else(|| setting["value"].to_string(), str::to_owned);
            (setting["name"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let with = |name: &str, value: &str| -> Vec<(String, String)> {
        let kept = values.iter().filter(|(known, _)| known != name).cloned();
        kept.chain([(name.to_owned(), value.to_owned())]).collect()
    };
    let send = async |fields: Vec<(String, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post("/settings", &fields).await
    };
    let refused = send(with("stream_inactivity_timeout", "30")).await;
    assert!(refused.status == 422 && refused.text.contains("href=\"#stream_inactivity_timeout\""), "{refused:?}");
    assert!(refused.text.contains("<title>Error: Access Edge Configuration"));
    assert_eq!(send(with("partner_connection_limit", "40")).await.status, 303);
    assert_eq!(browser.fixture.get("/settings/partner_connection_limit").await.body["value"], 40);
    assert_eq!(browser.fixture.get("/settings/stream_inactivity_timeout").await.body["value"], 600);
    let audit = browser.fixture.get("/audit?subject=settings").await.body["items"].clone();
    assert_eq!(audit[0]["after"], json!({ "partner_connection_limit": "40" }), "nothing else was touched");
}

#[tokio::test]
async fn domains_and_trunks_are_made_tested_and_removed() {
    let browser = Browser::signed_in("ops1").await;
    let trunk = [
        ("name", "lync"),
        ("targets", "sip.contoso.example:5061"),
        ("transport", "tls"),
        ("dialect", "lync"),
        ("session_mode", "session"),
        ("peer_names", "sip.contoso.example"),
        ("enabled", "true"),
    ];
    let made = browser.post("/trunks/new", &trunk).await;
    assert_eq!(made.status, 303, "{made:?}");
    let page = browser.get("/domains").await;
    for part in ["192.0.2.7:5061", "192.0.2.8:5061", "st-bad", "lync"] {
        assert!(page.text.contains(part), "{part}");
    }
    assert!(browser.post("/trunks/lync/test", &[]).await.text.contains("Every target answers."));
    let domain = [("name", "emea.contoso.example"), ("backends", "trunk:lync\r\nregistrar")];
    let made = browser.post("/domains/new", &domain).await;
    assert_eq!(made.header("location"), Some("/domains/emea.contoso.example/publish"), "{made:?}");
    let refused = browser.post("/domains/new", &[("name", "fabrikam.example"), ("backends", "nothing")]).await;
    assert!(refused.status == 422 && refused.text.contains("href=\"#backends\""), "{refused:?}");
    assert_eq!(browser.post("/trunks/lync/delete", &[]).await.status, 409, "a domain needs it");
    assert_eq!(browser.post("/domains/emea.contoso.example/delete", &[]).await.status, 303);
    assert_eq!(browser.post("/trunks/lync/delete", &[]).await.status, 303);
}

#[tokio::test]
async fn a_user_administrator_cares_for_users_and_contacts() {
    let browser = Browser::signed_in("people").await;
    let page = "/users/alice@contoso.example";
    let add = |partner| [("verb", "add"), ("partner", partner)];
    assert_eq!(browser.post(&format!("{page}/contact"), &add("juliet@fabrikam.example")).await.status, 303);
    let refused = browser.post(&format!("{page}/contact"), &add("juliet@nowhere.example")).await;
    assert!(refused.status == 422 && refused.text.contains("value=\"juliet@nowhere.example\""), "{refused:?}");
    assert!(browser.get(page).await.text.contains("juliet@fabrikam.example"));
    let act = |verb| [("verb", verb), ("partner", "juliet@fabrikam.example")];
    assert_eq!(browser.post(&format!("{page}/contact"), &act("block")).await.status, 303);
    assert!(browser.get(page).await.text.contains(">Blocked</span>"));
    assert_eq!(browser.post(&format!("{page}/contact"), &act("end")).await.status, 303);
    let new = [("address", "bob@contoso.example"), ("password", "secret"), ("display_name", "<i>Bob</i>")];
    assert_eq!(browser.post("/users/new", &new).await.header("location"), Some("/users/bob%40contoso.example"));
    let list = browser.get("/users?q=bob").await;
    assert!(list.text.contains("&#60;i&#62;Bob") && !list.text.contains("alice@"), "{}", list.text);
    assert_eq!(browser.post("/users/bob@contoso.example/enabled", &[("enabled", "false")]).await.status, 303);
    assert_eq!(browser.post("/users/bob@contoso.example/password", &[("password", "another")]).await.status, 303);
    assert_eq!(browser.post("/users/bob@contoso.example/delete", &[]).await.status, 303);
}

/// The secret of a token is shown once; its name may be anything.
#[tokio::test]
async fn administrators_and_tokens_are_made_and_taken_back() {
    let browser = Browser::signed_in("ops1").await;
    let new = [("name", "ops2"), ("role", "help_desk"), ("password", "short")];
    let refused = browser.post("/administrators/new", &new).await;
    assert!(refused.status == 422 && !refused.text.contains("short") && refused.text.contains("value=\"ops2\""));
    let new = [("name", "ops2"), ("role", "help_desk"), ("password", PASSWORD)];
    assert_eq!(browser.post("/administrators/new", &new).await.status, 303);
    let change = [("role", "viewer"), ("enabled", "true"), ("password", "")];
    assert_eq!(browser.post("/administrators/ops2/edit", &change).await.status, 303);
    assert!(browser.get("/administrators").await.text.contains("viewer"));
    assert_eq!(browser.post("/administrators/ops2/delete", &[]).await.status, 303);
    let token = [("name", "<b>inventory"), ("role", "viewer"), ("expires_in_days", "30")];
    let made = browser.post("/tokens/new", &token).await;
    assert!(made.status == 200 && made.text.contains("legation_") && !made.text.contains("<b>inventory"));
    assert!(!browser.get("/tokens").await.text.contains("legation_"));
    let refused = browser.post("/tokens/new", &[("name", "x"), ("role", "viewer"), ("expires_in_days", "0")]).await;
    assert!(refused.status == 422 && refused.text.contains("href=\"#expires_in_days\""), "{refused:?}");
    assert_eq!(browser.post("/tokens/%3Cb%3Einventory/delete", &[]).await.status, 303);
}

#[tokio::test]
async fn the_audit_log_is_filtered_checked_and_exported() {
    let browser = Browser::signed_in("watch").await;
    let filtered = browser.get("/audit?subject=fabrikam.example").await;
    assert!(filtered.text.contains("partner.added") && !filtered.text.contains("user.added"), "{}", filtered.text);
    let by_nobody = browser.get("/audit?who=nobody&action=partner&since=2020-01-01").await;
    assert!(by_nobody.status == 200 && by_nobody.text.contains("No entry matches."), "{}", by_nobody.text);
    let unread = browser.get("/audit?since=yesterday").await;
    assert!(unread.status == 200 && unread.text.contains("a day like 2026-11-23"), "{}", unread.text);
    assert!(browser.get("/audit/verify").await.text.contains("Chain intact"));
    let csv = browser.get("/audit/export/csv?subject=fabrikam.example").await;
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    assert_eq!(csv.text.lines().count(), 2, "{}", csv.text);
    let json: serde_json::Value = serde_json::from_str(&browser.get("/audit/export/json").await.text).unwrap();
    assert!(json.as_array().unwrap().len() > 3);
    assert_eq!(browser.get("/audit/export/exe").await.status, 404);
}

/// The original's own output: nothing is saved before it was shown.
#[tokio::test]
async fn an_import_is_shown_before_it_is_done() {
    let mut browser = Browser::signed_in("ops1").await;
    let file = "Identity,TlsNegotiation,SaslNegotiation,SupportDialbackNegotiation,PartnerType\n\
                litware.example,Required,Required,True,Federated\nbad domain,Required,Required,True,Federated\n";
    let shown = browser.post("/import", &[("dry_run", "true"), ("file", file)]).await;
    for part in ["Nothing is saved yet.", "litware.example", "bad domain"] {
        assert!(shown.status == 200 && shown.text.contains(part), "{part}: {}", shown.text);
    }
    browser.cookies.push("__Host-language=ko".to_owned());
    let korean = browser.post("/import", &[("dry_run", "true"), ("file", file)]).await;
    for part in ["추가", "잘못됨", "도메인이 올바르지 않습니다."] {
        assert!(korean.text.contains(part), "{part}: {}", korean.text);
    }
    browser.cookies.pop();
    assert_eq!(browser.fixture.get("/partners/litware.example").await.status, 404);
    let refused = browser.post("/import", &[("dry_run", "false"), ("file", file)]).await;
    assert_eq!(refused.status, 422);
    let done = [("dry_run", "false"), ("skip_invalid", "true"), ("file", file)];
    assert_eq!(browser.post("/import", &done).await.status, 200);
    assert_eq!(browser.fixture.get("/partners/litware.example").await.status, 200);
    let export = browser.get("/export/csv").await;
    assert!(export.text.contains("litware.example") && export.header("content-disposition").is_some());
    assert!(browser.post("/import", &[("file", "<html>")]).await.status >= 400);
}

/// A new password ends the sessions elsewhere, and this browser stays signed in.
#[tokio::test]
async fn the_own_password_is_changed_by_who_knows_it() {
    let mut browser = Browser::signed_in("ops1").await;
    let change = |current, password, again| [("current", current), ("password", password), ("again", again)];
    let wrong = browser.post("/account", &change("not it", "another good one", "another good one")).await;
    assert!(wrong.status == 422 && wrong.text.contains("href=\"#current\""), "{wrong:?}");
    assert_eq!(browser.post("/account", &change(PASSWORD, "another good one", "a different one")).await.status, 422);
    assert_eq!(browser.post("/account", &change(PASSWORD, "short", "short")).await.status, 422);
    let other = browser.login("ops1", PASSWORD).await;
    assert_eq!(other.status, 303);
    let changed = browser.post("/account", &change(PASSWORD, "another good one", "another good one")).await;
    assert_eq!(changed.header("location"), Some("/account?done=password"), "{changed:?}");
    assert_eq!(browser.get("/account").await.header("location"), Some("/login"), "the session before is over");
    browser.cookies = vec![changed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()];
    let page = browser.get("/account?done=password").await;
    assert!(page.text.contains("this browser") && page.text.contains("127.0.0.1"), "{}", page.text);
    assert_eq!(browser.login("ops1", PASSWORD).await.status, 422);
}

#[tokio::test]
async fn who_signs_out_elsewhere_stays_here() {
    let browser = Browser::signed_in("ops1").await;
    let other = browser.login("ops1", PASSWORD).await;
    let theirs = other.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(browser.post("/account/elsewhere", &[]).await.header("location"), Some("/account?done=elsewhere"));
    assert_eq!(browser.get("/account").await.status, 200);
    let answer = browser.client.fetch("GET", "/account", &[("cookie", &theirs)], "").await;
    assert_eq!(answer.header("location"), Some("/login"));
}

/// Nothing typed is lost when the session has ended in mid-form; secrets are not kept, nor what comes from elsewhere.
#[tokio::test]
async fn a_form_that_is_sent_too_late_waits_for_the_login() {
    let mut browser = Browser::signed_in("ops1").await;
    browser.post("/logout", &[]).await;
    let fields = [("address", "bob@contoso.example"), ("display_name", "\"Bob\""), ("password", "a secret of bob")];
    let kept = browser.post("/users/new", &fields).await;
    assert!(kept.status == 401 && kept.text.contains("what you entered is kept"), "{kept:?}");
    assert!(
        kept.text.contains("name=\"kept-address\" value=\"bob@contoso.example\"") && !kept.text.contains("a secret")
    );
    let login = [
        ("name", "ops1"),
        ("password", PASSWORD),
        ("kept_path", "/users/new"),
        ("kept-address", "bob@contoso.example"),
    ];
    let resumed = browser.send("/login", &login).await;
    assert!(resumed.status == 200 && resumed.text.contains("action=\"/users/new\""), "{resumed:?}");
    assert!(resumed.text.contains("name=\"address\" value=\"bob@contoso.example\""), "{}", resumed.text);
    let stolen = [("name", "ops1"), ("password", PASSWORD), ("kept_path", "//evil.example/"), ("kept-x", "y")];
    assert_eq!(browser.send("/login", &stolen).await.header("location"), Some("/"));
    browser.origin = "https://evil.example".to_owned();
    browser.cookies.clear();
    assert_eq!(browser.post("/users/new", &fields).await.header("location"), Some("/login"));
}

/// The link makes one administrator, who goes on to the domain, to what to publish, and to the first partner.
#[tokio::test]
async fn the_first_run_goes_from_a_link_to_the_first_partner() {
    let mut browser = Browser::start().await;
    let store = browser.fixture.store.clone();
    let actor = store::Actor::new("test", "test");
    let in_an_hour = lexicon::Timestamp::from_millis(net::clock::now().wall.as_millis() + 3_600_000);
    store.offer_setup(&actor, "old", lexicon::Timestamp::from_millis(1)).await.unwrap();
    assert!(browser.get("/setup/old").await.text.contains("This link does not work"));
    assert_eq!(browser.send("/setup/old", &[("name", "first")]).await.status, 404);
    store.offer_setup(&actor, "secret", in_an_hour).await.unwrap();
    assert_eq!(browser.get("/setup/guess").await.status, 404);
    let page = browser.get("/setup/secret").await;
    assert!(page.status == 200 && page.text.contains("1. Administrator") && !page.text.contains("<script"), "{page:?}");
    let fields = |password, again| [("name", "first"), ("password", password), ("again", again)];
    assert_eq!(browser.send("/setup/secret", &fields("short", "short")).await.status, 422);
    assert_eq!(browser.send("/setup/secret", &fields(PASSWORD, "another good one")).await.status, 422);
    let made = browser.send("/setup/secret", &fields(PASSWORD, PASSWORD)).await;
    assert_eq!(made.header("location"), Some("/first/domain"), "{made:?}");
    browser.cookies.push(made.header("set-cookie").unwrap().split(';').next().unwrap().to_owned());
    assert_eq!(browser.send("/setup/secret", &fields(PASSWORD, PASSWORD)).await.status, 404, "it works once");
    let page = browser.get("/first/domain").await;
    assert!(page.text.contains("action=\"/first/domain\"") && page.text.contains(">registrar</textarea>"));
    browser.take_form_token(&page);
    let refused = browser.post("/first/domain", &[("backends", "nothing")]).await;
    assert!(refused.status == 422 && refused.text.contains("href=\"#backends\""), "{refused:?}");
    let saved = browser.post("/first/domain", &[("backends", "registrar")]).await;
    assert_eq!(saved.header("location"), Some("/first/publish"), "{saved:?}");
    let page = browser.get("/first/publish").await;
    assert!(page.text.contains("href=\"/partners/new\"") && page.text.contains("contoso.example"), "{}", page.text);
    let audit = browser.fixture.get("/audit?subject=first").await.body["items"].clone();
    assert_eq!((&audit[0]["action"], &audit[0]["who"]), (&json!("administrator.added"), &json!("first")));
}

/// Events are told as they happen; who reconnects with the last id misses no report (WHATWG HTML §9.2.3).
#[tokio::test]
async fn what_happens_is_told_and_nothing_is_missed_in_between() {
    let browser = Browser::signed_in("watch").await;
    let cookies = browser.cookies.join("; ");
    let mut first = browser.client.listen("/events", &[("cookie", &cookies)]).await;
    assert_eq!(first.event().await.0, "running");
    browser.fixture.call("PATCH", "/partners/fabrikam.example", json!({ "description": "x" })).await;
    assert_eq!(first.event().await.0, "changed");
    let reports: Vec<_> = (1..=3).map(|n| attempt(n, Direction::Outbound, Err(Code::CertificateExpired))).collect();
    browser.fixture.store.add_reports(&reports[..1]).await.unwrap();
    let (id, data) = loop {
        let (kind, id, data) = first.event().await;
        if kind == "report" {
            break (id, data);
        }
    };
    assert_eq!(id, reports[0].id.to_string());
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&data["result"], &data["remote"]), (&json!("certificate_expired"), &json!("fabrikam.example")));
    drop(first);
    browser.fixture.store.add_reports(&reports[1..]).await.unwrap();
    let last = reports[0].id.to_string();
    let mut again = browser.client.listen("/events", &[("cookie", &cookies), ("last-event-id", &last)]).await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let (kind, id, _) = again.event().await;
        if kind == "report" {
            ids.push(id);
        }
    }
    assert_eq!(ids, [reports[1].id.to_string(), reports[2].id.to_string()], "oldest first");
    assert_eq!(browser.client.fetch("GET", "/events", &[], "").await.header("location"), Some("/login"));
}

/// A domain that looks like another is told before it is saved, and saved by who means it.
#[tokio::test]
async fn a_domain_that_looks_like_another_is_saved_by_who_means_it() {
    let browser = Browser::signed_in("ops1").await;
    let fields = |announced| {
        [
            ("primary_domain", "fabr\u{456}kam.example"),
            ("partner_type", "federated"),
            ("tls", "required"),
            ("sasl", "required"),
            ("dialback", "true"),
            ("enabled", "true"),
            ("announced", announced),
            ("action", "commit"),
        ]
    };
    let asked = browser.post("/partners/new", &fields("")).await;
    assert!(asked.status == 200 && asked.text.contains("Commit again if it is meant so."), "{}", asked.text);
    let announced =
        asked.text.split("name=\"announced\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(browser.fixture.get("/partners").await.body["items"].as_array().unwrap().len(), 1);
    let saved = browser.post("/partners/new", &fields(&announced)).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
}
