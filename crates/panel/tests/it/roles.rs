//! All operations × roles × no login, over HTTPS: partner-policy §6.

use std::collections::BTreeSet;

use panel::{Means, Web, WebListeners};
use serde_json::{Value, json};

use crate::{
    fixture::Fixture,
    https::{Answer, Client, certificate},
};

const EVERYBODY: &str = "administrator user_administrator help_desk viewer";
const ADMINISTRATOR: &str = "administrator";
const PEOPLE: &str = "administrator user_administrator";

/// Who may do what, as the table of roles says it; names of things are such that nothing is changed.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("get", "/administrators", ADMINISTRATOR),
    ("post", "/administrators", ADMINISTRATOR),
    ("patch", "/administrators/{name}", ADMINISTRATOR),
    ("delete", "/administrators/{name}", ADMINISTRATOR),
    ("get", "/audit", "administrator viewer"),
    ("get", "/audit/verify", "administrator viewer"),
    ("get", "/certificates", EVERYBODY),
    ("get", "/certificates/check", EVERYBODY),
    ("post", "/certificates/reload", ADMINISTRATOR),
    ("get", "/contacts", EVERYBODY),
    ("post", "/contacts", PEOPLE),
    ("post", "/contacts/accept", PEOPLE),
    ("post", "/contacts/block", PEOPLE),
    ("post", "/contacts/decline", PEOPLE),
    ("post", "/contacts/end", PEOPLE),
    ("post", "/contacts/unblock", PEOPLE),
    ("get", "/dns", EVERYBODY),
    ("get", "/domains", EVERYBODY),
    ("post", "/domains", ADMINISTRATOR),
    ("get", "/domains/{name}", EVERYBODY),
    ("patch", "/domains/{name}", ADMINISTRATOR),
    ("delete", "/domains/{name}", ADMINISTRATOR),
    ("get", "/events", EVERYBODY),
    ("post", "/messages/test", ADMINISTRATOR),
    ("post", "/import", ADMINISTRATOR),
    ("get", "/invitations", EVERYBODY),
    ("get", "/partners", EVERYBODY),
    ("post", "/partners", ADMINISTRATOR),
    ("get", "/partners/export", "administrator viewer"),
    ("get", "/partners/{domain}", EVERYBODY),
    ("get", "/partners/{domain}/refusals", EVERYBODY),
    ("patch", "/partners/{domain}", ADMINISTRATOR),
    ("delete", "/partners/{domain}", ADMINISTRATOR),
    ("get", "/policies", EVERYBODY),
    ("post", "/policies", ADMINISTRATOR),
    ("get", "/policies/{identity}", EVERYBODY),
    ("patch", "/policies/{identity}", ADMINISTRATOR),
    ("delete", "/policies/{identity}", ADMINISTRATOR),
    ("post", "/probes", "administrator help_desk"),
    ("get", "/probes/{id}", EVERYBODY),
    ("delete", "/probes/{id}", "administrator help_desk"),
    ("get", "/registrations", EVERYBODY),
    ("get", "/reports", EVERYBODY),
    ("get", "/reports/{id}", EVERYBODY),
    ("get", "/settings", EVERYBODY),
    ("patch", "/settings", ADMINISTRATOR),
    ("get", "/settings/{name}", EVERYBODY),
    ("get", "/status", EVERYBODY),
    ("get", "/streams", EVERYBODY),
    ("delete", "/streams/{number}", ADMINISTRATOR),
    ("get", "/tokens", ADMINISTRATOR),
    ("post", "/tokens", ADMINISTRATOR),
    ("delete", "/tokens/{name}", ADMINISTRATOR),
    ("get", "/trunks", EVERYBODY),
    ("post", "/trunks", ADMINISTRATOR),
    ("get", "/trunks/{name}", EVERYBODY),
    ("patch", "/trunks/{name}", ADMINISTRATOR),
    ("delete", "/trunks/{name}", ADMINISTRATOR),
    ("post", "/trunks/{name}/test", ADMINISTRATOR),
    ("get", "/users", EVERYBODY),
    ("post", "/users", PEOPLE),
    ("get", "/users/{address}", EVERYBODY),
    ("patch", "/users/{address}", PEOPLE),
    ("delete", "/users/{address}", PEOPLE),
    ("get", "/users/{address}/backend", EVERYBODY),
    ("put", "/users/{address}/backend", ADMINISTRATOR),
    ("put", "/users/{address}/password", PEOPLE),
    ("get", "/users/{address}/policy", EVERYBODY),
    ("put", "/users/{address}/policy", PEOPLE),
    ("get", "/openapi.json", EVERYBODY),
    ("get", "/whoami", EVERYBODY),
    ("put", "/whoami/password", EVERYBODY),
];

/// A served API with one token for each role.
struct Served {
    fixture: Fixture,
    web: Web,
    client: Client,
}

impl Served {
    async fn start() -> Self {
        let fixture = Fixture::new().await;
        let means: Means = fixture.means();
        let bound = WebListeners::bind(&["127.0.0.1:0".parse().unwrap()], &[certificate(&fixture)]).unwrap();
        let web = bound.serve(means);
        let client = Client::of(web.addresses()[0]);
        Self { fixture, web, client }
    }

    async fn token(&self, role: &str) -> String {
        let made = self.fixture.call("POST", "/tokens", json!({ "name": role, "role": role })).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["secret"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        self.client.ask(method, path, token, "{}").await
    }
}

#[tokio::test]
async fn every_operation_is_open_to_the_roles_of_the_table_and_to_nobody_else() {
    let served = Served::start().await;
    let known: BTreeSet<_> = panel::api::v1::names().collect();
    assert_eq!(known, OPERATIONS.iter().map(|(method, path, _)| (*method, *path)).collect());
    let mut tokens = Vec::new();
    for role in EVERYBODY.split(' ') {
        tokens.push((role, served.token(role).await));
    }
    for (method, path, roles) in OPERATIONS {
        let path = path
            .replace("{name}", "nothing")
            .replace("{domain}", "nothing.example")
            .replace("{identity}", "user:nothing")
            .replace("{address}", "nobody@contoso.example")
            .replace("{id}", "0")
            .replace("{number}", "0");
        let method = method.to_uppercase();
        assert_eq!(served.ask(&method, &path, None).await.status, 401, "{method} {path}");
        for (role, token) in &tokens {
            let answer = served.ask(&method, &path, Some(token)).await;
            let may = roles.split(' ').any(|allowed| allowed == *role);
            assert_eq!(answer.status != 403, may, "{method} {path} as {role}: {answer:?}");
            assert_ne!(answer.status, 401, "{method} {path} as {role}");
            if !may {
                assert!(answer.text.contains(&format!("yours is {role}")), "{answer:?}");
            }
        }
    }
    served.web.stop().await;
}

#[tokio::test]
async fn only_a_token_that_is_alive_opens_anything() {
    let served = Served::start().await;
    let token = served.token("viewer").await;
    let me: Value = served.ask("GET", "/whoami", Some(&token)).await.json();
    assert_eq!(
        (&me["who"], &me["origin"], &me["role"]),
        (&json!("token:viewer"), &json!("127.0.0.1"), &json!("viewer"))
    );
    for wrong in [None, Some(""), Some("legation_0"), Some(&token[1..]), Some(&token.to_uppercase())] {
        for path in ["/whoami", "/nowhere"] {
            let answer = served.ask("GET", path, wrong).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{wrong:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
    let answer = served.ask("GET", "/nowhere", Some(&token)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (404, Some("no-store")));
    let day = 24 * 3600 * 1000;
    let past = lexicon::Timestamp::from_millis(net::clock::now().wall.as_millis() - day);
    let actor = store::Actor::new("test", "test");
    served.fixture.store.add_token(&actor, "old", policy::role::Role::Administrator, "secret", past).await.unwrap();
    assert_eq!(served.ask("GET", "/whoami", Some("secret")).await.status, 401);
    assert_eq!(served.fixture.call("DELETE", "/tokens/viewer", json!({})).await.status, 204);
    assert_eq!(served.ask("GET", "/whoami", Some(&token)).await.status, 401);
}

#[tokio::test]
async fn a_token_is_shown_once_and_its_faults_are_told_at_once() {
    let served = Served::start().await;
    let token = served.token("administrator").await;
    let listed = served.ask("GET", "/tokens", Some(&token)).await;
    assert!(!listed.text.contains(&token) && listed.text.contains("administrator"), "{listed:?}");
    let audit = served.ask("GET", "/audit?subject=administrator", Some(&token)).await;
    assert!(!audit.text.contains(&token) && audit.text.contains("token.added"), "{audit:?}");
    let bad =
        served.fixture.call("POST", "/tokens", json!({ "name": "a/b", "role": "root", "expires_in_days": 0 })).await;
    assert_eq!(bad.codes("errors"), ["name name_invalid", "expires_in_days out_of_range", "role not_a_choice"]);
    let again = served.fixture.call("POST", "/tokens", json!({ "name": "administrator", "role": "viewer" })).await;
    assert_eq!(again.status, 409);
    let partner =
        served.client.ask("POST", "/partners", Some(&token), r#"{ "primary_domain": "litware.example" }"#).await;
    assert_eq!(partner.status, 201);
    let row = served.fixture.get("/audit?subject=litware.example").await.body["items"][0].clone();
    assert_eq!((&row["who"], &row["origin"]), (&json!("token:administrator"), &json!("127.0.0.1")));
}

/// A help desk probes partners and nobody else.
#[tokio::test]
async fn a_help_desk_probes_partners_alone() {
    let served = Served::start().await;
    let token = served.token("help_desk").await;
    for (domain, status) in [("fabrikam.example", 202), ("litware.example", 403)] {
        let body = json!({ "domain": domain }).to_string();
        assert_eq!(served.client.ask("POST", "/probes", Some(&token), &body).await.status, status, "{domain}");
    }
}

#[tokio::test]
async fn silent_and_broken_connections_hurt_nobody() {
    let served = Served::start().await;
    let token = served.token("viewer").await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(tokio::net::TcpStream::connect(served.web.addresses()[0]).await.unwrap());
    }
    served.client.raw(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    for head in
        ["\u{0}\r\n\r\n", "GET /api/v1/whoami HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"]
    {
        served.client.raw_in_tls(head.as_bytes()).await;
    }
    let path = "/../../etc/passwd";
    assert_eq!(served.ask("GET", path, Some(&token)).await.status, 404);
    assert_eq!(served.ask("GET", "/whoami", Some(&token)).await.status, 200);
}
