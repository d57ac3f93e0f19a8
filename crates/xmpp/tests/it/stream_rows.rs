//! The 18 rows of partner policy §2 against everything the partner's server may do, in both directions.
//!
//! Our machines on one side, a server that shares no code with them on the other; what must come of it is computed from
//! the documents ([`stream_rows_oracle`](crate::stream_rows_oracle)).

use std::collections::BTreeMap;

use lexicon::Method;
use policy::partner::{Directory, PartnerChanges, PartnerDraft};
use xmpp::stream::{Fault, StreamFailure};

use crate::{
    stream_rows_oracle::{Certificate, Dialler, Opinion, Outcome, Peer, ROWS, Reason, Row, Said, Use, outcome},
    stream_rows_world::{Seen, play},
};

const USES: [Use; 3] = [Use::NotSupported, Use::Optional, Use::Required];

/// 3 × 6 × 2 × 2 × 2 × 4.
fn peers() -> impl Iterator<Item = Peer> {
    let bools = [false, true];
    USES.into_iter().flat_map(move |tls| {
        Certificate::ALL.into_iter().flat_map(move |certificate| {
            bools.into_iter().flat_map(move |external| {
                bools.into_iter().flat_map(move |dialback| {
                    bools.into_iter().flat_map(move |direct| {
                        Opinion::ALL.map(|opinion| Peer { tls, certificate, external, dialback, direct, opinion })
                    })
                })
            })
        })
    })
}

/// Our failure in the words of the oracle.
fn reason(failure: &StreamFailure) -> Option<Reason> {
    Some(match failure {
        StreamFailure::TlsHandshake(_) => Reason::TlsFailed,
        StreamFailure::StarttlsAbsent => Reason::StarttlsAbsent,
        StreamFailure::TlsDemanded | StreamFailure::TlsExcluded => Reason::TlsExcluded,
        StreamFailure::Certificate(fault) => Reason::Certificate(*fault),
        StreamFailure::ExternalAbsent(_) => Reason::ExternalAbsent,
        StreamFailure::ExternalRefused { .. } => Reason::ExternalRefused,
        StreamFailure::DialbackAbsent => Reason::DialbackAbsent,
        StreamFailure::PeerClosed(_) => Reason::PeerClosed,
        StreamFailure::PeerError { error, .. } => Reason::PeerError(error.condition().as_str()),
        _ => return None,
    })
}

/// What is wrong with a case, if anything is.
fn mismatch(row: &Row, peer: &Peer, dialler: Dialler) -> Option<String> {
    let expected = outcome(row, peer, dialler);
    let seen = play(row, peer, dialler, false);
    let fits = match (expected, &seen) {
        (Outcome::Nothing | Outcome::Refused(Said::Nothing, Reason::TlsFailed), None) => true,
        (_, None) => false,
        (Outcome::Authorised(method), Some(seen)) => {
            let alive = seen.failure.is_none() && seen.said == Said::Nothing;
            seen.method == Some(method) && seen.open_there && seen.passed == 1 && alive
        }
        (Outcome::Refused(said, why), Some(seen)) => {
            is_refused(seen) && seen.said == said && seen.failure.as_ref().and_then(reason) == Some(why)
        }
        (Outcome::Nothing, Some(seen)) => is_refused(seen),
    };
    (!fits).then(|| format!("expected {expected:?}, seen {seen:?}"))
}

fn is_refused(seen: &Seen) -> bool {
    seen.method.is_none() && !seen.open_there && seen.passed == 0 && seen.failure.is_some()
}

fn every_case(dialler: Dialler) {
    let (mut cases, mut wrong) = (0, BTreeMap::<String, (u32, String)>::new());
    for row in &ROWS {
        for peer in peers() {
            cases += 1;
            if let Some(mismatch) = mismatch(row, &peer, dialler) {
                let case = format!("row {}, {peer:?}", row.number);
                wrong.entry(mismatch).or_insert((0, case)).0 += 1;
            }
        }
    }
    assert_eq!(cases, 18 * 576);
    let wrong = wrong.iter().map(|(mismatch, (count, case))| format!("{count} × {mismatch}; one is {case}\n"));
    assert_eq!(wrong.collect::<String>(), "");
}

#[test]
fn every_row_comes_out_as_the_documents_say_when_we_dial() {
    every_case(Dialler::We);
}

#[test]
fn every_row_comes_out_as_the_documents_say_when_the_partner_dials() {
    every_case(Dialler::They);
}

/// Partner policy §2 (e): policy is asked when a pair is about to be authorised. Offers are no more than politeness.
#[test]
fn a_partner_that_tries_what_was_not_offered_gets_no_more() {
    let mut cases = 0;
    for row in &ROWS {
        let polite = peers().filter(|peer| peer.opinion == Opinion::Accepts && peer.external && peer.dialback);
        for peer in polite {
            cases += 1;
            let expected = match outcome(row, &peer, Dialler::They) {
                Outcome::Authorised(method) => Some(method),
                Outcome::Refused(..) | Outcome::Nothing => None,
            };
            let seen = play(row, &peer, Dialler::They, true);
            let case = format!("row {}, {peer:?}: {seen:?}", row.number);
            assert_eq!(seen.as_ref().and_then(|seen| seen.method), expected, "{case}");
            if let Some(seen) = seen.filter(|_| expected.is_none()) {
                assert!(is_refused(&seen), "{case}");
                let told = matches!(seen.said, Said::Error("policy-violation" | "not-authorized"));
                assert!(told || peer.tls == Use::Required && row.tls == Use::NotSupported, "{case}");
            }
        }
    }
    assert_eq!(cases, 18 * 36);
}

/// "`Commit` refuses an *invalid* row, names reason and remedy, saves nothing."
#[test]
fn policy_saves_the_rows_that_the_documents_permit_with_their_methods_and_no_others() {
    let word = |setting: Use| match setting {
        Use::Required => "required",
        Use::Optional => "optional",
        Use::NotSupported => "not_supported",
    };
    for row in &ROWS {
        let changes = PartnerChanges {
            tls: Some(word(row.tls).to_owned()),
            sasl: Some(word(row.sasl).to_owned()),
            dialback: Some(row.dialback),
            ..PartnerChanges::default()
        };
        let draft = PartnerDraft { primary_domain: "fabrikam.example".to_owned(), changes };
        match (draft.check(&Directory::default()), row.invalid) {
            (Ok(checked), None) => {
                let methods: Vec<Method> = checked.partner.row().methods.iter().collect();
                assert_eq!(methods, row.methods, "row {}", row.number);
            }
            (Err(errors), Some(reason)) => {
                let codes: Vec<_> = errors.iter().map(|error| error.code).collect();
                assert_eq!(codes, [reason], "row {}", row.number);
            }
            (other, _) => panic!("row {}: {other:?}", row.number),
        }
    }
}

/// Whom the operator is told to turn to.
#[test]
fn a_refusal_names_who_has_to_act() {
    let row = &ROWS[1];
    let peer = Peer {
        tls: Use::Required,
        certificate: Certificate::Expired,
        external: true,
        dialback: true,
        direct: false,
        opinion: Opinion::Accepts,
    };
    let fault = |peer: Peer| play(row, &peer, Dialler::We, false).and_then(|seen| seen.failure).map(|f| f.fault());
    assert_eq!(fault(peer), Some(Fault::Peer));
    let distrusted = Peer { certificate: Certificate::Valid, opinion: Opinion::Distrusts, ..peer };
    assert_eq!(fault(distrusted), Some(Fault::Us));
}
