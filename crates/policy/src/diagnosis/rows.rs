//! Which negotiation settings would work with what an attempt has seen of the partner's server.

use lexicon::{CertificateFault, Method, Report, report::Recorded};

use crate::{
    Requirement,
    negotiation::{Available, ROWS, Row},
};

/// A row that would work, and the method that it would lead to.
#[derive(Clone, Copy, Debug)]
pub struct WorkingRow {
    /// The row.
    pub row: &'static Row,
    /// The method.
    pub method: Method,
}

/// The rows that would authorise an outbound pair, going by what the partner's server showed in `report`; none if no
/// stream came about.
///
/// What was only offered counts as working: whether dialback succeeds is known only once it is tried. Without TLS nothing
/// is known of a server that was met with TLS, and the other way round, so rows that would meet it otherwise are left out.
pub fn rows_that_work(report: &Report) -> Vec<WorkingRow> {
    let Some(offered) = &report.offered else { return Vec::new() };
    let tried = |method: Method| report.tries.iter().rev().find(|tried| tried.method == method);
    let is_good = |verdict: &Option<Recorded>| verdict.as_ref().is_some_and(Recorded::is_ok);
    let certificate = report.certificate.as_ref();
    let certificate_good = certificate.is_some_and(|seen| is_good(&seen.chain) && is_good(&seen.identity));
    let external = match tried(Method::SaslOverTls) {
        Some(tried) => tried.result.is_ok(),
        None => offered.mechanisms.iter().any(|name| name == "EXTERNAL"),
    };
    let refused = |method| tried(method).is_some_and(|tried| !tried.result.is_ok());
    let tls = report.tls.is_some();
    let dialback_method = if tls { Method::TlsDialback } else { Method::TcpDialback };
    let dialback_done = tried(dialback_method).is_some_and(|tried| tried.result.is_ok());
    let available = Available {
        tls,
        external,
        certificate: if certificate_good { Ok(()) } else { Err(CertificateFault::UntrustedIssuer) },
        dialback: dialback_done || offered.dialback && !refused(dialback_method),
    };
    let is_met_so = |row: &&Row| match (tls, row.negotiation.tls) {
        (true, requirement) => requirement != Requirement::NotSupported,
        (false, requirement) => requirement != Requirement::Required,
    };
    let rows = ROWS.iter().filter(|row| row.is_valid()).filter(is_met_so);
    rows.filter_map(|row| Some(WorkingRow { row, method: row.method(available).ok()? })).collect()
}
