//! Files of many changes on the command line, and the change of type that says what it affects.

use crate::harness::{Place, Server};

const PARTNERS: &str = "primary_domain,partner_type,tls,sasl,dialback\n\
    fabrikam.example,public_unverified,required,optional,true\nlitware.example,federated,not_supported,required,true\n";

#[test]
fn a_file_is_tried_before_it_is_imported() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    let file = place.write("partners.csv", PARTNERS).to_string_lossy().into_owned();
    let run = |arguments: &[&str]| place.run(arguments);
    let dry = run(&["partner", "import", &file, "--dry-run"]).succeeded();
    assert!(
        dry.stdout.contains("Nothing was saved: dry run: partners (1 add, 0 change, 0 unchanged, 1 invalid)."),
        "{dry:?}"
    );
    run(&["partner", "import", &file]).failed(1, &["row 2 sasl", "TLS"]);
    assert!(run(&["partner", "list"]).succeeded().stdout.contains("(none)"));
    run(&["partner", "import", &file, "--skip-invalid"]).succeeded();
    run(&["contact", "import", &file]).failed(1, &["the file holds partners"]);
    let export = run(&["partner", "export", "--format", "csv"]).succeeded().stdout;
    let again = place.run_with(&["partner", "import", "-", "--output", "json"], &export).succeeded();
    assert_eq!(again.json()["rows"][0]["action"], "unchanged");

    let users = "alice@contoso.example";
    place.run_with(&["user", "add", users], "secret\n").succeeded();
    let pairs = format!("internal,partner\n{users},a@fabrikam.example\n{users},b@fabrikam.example\n");
    place.run_with(&["contact", "import", "-"], &pairs).succeeded();
    let set = run(&["partner", "set", "fabrikam.example", "--type", "federated"]).succeeded();
    assert!(set.stderr.contains("The change of type affects 2 contacts."), "{set:?}");
    assert!(set.stdout.contains("Changed the partner"), "{set:?}");

    let policies = "Identity,EnableFederationAccess,EnableXmppAccess\nGlobal,False,False\nTag:Sales,True,True\n";
    let lost = place.run_with(&["partner", "import", "-"], policies).succeeded();
    assert!(lost.stdout.contains("Who loses access to XMPP federation: alice@contoso.example."), "{lost:?}");
    let get_cs_user = "SipAddress,ExternalAccessPolicy\nsip:alice@contoso.example,Sales\n";
    place.run_with(&["user", "import", "-"], get_cs_user).succeeded();
    let told = run(&["policy", "show", users]).succeeded();
    assert!(told.stdout.contains("has the policy user:Sales, as assigned, and may use XMPP federation."), "{told:?}");
    assert_eq!(server.stop(), Some(0));
}
