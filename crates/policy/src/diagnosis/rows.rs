//! Which negotiation settings would work with what an attempt has seen of the partner's server.

use lexicon::{CertificateFault, Method, Report};

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

/// The rows that would authorise an outbound pair, going by what was seen to work with the partner's server in `report`;
/// none if no stream came about.
///
/// What was only offered counts for nothing: a server may offer what fails. Without TLS nothing is known of a server that
/// was met with TLS, and the other way round, so rows that would meet it otherwise are left out.
pub fn rows_that_work(report: &Report) -> Vec<WorkingRow> {
    let works = |method: Method| {
        let tried = report.tries.iter().rev().find(|tried| tried.method == method);
        tried.is_some_and(|tried| tried.result.is_ok())
    };
    let tls = report.tls.is_some();
    let external = works(Method::SaslOverTls);
    let available = Available {
        tls,
        external,
        // EXTERNAL works only with a certificate that is good.
        certificate: if external { Ok(()) } else { Err(CertificateFault::UntrustedIssuer) },
        dialback: works(if tls { Method::TlsDialback } else { Method::TcpDialback }),
    };
    let is_met_so = |row: &&Row| match (tls, row.negotiation.tls) {
        (true, requirement) => requirement != Requirement::NotSupported,
        (false, requirement) => requirement != Requirement::Required,
    };
    let rows = ROWS.iter().filter(|row| row.is_valid()).filter(is_met_so);
    rows.filter_map(|row| Some(WorkingRow { row, method: row.method(available).ok()? })).collect()
}
