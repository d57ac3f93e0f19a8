//! Who is there during the attacks: a partner and a user who mean well, and a villain that is a partner too.
//!
//! The rows of one file share a scene, one at a time: its programs are started by the first row that comes, and ended, each by
//! its own process id, when no row waits for it any more. Each row ends with the proof that those who mean well are still
//! served, that every stanza is accounted for, and that the memory has come back.

use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use interop::baresip::{Baresip, Transport};
use interop::process::{PATIENCE, until};
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;

use super::forge::Forge;
use super::villain::{Den, Wire, authorised, header};
use crate::world::{ALICE, PARTNER, ROW_2, ROW_17, STRANGER, World};

pub(crate) const JULIET: &str = "juliet@fabrikam.example";

/// What a row may leave behind, in KiB: no more than a fraction of what it sent.
const GROWTH_KIB_MAX: u64 = 6 * 1024;

/// The default of the setting.
pub(crate) const HALF_OPEN_LIMIT: u64 = 2_000;

/// Passes of an attack until it costs nothing more.
const PASSES_MAX: usize = 6;

/// What a pass of thousands of connections may leave behind, in KiB: less than a KiB and a half for each.
const PASS_KIB_MAX: u64 = 3 * 1024;

/// What a half-open connection may cost, in KiB, with the buffers of a handshake.
pub(crate) const PLACE_KIB_MAX: u64 = 48;

/// juliet and alice, who mean well, and what they have exchanged.
pub(crate) struct Honest {
    pub(crate) alice: Baresip,
    pub(crate) juliet: Client,
    pub(crate) exchanged: u64,
}

impl Honest {
    /// A message each way.
    pub(crate) fn exchange(&mut self) {
        self.exchanged += 1;
        let text = format!("Still there? {}", self.exchanged);
        self.juliet.send(ALICE, &text, &text);
        self.alice.receive(0, JULIET, &text);
        self.alice.send(&text);
        self.juliet.receive("alice's message", 0, |m| m.body == text);
    }
}

/// Connections of the villain that may be open at once, in all scenes, and what else this process has open.
const OPEN_FILES: u64 = 18_000;

/// A shell's soft limit is less than a flood needs.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < OPEN_FILES) {
        let raised = Rlimit { current: Some(OPEN_FILES), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("the hard limit of open files permits the flood");
    }
}

pub(crate) struct Scene {
    pub(crate) honest: Honest,
    pub(crate) prosody: Prosody,
    pub(crate) den: Den,
    pub(crate) forge: Forge,
    /// Where our server tells its metrics.
    pub(crate) ops: SocketAddr,
    villain: [&'static str; 3],
    /// Memory of our server before the row.
    before_kib: u64,
    pub(crate) world: World,
}

impl Scene {
    /// Starts everything, and lets juliet and alice speak.
    pub(crate) fn start() -> Self {
        raise_open_files();
        let mut world = World::start();
        let forge = Forge::new(&world.subfolder("villain"));
        let ops = world.free_address();
        world.server.kill();
        let config = fs::read_to_string(&world.server.config).expect("the file was just made");
        let (before, after) = config.split_once("[ops]").expect("the file has the section");
        let after = after.replacen("listen = []", &format!("listen = [\"{ops}\"]"), 1);
        fs::write(&world.server.config, format!("{before}[ops]{after}")).expect("the world's folder can be written");
        world.server.restart();
        world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
        world.server.add_partner(STRANGER, "federated", ROW_17, Some(&forge.root));
        let den = Den::open(world.server_of(STRANGER));
        let prosody = world.prosody(PARTNER, Demands::Certificate);
        let alice = world.alice(Transport::Udp, JULIET);
        let juliet = Client::login(&prosody, JULIET);
        let mut honest = Honest { alice, juliet, exchanged: 0 };
        honest.exchange();
        // What a server needs for its first failures and successes it keeps: caches, tables, the allocator's pools.
        for number in 0..300 {
            Wire::open(world.server.xmpp).say(header(&format!("warm{number}.example")));
        }
        for _ in 0..20 {
            authorised(world.server.xmpp);
        }
        honest.exchange();
        Self { honest, prosody, den, forge, ops, villain: ROW_17, before_kib: 0, world }
    }

    /// Where partners' servers connect.
    pub(crate) fn xmpp(&self) -> SocketAddr {
        self.world.server.xmpp
    }

    /// The villain is a partner with this row.
    pub(crate) fn villain_has(&mut self, negotiation: [&'static str; 3]) {
        if self.villain != negotiation {
            self.world.server.set_negotiation(STRANGER, negotiation);
            self.villain = negotiation;
        }
    }

    /// Waits for a report that `wanted` accepts among the latest with `partner`.
    pub(crate) fn report(&self, partner: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until("report of the attack", || {
            let reports = self.world.server.json(&["report", "list", "--partner", partner, "--limit", "50"]);
            reports.as_array().into_iter().flatten().find(|report| wanted(report)).cloned()
        })
    }

    /// Waits for a report with this result about somebody who is no partner.
    pub(crate) fn report_of_strangers(&self, result: &str) {
        until("report about a stranger", || {
            let reports = self.world.server.json(&["report", "list", "--strangers", "--outcome", result]);
            reports.as_array().is_some_and(|reports| !reports.is_empty()).then_some(())
        });
    }

    /// Probes the villain's domain: we connect to the villain. The result of the report.
    pub(crate) fn probe(&self, options: &[&str]) -> Value {
        let arguments = [&["--output", "json", "probe", STRANGER], options].concat();
        let ran = self.world.server.cli(&arguments);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }

    /// Makes an attack of many connections at once, again and again, until it costs nothing more. What they cost at the peak
    /// is bounded, and is kept by the allocator for the next peak (it gives back only what lies at the end of its heaps);
    /// what is lost with each connection would be lost in each pass.
    pub(crate) fn until_it_costs_nothing(&mut self, mut attack: impl FnMut(&mut Self)) {
        let most_kib = self.before_kib + HALF_OPEN_LIMIT * PLACE_KIB_MAX;
        let mut told = vec![self.before_kib];
        while told.len() <= PASSES_MAX {
            let before_kib = self.world.server.resident_kib();
            attack(self);
            self.honest.exchange();
            let after_kib = self.world.server.resident_kib();
            told.push(after_kib);
            assert!(after_kib < most_kib, "too many KiB after a pass: {told:?}");
            if after_kib < before_kib + PASS_KIB_MAX {
                self.before_kib = self.before_kib.max(after_kib);
                return;
            }
        }
        panic!("each pass leaves something behind, KiB: {told:?}");
    }

    /// Everybody who means well is served, everything is accounted for, nothing is left behind.
    fn ends_well(&mut self) {
        let before_kib = self.before_kib;
        self.den.behave_well();
        self.honest.exchange();
        self.world.server.settled(self.honest.exchanged, self.honest.exchanged);
        let begun = Instant::now();
        loop {
            let after_kib = self.world.server.resident_kib();
            if after_kib < before_kib + GROWTH_KIB_MAX {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{before_kib} KiB before the attack, {after_kib} KiB long after it");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A scene that the rows of a file share.
pub(crate) struct Stage {
    scene: Mutex<Option<Kept>>,
    coming: AtomicUsize,
}

/// The scene, and what keeps alive the thread that has started its programs: they end with it.
struct Kept {
    scene: Scene,
    _keeper: mpsc::Sender<()>,
}

impl Stage {
    pub(crate) const fn new() -> Self {
        Self { scene: Mutex::new(None), coming: AtomicUsize::new(0) }
    }

    /// Plays one row.
    pub(crate) fn play(&self, row: impl FnOnce(&mut Scene)) {
        self.coming.fetch_add(1, Ordering::SeqCst);
        let mut held = self.scene.lock().unwrap_or_else(PoisonError::into_inner);
        let played = catch_unwind(AssertUnwindSafe(|| {
            let scene = &mut held.get_or_insert_with(keep).scene;
            scene.before_kib = scene.world.server.resident_kib();
            row(scene);
            scene.ends_well();
        }));
        // After a failure nobody knows what the scene is like.
        if self.coming.fetch_sub(1, Ordering::SeqCst) == 1 || played.is_err() {
            *held = None;
        }
        drop(held);
        if let Err(failure) = played {
            resume_unwind(failure);
        }
    }
}

fn keep() -> Kept {
    let (tell, told) = mpsc::sync_channel(1);
    let (keeper, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = tell.send(Scene::start());
        let _ = ended.recv();
    });
    Kept { scene: told.recv().expect("the scene starts"), _keeper: keeper }
}
