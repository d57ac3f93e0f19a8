//! Who comes in when there is no room for all.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{OURS, Org, THEIRS, federation, patiently, row, settings, until};

/// A connection from a loopback address of its own.
async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    patiently(socket.connect(to)).await.unwrap()
}

fn refused(org: &Org, reason: &str) -> u64 {
    org.proxy.monitor().connections_refused()[reason]
}

/// partner-policy §4, `half_open_limit`: strangers that hold all places make room for partners.
#[tokio::test]
async fn at_the_total_limit_partners_still_come_in() {
    let (mut ours, mut theirs) = federation(row(13)).await;
    let mut few = settings();
    few.half_open_limit = 8;
    let saved = policy::Partner::clone(&ours.publish.borrow().clone().unwrap().partners()[0]);
    ours.publish([saved], few);
    let mut held = Vec::new();
    for number in 0..32 {
        held.push(from(&format!("127.66.{number}.1"), ours.address()).await);
    }
    until("the places are taken", || ours.proxy.monitor().streams().len() == 8).await;
    assert_eq!(refused(&ours, "displaced") + refused(&ours, "half_open_limit"), 24);
    // Dialback in both directions: two streams and two verification streams, of which two go through our door.
    assert_eq!(theirs.send(OURS, "carol", "Hello").await, Ok(()));
    ours.receive_message().await;
    assert_eq!(ours.send(THEIRS, "bob", "Hello").await, Ok(()));
    theirs.receive_message().await;
    drop(held);
    until("their places are given back", || ours.proxy.monitor().streams().len() == 2).await;
}

#[tokio::test]
async fn an_address_whose_connections_keep_failing_is_slowed_and_others_are_not() {
    let (mut ours, mut theirs) = federation(row(2)).await;
    let mut served = 0;
    for _ in 0..200 {
        let mut stream = from("127.77.7.7", ours.address()).await;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        let mut answer = String::new();
        let _ = patiently(stream.read_to_string(&mut answer)).await;
        served += u64::from(answer.contains("not-well-formed"));
    }
    let failing = refused(&ours, "failing_too_often");
    // The bucket of 64 refills by 8 a second; the loop takes far less than 8 s.
    assert!((64..130).contains(&served), "{served} were served");
    assert_eq!(failing, 200 - served);
    assert_eq!(theirs.send(OURS, "carol", "Hello").await, Ok(()));
    ours.receive_message().await;
    let mut again = from("127.77.7.8", ours.address()).await;
    again.write_all(b"?").await.unwrap();
    let mut answer = String::new();
    patiently(again.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.contains("not-well-formed"), "its neighbour is served: {answer}");
    tokio::time::timeout(Duration::from_secs(5), ours.proxy.stop()).await.unwrap();
}
