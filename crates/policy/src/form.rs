//! The checks that forms share: reads on after an error, so that a person sees every error at once.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{
    FieldError, Negotiation, TrustRoots,
    partner::{DESCRIPTION_CHARS_MAX, PINS_MAX, Pin},
    peer::{HostPort, Network},
};

/// The errors of one form.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) errors: Vec<FieldError>,
}

/// Negotiation as entered; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NegotiationEntered<'a> {
    pub(crate) tls: Option<&'a str>,
    pub(crate) sasl: Option<&'a str>,
    pub(crate) dialback: Option<bool>,
}

impl Form {
    /// `value`, or every error.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { Ok(value) } else { Err(self.errors) }
    }

    pub(crate) fn refuse(&mut self, field: &'static str, code: &'static str, message: impl fmt::Display) {
        self.errors.push(FieldError::new(field, code, message.to_string()));
    }

    pub(crate) fn description(&mut self, text: &str) -> Arc<str> {
        let chars = text.chars().count();
        if chars > DESCRIPTION_CHARS_MAX {
            let message = format!("{chars} characters were entered; at most {DESCRIPTION_CHARS_MAX} are allowed");
            self.refuse("description", "too_long", message);
        }
        Arc::from(text)
    }

    /// A word of one of the choices.
    pub(crate) fn word<T: FromStr<Err: fmt::Display>>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        value: &mut T,
    ) {
        match text.map(str::parse) {
            None => {}
            Some(Ok(parsed)) => *value = parsed,
            Some(Err(error)) => {
                self.refuse(field, "not_a_choice", format!("{} was entered; {error}", text.unwrap_or_default()));
            }
        }
    }

    /// The three settings together: a row that cannot be saved is an error, unless a word of it could not be read.
    pub(crate) fn negotiation(&mut self, entered: NegotiationEntered<'_>, negotiation: &mut Negotiation) {
        let before = self.errors.len();
        self.word("tls", entered.tls, &mut negotiation.tls);
        self.word("sasl", entered.sasl, &mut negotiation.sasl);
        negotiation.dialback = entered.dialback.unwrap_or(negotiation.dialback);
        if let (true, Some(invalid)) = (self.errors.len() == before, negotiation.row().invalid()) {
            self.errors.push(invalid.into());
        }
    }

    pub(crate) fn trust_roots(&mut self, text: Option<&str>, roots: &mut TrustRoots) {
        match text.map(str::parse) {
            None => {}
            Some(Ok(parsed)) => *roots = parsed,
            Some(Err(error)) => self.refuse("trust_roots", "pem_invalid", error),
        }
    }

    /// One that is entered twice counts once.
    pub(crate) fn pins(&mut self, texts: &[String]) -> Vec<Pin> {
        let mut pins = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(pin) if pins.contains(&pin) => {}
                Ok(pin) => pins.push(pin),
                Err(error) => self.refuse("pins", "pin_invalid", format!("{text}: {error}")),
            }
        }
        self.at_most("pins", pins.len(), PINS_MAX);
        pins
    }

    /// Where a machine of our own side is reached.
    pub(crate) fn targets(&mut self, texts: &[String], max: usize) -> Vec<HostPort> {
        self.list("targets", "host_invalid", texts, max)
    }

    /// The networks that it may connect from.
    pub(crate) fn sources(&mut self, texts: &[String], max: usize) -> Vec<Network> {
        self.list("sources", "network_invalid", texts, max)
    }

    /// Values of which none may stand twice.
    pub(crate) fn list<T: FromStr<Err: fmt::Display> + PartialEq>(
        &mut self,
        field: &'static str,
        code: &'static str,
        texts: &[String],
        max: usize,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for text in texts {
            let text = text.trim();
            match text.parse() {
                Ok(value) if values.contains(&value) => {
                    self.refuse(field, "repeated", format!("{text} is listed twice"))
                }
                Ok(value) => values.push(value),
                Err(error) => self.refuse(field, code, format!("{text:?} was entered; {error}")),
            }
        }
        self.at_most(field, texts.len(), max);
        values
    }

    fn at_most(&mut self, field: &'static str, count: usize, max: usize) {
        if count > max {
            self.refuse(field, "too_many", format!("{count} were entered; at most {max} are allowed"));
        }
    }
}
