//! Opening a TCP connection to the first of several addresses that answers (RFC 8305 §4–5).
//!
//! Addresses are tried in the order given, which [`crate::dns`] made; a new attempt starts every 250 ms, or at once when
//! the newest one fails. The first connection made wins and the others are dropped. All of it is bounded by one timeout.

use std::{fmt, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// RFC 8305 §5: the recommended delay between attempts.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Attempts in one call; further addresses are not tried.
pub const ADDRESSES_MAX: usize = 16;

/// Connects to the first of `addresses` that answers within `timeout`.
pub async fn dial(addresses: &[SocketAddr], timeout: Duration) -> Result<(TcpStream, SocketAddr), DialError> {
    let deadline = Instant::now() + timeout;
    let addresses = &addresses[..addresses.len().min(ADDRESSES_MAX)];
    let mut waiting = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut failures = Vec::new();
    let mut next_attempt = Instant::now();
    loop {
        if next_attempt <= Instant::now() {
            if let Some(address) = waiting.next() {
                attempts.spawn(async move { (address, connect(address).await) });
            }
            next_attempt = Instant::now() + ATTEMPT_DELAY;
        }
        if attempts.is_empty() && waiting.len() == 0 {
            return Err(DialError { failures });
        }
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok((address, Ok(stream))) => return Ok((stream, address)),
                Ok((address, Err(error))) => {
                    failures.push((address, DialFailure::of(&error)));
                    next_attempt = Instant::now();
                }
                Err(_) => next_attempt = Instant::now(),
            },
            () = sleep_until(next_attempt), if waiting.len() > 0 => {}
            () = sleep_until(deadline) => {
                failures.extend(pending(addresses, &failures));
                return Err(DialError { failures });
            }
        }
    }
}

/// The addresses tried or still to be tried that have not failed by themselves.
fn pending(addresses: &[SocketAddr], failures: &[(SocketAddr, DialFailure)]) -> Vec<(SocketAddr, DialFailure)> {
    let failed = |address: &SocketAddr| failures.iter().any(|(tried, _)| tried == address);
    addresses.iter().copied().filter(|a| !failed(a)).map(|a| (a, DialFailure::TimedOut)).collect()
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// No address could be connected to; what each said, in the order of failing. Empty when there was no address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialError {
    /// Each address with its failure.
    pub failures: Vec<(SocketAddr, DialFailure)>,
}

impl DialError {
    /// The failure that describes all of them: the last one that was more than a timeout, else the timeout.
    pub fn kind(&self) -> DialFailure {
        let mut kinds = self.failures.iter().map(|(_, failure)| *failure);
        kinds.rfind(|failure| *failure != DialFailure::TimedOut).unwrap_or(DialFailure::TimedOut)
    }
}

impl std::error::Error for DialError {}

/// `192.0.2.1:5269 refused the connection; …`.
impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return f.write_str("there is no address to connect to");
        }
        for (i, (address, failure)) in self.failures.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{address} {failure}")?;
        }
        Ok(())
    }
}

/// Why one address could not be connected to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DialFailure {
    /// Nothing listens there.
    Refused,
    /// There is no way to the network or host.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The operating system refused for another reason: out of descriptors, forbidden by a firewall of this machine.
    Local(io::ErrorKind),
}

impl DialFailure {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Self::Unreachable
            }
            io::ErrorKind::TimedOut => Self::TimedOut,
            kind => Self::Local(kind),
        }
    }
}

/// Finishes the sentence "192.0.2.1:5269 …".
impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused the connection"),
            Self::Unreachable => f.write_str("is unreachable"),
            Self::TimedOut => f.write_str("did not answer in time"),
            Self::Local(kind) => write!(f, "could not be dialled ({kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::listen;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn the_first_address_that_answers_wins() {
        let listener = listen(address("127.0.0.1:0")).unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let dropped = listen(address("127.0.0.1:0")).unwrap();
            dropped.local_addr().unwrap()
        };
        let (_, reached) = dial(&[closed, open], Duration::from_secs(10)).await.unwrap();
        assert_eq!(reached, open);
        let error = dial(&[closed], Duration::from_secs(10)).await.unwrap_err();
        assert_eq!((error.kind(), error.failures.len()), (DialFailure::Refused, 1));
        assert_eq!(error.to_string(), format!("{closed} refused the connection"));
    }

    /// No connection leads to the address of a group; the system says so without sending anything.
    #[tokio::test]
    async fn an_address_without_a_way_is_unreachable() {
        let group = address("224.0.0.1:5269");
        let error = dial(&[group], Duration::from_secs(10)).await.unwrap_err();
        assert_eq!(error.failures, [(group, DialFailure::Unreachable)]);
    }

    #[tokio::test]
    async fn no_address_is_an_error_of_its_own() {
        let error = dial(&[], Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no address to connect to");
    }
}
