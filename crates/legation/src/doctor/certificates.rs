//! The certificate files: whether they load, last, are trusted, and name the internal domains.

use lexicon::CertificateFault;
use net::tls::{Identities, Roots, judge};
use store::InternalDomain;

use super::Finding;
use crate::{Config, certificates::days_left};

/// Days before the end from which the log warns.
const EXPIRING_DAYS: i64 = 30;

pub(super) fn examine(config: &Config, domains: &[InternalDomain], findings: &mut Vec<Finding>) {
    let files = &config.xmpp.certificates;
    if files.is_empty() {
        let remedy = "add [[xmpp.certificates]] to the configuration file";
        findings.push(Finding::warn("certificates", "there is none, so TLS is not offered to partners", remedy));
        return;
    }
    // Each by itself, so that one that cannot be used does not hide the others.
    let mut all_load = true;
    let mut pairs: Vec<_> = files.iter().collect();
    for other in config.inner.certificates.iter().chain(&config.sip.certificates) {
        if !pairs.contains(&other) {
            pairs.push(other);
        }
    }
    for pair in pairs {
        let about = format!("certificate {}", pair.certificate.display());
        match Identities::load(std::slice::from_ref(pair)) {
            Ok(identities) => one(&about, &identities, findings),
            Err(error) => {
                all_load = false;
                findings.push(Finding::fail(about, error.to_string(), "legation config check"));
            }
        }
    }
    let Ok(identities) = Identities::load(files) else { return };
    for domain in domains.iter().filter(|_| all_load) {
        let about = format!("certificate for {}", domain.name);
        findings.push(match identities.has(&domain.name) {
            true => Finding::ok(about, "one names it"),
            false => {
                let remedy = "get one that names it, and list it as [[xmpp.certificates]]";
                Finding::fail(about, "none names it: partners cannot accept it", remedy)
            }
        });
    }
}

/// What one file says; its key belongs to it, else it had not been loaded.
fn one(about: &str, identities: &Identities, findings: &mut Vec<Finding>) {
    let now = net::clock::now().wall;
    for (facts, chain) in identities.iter().zip(identities.chains()) {
        let days = days_left(facts.not_after, now);
        let until = format!("its key fits; it ends at {} ({days} days)", facts.not_after);
        findings.push(match days {
            _ if now < facts.not_before => {
                let text = format!("it is not valid before {}", facts.not_before);
                Finding::fail(about, text, "wait, or look at the clock of this machine")
            }
            ..0 => Finding::fail(about, format!("it has expired at {}", facts.not_after), "renew it"),
            0..=EXPIRING_DAYS => Finding::warn(about, until, "renew it, then legation cert reload"),
            _ => Finding::ok(about, until),
        });
        let dated =
            |fault: &CertificateFault| matches!(fault, CertificateFault::Expired | CertificateFault::NotYetValid);
        findings.push(match judge(&chain, &Roots::system(), now, &[]) {
            Ok(()) => Finding::ok(about, "the authorities that this machine trusts vouch for it"),
            Err(fault) if dated(&fault) => continue,
            Err(fault) => {
                let remedy = match fault {
                    CertificateFault::IntermediateMissing => "put the intermediate certificates behind it in its file",
                    _ => "partners that do not trust its authority by themselves can use dialback alone",
                };
                Finding::warn(about, format!("its chain {fault}"), remedy)
            }
        });
    }
}
