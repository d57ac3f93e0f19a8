//! What a report means: in plain words, step by step, with the remedy; and how a partner is, from its last reports.
//!
//! The codes are those of `lexicon::report`; every one has words and a remedy that name the domains concerned.
//! Nothing here looks at anything but the report: what happened is decided where it happened.

mod rows;
mod state;
mod steps;
mod words;

pub use rows::{WorkingRow, rows_that_work};
pub use state::{LastAttempt, PartnerState, partner_state};
pub use steps::{STEPS, Step, steps};

use lexicon::{
    Direction, DomainPair, Report,
    report::{Code, Leg, Purpose, Recorded},
};

/// What a report comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    /// What happened, in a sentence.
    pub summary: String,
    /// What an administrator can do about it, in a sentence; none if all is well, or if a later version has recorded
    /// what this one has no words for.
    pub remedy: Option<String>,
}

/// What `report` comes to.
pub fn diagnose(report: &Report) -> Diagnosis {
    let names = words::Names {
        local: report.local.as_ref().map(|domain| domain.as_unicode()),
        remote: report.remote.as_ref().map(|domain| domain.as_unicode()),
        partner: report.partner.as_ref().map(|domain| domain.as_unicode()),
    };
    match &report.result {
        Recorded::Known(Code::Ok) if report.purpose == Purpose::Verification => Diagnosis {
            summary: names.fill("A dialback key between {local} and {remote} was asked after."),
            remedy: None,
        },
        Recorded::Known(code) => of_code(*code, (report.leg, report.direction), names),
        Recorded::Later(word) => Diagnosis { summary: format!("{word}: {}", report.detail), remedy: None },
    }
}

/// The remedy for `code` between the domains of `pair` on `leg`.
pub fn remedy(code: Code, leg: Leg, direction: Direction, pair: &DomainPair) -> String {
    let names =
        words::Names { local: Some(pair.local.as_unicode()), remote: Some(pair.remote.as_unicode()), partner: None };
    of_code(code, (leg, direction), names).remedy.unwrap_or_default()
}

fn of_code(code: Code, (leg, direction): (Leg, Direction), names: words::Names<'_>) -> Diagnosis {
    let (summary, remedy) = match leg {
        Leg::Partner => words::of(code, direction),
        Leg::Inner => words::of_inner(code, direction),
    };
    let remedy = (code != Code::Ok).then(|| names.fill(remedy));
    Diagnosis { summary: names.fill(summary), remedy }
}

#[cfg(test)]
mod tests;
