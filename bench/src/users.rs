//! The SIP users under load.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use legation::demo::sip_user::{SipAccount, SipUser};
use sip::Status;
use tokio::sync::{Mutex, mpsc};

use crate::{
    Failure, LOCAL, REMOTE,
    road::{ARRIVALS_MAX, Arrival, Inside, number_of, text_of},
};

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Stanzas under way to each user, at most: the gateway sends one at a time and queues the others.
const WINDOW_PER_USER: usize = 8;

/// The name of the user with this number.
pub(crate) fn name(number: usize) -> String {
    format!("u{number}")
}

/// All users, each with one contact.
pub(crate) struct Users {
    users: Vec<Arc<SipUser>>,
    refused: AtomicU64,
    /// What any of them received.
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
}

impl Users {
    /// Registers all users.
    pub(crate) async fn register(gateway: SocketAddr, count: usize) -> Result<Self, Failure> {
        let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let mut users = Vec::with_capacity(count);
        for number in 0..count {
            let (user, domain, password) = (name(number), LOCAL.to_owned(), PASSWORD.to_owned());
            let account = SipAccount { user, domain, password, gateway };
            let mut user = SipUser::start(account, net::entropy::seed()).await?;
            let outcome = user.register(3600).await?;
            if outcome.status != Status::OK {
                return Err(format!("{} cannot register: {outcome}", name(number)).into());
            }
            let (mut inbox, arrived) = (user.take_inbox(), arrived.clone());
            tokio::spawn(async move {
                while let Some(received) = inbox.recv().await {
                    let arrival = number_of(&received.text).map(|number| Arrival { number, at: Instant::now() });
                    if let Some(arrival) = arrival
                        && arrived.send(arrival).await.is_err()
                    {
                        return;
                    }
                }
            });
            users.push(Arc::new(user));
        }
        Ok(Self { users, refused: AtomicU64::new(0), arrivals: Mutex::new(arrivals) })
    }

    /// Responses other than success.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Inside for Users {
    fn len(&self) -> usize {
        self.users.len()
    }

    fn window(&self) -> usize {
        WINDOW_PER_USER * self.users.len()
    }

    fn arrivals(&self) -> &Mutex<mpsc::Receiver<Arrival>> {
        &self.arrivals
    }

    async fn send(&self, number: usize) -> Result<(), Failure> {
        let user = &self.users[number % self.users.len()];
        let to = format!("p{}@{REMOTE}", number % self.users.len());
        let outcome = user.send_message(&to, &text_of(number)).await?;
        if !outcome.status.is_success() && self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(format!("a message to {to} was refused: {outcome}").into());
        }
        Ok(())
    }
}
