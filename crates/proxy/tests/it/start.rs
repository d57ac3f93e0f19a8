//! What must be right before a proxy listens.

use std::{sync::Arc, time::Duration};

use net::tls::CertificateFiles;
use policy::EdgeSnapshot;
use proxy::{ProxyConfig, ProxyError};
use tokio::time::timeout;

use crate::harness::{OURS, domain, patiently, settings};

fn on(address: &str) -> ProxyConfig {
    ProxyConfig { listen: vec![address.parse().unwrap()], ..ProxyConfig::default() }
}

fn snapshot() -> Option<Arc<EdgeSnapshot>> {
    Some(Arc::new(EdgeSnapshot::new(1, [], [domain(OURS)], settings())))
}

#[tokio::test]
async fn it_does_not_listen_before_its_first_snapshot() {
    let (publish, watched) = link::snapshots();
    let (edge, _inside) = link::local(1);
    let mut starting = std::pin::pin!(proxy::start(on("127.0.0.1:0"), watched, edge));
    assert!(timeout(Duration::from_millis(50), &mut starting).await.is_err());
    publish.send_replace(snapshot());
    let running = patiently(starting).await.unwrap();
    assert_ne!(running.addresses()[0].port(), 0);
    running.stop().await;
}

#[tokio::test]
async fn it_does_not_start_without_a_publisher_of_policy() {
    let (publish, watched) = link::snapshots();
    drop(publish);
    let (edge, _inside) = link::local(1);
    let error = proxy::start(on("127.0.0.1:0"), watched, edge).await.err().unwrap();
    assert!(matches!(error, ProxyError::NoSnapshot), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (publish, watched) = link::snapshots();
    publish.send_replace(snapshot());
    let (edge, _inside) = link::local(1);
    let error = proxy::start(on(&address.to_string()), watched, edge).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {address}: the port is in use by another program"));
}

#[tokio::test]
async fn an_unreadable_certificate_is_named() {
    let (_publish, watched) = link::snapshots();
    let (edge, _inside) = link::local(1);
    let files = CertificateFiles { certificate: "absent.pem".into(), key: "absent.key".into() };
    let config = ProxyConfig { certificates: vec![files], ..on("127.0.0.1:0") };
    let error = proxy::start(config, watched, edge).await.err().unwrap();
    assert_eq!(error.to_string(), "cannot read absent.pem: there is no such file");
}
