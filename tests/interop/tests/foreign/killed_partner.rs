//! A partner that is killed in the middle of traffic, again and again: every stanza is delivered once, or answered with one
//! error; only what nobody can know (`delivery_unknown`) may be both.
//!
//! What reached Prosody is told by a module of the test that writes down each message to the user `witness` at the moment at
//! which Prosody hands it on. Prosody acknowledges what it has handed on (XEP-0198).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use interop::process::until;
use interop::prosody::{Demands, Prosody};
use interop::sip_user::SipUser;
use interop::slixmpp::Client;

use crate::world::{ALICE, PARTNER, PASSWORD, ROW_2, World};

const KILLS: usize = 20;

/// Messages in each direction between two kills, and more while the partner is dead.
const MESSAGES: usize = 60;
const MESSAGES_MEANWHILE: usize = 5;

/// Of these so many are seen to have arrived before the kill.
const SEEN: usize = 10;

const JULIET: &str = "juliet@fabrikam.example";
const WITNESS: &str = "witness@fabrikam.example";

const MODULE: &str = r#"
local path = module:get_option_string("witness_file");
module:hook("message/bare", function (event)
    local stanza = event.stanza;
    if stanza.attr.to ~= "witness@" .. module.host then return; end
    local file = assert(io.open(path, "a"));
    file:write(stanza:get_child_text("body") or "no body", "\n");
    file:close();
    return true;
end, 1000);
"#;

/// Adds acknowledgements and the witness to a configuration; the file that the witness writes.
fn with_witness(configuration: &str, folder: &Path) -> (String, PathBuf) {
    let (modules, file) = (folder.join("modules"), folder.join("witnessed"));
    fs::create_dir_all(&modules).expect("the world's folder can be written");
    fs::write(modules.join("mod_witness.lua"), MODULE).expect("the world's folder can be written");
    fs::write(&file, "").expect("the world's folder can be written");
    let changed = configuration.replace("modules_enabled = {", "modules_enabled = { \"smacks\"; \"witness\";");
    assert_ne!(changed, configuration);
    let paths = format!("plugin_paths = {{ \"{}\" }}\nwitness_file = \"{}\"\n", modules.display(), file.display());
    (paths + &changed, file)
}

/// What the witness wrote down, with how often.
fn witnessed(file: &Path) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(file).expect("the file was made before");
    let mut seen = BTreeMap::new();
    for line in text.lines() {
        *seen.entry(line.to_owned()).or_default() += 1;
    }
    seen
}

#[test]
fn a_partner_killed_20_times_amid_traffic_gets_and_gives_every_stanza_once() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let mut file = PathBuf::new();
    let mut prosody = world.prosody_changed(PARTNER, Demands::Certificate, |configuration, folder| {
        let (changed, path) = with_witness(&configuration, folder);
        file = path;
        changed
    });
    let mut alice = SipUser::register(ALICE, PASSWORD, world.server.sip);
    let (mut sent, mut written) = (0, 0);
    for _ in 0..KILLS {
        round(&mut prosody, &mut alice, &file, (&mut sent, &mut written));
    }
    // What came last waits for no further round.
    let _juliet = Client::login(&prosody, JULIET);
    until("an answer to every message", || (alice.answers().len() >= sent).then_some(()));
    check_outward(&world, &alice, &file, sent);
    check_inward(&world, &alice, written);
}

/// Traffic both ways, a kill in its midst, more traffic, a restart.
fn round(prosody: &mut Prosody, alice: &mut SipUser, file: &Path, (sent, written): (&mut usize, &mut usize)) {
    let mut juliet = Client::login(prosody, JULIET);
    let (out_before, in_before) = (witnessed(file).len(), alice.received().len());
    let mut send = |alice: &mut SipUser, count| {
        for _ in 0..count {
            alice.send(WITNESS, &format!("out {sent}"), &format!("out {sent}"));
            *sent += 1;
        }
    };
    send(alice, MESSAGES);
    for _ in 0..MESSAGES {
        juliet.send(ALICE, &format!("in {written}"), &format!("in {written}"));
        *written += 1;
    }
    until("messages on their way, in both directions", || {
        let (out, into) = (witnessed(file).len() - out_before, alice.received().len() - in_before);
        (out >= SEEN && into >= SEEN).then_some(())
    });
    prosody.process.wait_for(0, &["Enabling stream management"]);
    prosody.kill();
    send(alice, MESSAGES_MEANWHILE);
    prosody.restart();
}

/// SIP's answers, the notices after 202, the witness and the ledger tell the same.
fn check_outward(world: &World, alice: &SipUser, file: &Path, sent: usize) {
    let ledger = world.server.at_rest();
    let answers: BTreeMap<String, u16> = alice.answers().into_iter().collect();
    assert_eq!((alice.answers().len(), answers.len()), (sent, sent), "one final answer to each message");
    let seen = witnessed(file);
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {twice:?}");
    let arrived: BTreeSet<&String> = seen.keys().collect();
    let accepted: BTreeSet<&String> = answers.iter().filter(|(_, status)| **status == 202).map(|(id, _)| id).collect();
    let notices = alice.received().iter().filter(|(_, body)| body.starts_with("Perhaps not delivered: ")).count();
    let unknown = usize::try_from(ledger.count("gateway.from_users.delivery_unknown")).expect("counts are small");

    let missing = accepted.difference(&arrived).count();
    assert!(missing <= notices, "{missing} accepted messages did not arrive, and only {notices} notices came");
    let both = arrived.difference(&accepted).count();
    assert!(both <= unknown, "{both} messages arrived and were refused, only {unknown} of them unknowably");
    assert!(notices <= unknown, "{notices} notices for {unknown} messages");
    let delivered = usize::try_from(ledger.count("proxy.to_partners.delivered")).expect("counts are small");
    assert!(delivered <= arrived.len() && arrived.len() <= delivered + unknown, "{delivered}, {}", arrived.len());
    assert!(delivered >= KILLS * SEEN, "traffic has flowed in every round");
}

/// No message of the partner's reached alice twice, and each that we took over reached her or was answered.
fn check_inward(world: &World, alice: &SipUser, written: usize) {
    let ledger = world.server.at_rest();
    let received: Vec<String> =
        alice.received().into_iter().filter(|(from, _)| from == JULIET).map(|(_, body)| body).collect();
    let received: Vec<_> = received.into_iter().filter(|body| body.starts_with("in ")).collect();
    let once: BTreeSet<&String> = received.iter().collect();
    assert_eq!(once.len(), received.len(), "no message came twice");
    assert_eq!(received.len() as u64, ledger.count("gateway.from_partners.delivered"));
    assert!(received.len() <= written);
}
