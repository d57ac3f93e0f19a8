//! Rows about names that lie: DNS, redirects.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::scene::{Scene, Stage};
use super::villain::{DIALBACK, Wire, answer_header, header};
use crate::world::{OURS, ROW_2, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(attack);
}

/// Row 9 of the settings: everything is optional.
const ROW_9: [&str; 3] = ["optional", "optional", "true"];

/// XEP-0220 §3: dialback is as good as DNS. A name server that lies leads to the villain's server, which has no certificate:
/// where SASL is required that is refused; where dialback is permitted it is ranked below, and shown to be weak.
#[test]
fn row_08_dns_spoofing_under_dialback() {
    row(|scene| {
        scene.villain_has(ROW_2);
        let probe = scene.probe(&[]);
        assert_eq!(probe["report"]["result"], "starttls_absent", "{probe}");
        let weak = ["partner", "set", STRANGER, "--tls", "optional", "--sasl", "optional", "--dialback", "true"];
        let ran = scene.world.server.cli(&weak).succeeded();
        assert!(ran.stderr.contains("warning: tls: ") && ran.stderr.contains("unencrypted"), "{ran:#?}");
        scene.villain_has(ROW_9);
        // The real server first; then somebody without its certificate, with TLS and without.
        let log = &scene.world.server.process;
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &scene.forge.good(STRANGER));
        wire.restart(STRANGER);
        assert!(wire.external() && wire.restart(STRANGER).contains("features"), "{}", wire.heard);
        drop(wire);
        let key = format!("<db:result from='{STRANGER}' to='{OURS}'>key</db:result>");
        let mark = log.mark();
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &super::forge::no_certificate());
        wire.restart(STRANGER);
        wire.say(&key);
        wire.wait_for("type='valid'");
        log.wait_for(mark, &["certificate_downgrade", STRANGER]);
        scene.world.server.wait_for_methods(STRANGER, &[("inbound", "tls_dialback")]);
        drop(wire);
        let mark = log.mark();
        let mut wire = Wire::open(scene.xmpp());
        wire.say(format!("{}{key}", header(STRANGER)));
        wire.wait_for("type='valid'");
        log.wait_for(mark, &["tls_downgrade", STRANGER]);
        drop(wire);
        scene.villain_has(ROW_17);
    });
}

/// RFC 6120 §4.9.3.19: another host would have to pass the same checks under the same policy; we go nowhere.
#[test]
fn row_24_redirects() {
    row(|scene| {
        scene.villain_has(ROW_17);
        let elsewhere = TcpListener::bind((scene.xmpp().ip(), 0)).expect("the kernel has a free port");
        elsewhere.set_nonblocking(true).expect("a socket can be asynchronous");
        let target = elsewhere.local_addr().expect("a bound socket has an address");
        scene.den.behave(move |mut wire| {
            answer_header(&mut wire, "redirecting", DIALBACK);
            wire.say(format!(
                "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{target}</see-other-host>\
                 </stream:error></stream:stream>"
            ));
            wire.end();
        });
        let visits = scene.den.visits();
        let probe = scene.probe(&[]);
        assert_eq!(probe["report"]["result"], "partner_error", "{probe}");
        let mut wire = Wire::open(scene.xmpp());
        wire.say(format!("{}<db:result from='{STRANGER}' to='{OURS}'>key</db:result>", header(STRANGER)));
        wire.wait_for("</db:result>");
        assert!(wire.heard.contains("type='error'"), "{}", wire.heard);
        assert!(scene.den.visits() > visits + 1, "the villain was asked for both");
        let redirected = elsewhere.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(redirected, Err(ErrorKind::WouldBlock), "nobody came elsewhere");
    });
}
