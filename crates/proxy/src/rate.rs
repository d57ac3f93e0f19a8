//! How many messages the last minute saw: what an operator looks at first. Of a message, only one with a body counts;
//! errors, receipts, chat states and presence are traffic but nobody's words (RFC 6121 §5.2.3).

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use xmpp::xml::{Batch, ElementRef};

/// Seconds that are looked back on.
const SECONDS: usize = 60;

/// Messages by the second in which they came.
#[derive(Debug)]
pub(crate) struct Rate {
    began: Instant,
    seconds: Mutex<[Second; SECONDS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Counted from the beginning.
    number: u64,
    messages: u64,
}

impl Rate {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, seconds: Mutex::new([Second::default(); SECONDS]) }
    }

    /// Counts the messages of `batch`.
    pub(crate) fn take(&self, now: Instant, batch: &Batch) {
        let messages = batch.elements().filter(|stanza| has_words(*stanza)).count() as u64;
        if messages == 0 {
            return;
        }
        let number = self.second(now);
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let second = &mut seconds[(number % SECONDS as u64) as usize];
        if second.number != number {
            *second = Second { number, messages: 0 };
        }
        second.messages += messages;
    }

    /// Messages of the last 60 seconds, this one included.
    pub(crate) fn per_minute(&self, now: Instant) -> u64 {
        let number = self.second(now);
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seconds.iter().filter(|second| number.saturating_sub(second.number) < SECONDS as u64);
        recent.map(|second| second.messages).sum()
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }
}

fn has_words(stanza: ElementRef<'_>) -> bool {
    stanza.name() == "message"
        && stanza.attribute("type").as_deref() != Some("error")
        && stanza.child("body", stanza.namespace()).is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn batch(xml: &str) -> Batch {
        Batch::from_xml(xml.replace('\'', "\"").into_bytes()).unwrap()
    }

    #[test]
    fn words_of_people_count_for_a_minute() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let rate = Rate::new(began);
        rate.take(at(0), &batch("<message xmlns='jabber:server'><body>hi</body></message>"));
        for nobodys in [
            "<message xmlns='jabber:server' type='error'><body>hi</body></message>",
            "<message xmlns='jabber:server'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
            "<message xmlns='jabber:server'><body xmlns='http://www.w3.org/1999/xhtml'/></message>",
            "<presence xmlns='jabber:server'/>",
        ] {
            rate.take(at(0), &batch(nobodys));
        }
        let two = "<message xmlns='jabber:server'><body>a</body></message>".repeat(2);
        rate.take(at(30), &batch(&two));
        assert_eq!([30, 59, 60, 89, 90].map(|second| rate.per_minute(at(second))), [3, 3, 2, 2, 0]);
        rate.take(at(90), &batch(&two));
        assert_eq!(rate.per_minute(at(91)), 2, "the second of the ring is another one now");
    }
}
