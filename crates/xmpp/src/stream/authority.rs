//! Dialback as authoritative server (XEP-0220 §2.2.2): whether a key that is said to be ours is.
//!
//! Peers ask on streams that they opened, and on those of ours that carry stanzas both ways (XEP-0288): a server that
//! reuses what it has open asks there. The answer is the same for whoever asks.

use super::{
    core::Core,
    dialback::{DialbackCondition, DialbackError, DialbackVerdict, Kind, Secret, VerifyRequest, answer},
    event::{Anomaly, KeyStatus, Output},
};

/// Questions that may wait for the shell at once.
const QUESTIONS_MAX: usize = 16;

impl Core {
    /// The peer asks after a key.
    pub(super) fn key_asked(&mut self, request: VerifyRequest) {
        if self.questions.len() == QUESTIONS_MAX {
            let error = DialbackError::new(DialbackCondition::ResourceConstraint, "too many questions at once");
            return self.answer_question(&request, &DialbackVerdict::Error(error));
        }
        self.facts.keys_asked = self.facts.keys_asked.saturating_add(1);
        self.questions.push(request.clone());
        self.emit(Output::AskKey(request));
    }

    /// A key is valid if it is ours and the stream it was made for lives: a right key for a stream that is gone was
    /// stolen from one.
    pub(super) fn key_status(&mut self, secret: &Secret, request: &VerifyRequest, status: KeyStatus) {
        let Some(index) = self.questions.iter().position(|known| known == request) else { return };
        let VerifyRequest { pair, id, key } = self.questions.remove(index);
        let verdict = match status {
            KeyStatus::HostUnknown => DialbackVerdict::Error(DialbackError::new(DialbackCondition::ItemNotFound, "")),
            KeyStatus::InFlight if secret.is_key(&key, &pair.remote, &pair.local, &id) => DialbackVerdict::Valid,
            KeyStatus::InFlight | KeyStatus::NotIssued => {
                self.anomaly(Anomaly::KeyNotIssued);
                DialbackVerdict::Invalid
            }
        };
        self.answer_question(request, &verdict);
    }

    fn answer_question(&mut self, request: &VerifyRequest, verdict: &DialbackVerdict) {
        self.write(|writer| answer(writer, Kind::Verify, &request.pair, Some(&request.id), verdict));
    }
}
