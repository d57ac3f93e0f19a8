//! Rows about dialback and about who may speak for whom.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use interop::process::{PATIENCE, until};

use super::scene::{JULIET, Scene, Stage};
use super::villain::{DIALBACK, Wire, answer_header, answer_question, authorised, header};
use crate::world::{ALICE, OURS, PARTNER, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

/// Row 15 of the settings: TLS where it is offered, and dialback alone.
const ROW_15: [&str; 3] = ["optional", "not_supported", "true"];

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(|scene| {
        scene.villain_has(ROW_17);
        attack(scene);
    });
}

fn stanza() -> String {
    format!("<message from='iago@{STRANGER}' to='{ALICE}'><body>Boo</body></message>")
}

fn key_for(from: &str) -> String {
    format!("<db:result from='{from}' to='{OURS}'>some key</db:result>")
}

fn greeted(scene: &Scene) -> Wire {
    let mut wire = Wire::open(scene.xmpp());
    wire.say(header(STRANGER));
    wire.wait_for("</stream:features>");
    wire
}

/// XEP-0220 §3.1, the notice of 2012: an answer counts if it was asked for, on that stream, for that pair and id.
#[test]
fn row_05_unsolicited_dialback_answers() {
    row(|scene| {
        for forged in [
            format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>"),
            format!("<db:verify from='{STRANGER}' to='{OURS}' id='1' type='valid'/>"),
            format!("<db:result from='{OURS}' to='{STRANGER}' type='valid'/>"),
        ] {
            let mut wire = greeted(scene);
            wire.say(format!("{forged}{}", stanza()));
            let heard = wire.end();
            assert!(heard.contains("<not-authorized "), "{forged}: {heard}");
        }
        // The villain's own server is asked, answers for everything that it was not asked, and then says the truth.
        scene.den.behave(|mut wire| {
            answer_header(&mut wire, "villain", DIALBACK);
            wire.wait_for("</db:verify>");
            let id = wire.attribute("db:verify", "id");
            wire.say(format!("<db:verify from='{STRANGER}' to='{OURS}' id='{id}0' type='valid'/>"));
            wire.say(format!("<db:verify from='{PARTNER}' to='{OURS}' id='{id}' type='valid'/>"));
            wire.say(format!("<db:verify from='{STRANGER}' to='{PARTNER}' id='{id}' type='valid'/>"));
            wire.say(format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>"));
            answer_question(&mut wire, "invalid");
            wire.end();
        });
        let mut wire = greeted(scene);
        let id = wire.attribute("stream:stream", "id");
        wire.say(key_for(STRANGER));
        // The question was asked elsewhere: an answer on the stream that the key came on is none.
        wire.say(format!("<db:verify from='{STRANGER}' to='{OURS}' id='{id}' type='valid'/>"));
        let heard = wire.end();
        assert!(heard.contains("type='invalid'") && !heard.contains("type='valid'"), "{heard}");
    });
}

/// Lets us connect to the villain's server by a probe, which sends it a key. While the stream lives, `attack` gets the id
/// that the villain has chosen and the key.
fn with_a_key_of_ours(scene: &mut Scene, id: &'static str, attack: impl FnOnce(&Scene, &str)) {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let held = Mutex::new(Some((tell, gone)));
    scene.den.behave(move |mut wire| {
        answer_header(&mut wire, id, DIALBACK);
        if !wire.wait_for_any(&["</db:result>", "</db:verify>"]).contains("</db:result>") {
            return;
        }
        let (_, key) = wire.heard.rsplit_once("'>").expect("a key has a start");
        let key = key.split_once('<').expect("a key has an end").0.to_owned();
        if let Some((tell, gone)) = held.lock().expect("no thread panics while it holds this").take() {
            let _ = tell.send(key);
            let _ = gone.recv();
        }
        wire.say(format!("<db:result from='{STRANGER}' to='{OURS}' type='valid'/>"));
        wire.end();
    });
    let scene = &*scene;
    thread::scope(|threads| {
        let probe = threads.spawn(|| scene.probe(&[]));
        let key = told.recv_timeout(PATIENCE).expect("a key is sent");
        attack(scene, &key);
        drop(go);
        let probe = probe.join().expect("the probe ends");
        assert_eq!(probe["report"]["result"], "ok", "{probe}");
        // What was stolen from a stream that is gone is worth nothing.
        assert_eq!(asked(scene, STRANGER, id, &key), "invalid");
    });
}

/// What we answer to the question whether a key is ours: the type, after the whole answer was compared with what it must be.
fn asked(scene: &Scene, from: &str, id: &str, key: &str) -> String {
    let mut wire = greeted(scene);
    wire.heard.clear();
    wire.say(format!("<db:verify from='{from}' to='{OURS}' id='{id}'>{key}</db:verify>"));
    wire.wait_for("/>");
    let verdict = wire.attribute("db:verify", "type");
    let answer = format!("<db:verify from='{OURS}' to='{from}' id='{id}' type='{verdict}'/>");
    assert_eq!(wire.heard, answer, "nothing more is told");
    verdict
}

/// XEP-0185 and the "wrong number attack": a key counts for its pair, its stream, and while that lives.
#[test]
fn row_06_dialback_key_weaknesses() {
    row(|scene| {
        with_a_key_of_ours(scene, "id-chosen-by-the-villain", |scene, key| {
            // XEP-0185 §2: hexadecimal, 256 bits.
            assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
            assert_eq!(asked(scene, STRANGER, "id-chosen-by-the-villain", key), "valid");
            assert_eq!(asked(scene, STRANGER, "id-of-another-stream", key), "invalid");
            assert_eq!(asked(scene, STRANGER, "id-chosen-by-the-villain ", key), "invalid");
            let other = format!("other.{STRANGER}");
            assert_eq!(asked(scene, &other, "id-chosen-by-the-villain", key), "invalid");
        });
        // Ids of ours: fresh for each stream, and nothing that one could count on.
        let ids: BTreeSet<_> = (0..20).map(|_| greeted(scene).attribute("stream:stream", "id")).collect();
        assert_eq!(ids.len(), 20);
        assert!(ids.iter().all(|id| id.len() >= 22), "128 bits at least: {ids:?}");
    });
}

/// CVE-2021-32921: the code compares keys with `subtle`; here, whatever part of a wrong key is right, the answer is the same.
#[test]
fn row_29_timing_leak_in_the_comparison_of_secrets() {
    row(|scene| {
        with_a_key_of_ours(scene, "timed", |scene, key| {
            for right in [0, 1, 8, 31, 62, 63] {
                let wrong = if key.as_bytes()[right] == b'0' { '1' } else { '0' };
                let forged = format!("{}{wrong}{}", &key[..right], "0".repeat(63 - right));
                assert_eq!(asked(scene, STRANGER, "timed", &forged), "invalid", "{right} digits are right");
            }
            for forged in [key[..63].to_owned(), format!("{key}0"), key.to_uppercase(), "x".repeat(2_000)] {
                // A key of digits alone has no upper case.
                assert!(forged == *key || asked(scene, STRANGER, "timed", &forged) == "invalid", "{forged}");
            }
        });
    });
}

/// CVE-2021-32919: a good certificate does not stand for a key, neither for its own domain nor for another one.
#[test]
fn row_07_dialback_without_dialling_back() {
    row(|scene| {
        scene.villain_has(ROW_15);
        scene.den.behave(|mut wire| {
            answer_header(&mut wire, "villain", DIALBACK);
            wire.wait_for("</db:verify>");
            answer_question(&mut wire, "invalid");
            wire.end();
        });
        let visits = scene.den.visits();
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &scene.forge.good(STRANGER));
        wire.restart(STRANGER);
        wire.say(key_for(STRANGER));
        let heard = wire.end();
        assert!(heard.contains("type='invalid'"), "{heard}");
        assert_eq!(scene.den.visits(), visits + 1, "the server of the domain was asked");
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &scene.forge.good(STRANGER));
        wire.restart(STRANGER);
        wire.say(key_for(PARTNER));
        let heard = wire.end();
        assert!(!heard.contains("type='valid'") && heard.contains("<policy-violation "), "{heard}");
    });
}

/// RFC 6120 §8.1.2.2: exactly the pairs that were authorised, on this stream and in this direction.
#[test]
fn row_15_foreign_senders_and_other_pairs() {
    row(|scene| {
        let too = format!("it.{OURS}");
        scene.world.server.cli(&["domain", "add", &too]).succeeded();
        for (what, from, to) in [
            ("somebody else's sender", JULIET.to_owned(), ALICE.to_owned()),
            ("a sub-domain", format!("iago@other.{STRANGER}"), ALICE.to_owned()),
            ("ourselves", format!("bob@{OURS}"), ALICE.to_owned()),
            ("another target of ours", format!("iago@{STRANGER}"), format!("bob@{too}")),
            ("another target of nobody", format!("iago@{STRANGER}"), format!("bob@{PARTNER}")),
        ] {
            let mut wire = authorised(scene.xmpp());
            wire.say(format!("<message from='{from}' to='{to}'><body>Boo</body></message>"));
            let heard = wire.end();
            assert!(heard.contains("<invalid-from "), "{what}: {heard}");
        }
        for (what, attributes) in
            [("no sender", format!("to='{ALICE}'")), ("no target", format!("from='iago@{STRANGER}'"))]
        {
            let mut wire = authorised(scene.xmpp());
            wire.say(format!("<message {attributes}><body>Boo</body></message>"));
            let heard = wire.end();
            assert!(heard.contains("<improper-addressing "), "{what}: {heard}");
        }
        let mut wire = greeted(scene);
        wire.say(stanza());
        assert!(wire.end().contains("<not-authorized "));
        scene.world.server.cli(&["domain", "remove", &too]).succeeded();
    });
}

#[test]
fn row_16_claiming_to_be_one_of_our_own_domains() {
    row(|scene| {
        let mut wire = Wire::open(scene.xmpp());
        wire.say(header(OURS));
        let heard = wire.end();
        assert!(heard.contains("<invalid-from "), "{heard}");
        let mut wire = greeted(scene);
        wire.say(key_for(OURS));
        let heard = wire.end();
        assert!(heard.contains("<invalid-from "), "{heard}");
        let mut wire = authorised(scene.xmpp());
        wire.say(key_for(OURS));
        wire.wait_for("</db:result>");
        assert!(wire.heard.contains("type='error'") && wire.heard.contains("<policy-violation "), "{}", wire.heard);
        wire.say(format!("<message from='bob@{OURS}' to='{ALICE}'><body>Boo</body></message>"));
        assert!(wire.end().contains("<invalid-from "));
    });
}

/// A door that opens for all at once.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().expect("no thread panics while it holds this") = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.lock().expect("no thread panics while it holds this");
        drop(self.1.wait_while(open, |open| !*open).expect("no thread panics while it holds this"));
    }
}

/// A key makes us look up and connect: only for partners, never to private addresses unless configured, four at a time.
#[test]
fn row_22_amplification_by_keys() {
    const STREAMS: usize = 12;
    row(|scene| {
        let server = &scene.world.server;
        let visits = scene.den.visits();
        // Somebody that is no partner any more, in a flood.
        server.cli(&["partner", "disable", STRANGER]).succeeded();
        for _ in 0..STREAMS {
            let mut wire = Wire::open(scene.xmpp());
            wire.say(format!("{}{}", header(STRANGER), key_for(STRANGER)));
            assert!(wire.end().contains("<policy-violation "));
        }
        server.cli(&["partner", "enable", STRANGER]).succeeded();
        // Where private addresses are not allowed, the villain's is one.
        server.cli(&["settings", "set", "allow_private_targets=false"]).succeeded();
        for _ in 0..STREAMS {
            let mut wire = greeted(scene);
            wire.say(key_for(STRANGER));
            wire.wait_for("</db:result>");
            assert!(wire.heard.contains("<remote-server-not-found "), "{}", wire.heard);
        }
        server.cli(&["settings", "set", "allow_private_targets=true"]).succeeded();
        assert_eq!(scene.den.visits(), visits, "nobody was connected to");

        let (gate, now, most) = (Arc::<Gate>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (at, counted, top) = (Arc::clone(&gate), Arc::clone(&now), Arc::clone(&most));
        scene.den.behave(move |mut wire| {
            top.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            at.pass();
            answer_header(&mut wire, "villain", DIALBACK);
            wire.wait_for("</db:verify>");
            counted.fetch_sub(1, Ordering::SeqCst);
            answer_question(&mut wire, "invalid");
        });
        let mut wires: Vec<_> = (0..STREAMS).map(|_| greeted(scene)).collect();
        wires.iter_mut().for_each(|wire| wire.say(key_for(STRANGER)));
        until("four questions at the villain's server", || (now.load(Ordering::SeqCst) == 4).then_some(()));
        scene.honest.exchange();
        assert_eq!(now.load(Ordering::SeqCst), 4, "no more than four at a time");
        gate.open();
        for mut wire in wires {
            let heard = wire.end();
            assert!(heard.contains("type='invalid'"), "{heard}");
        }
        assert_eq!((scene.den.visits(), most.load(Ordering::SeqCst)), (visits + STREAMS, 4));
    });
}
