//! What cannot be read, and the socket itself.

use std::os::unix::fs::PermissionsExt as _;

use panel::SocketError;
use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_problem() {
    let fixture = Fixture::new().await;
    for (method, path, body, status) in [
        ("POST", "/partners", "{", 400),
        ("POST", "/partners", "[]", 400),
        ("POST", "/partners", "", 400),
        ("POST", "/partners?dryrun=true", "{}", 400),
        ("GET", "/partners?limit=many", "", 400),
        ("GET", "/partners/192.0.2.1", "", 400),
        ("GET", "/nowhere", "", 404),
        ("PUT", "/partners", "{}", 405),
    ] {
        let answer = fixture.send(method, path, &[], body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (status, "application/problem+json"),
            "{method} {path}"
        );
        assert_eq!(answer.body["status"], json!(status), "{method} {path}");
    }
    let answer = fixture.send("PATCH", "/settings", &[("if-match", "old")], "{}".to_owned()).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let fixture = Fixture::new().await;
    let body = json!({ "primary_domain": "x".repeat(1 << 20) });
    let answer = fixture.call("POST", "/partners", body).await;
    assert_eq!((answer.status, &answer.body["type"]), (413, &json!("urn:legation:problem:too_large")));
}

#[tokio::test]
async fn the_status_has_what_the_server_tells() {
    let fixture = Fixture::new().await;
    let status = fixture.get("/status").await.body;
    assert_eq!(status["registrations"], 3);
    assert_eq!(status["revision"], json!(*fixture.store.revisions().borrow()));
}

#[tokio::test]
async fn the_socket_is_closed_to_others_and_leaves_with_the_server() {
    let fixture = Fixture::new().await;
    let mode = std::fs::metadata(&fixture.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fixture.running.stop().await;
    assert!(!fixture.socket.exists());
}

#[tokio::test]
async fn a_socket_in_use_is_refused_and_a_dead_one_replaced() {
    let fixture = Fixture::new().await;
    let means = || panel::Means {
        store: fixture.store.clone(),
        credentials: |_, _, _| Vec::new(),
        live: std::sync::Arc::new(Silent),
    };
    let error = panel::start(&fixture.socket, means()).await.unwrap_err();
    assert!(matches!(error, SocketError::InUse { .. }), "{error}");
    let dead = fixture.socket.with_file_name("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    panel::start(&dead, means()).await.unwrap().stop().await;
    let file = fixture.socket.with_file_name("letter");
    std::fs::write(&file, "not a socket").unwrap();
    let error = panel::start(&file, means()).await.unwrap_err();
    assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"not a socket");
}

struct Silent;

impl panel::Live for Silent {
    fn status(&self) -> panel::Answer<'_, panel::Status> {
        Box::pin(async { panel::Status::default() })
    }

    fn in_force(&self, _: store::Revisions) -> panel::Answer<'_, ()> {
        Box::pin(async {})
    }
}
