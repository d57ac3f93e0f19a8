//! One run: so many messages in one direction, as fast as they go or at a pace.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::timeout,
};

use crate::{Failure, LOCAL, REMOTE, figures::Run, partner::Partner};

/// Arrivals not yet counted.
pub(crate) const ARRIVALS_MAX: usize = 65_536;

/// Stanzas in one write of the partner, at most.
const PER_WRITE: usize = 16;

/// No message is this slow unless it is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// Which way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// From the partner to SIP users.
    Inward,
    /// From SIP users to the partner.
    Outward,
}

/// A message came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: usize,
    pub(crate) at: Instant,
}

/// The users of our own side, and what they receive.
pub(crate) trait Inside: Send + Sync + 'static {
    /// How many there are; message `number` is that of user `number % len`.
    fn len(&self) -> usize;

    /// Stanzas under way to them, at most.
    fn window(&self) -> usize;

    /// What any of them received.
    fn arrivals(&self) -> &Mutex<mpsc::Receiver<Arrival>>;

    /// Sends message `number` to the partner's user of the same number, and waits for the answer.
    fn send(&self, number: usize) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The text of message `number`: a stanza with it has about 260 octets.
pub(crate) fn text_of(number: usize) -> String {
    format!("{number} But soft, what light through yonder window breaks? It is the east, and Juliet is the sun.")
}

/// The number in such a text.
pub(crate) fn number_of(text: &str) -> Option<usize> {
    text.split(' ').next()?.parse().ok()
}

/// One message each way for each user: streams are up and memory is touched.
pub(crate) async fn warm_up(partner: &Partner, users: &Arc<impl Inside>) -> Result<(), Failure> {
    run(Direction::Inward, users.len(), None, partner, users).await?;
    run(Direction::Outward, users.len(), None, partner, users).await.map(drop)
}

/// Sends `count` messages, `pace` a second if it is given, and waits until all have arrived.
pub(crate) async fn run(
    direction: Direction,
    count: usize,
    pace: Option<usize>,
    partner: &Partner,
    users: &Arc<impl Inside>,
) -> Result<Run, Failure> {
    match direction {
        Direction::Inward => inward(count, pace, partner, &**users).await,
        Direction::Outward => outward(count, pace, partner.arrivals(), users).await,
    }
}

async fn inward(count: usize, pace: Option<usize>, partner: &Partner, users: &impl Inside) -> Result<Run, Failure> {
    let mut arrivals = users.arrivals().lock().await;
    let window = users.window();
    let begun = Instant::now();
    let mut sent = Vec::with_capacity(count);
    let mut tally = Tally::new(count);
    while !tally.is_complete() {
        let due = pace.map_or(count, |rate| (begun.elapsed().as_secs_f64() * rate as f64) as usize + 1).min(count);
        let free = (window + tally.arrived).saturating_sub(sent.len());
        let batch = (due - sent.len()).min(free).min(PER_WRITE);
        if batch > 0 {
            let mut stanzas = String::with_capacity(batch * 300);
            for number in sent.len()..sent.len() + batch {
                stanzas.push_str(&stanza(number, users.len()));
            }
            sent.resize(sent.len() + batch, Instant::now());
            partner.write(stanzas.as_bytes()).await?;
            while let Ok(arrival) = arrivals.try_recv() {
                tally.note(arrival);
            }
            continue;
        }
        let next = pace.filter(|_| sent.len() < count && free > 0).map(|rate| sent.len() as f64 / rate as f64);
        let wait = next.map_or(LOST_AFTER, |at| Duration::from_secs_f64(at).saturating_sub(begun.elapsed()));
        tally.wait(&mut arrivals, wait, next.is_none()).await?;
    }
    Ok(tally.run(begun, &sent))
}

fn stanza(number: usize, users: usize) -> String {
    let (user, text) = (number % users, text_of(number));
    format!(
        "<message from='p{user}@{REMOTE}/load' to='u{user}@{LOCAL}' type='chat' id='{number:08}'><body>{text}</body></message>"
    )
}

/// Sends messages of the users, which arrive at `arrivals`.
pub(crate) async fn outward(
    count: usize,
    pace: Option<usize>,
    arrivals: &Mutex<mpsc::Receiver<Arrival>>,
    users: &Arc<impl Inside>,
) -> Result<Run, Failure> {
    let mut arrivals = arrivals.lock().await;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..users.len())
        .map(|user| {
            let users = Arc::clone(users);
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for number in (user..count).step_by(users.len()) {
                    if let Some(rate) = pace {
                        let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    sent.push((number, Instant::now()));
                    users.send(number).await?;
                }
                Ok::<_, Failure>(sent)
            })
        })
        .collect();
    let mut tally = Tally::new(count);
    while !tally.is_complete() {
        if let Err(lost) = tally.wait(&mut arrivals, LOST_AFTER, true).await {
            // Why a user has stopped sending says more than what did not arrive.
            for task in tasks.into_iter().filter(JoinHandle::is_finished) {
                task.await??;
            }
            return Err(lost);
        }
    }
    let mut sent = vec![begun; count];
    for task in tasks {
        for (number, at) in task.await?? {
            sent[number] = at;
        }
    }
    Ok(tally.run(begun, &sent))
}

/// What has arrived of a run.
struct Tally {
    at: Vec<Option<Instant>>,
    arrived: usize,
}

impl Tally {
    fn new(count: usize) -> Self {
        Self { at: vec![None; count], arrived: 0 }
    }

    fn is_complete(&self) -> bool {
        self.arrived == self.at.len()
    }

    fn note(&mut self, arrival: Arrival) {
        if let Some(place @ None) = self.at.get_mut(arrival.number) {
            *place = Some(arrival.at);
            self.arrived += 1;
        }
    }

    async fn wait(
        &mut self,
        arrivals: &mut mpsc::Receiver<Arrival>,
        longest: Duration,
        must_come: bool,
    ) -> Result<(), Failure> {
        match timeout(longest, arrivals.recv()).await {
            Ok(Some(arrival)) => self.note(arrival),
            Ok(None) => return Err("the receiving side has ended".into()),
            Err(_) if must_come => {
                return Err(format!("{} of {} messages arrived, then none", self.arrived, self.at.len()).into());
            }
            Err(_) => {}
        }
        while let Ok(arrival) = arrivals.try_recv() {
            self.note(arrival);
        }
        Ok(())
    }

    fn run(&self, begun: Instant, sent: &[Instant]) -> Run {
        let last = self.at.iter().flatten().max().copied().unwrap_or(begun);
        let pairs = self.at.iter().flatten().zip(sent);
        let latencies = pairs.map(|(at, sent)| at.saturating_duration_since(*sent)).collect();
        Run { count: self.arrived, took: last - begun, latencies }
    }
}
