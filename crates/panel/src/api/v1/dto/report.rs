//! Reports of connection attempts.

use policy::diagnosis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The story of one connection attempt.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Report {
    /// Sorts by time.
    pub id: String,
    /// When the attempt began.
    pub at: String,
    /// Until its outcome was known.
    pub duration_ms: u64,
    /// `inbound` or `outbound`: who opened the connection.
    pub direction: String,
    /// `stanzas`, `verification` or `probe`.
    pub purpose: String,
    /// `partner` or `inner`: with a partner's server, or with one of our own side.
    pub leg: String,
    /// The internal domain.
    pub local: Option<String>,
    /// The partner's domain, or the one that the peer claimed.
    pub remote: Option<String>,
    /// Primary domain of the partner; null if it is none.
    pub partner: Option<String>,
    /// Address of the other end.
    pub peer: Option<String>,
    /// The method that authorised the pair.
    pub method: Option<String>,
    /// `ok`, or the code of the failure; codes are only ever added.
    pub result: String,
    /// What happened, in a sentence.
    pub summary: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// What happened step by step.
    pub steps: Vec<Step>,
    /// All facts; only where one report is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<Value>,
}

/// One step of an attempt.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Step {
    /// `lookup`, `connect`, `tls`, `certificate_chain`, `certificate_identity`, `offered`, `method`, `result`.
    pub name: String,
    /// `ok`, or a code.
    pub result: String,
    /// What happened, in a sentence.
    pub text: String,
}

impl From<&lexicon::Report> for Report {
    fn from(report: &lexicon::Report) -> Self {
        let diagnosis = diagnosis::diagnose(report);
        let name = |domain: &Option<lexicon::Domain>| domain.as_ref().map(|domain| domain.as_ascii().to_owned());
        let steps = diagnosis::steps(report).into_iter().map(|step| Step {
            name: step.name.to_owned(),
            result: step.result.as_str().to_owned(),
            text: step.text,
        });
        Self {
            id: report.id.to_string(),
            at: report.at.to_string(),
            duration_ms: report.duration_ms,
            direction: report.direction.as_str().to_owned(),
            purpose: report.purpose.as_str().to_owned(),
            leg: report.leg.as_str().to_owned(),
            local: name(&report.local),
            remote: name(&report.remote),
            partner: name(&report.partner),
            peer: report.peer.clone(),
            method: report.method.map(|method| method.as_str().to_owned()),
            result: report.result.as_str().to_owned(),
            summary: diagnosis.summary,
            remedy: diagnosis.remedy,
            steps: steps.collect(),
            story: None,
        }
    }
}
