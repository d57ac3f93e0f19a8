//! The control panel in Debian's Chromium, by the original's documented procedure, with a real partner behind what is saved.

use interop::browser::Visit;
use interop::prosody::Demands;
use interop::sip_user::SipUser;
use interop::slixmpp::Client;
use serde_json::json;

use crate::world::{ALICE, PARTNER, PASSWORD, World};

const JULIET: &str = "juliet@fabrikam.example";

/// SASL required with TLS not supported is refused at Commit and saves nothing, the remedy is one click, and what is then
/// committed carries a message. Nothing is asked of other hosts, nothing inline runs, no page scrolls sideways, and axe-core
/// finds no fault in any of them.
#[test]
fn a_partner_added_in_the_browser_is_reached() {
    let mut world = World::start();
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let password = "correct horse battery";
    world.server.cli_with(&["admin", "add", "ops1", "--role", "administrator"], password).succeeded();
    for role in ["user-administrator", "help-desk", "viewer"] {
        world.server.cli_with(&["admin", "add", role, "--role", role], password).succeeded();
    }
    world.server.add_user("bob@contoso.example", password);
    let roots = world.authority.root();
    let visit = Visit { panel: world.server.admin, name: "ops1", password, partner: PARTNER, roots };
    let server = &mut world.server;
    let seen = visit.run(|| {
        server.kill();
        server.restart();
    });

    assert!(seen["wrong"].as_str().unwrap().contains("Name or password is wrong."), "{seen:#}");
    assert_eq!(seen["refused"][0], "Error: New XMPP federated partner – Legation");
    assert!(seen["refused"][1].as_str().unwrap().contains("SASL requires TLS"), "{seen:#}");
    assert_eq!(seen["kept"], json!([PARTNER, "<script>alert(1)</script> Capulet & sons"]));
    let tested = seen["tested"].as_str().unwrap();
    assert!(tested.contains("Settings that would fit") && tested.contains("TLS Required · SASL Required"), "{seen:#}");
    assert!(seen["saved"].as_str().unwrap().contains("Saved: fabrikam.example"), "{seen:#}");
    assert!(seen["edited"].as_str().unwrap().contains("Verona"), "{seen:#}");
    assert_eq!(seen["korean"], json!(["ko", "XMPP 페더레이션 파트너"]));
    assert_eq!((&seen["first_stop"], &seen["first_goes_to"]), (&json!("Skip to content"), &json!("#main")));
    assert_eq!(
        seen["rows"],
        json!(["bob@contoso.example", "alice@contoso.example", "bob@contoso.example", "alice@contoso.example"])
    );
    assert_eq!(seen["single_keys"], json!(["nr?", "/partners", [0, "/partners"]]));
    assert_eq!(seen["waiting_news"], 0);
    assert_eq!(seen["restarted"], json!([true, 200, "/account"]));
    assert_eq!(seen["live"], true);
    assert!(seen["by_keyboard"].as_str().unwrap().contains("By keyboard"), "{seen:#}");
    let of_administrators = ["/administrators", "/tokens"];
    let with_audit = ["/administrators", "/tokens", "/audit"];
    assert_eq!(seen["roles"]["user-administrator"], json!([true, with_audit]));
    assert_eq!(seen["roles"]["help-desk"], json!([true, with_audit]));
    assert_eq!(seen["roles"]["viewer"], json!([true, of_administrators]));
    for nothing in ["violations", "sideways", "console", "outside", "refused_pages"] {
        assert_eq!(seen[nothing], json!([]), "{nothing}");
    }
    let partner = world.server.json(&["partner", "show", PARTNER]);
    assert_eq!((&partner["row"], &partner["description"]), (&json!(2), &json!("By keyboard")));

    let mut alice = SipUser::register(ALICE, PASSWORD, world.server.sip);
    let juliet = Client::login(&prosody, JULIET);
    alice.send(JULIET, "a", "Added in the browser");
    juliet.receive("alice's message", 0, |m| m.body == "Added in the browser");
    assert_eq!(world.server.json(&["status"])["messages_per_minute"], 1);
    let audit = world.server.json(&["audit", "list", "--subject", PARTNER]);
    let done: Vec<_> = audit.as_array().unwrap().iter().map(|row| json!([row["action"], row["who"]])).collect();
    let newest_first = [
        "partner.updated",
        "partner.enabled",
        "partner.disabled",
        "probe.started",
        "partner.updated",
        "partner.added",
        "probe.started",
    ];
    assert_eq!(done, newest_first.map(|action| json!([action, "ops1"])));
}
