//! What the demonstration prints: scenes, and events with the milliseconds since the start.

use std::{fmt::Display, time::Duration};

use lexicon::Now;

use crate::output;

pub(super) struct Transcript {
    started: Now,
    scenes: usize,
}

impl Transcript {
    pub(super) fn start() -> Self {
        Self { started: net::clock::now(), scenes: 0 }
    }

    pub(super) fn title(&self, text: impl Display) {
        output::line(format_args!("\n{text}"));
    }

    pub(super) fn scene(&mut self, text: impl Display) {
        self.scenes += 1;
        output::line(format_args!("\n{}. {text}", self.scenes));
    }

    pub(super) fn event(&self, text: impl Display) {
        let since: Duration = net::clock::now().instant - self.started.instant;
        output::line(format_args!("{:>6} ms  {text}", since.as_millis()));
    }
}
