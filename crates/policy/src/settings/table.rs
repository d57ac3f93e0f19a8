//! Name, limits, default and meaning of each setting.

use std::{fmt, time::Duration};

use super::{Settings, Unit, Value};
use crate::FieldError;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name in API, panel and command line.
    pub name: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Number { unit: Unit, default: u64, min: u64, max: u64, field: Number },
    Flag { default: bool, read: fn(&Settings) -> bool, write: fn(&mut Settings, bool) },
    Passphrase,
    PrivateTargets,
    PagerMessageType,
}

#[derive(Clone, Copy, Debug)]
struct Number {
    read: fn(&Settings) -> u64,
    write: fn(&mut Settings, u64),
}

impl Setting {
    /// What a number counts; none for a setting that is no number.
    pub fn unit(&self) -> Option<Unit> {
        match self.kind {
            Kind::Number { unit, .. } => Some(unit),
            _ => None,
        }
    }

    /// Least and greatest number; none for a setting that is no number.
    pub fn limits(&self) -> Option<(u64, u64)> {
        match self.kind {
            Kind::Number { min, max, .. } => Some((min, max)),
            _ => None,
        }
    }

    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Number { unit, min, max, .. } => {
                let unit = unit.as_str();
                format!("{min} to {max}{}{unit}", if unit.is_empty() { "" } else { " " })
            }
            Kind::Flag { .. } => "true or false".to_owned(),
            Kind::Passphrase => "at least 16 characters".to_owned(),
            Kind::PrivateTargets => "true, false, or networks such as 10.0.0.0/8,fd00::/8".to_owned(),
            Kind::PagerMessageType => "chat or normal".to_owned(),
        }
    }

    /// The value out of the box; hidden for the passphrase, which is random.
    pub fn default(&self) -> Value {
        match self.kind {
            Kind::Number { default, .. } => Value::Number(default),
            Kind::Flag { default, .. } => Value::Flag(default),
            Kind::Passphrase => Value::Hidden,
            Kind::PrivateTargets => Value::Flag(false),
            Kind::PagerMessageType => Value::Text("chat".to_owned()),
        }
    }

    pub(super) fn value(&self, settings: &Settings) -> Value {
        match self.kind {
            Kind::Number { field, .. } => Value::Number((field.read)(settings)),
            Kind::Flag { read, .. } => Value::Flag(read(settings)),
            Kind::Passphrase => Value::Hidden,
            Kind::PrivateTargets => Value::Text(settings.allow_private_targets.to_string()),
            Kind::PagerMessageType => Value::Text(settings.pager_message_type.as_str().to_owned()),
        }
    }

    pub(super) fn stored(&self, settings: &Settings) -> String {
        match self.kind {
            Kind::Passphrase => settings.dialback_passphrase.reveal().to_owned(),
            _ => self.value(settings).to_string(),
        }
    }

    pub(super) fn write(&self, settings: &mut Settings, text: &str) -> Result<(), FieldError> {
        match self.kind {
            Kind::Number { unit, min, max, field, .. } => match unit.parse(text) {
                Some(number) if (min..=max).contains(&number) => (field.write)(settings, number),
                Some(_) => return Err(self.error("out_of_range", text)),
                None => return Err(self.error("not_a_number", text)),
            },
            Kind::Flag { write, .. } => match text.parse() {
                Ok(flag) => write(settings, flag),
                Err(_) => return Err(self.error("not_a_choice", text)),
            },
            // The message must not repeat the secret.
            Kind::Passphrase => {
                settings.dialback_passphrase =
                    text.parse().map_err(|error: super::PassphraseError| self.refuse("too_short", error))?;
            }
            Kind::PrivateTargets => {
                settings.allow_private_targets = text.parse().map_err(|_| self.error("not_a_choice", text))?;
            }
            Kind::PagerMessageType => {
                settings.pager_message_type = text.parse().map_err(|_| self.error("not_a_choice", text))?;
            }
        }
        Ok(())
    }

    fn error(&self, code: &'static str, entered: &str) -> FieldError {
        self.refuse(code, format_args!("{entered:?} was entered; allowed is {}", self.allowed()))
    }

    fn refuse(&self, code: &'static str, message: impl fmt::Display) -> FieldError {
        FieldError::new(self.name, code, message.to_string())
    }
}

/// The setting called `name`.
pub(super) fn find(name: &str) -> Result<&'static Setting, FieldError> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        FieldError::new(
            "name",
            "unknown_setting",
            format!("there is no setting {name:?}; known are {}", names.join(", ")),
        )
    })
}

macro_rules! count {
    ($name:ident, $unit:ident, $default:expr, $min:expr, $max:expr, $meaning:literal) => {
        Setting {
            name: stringify!($name),
            meaning: $meaning,
            kind: Kind::Number {
                unit: Unit::$unit,
                default: $default,
                min: $min,
                max: $max,
                field: Number { read: |settings| settings.$name, write: |settings, number| settings.$name = number },
            },
        }
    };
}

macro_rules! seconds {
    ($name:ident, $default:expr, $min:expr, $max:expr, $meaning:literal) => {
        Setting {
            name: stringify!($name),
            meaning: $meaning,
            kind: Kind::Number {
                unit: Unit::Seconds,
                default: $default,
                min: $min,
                max: $max,
                field: Number {
                    read: |settings| settings.$name.as_secs(),
                    write: |settings, seconds| settings.$name = Duration::from_secs(seconds),
                },
            },
        }
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// All settings, in the order in which they are shown.
pub static SETTINGS: [Setting; 19] = [
    count!(connection_limit, Count, 1000, 10, 100_000, "simultaneous connections of all partners"),
    count!(
        partner_connection_limit,
        Count,
        20,
        2,
        1000,
        "simultaneous connections of one partner, unless it has its own limit"
    ),
    seconds!(
        keep_alive_interval,
        300,
        30,
        3600,
        "after this long without proof of life a stream is asked for one; none within 60 s closes it"
    ),
    seconds!(stream_establishment_timeout, 60, 5, 300, "from the TCP connection to an authorised domain pair"),
    seconds!(stream_inactivity_timeout, 600, 60, 86_400, "without stanzas, then the stream is closed cleanly"),
    seconds!(subscription_refresh_interval, 28_800, 300, 604_800, "upper bound of Expires of subscriptions, both ways"),
    Setting {
        name: "dialback_passphrase",
        meaning: "secret that dialback keys are made from; the same on all nodes of a pool",
        kind: Kind::Passphrase,
    },
    Setting {
        name: "log_message_bodies",
        meaning: "log the text of messages; otherwise only endpoints and sizes",
        kind: Kind::Flag {
            default: false,
            read: |settings| settings.log_message_bodies,
            write: |settings, flag| settings.log_message_bodies = flag,
        },
    },
    count!(stanza_bytes_max, Bytes, 262_144, 10_000, 1_048_576, "largest stanza accepted from partners"),
    count!(
        unauthenticated_bytes_max,
        Bytes,
        8192,
        2048,
        65_536,
        "largest element accepted before a domain pair is authorised"
    ),
    count!(
        queue_stanzas,
        Count,
        1000,
        0,
        100_000,
        "stanzas kept for a domain pair while no stream is up; then bounced"
    ),
    count!(queue_bytes, Bytes, MIB, 64 * KIB, 64 * MIB, "memory of the stanzas kept for a domain pair"),
    count!(queue_bytes_total, Bytes, 64 * MIB, MIB, 4 * GIB, "memory of all stanzas kept by the process"),
    seconds!(queue_age, 60, 1, 600, "how long a stanza is kept while no stream is up; then bounced"),
    count!(half_open_limit, Count, 2000, 16, 100_000, "connections without an authorised domain pair"),
    count!(half_open_per_address, Count, 64, 1, 10_000, "the same from one address"),
    count!(
        partner_stanzas_per_second,
        Count,
        2000,
        1,
        1_000_000,
        "stanzas accepted from one partner, with bursts of 10 s; beyond it reading slows down"
    ),
    Setting {
        name: "allow_private_targets",
        meaning: "dial loopback, link-local and private addresses: all, none, or those in a list of networks",
        kind: Kind::PrivateTargets,
    },
    Setting {
        name: "pager_message_type",
        meaning: "type of the stanzas made from SIP MESSAGE requests",
        kind: Kind::PagerMessageType,
    },
];
