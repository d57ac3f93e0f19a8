use super::*;

fn defaults() -> Settings {
    Settings::new(Passphrase::from_random([7; 32]))
}

/// Name, default, least, greatest of partner-policy.md §4.
const DOCUMENTED: &[(&str, u64, u64, u64)] = &[
    ("connection_limit", 1000, 10, 100_000),
    ("partner_connection_limit", 20, 2, 1000),
    ("keep_alive_interval", 300, 30, 3600),
    ("stream_establishment_timeout", 60, 5, 300),
    ("stream_inactivity_timeout", 600, 60, 86_400),
    ("subscription_refresh_interval", 28_800, 300, 604_800),
    ("stanza_bytes_max", 262_144, 10_000, 1_048_576),
    ("unauthenticated_bytes_max", 8192, 2048, 65_536),
    ("queue_stanzas", 1000, 0, 100_000),
    ("queue_bytes", 1_048_576, 65_536, 67_108_864),
    ("queue_bytes_total", 67_108_864, 1_048_576, 4_294_967_296),
    ("queue_age", 60, 1, 600),
    ("half_open_limit", 2000, 16, 100_000),
    ("half_open_per_address", 64, 1, 10_000),
    ("partner_stanzas_per_second", 2000, 1, 1_000_000),
];

#[test]
fn every_number_has_its_documented_default_and_limits() {
    for (name, default, min, max) in DOCUMENTED {
        let setting = SETTINGS.iter().find(|setting| setting.name == *name).unwrap();
        assert_eq!(setting.limits(), Some((*min, *max)), "{name}");
        assert_eq!(setting.default(), Value::Number(*default), "{name}");
        assert_eq!(defaults().value(name), Ok(Value::Number(*default)), "{name}");
        for (number, accepted) in
            [(Some(*min), true), (Some(*max), true), (min.checked_sub(1), false), (max.checked_add(1), false)]
        {
            let Some(number) = number else { continue };
            let mut settings = defaults();
            let found = settings.set(name, &number.to_string());
            assert_eq!(found.is_ok(), accepted, "{name} {number}");
            let stands = if accepted { number } else { *default };
            assert_eq!(settings.value(name), Ok(Value::Number(stands)), "{name} {number}");
            if let Err(error) = found {
                assert_eq!((error.field, error.code), (*name, "out_of_range"));
                for part in [number, *min, *max] {
                    assert!(error.message.contains(&part.to_string()), "{}", error.message);
                }
            }
        }
    }
}

#[test]
fn every_other_setting_has_its_documented_default() {
    for (name, shown) in [
        ("log_message_bodies", "false"),
        ("allow_private_targets", "false"),
        ("pager_message_type", "chat"),
        ("dialback_passphrase", "(set, never shown)"),
    ] {
        assert_eq!(defaults().value(name).unwrap().to_string(), shown);
        let setting = SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        assert_eq!(setting.default().to_string(), shown);
    }
    assert_eq!(SETTINGS.len(), DOCUMENTED.len() + 4);
}

#[test]
fn refuses_what_is_not_a_value() {
    for (name, text, code) in [
        ("connection_limit", "", "not_a_number"),
        ("connection_limit", "-10", "not_a_number"),
        ("connection_limit", "1e3", "not_a_number"),
        ("connection_limit", "100 KiB", "not_a_number"),
        ("connection_limit", "99999999999999999999", "not_a_number"),
        ("queue_bytes", "64", "out_of_range"),
        ("queue_age", "11m", "out_of_range"),
        ("log_message_bodies", "yes", "not_a_choice"),
        ("allow_private_targets", "10.0.0.1/8", "not_a_choice"),
        ("pager_message_type", "headline", "not_a_choice"),
        ("dialback_passphrase", "fifteen letters", "too_short"),
    ] {
        let mut settings = defaults();
        let error = settings.set(name, text).unwrap_err();
        assert_eq!((error.field, error.code), (name, code), "{text}");
        assert_eq!(settings, defaults());
    }
    let error = defaults().set("conection_limit", "20").unwrap_err();
    assert_eq!((error.field, error.code), ("name", "unknown_setting"));
}

#[test]
fn the_passphrase_is_never_shown() {
    let mut settings = defaults();
    let error = settings.set("dialback_passphrase", "secret").unwrap_err();
    assert!(!error.message.contains("secret"), "{}", error.message);
    settings.set("dialback_passphrase", "a secret of some length").unwrap();
    assert!(!format!("{settings:?}").contains("secret of"));
    assert!(settings.list().all(|(_, value)| !value.to_string().contains("secret of")));
    assert_eq!(settings.dialback_passphrase.reveal(), "a secret of some length");
}

#[test]
fn sizes_and_times_may_carry_their_unit() {
    let mut settings = defaults();
    for (name, text, number) in [
        ("queue_bytes", "2 MiB", 2 << 20),
        ("queue_bytes_total", "4GiB", 4 << 30),
        ("stanza_bytes_max", "64 KiB", 65_536),
        ("queue_age", "5m", 300),
        ("stream_inactivity_timeout", "2h", 7200),
        ("keep_alive_interval", " 45 s ", 45),
    ] {
        settings.set(name, text).unwrap();
        assert_eq!(settings.value(name), Ok(Value::Number(number)), "{name} {text}");
    }
}

#[test]
fn all_changes_are_made_or_none() {
    let changed = defaults().with([("queue_age", "30"), ("log_message_bodies", "true")]).unwrap();
    assert_eq!((changed.queue_age, changed.log_message_bodies), (Duration::from_secs(30), true));
    let errors = defaults().with([("queue_age", "0"), ("queue_bytes", "65536"), ("queue_stanzas", "x")]).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.field).collect::<Vec<_>>(), ["queue_age", "queue_stanzas"]);
}

#[test]
fn what_is_stored_reads_back_the_same() {
    let changed = defaults()
        .with([
            ("connection_limit", "77"),
            ("queue_age", "9"),
            ("allow_private_targets", "127.0.0.0/8, ::1"),
            ("pager_message_type", "normal"),
        ])
        .unwrap();
    let mut read = Settings::new(Passphrase::from_random([0; 32]));
    for (name, text) in changed.stored() {
        read.set(name, &text).unwrap();
    }
    assert_eq!(read, changed);
}
