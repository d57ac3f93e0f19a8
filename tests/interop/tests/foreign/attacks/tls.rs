//! Rows about TLS and about what comes before and after it.

use interop::process::Process;

use super::forge::no_certificate;
use super::scene::{Scene, Stage};
use super::villain::{DIALBACK, STARTTLS, Wire, answer_header, fresh_address, header};
use crate::world::{ALICE, OURS, PARTNER, ROW_2, ROW_7, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

/// Row 9 of the settings: everything is optional.
const ROW_9: [&str; 3] = ["optional", "optional", "true"];

const AUTH: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(attack);
}

fn stanza() -> String {
    format!("<message from='iago@{STRANGER}' to='{ALICE}'><body>Boo</body></message>")
}

fn greeted(scene: &Scene, from: &str) -> Wire {
    let mut wire = Wire::open(scene.xmpp());
    wire.say(header(from));
    wire.wait_for("</stream:features>");
    wire
}

/// RFC 6120 §5.3.5: no renegotiation. OpenSSL's client asks for it on the line `R`; and whoever makes only handshakes is slowed.
#[test]
fn row_04_cpu_by_tls_renegotiation_and_handshakes() {
    row(|scene| {
        // Our refusal leaves with the next thing that we say, which is that the time is over.
        scene.world.server.cli(&["settings", "set", "stream_establishment_timeout=5"]).succeeded();
        let address = scene.xmpp().to_string();
        let arguments = ["s_client", "-connect", &address, "-starttls", "xmpp-server", "-xmpphost", OURS, "-tls1_2"];
        let mut client = Process::start("openssl s_client", "openssl", &arguments);
        client.wait_for(0, &["Verify return code"]);
        let mark = client.mark();
        client.write_line("R");
        client.wait_for(mark, &["RENEGOTIATING"]);
        let refused = |scene: &Scene| {
            let ledger = scene.world.server.json(&["status"])["ledger"].clone();
            ledger["proxy.connections_refused.failing_too_often"].as_u64().unwrap_or_default()
        };
        let before = refused(scene);
        let villain = fresh_address();
        for _ in 0..100 {
            let mut wire = Wire::open_from(villain, scene.xmpp());
            wire.say(header(PARTNER));
            if wire.wait_for_any(&["</stream:features>"]).is_empty() {
                continue;
            }
            wire.say(STARTTLS);
            wire.wait_for("<proceed ");
            // The first bytes of a handshake that does not come.
            wire.say([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
        }
        assert!(refused(scene) > before, "one address made a hundred handshakes");
        client.wait_for(mark, &["no renegotiation"]);
        assert!(!client.has(mark, &["verify return"]), "no second handshake was made");
        scene.world.server.cli(&["settings", "set", "stream_establishment_timeout=60"]).succeeded();
    });
}

/// RFC 7590 §3.1: where TLS is required nothing else is accepted, and nothing else is sent.
#[test]
fn row_09_starttls_stripping() {
    row(|scene| {
        for element in [
            format!("<db:result from='{PARTNER}' to='{OURS}'>key</db:result>"),
            format!("<db:verify from='{PARTNER}' to='{OURS}' id='1'>key</db:verify>"),
            format!("<message from='iago@{PARTNER}' to='{ALICE}'/>"),
        ] {
            let mut wire = greeted(scene, PARTNER);
            assert!(wire.heard.contains("<required/>") && !wire.heard.contains("EXTERNAL"), "{}", wire.heard);
            wire.say(&element);
            let heard = wire.end();
            let refused = heard.contains("<policy-violation ") || heard.contains("<not-authorized ");
            assert!(refused, "{element}: {heard}");
        }
        // TLS optional, and SASL required: a key in plaintext authorises nothing (policy is asked when a pair is authorised).
        scene.villain_has(["optional", "required", "true"]);
        let mut wire = greeted(scene, STRANGER);
        wire.say(format!("<db:result from='{STRANGER}' to='{OURS}'>key</db:result>"));
        assert!(wire.end().contains("<policy-violation "), "{}", wire.heard);

        // We connect, and whoever is between us takes the offer of TLS away: no key is sent and no stanza.
        scene.villain_has(ROW_2);
        scene.world.server.cli(&["settings", "set", "queue_age=1"]).succeeded();
        let (tell, told) = std::sync::mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        scene.den.behave(move |mut wire| {
            answer_header(&mut wire, "stripped", DIALBACK);
            let heard = wire.end().to_owned();
            let _ = tell.lock().expect("no thread panics while it holds this").send(heard);
        });
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &scene.forge.good(STRANGER));
        wire.restart(STRANGER);
        assert!(wire.external() && wire.restart(STRANGER).contains("features"), "{}", wire.heard);
        wire.say(format!("<iq type='get' id='1' from='iago@{STRANGER}' to='nobody@{OURS}'><q xmlns='urn:q'/></iq>"));
        let heard = told.recv_timeout(interop::process::PATIENCE).expect("we connect for the error");
        assert!(heard.contains("<policy-violation "), "{heard}");
        assert!(!heard.contains("<db:") && !heard.contains("<iq"), "{heard}");
        scene.report(STRANGER, |report| report["result"] == "starttls_absent");
        drop(wire);
        scene.world.server.cli(&["settings", "set", "queue_age=60"]).succeeded();
    });
}

/// RFC 6120 §5.3.3, §5.4.2.3, §5.4.3.2: what comes in plaintext around the handshake is never read.
#[test]
fn row_10_starttls_plaintext_injection() {
    row(|scene| {
        let injected = format!("{}{}", header(PARTNER), stanza());
        let mut wire = greeted(scene, PARTNER);
        wire.say(format!("{STARTTLS}{injected}"));
        let heard = wire.end();
        assert!(heard.contains("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'"), "{heard}");
        assert!(!heard.contains("<proceed"), "{heard}");
        let mut wire = greeted(scene, PARTNER);
        wire.say(STARTTLS);
        wire.wait_for("<proceed ");
        wire.heard.clear();
        wire.say(&injected);
        let heard = wire.end();
        assert!(!heard.contains('<'), "no more XML after TLS has failed: {heard}");
    });
}

/// RFC 6120 §6.3.3, §6.5.4: EXTERNAL counts inside TLS with a certificate that was found good, and is not offered before.
#[test]
fn row_11_external_over_plaintext_or_before_verification() {
    row(|scene| {
        scene.villain_has(ROW_9);
        for from in [STRANGER, PARTNER] {
            let mut wire = greeted(scene, from);
            assert!(!wire.heard.contains("EXTERNAL"), "{}", wire.heard);
            wire.say(AUTH);
            wire.wait_for("</failure>");
            assert!(wire.heard.contains("<encryption-required"), "{}", wire.heard);
            wire.say(stanza());
            assert!(wire.end().contains("<stream:error>"), "{}", wire.heard);
        }
        scene.villain_has(ROW_7);
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &no_certificate());
        assert!(!wire.restart(STRANGER).contains("EXTERNAL"), "{}", wire.heard);
        assert!(!wire.external() && wire.heard.contains("<not-authorized"), "{}", wire.heard);
        wire.say(stanza());
        assert!(wire.end().contains("<not-authorized"), "{}", wire.heard);
    });
}

/// CVE-2018-10847: the pair is frozen by the first header.
#[test]
fn row_14_identity_switch_at_stream_restart() {
    row(|scene| {
        scene.villain_has(ROW_2);
        let tls = scene.forge.good(STRANGER);
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &tls);
        let heard = wire.restart(PARTNER);
        assert!(heard.contains("<improper-addressing "), "after TLS: {heard}");
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &tls);
        wire.restart(STRANGER);
        assert!(wire.external(), "{}", wire.heard);
        let heard = wire.restart(PARTNER);
        assert!(heard.contains("<improper-addressing "), "after SASL: {heard}");
        // Whoever stays who it is may send, for itself.
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &tls);
        wire.restart(STRANGER);
        assert!(wire.external() && wire.restart(STRANGER).contains("features"), "{}", wire.heard);
        wire.say(format!("<message from='nurse@{PARTNER}' to='{ALICE}'/>"));
        assert!(wire.end().contains("<invalid-from "), "{}", wire.heard);
        scene.villain_has(ROW_17);
    });
}
