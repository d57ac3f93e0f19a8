//! Components that are slow, dead, greedy or silent: what they may hold, and who is served meanwhile.

use std::time::{Duration, Instant};

use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};
use xmpp::stanza::Condition;

use crate::{
    bot::Bot,
    partner::message,
    scene::{PATIENCE, Scene},
};

/// A write that takes longer is one that waits for a reader.
const BLOCKED: Duration = Duration::from_secs(3);

const ECHO: &str = "echo@bots.contoso.example";
const JULIET: &str = "juliet@fabrikam.example";

/// Enough stanzas of this size fill what the operating system keeps for a reader.
const LARGE: usize = 60_000;

fn large() -> String {
    message(JULIET, ECHO, &"x".repeat(LARGE))
}

#[tokio::test]
async fn a_component_that_does_not_read_is_given_no_more_and_holds_back_nobody_else() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let mut romeo = scene.registered("romeo").await;
    // Until one is refused: by its age or by what waits already.
    let mut unsettled = 0;
    let refused = loop {
        scene.edge.send_in_turn(&large()).await;
        unsettled += 1;
        assert!(unsettled < 2_000, "everything was taken");
        if let Ok(outcome) = timeout(Duration::from_millis(2), scene.edge.outcome()).await {
            unsettled -= 1;
            if let Err(error) = outcome {
                break error;
            }
        }
    };
    assert_eq!(refused.condition, Condition::ResourceConstraint);
    let waiting = scene.gateway.monitor().components().await[0].waiting;
    assert!(waiting * LARGE < 2 << 20, "{waiting} stanzas wait");

    // Everything else goes on at once.
    scene.edge.send(&message(JULIET, "romeo@contoso.example", "Are you there?"));
    assert_eq!(romeo.hear(200).await, "Are you there?");

    // What waits ends before long, and what comes later at once: a partner's stream has a window for all its domains.
    while scene.gateway.monitor().components().await[0].waiting > 0 {
        drop(timeout(Duration::from_millis(20), scene.edge.outcome()).await);
    }
    while timeout(Duration::from_millis(20), scene.edge.outcome()).await.is_ok() {}
    let begun = Instant::now();
    assert_eq!(scene.edge.say(JULIET, ECHO, "x").await, Err(Condition::ResourceConstraint));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    // Once it reads, it is served again.
    let mut served = Err(Condition::ResourceConstraint);
    while served.is_err() {
        drop(timeout(Duration::from_millis(50), bot.hear("</message>")).await);
        scene.edge.send(&message(JULIET, ECHO, "once more"));
        while let Ok(outcome) = timeout(Duration::from_millis(20), scene.edge.outcome()).await {
            served = outcome.map_err(|error| error.condition);
        }
    }
    scene.edge.send(&message(JULIET, ECHO, "the last one"));
    bot.hear("the last one</body></message>").await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

/// A stanza that was not written goes back to its sender with one error.
#[tokio::test]
async fn what_a_dying_component_has_not_taken_is_answered_once() {
    let mut scene = Scene::start().await;
    let bot = scene.bot().await;
    for _ in 0..200 {
        scene.edge.send_in_turn(&large()).await;
    }
    while scene.gateway.counters().from_partners.delivered == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(bot);
    let (mut taken, mut lost) = (0, 0);
    for _ in 0..200 {
        match scene.edge.outcome().await {
            Ok(()) => taken += 1,
            Err(error) => {
                let conditions = [Condition::RemoteServerTimeout, Condition::ResourceConstraint];
                assert!(conditions.contains(&error.condition), "{error}");
                lost += 1;
            }
        }
    }
    assert!(taken > 0 && lost > 0, "{taken} taken, {lost} lost");
    scene.is_well().await;
    // A new connection serves the domain, and gets none of the old.
    let mut bot = scene.bot().await;
    scene.edge.send(&message(JULIET, ECHO, "afresh"));
    assert_eq!(bot.hear("</message>").await, message(JULIET, ECHO, "afresh"));
    assert_eq!(scene.edge.outcome().await, Ok(()));
}

/// Each error holds the credit of what it answers until it was written.
#[tokio::test]
async fn a_component_that_does_not_read_its_errors_is_read_no_further() {
    let scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let wrong = message(ECHO, "a@example.org", &"x".repeat(900)).repeat(100);
    let mut said = 0_usize;
    while bot.try_say(&wrong, BLOCKED).await {
        said += wrong.len();
        assert!(said < 64 << 20, "everything is read although nothing is heard");
    }
    let queued = scene.gateway.counters().from_users;
    assert!(queued.answered < 40_000, "{queued:?}");
    let other = timeout(PATIENCE, scene.registered("romeo")).await;
    assert!(other.is_ok(), "others are served");
}

#[tokio::test]
async fn a_component_is_not_read_while_the_link_takes_nothing() {
    let mut scene = Scene::start().await;
    let mut bot = scene.bot().await;
    let many = message(ECHO, JULIET, &"x".repeat(900)).repeat(100);
    let mut said = 0_usize;
    while bot.try_say(&many, BLOCKED).await {
        said += many.len();
        assert!(said < 64 << 20, "everything is read although the link takes nothing");
    }
    let on_their_way = scene.gateway.counters().from_users.queued;
    assert!((2_000..3_000).contains(&on_their_way), "{on_their_way} stanzas are on their way");
    scene.edge.next().await.written();
}

#[tokio::test]
async fn connections_without_a_proved_secret_are_limited() {
    let scene = Scene::start().await;
    let address = scene.gateway.components()[0];
    let mut bot = scene.bot().await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut further = TcpStream::connect(address).await.unwrap();
    let read = timeout(PATIENCE, further.read(&mut [0])).await.expect("it is closed at once");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!(scene.gateway.counters().components["half_open_limit"], 1);
    bot.say(&message(ECHO, "a@example.org", "x")).await;
    assert!(bot.hear("</message>").await.contains("<not-allowed "), "the component is not disturbed");
    drop(silent);
    drop(bot);
    while scene.gateway.counters().components.get("refused").is_none_or(|refused| *refused < 64) {
        sleep(Duration::from_millis(5)).await;
    }
    drop(Bot::open(address, "other.example").await.hear("<host-unknown ").await);
}
