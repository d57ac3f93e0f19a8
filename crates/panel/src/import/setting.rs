//! Gateway-wide settings: of `Get-CsXmppGatewayConfiguration`.

use serde_json::{Map, Value};
use store::ImportStep;

use super::{Basis, Planned, table::Reader};
use crate::api::v1::dto::FieldWarning;

/// The original's names and ours.
const NAMES: [(&str, &str); 7] = [
    ("connectionlimit", "connection_limit"),
    ("partnerconnectionlimit", "partner_connection_limit"),
    ("keepaliveinterval", "keep_alive_interval"),
    ("streamestablishmenttimeout", "stream_establishment_timeout"),
    ("streaminactivitytimeout", "stream_inactivity_timeout"),
    ("subscriptionrefreshinterval", "subscription_refresh_interval"),
    ("enableloggingallmessagebodies", "log_message_bodies"),
];

pub(super) fn plan(reader: &mut Reader<'_>, basis: &mut Basis) -> Planned {
    let stored = basis.snapshot.settings();
    let mut settings = stored.clone();
    let (mut before, mut after) = (Map::new(), Map::new());
    for (theirs, ours) in NAMES {
        let Some(text) = reader.text(&[theirs, ours]) else { continue };
        if let Err(error) = settings.set(ours, &text.to_lowercase()) {
            reader.refuse(theirs, error.code, error.message);
        }
        let value = |settings: &policy::Settings| {
            Value::from(settings.value(ours).map(|value| value.to_string()).unwrap_or_default())
        };
        before.insert(ours.to_owned(), value(stored));
        after.insert(ours.to_owned(), value(&settings));
    }
    let passphrase = reader.text(&["dialbackpassphrase"]).map(|_| FieldWarning {
        field: "dialback_passphrase".to_owned(),
        code: "not_imported".to_owned(),
        message: "the original's passphrase is not taken over: this server has one of its own".to_owned(),
    });
    Planned {
        subject: "settings".to_owned(),
        before: Some(before.into()),
        after: after.into(),
        warnings: passphrase.into_iter().collect(),
        step: Some(ImportStep::Settings(Box::new(settings))),
        ..Planned::default()
    }
}
