//! A scripted component (XEP-0114) on a socket.

use std::net::SocketAddr;

use sha1::{Digest as _, Sha1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::scene::PATIENCE;

pub(crate) struct Bot {
    stream: TcpStream,
    heard: String,
}

impl Bot {
    /// Connected and accepted.
    pub(crate) async fn connect(address: SocketAddr, domain: &str, secret: &str) -> Self {
        let mut bot = Self::handshake(address, domain, secret).await;
        bot.hear("<handshake/>").await;
        bot
    }

    /// The handshake is sent; what comes of it is not heard yet.
    pub(crate) async fn handshake(address: SocketAddr, domain: &str, secret: &str) -> Self {
        let mut bot = Self::open(address, domain).await;
        let header = bot.hear("'>").await;
        bot.prove(&header, secret).await;
        bot
    }

    /// Sends the handshake that belongs to the gateway's header.
    pub(crate) async fn prove(&mut self, header: &str, secret: &str) {
        let id = header.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        let digest = Sha1::digest(format!("{id}{secret}"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.say(&format!("<handshake>{hex}</handshake>")).await;
    }

    /// The header is sent.
    pub(crate) async fn open(address: SocketAddr, domain: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut bot = Self { stream, heard: String::new() };
        let streams = "http://etherx.jabber.org/streams";
        bot.say(&format!("<stream:stream xmlns='jabber:component:accept' xmlns:stream='{streams}' to='{domain}'>"))
            .await;
        bot
    }

    pub(crate) async fn say(&mut self, xml: &str) {
        self.stream.write_all(xml.as_bytes()).await.unwrap();
    }

    /// Writes without waiting for a reader for ever; whether all was taken.
    pub(crate) async fn try_say(&mut self, xml: &str, patience: std::time::Duration) -> bool {
        matches!(timeout(patience, self.stream.write_all(xml.as_bytes())).await, Ok(Ok(())))
    }

    /// Reads up to `part` and gives everything before and with it.
    pub(crate) async fn hear(&mut self, part: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(part) {
                let rest = self.heard.split_off(at + part.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            assert!(self.read().await, "the end instead of {part:?} after {:?}", self.heard);
        }
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> String {
        while self.read().await {}
        std::mem::take(&mut self.heard)
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await;
        let count = read.unwrap_or_else(|_| panic!("nothing came after {:?}", self.heard)).unwrap_or(0);
        self.heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        count > 0
    }
}
