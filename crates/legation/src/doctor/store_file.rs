//! The database: whether it opens, is sound, and has an unbroken audit log.

use std::path::Path;

use store::{StoreError, inspect, inspection::Contents};

use super::Finding;

const ABOUT: &str = "database";

pub(super) async fn examine(path: &Path, findings: &mut Vec<Finding>) -> Option<Contents> {
    let inspection = match inspect(path).await {
        Ok(inspection) => inspection,
        Err(error) => {
            let remedy = match &error {
                StoreError::NotFound { .. } => "set the server up with legation init",
                StoreError::Permissions { .. } => "the server does not start before",
                _ => "run doctor as the user that the server runs as; else bring back a backup",
            };
            findings.push(Finding::fail(ABOUT, error.to_string(), remedy));
            return None;
        }
    };
    findings.push(match inspection.faults.as_slice() {
        [] => Finding::ok(ABOUT, format!("{} opens and is sound", path.display())),
        faults => Finding::fail(ABOUT, format!("it is damaged: {}", faults.join("; ")), "bring back a backup"),
    });
    let (schema, known) = (inspection.schema, inspection.schema_known);
    if schema > known {
        let text = format!("it has schema {schema}, and this version knows only up to {known}");
        findings.push(Finding::fail(ABOUT, text, "install the version that wrote it, or a later one"));
    } else if schema < known {
        let text = format!("it has schema {schema}; this version brings it to {known} at its next start");
        findings.push(Finding::warn(
            ABOUT,
            text,
            "make a backup, then start the server; its contents were not looked at",
        ));
    }
    let contents = inspection.contents?;
    findings.push(match &contents.audit {
        Ok(rows) => Finding::ok("audit log", format!("{rows} rows in an unbroken chain")),
        Err(error) => {
            Finding::fail("audit log", error.to_string(), "find out who has changed the database beside the server")
        }
    });
    Some(contents)
}
