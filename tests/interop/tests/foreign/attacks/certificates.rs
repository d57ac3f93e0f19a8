//! Rows about certificates that prove nothing, or not what is claimed.

use net::tls::Tls;

use super::forge::{named, pin};
use super::scene::{Scene, Stage};
use super::villain::Wire;
use crate::world::{ALICE, OURS, PARTNER, ROW_2, ROW_7, STRANGER};

static STAGE: Stage = Stage::new();

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(attack);
}

/// In TLS as `from`, showing what `tls` has, with the features in hand.
fn secured(scene: &Scene, from: &str, tls: &Tls) -> Wire {
    let mut wire = Wire::open(scene.xmpp()).starttls(from, tls);
    wire.restart(from);
    wire
}

/// Neither offered nor accepted, whether SASL is required or optional; the report has `code`.
fn proves_nothing(scene: &mut Scene, tls: &Tls, code: &str) {
    scene.villain_has(ROW_2);
    let mut wire = secured(scene, STRANGER, tls);
    let heard = wire.end();
    assert!(heard.contains("<policy-violation ") && !heard.contains("<mechanism"), "{heard}");
    scene.report(STRANGER, |report| report["result"] == code);
    scene.villain_has(ROW_7);
    let mut wire = secured(scene, STRANGER, tls);
    assert!(!wire.heard.contains("<mechanism"), "encrypted is not authenticated: {}", wire.heard);
    assert!(!wire.external(), "{}", wire.heard);
    wire.say(format!("<message from='iago@{STRANGER}' to='{ALICE}'><body>Boo</body></message>"));
    let heard = wire.end();
    assert!(heard.contains("<not-authorized"), "{heard}");
}

#[test]
fn row_12_self_signed_accepted_as_authenticated() {
    row(|scene| {
        let tls = scene.forge.self_signed(named(STRANGER, &[STRANGER]));
        proves_nothing(scene, &tls, "certificate_self_signed");
    });
}

/// RFC 9525 §2: the common name is no identity; nor are names that only look like it (§6.3).
#[test]
fn row_13_identity_from_the_common_name() {
    row(|scene| {
        let wild = format!("*.other.{STRANGER}");
        let longer = format!("{STRANGER}.elsewhere.example");
        for names in [vec!["elsewhere.example"], vec![wild.as_str(), longer.as_str()]] {
            let tls = scene.forge.signed(named(STRANGER, &names));
            proves_nothing(scene, &tls, "certificate_wrong_name");
        }
    });
}

/// The jabber.ru incident: a certificate that an authority has issued to the wrong hands. A pin names the right key.
#[test]
fn row_27_interception_with_a_mis_issued_certificate() {
    row(|scene| {
        let (right, mis_issued) = (scene.forge.good(STRANGER), scene.forge.good(STRANGER));
        scene.villain_has(ROW_2);
        assert!(secured(scene, STRANGER, &mis_issued).external(), "nothing else tells the two apart");
        scene.world.server.cli(&["partner", "set", STRANGER, "--pin", &pin(&right)]).succeeded();
        proves_nothing(scene, &mis_issued, "certificate_pin_mismatch");
        scene.villain_has(ROW_2);
        let mut wire = secured(scene, STRANGER, &right);
        assert!(wire.external(), "{}", wire.heard);
        scene.world.server.cli(&["partner", "set", STRANGER, "--pin", "none"]).succeeded();
    });
}

/// RFC 7712 §4.4, XEP-0220 §2.6: what a connection is good for does not extend to another domain, whatever address or
/// certificate they share.
#[test]
fn row_30_connection_reuse_for_another_domain() {
    row(|scene| {
        let too = format!("too.{STRANGER}");
        scene.villain_has(ROW_2);
        scene.world.server.cli(&["partner", "set", STRANGER, "--add-domain", &too]).succeeded();
        let tls = scene.forge.good(STRANGER);
        for other in [PARTNER, &too] {
            let mut wire = secured(scene, STRANGER, &tls);
            assert!(wire.external() && wire.restart(STRANGER).contains("features"), "{}", wire.heard);
            wire.say(format!("<db:result from='{other}' to='{OURS}'>key</db:result>"));
            wire.wait_for("type='error'");
            wire.say(format!("<message from='iago@{other}' to='{ALICE}'><body>Boo</body></message>"));
            assert!(wire.end().contains("<invalid-from "), "{other}: {}", wire.heard);
            // The same certificate on a connection for the other domain.
            let mut wire = secured(scene, other, &tls);
            assert!(
                !wire.heard.contains("<mechanism") && wire.end().contains("<policy-violation "),
                "{other}: {}",
                wire.heard
            );
        }
        scene.world.server.cli(&["partner", "set", STRANGER, "--remove-domain", &too]).succeeded();
    });
}
