//! What a test message has shown, hop by hop.

use std::time::Instant;

use lexicon::BareJid;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    Monitor,
    shard::{ANSWER_MAX, HOP_MAX, Question, TestEvent, TestMessage},
};

/// One hop, or the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageStep {
    /// `sent`, `written`, `acknowledged`, `delivered`, `answered`.
    pub stage: &'static str,
    /// Since the message was given to the gateway, in milliseconds.
    pub after_ms: u64,
    /// What was seen, or what is wrong.
    pub outcome: Result<String, String>,
}

impl Monitor {
    /// Sends a marked message from an internal address and tells each hop that it passes, up to the answer or its absence.
    /// Takes some seconds where nothing is answered.
    pub async fn test_message(&self, from: BareJid, to: BareJid, text: String) -> Vec<MessageStep> {
        let (told, mut events) = mpsc::channel(8);
        let started = Instant::now();
        let mut steps = Vec::new();
        let mut tell = |stage: &'static str, outcome: Result<&str, String>| {
            let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            steps.push(MessageStep { stage, after_ms, outcome: outcome.map(str::to_owned) });
        };
        let question = Question::Message(Box::new(TestMessage { from, to, text, told }));
        if self.ask(question).await.is_err() {
            tell("sent", Err("The gateway has stopped".to_owned()));
            return steps;
        }
        let (mut patience, mut is_written) = (HOP_MAX + ANSWER_MAX, false);
        loop {
            match timeout(patience, events.recv()).await {
                Ok(Some(TestEvent::Refused(reason))) => {
                    tell("sent", Err(reason));
                    return steps;
                }
                Ok(Some(TestEvent::Written)) => {
                    tell("written", Ok("It has left on an authorised stream"));
                    is_written = true;
                }
                Ok(Some(TestEvent::Acknowledged)) => {
                    match is_written {
                        true => tell("acknowledged", Ok("The partner's server has taken it")),
                        false => tell(
                            "written",
                            Ok("It has left on an authorised stream, whose server acknowledges nothing"),
                        ),
                    }
                    patience = ANSWER_MAX;
                }
                Ok(Some(TestEvent::Delivered)) => {
                    tell("delivered", Ok("The recipient's endpoint, or its deployment, has taken it"));
                    return steps;
                }
                Ok(Some(TestEvent::Failed(error))) => {
                    tell("answered", Err(error.to_string()));
                    return steps;
                }
                Ok(None) | Err(_) if patience == ANSWER_MAX => {
                    tell("answered", Ok("No error came back"));
                    return steps;
                }
                Ok(None) | Err(_) => {
                    tell("answered", Err("Nothing was heard of it in time".to_owned()));
                    return steps;
                }
            }
        }
    }
}
