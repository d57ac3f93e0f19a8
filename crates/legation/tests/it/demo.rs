//! `legation demo`: the README's first command.

use std::process::Command;

#[test]
fn the_demonstration_plays_to_its_end() {
    let output = Command::new(env!("CARGO_BIN_EXE_legation")).arg("demo").output().unwrap();
    let transcript = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{transcript}\n{errors}");
    for line in [
        "refused: sasl: SASL requires TLS",
        "partner fabrikam.example: federated, row 2, permitted: sasl_over_tls",
        "SIP answer 202 Accepted; juliet@fabrikam.example reads it",
        "alice@contoso.example reads it",
        "The recipient must add you as a contact before you can send messages.",
        "SIP answer 202 Accepted; tybalt@litware.example reads it",
        "stream inbound: contoso.example with litware.example, tls_dialback",
        "Done: everything happened as promised.",
    ] {
        assert!(transcript.contains(line), "{line:?} is missing in:\n{transcript}");
    }
}
