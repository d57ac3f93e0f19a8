//! One version of each package, unless a reason stands here.

use tidy::{compiled, report};

const SHA2_OF_SQLX: &str = "sqlx 0.9 still uses the RustCrypto traits of 2022; ours are the current ones";
const SYN_3: &str = "derive macros of asn1-rs, tracing and others have not moved to syn 3; build time only";

/// Packages of which several versions are compiled, and why.
const REASONS: [(&str, &str); 9] = [
    ("base64", "rcgen's pem is ahead of sqlx; rcgen makes certificates for tests, demo and first start"),
    ("block-buffer", SHA2_OF_SQLX),
    ("cpufeatures", SHA2_OF_SQLX),
    ("crypto-common", SHA2_OF_SQLX),
    ("digest", SHA2_OF_SQLX),
    ("hashbrown", "sqlx itself uses one version directly and another through indexmap"),
    ("sha2", SHA2_OF_SQLX),
    ("syn", SYN_3),
    ("synstructure", SYN_3),
];

#[test]
fn a_second_version_of_a_package_has_a_reason() {
    let packages = compiled(&["--workspace", "--edges", "normal,build,dev"]);
    let mut faults = Vec::new();
    let mut several = Vec::new();
    for two in packages.windows(2) {
        let (name, next) = (two[0].split(' ').next(), two[1].split(' ').next());
        if name == next {
            several.push(name.unwrap_or_default());
            if !REASONS.iter().any(|(known, _)| Some(*known) == name) {
                faults.push(format!("{} beside {}", two[0], two[1]));
            }
        }
    }
    for (known, _) in REASONS {
        if !several.contains(&known) {
            faults.push(format!("{known}: only one version is left, remove its reason"));
        }
    }
    report("packages compiled in several versions:", &faults);
}
