//! Ten thousand half-open connections, in every state that there is before authorisation: those who mean well are still
//! served, on the streams that they have and on new ones, and what the flood has cost comes back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::scene::{HALF_OPEN_LIMIT, PLACE_KIB_MAX, Scene, Stage};
use super::villain::{STARTTLS, authorised, header, runtime};
use crate::world::{PARTNER, ROW_17};

static STAGE: Stage = Stage::new();

const CONNECTIONS: usize = 10_000;

/// The default of `half_open_per_address`.
const PER_ADDRESS: usize = 64;

/// Connections that are opened at the same time: fewer than the listener's backlog.
const AT_ONCE: usize = 100;

/// States of a connection before authorisation.
const STATES: usize = 5;

/// Opens a connection and brings it to a state; whatever it is answered, it stays.
async fn half_open(number: usize, round: u8, to: SocketAddr) -> TcpStream {
    let [_, _, low, host] = u32::try_from(number / PER_ADDRESS).expect("a small number").to_be_bytes();
    // Neighbours and strangers: 16 addresses in each /24.
    let source = IpAddr::V4(Ipv4Addr::new(127, 150 + round, (low << 4) | (host >> 4), 1 + (host & 15)));
    let socket = TcpSocket::new_v4().expect("the limit of open files was raised");
    socket.bind(SocketAddr::new(source, 0)).expect("loopback has this address");
    let mut stream = socket.connect(to).await.expect("our listener accepts");
    let _ = timeout(Duration::from_secs(5), bring(&mut stream, number % STATES)).await;
    stream
}

/// Nothing said, half a header, a header whose answer is not read, a header whose answer is read, a handshake that stops.
async fn bring(stream: &mut TcpStream, state: usize) -> std::io::Result<()> {
    let header = header(PARTNER);
    match state {
        0 => Ok(()),
        1 => stream.write_all(&header.as_bytes()[..header.len() / 2]).await,
        2 => stream.write_all(header.as_bytes()).await,
        3 => {
            stream.write_all(header.as_bytes()).await?;
            wait_for(stream, "</stream:features>").await
        }
        _ => {
            stream.write_all(header.as_bytes()).await?;
            wait_for(stream, "</stream:features>").await?;
            stream.write_all(STARTTLS.as_bytes()).await?;
            wait_for(stream, "<proceed ").await?;
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await
        }
    }
}

async fn wait_for(stream: &mut TcpStream, part: &str) -> std::io::Result<()> {
    let mut heard = String::new();
    while !heard.contains(part) {
        let mut bytes = [0; 2048];
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            count => heard.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    Ok(())
}

fn refused(scene: &Scene) -> u64 {
    let ledger = scene.world.server.json(&["status"])["ledger"].clone();
    let counts = ledger.as_object().into_iter().flatten();
    counts
        .filter(|(name, _)| name.starts_with("proxy.connections_refused."))
        .filter_map(|(_, count)| count.as_u64())
        .sum()
}

/// All of the flood, from other addresses in each round; the villain's ends of the connections.
fn flood(round: u8, to: SocketAddr) -> Vec<TcpStream> {
    runtime().block_on(async {
        let (mut opening, mut held) = (JoinSet::new(), Vec::with_capacity(CONNECTIONS));
        for number in 0..CONNECTIONS {
            if opening.len() == AT_ONCE {
                held.extend(opening.join_next().await.map(|opened| opened.expect("no attempt panics")));
            }
            opening.spawn(half_open(number, round, to));
        }
        held.extend(opening.join_all().await);
        held
    })
}

/// New streams in both directions, while the flood stands.
fn speaks_anew(scene: &mut Scene) {
    let streams = scene.world.server.json(&["stream", "list"]);
    for stream in streams.as_array().into_iter().flatten().filter(|stream| stream["partner"] == PARTNER) {
        let number = stream["number"].to_string();
        scene.world.server.cli(&["stream", "close", &number]).succeeded();
    }
    let begun = Instant::now();
    scene.honest.exchange();
    // partner-policy §4: `stream_establishment_timeout`.
    assert!(begun.elapsed() < Duration::from_secs(60), "new streams took {:?}", begun.elapsed());
    scene.world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls"), ("outbound", "sasl_over_tls")]);
}

#[test]
fn ten_thousand_half_open_connections_leave_the_server_serving() {
    STAGE.play(|scene| {
        scene.villain_has(ROW_17);
        let (before, refused_before) = (scene.world.server.resident_kib(), refused(scene));
        let mut round = 0;
        scene.until_it_costs_nothing(|scene| {
            let held = flood(round, scene.xmpp());
            round += 1;
            assert_eq!(held.len(), CONNECTIONS);
            scene.honest.exchange();
            speaks_anew(scene);
            // Somebody whose address was never seen before.
            drop(authorised(scene.xmpp()));
            let during = scene.world.server.resident_kib();
            let most = before + HALF_OPEN_LIMIT * PLACE_KIB_MAX;
            assert!(during < most, "{before} KiB before, {during} KiB during the flood");
            drop(held);
        });
        let least = u64::from(round) * (CONNECTIONS as u64 - HALF_OPEN_LIMIT);
        let turned_away = refused(scene) - refused_before;
        assert!(turned_away >= least, "only {turned_away} were turned away");
    });
}
