//! Rows about time and repetition: who is slow on purpose, who makes others answer.

use std::thread;
use std::time::{Duration, Instant};

use interop::process::until;

use super::forge::no_certificate;
use super::scene::{Scene, Stage};
use super::villain::{STARTTLS, Wire, authorised, header};
use crate::world::{OURS, PARTNER, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

/// The least that `stream_establishment_timeout` can be.
const ESTABLISHMENT: Duration = Duration::from_secs(5);

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(|scene| {
        scene.villain_has(ROW_17);
        attack(scene);
    });
}

/// The connection ends when its time is over, and not much later; what was heard.
fn runs_out(what: &str, mut wire: Wire, begun: Instant) -> String {
    let heard = wire.end().to_owned();
    let taken = begun.elapsed();
    assert!(taken < ESTABLISHMENT + Duration::from_secs(7), "{what} was held for {taken:?}: {heard}");
    heard
}

/// partner-policy §4, `stream_establishment_timeout`: from the connection to an authorised pair, whatever happens between.
#[test]
fn row_21_half_open_and_slow_streams() {
    row(|scene| {
        scene.world.server.cli(&["settings", "set", "stream_establishment_timeout=5"]).succeeded();
        let xmpp = scene.xmpp();
        let slow = |text: String| {
            let (mut wire, begun) = (Wire::open(xmpp), Instant::now());
            wire.patience(Duration::from_secs(1));
            let mut bytes = text.bytes();
            while begun.elapsed() < ESTABLISHMENT * 2 && bytes.next().is_some_and(|byte| wire.try_say(&[byte])) {
                thread::sleep(Duration::from_millis(100));
            }
            runs_out("one byte at a time", wire, begun)
        };
        // Our streams to the villain, and our questions, get a header and nothing after it.
        scene.den.behave(|mut wire| {
            wire.wait_for("<stream:stream ");
            wire.say(header(STRANGER).replace("version='1.0'>", "id='slow' version='1.0'>"));
            wire.end();
        });
        let scene = &*scene;
        thread::scope(|threads| {
            threads.spawn(|| runs_out("nothing", Wire::open(xmpp), Instant::now()));
            threads.spawn(|| assert!(slow(header(STRANGER)).contains("<connection-timeout ")));
            threads.spawn(|| {
                assert!(slow(format!("{}{}", header(STRANGER), " ".repeat(200))).contains("<connection-timeout "))
            });
            threads.spawn(|| {
                let (mut wire, begun) = (Wire::open(xmpp), Instant::now());
                wire.say(header(PARTNER));
                wire.wait_for("</stream:features>");
                wire.say(STARTTLS);
                wire.wait_for("<proceed ");
                wire.heard.clear();
                wire.say([0x16, 3, 1, 2, 0, 1]);
                let heard = runs_out("half a handshake", wire, begun);
                assert!(!heard.contains('<'), "no XML amid a handshake: {heard}");
            });
            threads.spawn(|| {
                let begun = Instant::now();
                let mut wire = Wire::open(xmpp).starttls(PARTNER, &no_certificate());
                wire.say("<stream:stream ");
                runs_out("half a header inside TLS", wire, begun);
            });
            threads.spawn(|| {
                let (mut wire, begun) = (Wire::open(xmpp), Instant::now());
                wire.say(format!("{}<db:result from='{STRANGER}' to='{OURS}'>key</db:result>", header(STRANGER)));
                let heard = runs_out("a key that nobody answers for", wire, begun);
                assert!(heard.contains("<remote-server-timeout ") || heard.contains("<connection-timeout "), "{heard}");
                assert!(!heard.contains("type='valid'"), "{heard}");
            });
            threads.spawn(|| {
                let begun = Instant::now();
                let probe = scene.probe(&[]);
                assert_eq!(probe["report"]["result"], "timeout", "{probe}");
                assert!(begun.elapsed() < ESTABLISHMENT + Duration::from_secs(7), "{:?}", begun.elapsed());
            });
        });
        scene.world.server.cli(&["settings", "set", "stream_establishment_timeout=60"]).succeeded();
    });
}

fn count(scene: &Scene, name: &str) -> u64 {
    scene.world.server.json(&["status"])["ledger"][name].as_u64().unwrap_or_default()
}

/// RFC 6120 §8.3.1: an error is never answered, nor the result of an iq; RFC 6121 §8.5.1: nor presence to nobody.
#[test]
fn row_23_bounce_storms_and_error_loops() {
    const STORM: u64 = 400;
    row(|scene| {
        let (visits, errors) = (scene.den.visits(), count(scene, "proxy.errors_to_partners.accepted"));
        let before = count(scene, "proxy.from_partners.accepted");
        let from = format!("from='iago@{STRANGER}' to='nobody@{OURS}'");
        let fault = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        let mut wire = authorised(scene.xmpp());
        for _ in 0..STORM / 4 {
            wire.say(format!("<message type='error' {from}>{fault}</message>"));
            wire.say(format!("<iq type='error' id='1' {from}>{fault}</iq>"));
            wire.say(format!("<iq type='result' id='1' {from}/>"));
            wire.say(format!("<presence type='error' {from}>{fault}</presence>"));
        }
        wire.say("</stream:stream>");
        wire.end();
        until("all of the storm to be accounted for", || {
            (count(scene, "proxy.from_partners.accepted") == before + STORM
                && count(scene, "proxy.from_partners.queued") == 0)
                .then_some(())
        });
        assert_eq!(count(scene, "proxy.errors_to_partners.accepted"), errors, "nothing is answered");
        // One connection asked whether the key of the storm's stream is valid.
        assert_eq!(scene.den.visits(), visits + 1);
    });
}

/// XEP-0205: partners that ask without end and read nothing of what they are answered hold no memory and are read no further.
#[test]
fn slow_readers_hold_no_memory() {
    const STREAMS: usize = 10;
    row(|scene| {
        // An answer for each: the pair is authorised already.
        let asks = format!("<db:result from='{STRANGER}' to='{OURS}'>key</db:result>").repeat(500);
        scene.until_it_costs_nothing(|scene| {
            let before = scene.world.server.resident_kib();
            let mut wires: Vec<_> = (0..STREAMS).map(|_| authorised(scene.xmpp())).collect();
            for wire in &mut wires {
                wire.patience(Duration::from_millis(300));
                let mut taken = 0;
                while wire.try_say(asks.as_bytes()) {
                    taken += asks.len();
                    assert!(taken < 64 << 20, "{taken} bytes were read from a partner that reads nothing");
                }
            }
            scene.honest.exchange();
            let during = scene.world.server.resident_kib();
            // 256 KiB of answers each, and what one read brings.
            assert!(during < before + 12 * 1024, "{before} KiB before, {during} KiB with {STREAMS} slow readers");
            drop(wires);
            until("the streams to end", || {
                let streams = scene.world.server.json(&["status"])["streams"].clone();
                streams.as_array().is_some_and(|s| s.iter().all(|s| s["partner"] != STRANGER)).then_some(())
            });
        });
    });
}
