//! A scripted SIP user: registers, sends and receives pager-mode messages, all over one UDP socket on loopback.
//!
//! It is made of the same cores as the gateway, seen from the other end: what it proves is the road, not the cores, which
//! foreign endpoints prove. It answers MESSAGE and OPTIONS with 200 and everything else with 405.

use std::{fmt, io, net::SocketAddr, time::Duration};

use sip::{FieldError, NameAddr, Status, Uri, digest, message::HeaderError};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

mod script;

/// Messages received and not yet taken; more are answered 480.
const RECEIVED_MAX: usize = 1024;
/// Orders not yet begun.
const ORDERS_MAX: usize = 256;

/// Who the user is and where they register.
#[derive(Clone)]
pub struct SipAccount {
    /// The part before the `@`.
    pub user: String,
    /// The internal domain, which is the digest realm too.
    pub domain: String,
    /// The password.
    pub password: String,
    /// The UDP address of the gateway.
    pub gateway: SocketAddr,
}

/// How a request of the user ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The final status; 408 and 503 stand for silence and a lost flow.
    pub status: Status,
    /// The reason phrase.
    pub phrase: String,
    /// The text of Warning, without code and agent.
    pub warning: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.phrase)?;
        match &self.warning {
            Some(warning) => write!(f, " ({warning})"),
            None => Ok(()),
        }
    }
}

/// A message that the user received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The sender's address, without scheme and parameters.
    pub from: String,
    /// The text.
    pub text: String,
}

/// The script cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SipUserError {
    /// An address of the script is none.
    #[error("an address is malformed: {0}")]
    Address(#[from] FieldError),
    /// A value of the script cannot be written.
    #[error("a value cannot be written: {0}")]
    Header(#[from] HeaderError),
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The user has ended.
    #[error("the SIP user has ended")]
    Ended,
}

/// What the script asks for.
enum Order {
    Register { expires: u32, done: oneshot::Sender<Outcome> },
    Message { to: Uri, text: String, done: oneshot::Sender<Outcome> },
}

/// A SIP user at work. Dropping it closes the socket; the binding stays until it expires.
pub struct SipUser {
    orders: mpsc::Sender<Order>,
    received: mpsc::Receiver<Received>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl SipUser {
    /// Opens a socket on a free loopback port. `seed` is random: tags, branches and client nonces follow from it.
    pub async fn start(account: SipAccount, seed: [u8; 32]) -> Result<Self, SipUserError> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
        let address = socket.local_addr()?;
        let own = NameAddr::new(Uri::sip(Some(&account.user), &account.domain, None)?);
        let contact = NameAddr::new(Uri::sip(Some(&account.user), "127.0.0.1", Some(address.port()))?);
        let registrar = Uri::sip(None, &account.domain, None)?;
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (inbox, received) = mpsc::channel(RECEIVED_MAX);
        let mut tokens = sip::Tokens::new(seed);
        let digest = digest::Client::new(&account.user, &account.password, tokens.seed());
        let identity = script::Identity { own, contact, registrar, gateway: account.gateway };
        let script = script::Script::new(socket, address, identity, digest, tokens, inbox);
        let task = tokio::spawn(script.run(taken));
        Ok(Self { orders, received, address, task })
    }

    /// The address of the socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers for this many seconds, answering a challenge; 0 ends the registration.
    pub async fn register(&self, expires: u32) -> Result<Outcome, SipUserError> {
        self.order(|done| Order::Register { expires, done }).await
    }

    /// Sends a text to an address such as `juliet@fabrikam.example`, answering a challenge, and waits for the final
    /// response.
    pub async fn send_message(&self, to: &str, text: &str) -> Result<Outcome, SipUserError> {
        let to = Uri::parse(&format!("sip:{to}"))?;
        let text = text.to_owned();
        self.order(|done| Order::Message { to, text, done }).await
    }

    /// The next message; `None` if none comes in this time or the user has ended.
    pub async fn next_message(&mut self, within: Duration) -> Option<Received> {
        tokio::time::timeout(within, self.received.recv()).await.ok().flatten()
    }

    /// Hands the inbox over: from then on [`Self::next_message`] gives nothing.
    pub fn take_inbox(&mut self) -> mpsc::Receiver<Received> {
        let (_, closed) = mpsc::channel(1);
        std::mem::replace(&mut self.received, closed)
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<Outcome>) -> Order) -> Result<Outcome, SipUserError> {
        let (done, outcome) = oneshot::channel();
        self.orders.send(order(done)).await.map_err(|_| SipUserError::Ended)?;
        outcome.await.map_err(|_| SipUserError::Ended)
    }
}

impl Drop for SipUser {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
