//! The traffic, the same for every server under test.

use std::time::{Duration, Instant};

use tokio::{
    io::AsyncWriteExt as _,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{component::since_epoch, peer::Stream, subject::Subject};
use crate::{Failure, LOCAL};

/// About the length of a chat message between servers.
const MESSAGE_BYTES: usize = 260;

/// How long nothing may arrive before something counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// A chat message of usual length.
pub(crate) fn message(from: &str, to: &str, id: &str) -> String {
    let (head, tail) = (
        format!("<message from='juliet@{from}/balcony' to='romeo@{to}' type='chat' id='{id}'><body>"),
        "</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    );
    let text = "Art thou not Romeo, and a Montague? ".repeat(8);
    let room = MESSAGE_BYTES.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", &text[..room.min(text.len())])
}

/// Sends as much as the server takes, on all streams at once, and waits until all has arrived; the server's CPU time for
/// each thousand messages, in milliseconds.
pub(crate) async fn flood(
    subject: &mut Subject,
    streams: &mut Vec<(String, Stream)>,
    messages: usize,
    together: usize,
) -> Result<f64, Failure> {
    let writes = messages / together / streams.len();
    let sent = (writes * together * streams.len()) as u64;
    let (cpu, arrived) = (subject.cpu()?, subject.arrived()?);
    let mut writing = JoinSet::new();
    for (name, mut stream) in streams.drain(..) {
        let text = message(&name, LOCAL, "m").repeat(together);
        writing.spawn(async move {
            for _ in 0..writes {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await?;
            }
            Ok::<_, Failure>((name, stream))
        });
    }
    while let Some(written) = writing.join_next().await {
        streams.push(written??);
    }
    wait_inside(subject, arrived + sent).await?;
    Ok((subject.cpu()? - cpu).as_secs_f64() * 1e6 / sent as f64)
}

async fn wait_inside(subject: &mut Subject, count: u64) -> Result<(), Failure> {
    let what = format!("{} passed on", subject.name);
    wait_for(|| subject.arrived(), count, &what).await
}

/// Waits until so many are counted; it has failed when nothing is added for long.
pub(crate) async fn wait_for(
    mut counted: impl FnMut() -> Result<u64, Failure>,
    count: u64,
    what: &str,
) -> Result<(), Failure> {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let now = counted()?;
        if now >= count {
            return Ok(());
        }
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
        if since.elapsed() > LOST_AFTER {
            return Err(format!("{what}: {now} of {count} messages").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends so many messages a second for so long on one stream; the 99th percentile of their latencies.
pub(crate) async fn pace(
    subject: &mut Subject,
    (name, stream): &mut (String, Stream),
    per_second: u32,
    seconds: u32,
) -> Result<Duration, Failure> {
    let arrived = subject.arrived()?;
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..per_second * seconds {
        ticks.tick().await;
        let text = message(name, LOCAL, &format!("s{}", since_epoch().as_nanos()));
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await?;
    }
    wait_inside(subject, arrived + u64::from(per_second * seconds)).await?;
    subject.p99()
}
