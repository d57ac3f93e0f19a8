//! A name server that knows one host for every domain: SRV to one port of it, A to loopback.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

use crate::Failure;

/// The server of every domain. ejabberd asks the C library for its address, not this name server; see [`super::foreign`].
pub(crate) const HOST: &str = "host.example";

const TYPE_A: [u8; 2] = [0, 1];
const TYPE_SRV: [u8; 2] = [0, 33];
const HEADER_BYTES: usize = 12;

/// Answers for as long as this process lives: every domain's server for XMPP is at `port` of 127.0.0.1.
pub(crate) async fn serve(port: u16) -> Result<SocketAddr, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut query = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            if let Some(answer) = answer(&query[..length], port) {
                // Whoever gets no answer asks again.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    Ok(address)
}

fn answer(query: &[u8], port: u16) -> Option<Vec<u8>> {
    let mut end = HEADER_BYTES;
    let first = query.get(end + 1..)?.get(..usize::from(*query.get(end)?))?;
    loop {
        let length = usize::from(*query.get(end)?);
        if length == 0 {
            break;
        }
        end += 1 + length;
    }
    let question = query.get(HEADER_BYTES..end + 5)?;
    let kind = query.get(end + 1..end + 3)?;
    let data = if kind == TYPE_SRV && first.eq_ignore_ascii_case(b"_xmpp-server") {
        // Priority, weight, port and target.
        let mut data = vec![0, 0, 0, 0];
        data.extend(port.to_be_bytes());
        for label in HOST.split('.') {
            data.push(label.len() as u8);
            data.extend(label.as_bytes());
        }
        data.push(0);
        data
    } else if kind == TYPE_A {
        Ipv4Addr::LOCALHOST.octets().to_vec()
    } else {
        Vec::new()
    };
    let answers = u8::from(!data.is_empty());
    let mut out = query[..2].to_vec();
    // A final, authoritative answer without an error, to one question.
    out.extend([0x85, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
    out.extend(question);
    if answers > 0 {
        out.extend([0xc0, HEADER_BYTES as u8]);
        out.extend(kind);
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
