//! The pages over HTTPS, as a browser without script uses them.

use lexicon::{Direction, report::Code};
use panel::{Web, WebListeners};
use serde_json::json;

use crate::{
    fixture::Fixture,
    https::{Answer, Client, certificate},
    report::attempt,
};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Browser {
    pub(crate) fixture: Fixture,
    _web: Web,
    pub(crate) client: Client,
    pub(crate) origin: String,
    pub(crate) cookies: Vec<String>,
    form_token: String,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let fixture = Fixture::new().await;
        let bound = WebListeners::bind(&["127.0.0.1:0".parse().unwrap()], &[certificate(&fixture)]).unwrap();
        let web = bound.serve(fixture.means());
        let client = Client::of(web.addresses()[0]);
        for (name, role) in
            [("ops1", "administrator"), ("people", "user_administrator"), ("desk", "help_desk"), ("watch", "viewer")]
        {
            let new = json!({ "name": name, "role": role, "password": PASSWORD });
            assert_eq!(fixture.call("POST", "/administrators", new).await.status, 201);
        }
        let origin = "https://localhost".to_owned();
        Self { fixture, _web: web, client, origin, cookies: Vec::new(), form_token: String::new() }
    }

    pub(crate) async fn signed_in(name: &str) -> Self {
        let mut browser = Self::start().await;
        let answer = browser.login(name, PASSWORD).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
        let cookie = answer.header("set-cookie").unwrap();
        assert!(
            cookie.starts_with("__Host-legation=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict")
        );
        browser.cookies.push(cookie.split(';').next().unwrap().to_owned());
        let page = browser.get("/partners").await;
        browser.take_form_token(&page);
        browser
    }

    pub(crate) fn take_form_token(&mut self, page: &Answer) {
        let token = page.text.split("name=\"form_token\" value=\"").nth(1).unwrap_or_else(|| panic!("{page:?}"));
        token.split('"').next().unwrap().clone_into(&mut self.form_token);
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        self.send("/login", &[("name", name), ("password", password)]).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let cookies = self.cookies.join("; ");
        self.client.fetch("GET", path, &[("cookie", &cookies)], "").await
    }

    /// A form, with the session's own text.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let all: Vec<_> = fields.iter().copied().chain([("form_token", self.form_token.as_str())]).collect();
        self.send(path, &all).await
    }

    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields.iter().fold(form_urlencoded::Serializer::new(String::new()), |mut form, (name, value)| {
            form.append_pair(name, value);
            form
        });
        let cookies = self.cookies.join("; ");
        let headers = [("cookie", cookies.as_str()), ("origin", &self.origin), ("sec-fetch-site", "same-origin")];
        self.client.fetch("POST", path, &headers, &{ body }.finish()).await
    }
}

/// A valid form of a new partner.
const WOODGROVE: &[(&str, &str)] = &[
    ("primary_domain", "woodgrove.example"),
    ("description", "Bank, <b>payments</b> & more"),
    ("additional_domains", "corp.woodgrove.example\r\nit.woodgrove.example"),
    ("partner_type", "federated"),
    ("tls", "required"),
    ("sasl", "required"),
    ("dialback", "true"),
    ("connection_limit", ""),
    ("keep_alive", "true"),
    ("proxy_fqdn", ""),
    ("trust_roots", ""),
    ("pins", ""),
    ("enabled", "true"),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = WOODGROVE.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name)).copied();
    changes.iter().copied().chain(kept).collect()
}

/// The documented procedure: SASL required with TLS not supported is refused at Commit and saves nothing; the remedy is
/// taken with one click, and Commit saves.
#[tokio::test]
async fn a_partner_is_added_as_the_originals_procedure_says() {
    let browser = Browser::signed_in("ops1").await;
    let form = browser.get("/partners/new").await;
    assert!(form.text.contains("Support server dialback negotiation") && form.text.contains("What this permits"));
    let refused = browser.post("/partners/new", &with(&[("tls", "not_supported"), ("action", "commit")])).await;
    assert_eq!(refused.status, 422);
    for part in [
        "<title>Error: New XMPP federated partner",
        "SASL requires TLS. Set TLS negotiation to Required or Optional",
        "No method is left.",
        "value=\"tls=required\"",
        "corp.woodgrove.example\nit.woodgrove.example",
        "Bank, &#60;b&#62;payments&#60;/b&#62; &#38; more",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    assert_eq!(browser.fixture.get("/partners/woodgrove.example").await.status, 404, "nothing was saved");

    let remedied = browser.post("/partners/new", &with(&[("tls", "not_supported"), ("remedy", "tls=required")])).await;
    assert_eq!(remedied.status, 200);
    assert!(!remedied.text.contains("No method is left.") && remedied.text.contains("dialback is never used"));
    let saved = browser.post("/partners/new", &with(&[("action", "commit")])).await;
    assert_eq!((saved.status, saved.header("location")), (303, Some("/partners?saved=woodgrove.example")));
    let partner = browser.fixture.get("/partners/woodgrove.example").await.body;
    assert_eq!((&partner["row"], &partner["partner_type"]), (&json!(1), &json!("federated")));
    let row = browser.fixture.get("/audit?subject=woodgrove.example").await.body["items"][0].clone();
    assert_eq!((&row["who"], &row["origin"]), (&json!("ops1"), &json!("127.0.0.1")));
    let table = browser.get("/partners?q=Corp.Woodgrove&saved=woodgrove.example").await;
    assert!(table.text.contains("Saved: woodgrove.example") && !table.text.contains("fabrikam.example"));
    assert!(!table.text.contains("<b>payments"), "{}", table.text);
}

#[tokio::test]
async fn every_fault_is_told_at_its_field_and_what_was_entered_stays() {
    let browser = Browser::signed_in("ops1").await;
    let entered = with(&[
        ("primary_domain", "a b"),
        ("additional_domains", "contoso.example fabrikam.example"),
        ("connection_limit", "many"),
        ("pins", "zz"),
        ("action", "commit"),
    ]);
    let refused = browser.post("/partners/new", &entered).await;
    assert_eq!(refused.status, 422);
    for part in [
        "href=\"#primary_domain\"",
        "href=\"#additional_domains\"",
        "href=\"#connection_limit\"",
        "href=\"#pins\"",
        "value=\"many\"",
        "value=\"a b\"",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
}

#[tokio::test]
async fn two_at_once_do_not_overwrite_each_other_unseen() {
    let browser = Browser::signed_in("ops1").await;
    let path = "/partners/fabrikam.example/edit";
    let form = browser.get(path).await;
    let revision = |page: &Answer| {
        let rest = page.text.split("name=\"revision\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let first = revision(&form);
    browser.fixture.call("PATCH", "/partners/fabrikam.example", json!({ "description": "theirs" })).await;
    let mine = with(&[("revision", &first), ("description", "mine"), ("additional_domains", ""), ("action", "commit")]);
    let refused = browser.post(path, &mine).await;
    assert_eq!(refused.status, 412);
    assert!(
        refused.text.contains("Somebody else has changed this partner") && refused.text.contains(">mine</textarea>")
    );
    let second = revision(&refused);
    let mine =
        with(&[("revision", &second), ("description", "mine"), ("additional_domains", ""), ("action", "commit")]);
    assert_eq!(browser.post(path, &mine).await.status, 303);
    assert_eq!(browser.fixture.get("/partners/fabrikam.example").await.body["description"], "mine");
}

#[tokio::test]
async fn a_change_of_type_says_what_it_affects_before_it_is_made() {
    let browser = Browser::signed_in("ops1").await;
    let pair = json!({ "internal": "alice@contoso.example", "partner": "juliet@fabrikam.example" });
    browser.fixture.call("POST", "/contacts", pair).await;
    let path = "/partners/fabrikam.example/edit";
    let change = with(&[("additional_domains", ""), ("partner_type", "federated"), ("action", "commit")]);
    let asked = browser.post(path, &change).await;
    assert!(asked.status == 200 && asked.text.contains("affects 1 contacts"), "{asked:?}");
    assert_eq!(browser.fixture.get("/partners/fabrikam.example").await.body["partner_type"], "public_unverified");
    let again: Vec<_> = change.into_iter().chain([("announced", "type=federated")]).collect();
    assert_eq!(browser.post(path, &again).await.status, 303);
}

#[tokio::test]
async fn a_partner_is_disabled_and_deleted_after_a_question() {
    let browser = Browser::signed_in("ops1").await;
    assert_eq!(browser.post("/partners/fabrikam.example/enabled", &[("enabled", "false")]).await.status, 303);
    let table = browser.get("/partners?state=disabled").await;
    assert!(table.text.contains("st-off") && table.text.contains("fabrikam.example"));
    let question = browser.get("/partners/fabrikam.example/delete").await;
    assert!(question.text.contains("Delete the partner fabrikam.example?"));
    assert_eq!(browser.post("/partners/fabrikam.example/delete", &[]).await.status, 303);
    assert_eq!(browser.fixture.get("/partners").await.body["items"], json!([]));
    assert_eq!(browser.get("/partners/fabrikam.example/edit").await.status, 404);
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let browser = Browser::signed_in("watch").await;
    let table = browser.get("/partners").await;
    assert!(table.text.contains("Needs role administrator") && !table.text.contains("/partners/new"));
    assert_eq!(browser.get("/partners/fabrikam.example/edit").await.status, 200);
    assert_eq!(browser.post("/partners/new", &with(&[("action", "commit")])).await.status, 403);
    assert_eq!(browser.post("/partners/fabrikam.example/delete", &[]).await.status, 403);
    assert_eq!(browser.post("/partners/fabrikam.example/enabled", &[("enabled", "false")]).await.status, 403);
    assert_eq!(browser.fixture.get("/partners/fabrikam.example").await.body["enabled"], true);
}

#[tokio::test]
async fn nobody_comes_in_without_a_login_and_forms_from_elsewhere_are_refused() {
    let mut browser = Browser::start().await;
    for path in ["/", "/partners", "/partners/new", "/partners/fabrikam.example/edit"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login")), "{path}");
    }
    for attempt in 1..=7 {
        let answer = browser.login("ops1", "wrong password!").await;
        assert_eq!(answer.status, if attempt <= 5 { 422 } else { 429 }, "{attempt}");
        assert!(!answer.text.contains("wrong password!"));
    }
    assert_eq!(browser.login("ops1", PASSWORD).await.status, 429, "also with the right one");
    assert_eq!(browser.login("watch", "wrong password!").await.status, 422, "others are not paused");
    browser.origin = "https://evil.example".to_owned();
    assert_eq!(browser.login("watch", PASSWORD).await.status, 403);

    let mut browser = Browser::signed_in("ops1").await;
    let forged = browser.send("/partners/fabrikam.example/delete", &[("form_token", "0")]).await;
    assert_eq!(forged.status, 403);
    browser.origin = "https://evil.example".to_owned();
    assert_eq!(browser.post("/partners/fabrikam.example/delete", &[]).await.status, 403);
    assert_eq!(browser.fixture.get("/partners/fabrikam.example").await.status, 200);
}

#[tokio::test]
async fn a_session_ends_with_sign_out_and_with_every_change_of_its_administrator() {
    let browser = Browser::signed_in("ops1").await;
    assert_eq!(browser.post("/logout", &[]).await.header("location"), Some("/login"));
    assert_eq!(browser.get("/partners").await.header("location"), Some("/login"));
    for change in [json!({ "role": "viewer" }), json!({ "password": "another good one" }), json!({ "enabled": false })]
    {
        let browser = Browser::signed_in("ops1").await;
        assert_eq!(browser.fixture.call("PATCH", "/administrators/ops1", change.clone()).await.status, 200);
        assert_eq!(browser.get("/partners").await.header("location"), Some("/login"), "{change}");
    }
}

#[tokio::test]
async fn both_languages_are_chosen_by_the_browser_and_by_hand() {
    let browser = Browser::start().await;
    let korean = browser.client.fetch("GET", "/login", &[("accept-language", "ko-KR,ko;q=0.9")], "").await;
    assert!(korean.text.contains("<html lang=\"ko\">") && korean.text.contains("로그인"));
    let chosen = browser.client.fetch("GET", "/login", &[("cookie", "__Host-language=ko")], "").await;
    assert!(chosen.text.contains("암호"));
    let kept = browser.get("/language/ko").await;
    assert!(kept.header("set-cookie").unwrap().starts_with("__Host-language=ko;"));
    assert_eq!(browser.get("/language/xx").await.status, 404);
}

#[tokio::test]
async fn pages_permit_nothing_inline_and_are_kept_by_no_cache() {
    let browser = Browser::signed_in("ops1").await;
    for path in ["/login", "/partners", "/partners/new"] {
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';")
                && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(
            (page.header("cache-control"), page.header("x-content-type-options")),
            (Some("no-store"), Some("nosniff"))
        );
        for inline in ["<script>", " style=", " onclick=", "javascript:"] {
            assert!(!page.text.contains(inline), "{path}: {inline}");
        }
    }
    let style = browser.get("/assets/panel.css").await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(browser.get("/api/v1/status").await.status, 401, "a session is no token");
}

/// What is tested is what stands in the form; the way back loses nothing.
#[tokio::test]
async fn unsaved_settings_are_tested_and_the_way_back_loses_nothing() {
    let browser = Browser::signed_in("ops1").await;
    let invalid = browser.post("/partners/new", &with(&[("tls", "not_supported"), ("action", "test")])).await;
    assert!(invalid.status == 422 && invalid.text.contains("SASL requires TLS"), "{invalid:?}");
    let unreadable = browser.post("/partners/new", &with(&[("connection_limit", "many"), ("action", "test")])).await;
    assert!(unreadable.status == 422 && unreadable.text.contains("href=\"#connection_limit\""), "{unreadable:?}");
    let started = browser.post("/partners/new", &with(&[("action", "test")])).await;
    assert_eq!((started.status, started.header("location")), (303, Some("/probes/1")));
    let page = browser.get("/probes/1").await;
    assert!(page.text.contains("http-equiv=\"refresh\"") && page.text.contains("Cancel the test"), "{}", page.text);
    assert_eq!(browser.post("/probes/1/cancel", &[]).await.status, 303);
    let back = browser.post("/probes/1/form", &[("fitting", "optional optional false")]).await;
    assert!(back.text.contains("value=\"woodgrove.example\"") && back.text.contains("it.woodgrove.example"));
    for checked in ["name=\"tls\" value=\"optional\" checked", "name=\"dialback\" value=\"false\" checked"] {
        assert!(back.text.contains(checked), "{checked}");
    }
    assert_eq!(browser.fixture.get("/partners/woodgrove.example").await.status, 404, "nothing was saved");
    assert_eq!(browser.get("/probes/2").await.status, 404);
}

/// Text of the other side is shown as text.
#[tokio::test]
async fn a_failure_is_explained_with_its_remedy_from_the_table() {
    let mut browser = Browser::signed_in("watch").await;
    let mut failed = attempt(1, Direction::Outbound, Err(Code::CertificateExpired));
    failed.detail = "<b>theirs</b>".to_owned();
    browser.fixture.store.add_reports(std::slice::from_ref(&failed)).await.unwrap();
    let table = browser.get("/partners").await;
    let link = format!("/reports/{}", failed.id);
    assert!(table.text.contains("st-bad") && table.text.contains(&format!("href=\"{link}\"")), "{}", table.text);
    let page = browser.get(&link).await;
    for part in ["The certificate of fabrikam.example has expired.", "administrators of fabrikam.example", "outbound"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("<b>theirs"), "{}", page.text);
    assert_eq!(browser.get("/reports/nothing").await.status, 404);
    browser.cookies.push("__Host-language=ko".to_owned());
    let korean = browser.get(&link).await;
    let step = "<p class=\"what\">상대의 인증서가 만료되었습니다. <small lang=\"en\">";
    assert!(korean.text.contains(step), "{}", korean.text);
}
