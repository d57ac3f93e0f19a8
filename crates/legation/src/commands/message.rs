//! `legation message`.

use clap::Subcommand;
use panel::api::v1::dto::{MessageTest, NewMessageTest};

use super::Caller;
use crate::output::{self, Failure, Format};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a marked message to a user, and tell each hop that it passes and the answer
    Test {
        /// A partner's user or one of ours: juliet@fabrikam.example
        to: String,
        /// The internal address that it comes from [default: postmaster of the first internal domain]
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
    },
}

impl Command {
    /// Fails, with 1, if the recipient was not reached.
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let Self::Test { to, from } = self;
        let new = NewMessageTest { to, from };
        let test: MessageTest = caller.client.post("/api/v1/messages/test", &new).await?.read()?;
        match caller.format {
            Format::Json => output::json(&test)?,
            Format::Table => {
                let rows = test.steps.iter().map(|step| {
                    let result = if step.ok { "ok" } else { "failed" };
                    [step.stage.clone(), result.to_owned(), step.after_ms.to_string(), step.text.clone()]
                });
                output::table(["hop", "result", "after ms", "what"], rows);
            }
        }
        if test.passed { Ok(()) } else { Err(Failure::Failed(format!("{} was not reached", test.to))) }
    }
}
