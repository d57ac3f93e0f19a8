//! A loopback address for one test world, and free ports on it.
//!
//! Ports come from the kernel. Between asking for a port and the foreign program binding it another process could take it;
//! an address that nobody else uses closes that gap.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

static WORLDS: AtomicU8 = AtomicU8::new(1);
static GIVEN: Mutex<Vec<(Ipv4Addr, u16)>> = Mutex::new(Vec::new());

/// One address in 127.0.0.0/8.
#[derive(Clone, Copy, Debug)]
pub struct Loopback {
    address: Ipv4Addr,
}

impl Loopback {
    /// An address that no other world of this process or of another test process uses: made from the process id and a counter.
    #[expect(clippy::new_without_default, reason = "two values are never the same")]
    pub fn new() -> Self {
        let [.., high, low] = process::id().to_be_bytes();
        let world = WORLDS.fetch_add(1, Ordering::Relaxed);
        Self { address: Ipv4Addr::new(127, 64 | high, low, world) }
    }

    /// The address.
    pub fn ip(&self) -> IpAddr {
        IpAddr::V4(self.address)
    }

    /// A port that is free for TCP and for UDP and was not given out before.
    pub fn port(&self) -> u16 {
        let mut given = GIVEN.lock().expect("no thread panics while it holds this");
        loop {
            let tcp = TcpListener::bind((self.address, 0)).expect("the kernel has a free port");
            let port = tcp.local_addr().expect("a bound socket has an address").port();
            if !given.contains(&(self.address, port)) && UdpSocket::bind((self.address, port)).is_ok() {
                given.push((self.address, port));
                return port;
            }
        }
    }
}
