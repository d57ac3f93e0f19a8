//! Gateway-wide settings.

use policy::settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One setting with what is known about it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// A number, a flag or a text; null if it is never shown.
    pub value: Value,
    /// The value out of the box; null if it is random.
    pub default: Value,
    /// `s` or `bytes`; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// Greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// What is allowed, in words.
    pub allowed: String,
    /// What it does.
    pub meaning: String,
    /// Whether the value is never shown.
    #[serde(default)]
    pub hidden: bool,
}

/// All settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Settings {
    /// In the order in which they are shown.
    pub items: Vec<Setting>,
    /// What `If-Match` names.
    pub revision: u64,
}

/// What became, or in a dry run would become, of the settings. The request is an object of names and values.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingsChanged {
    /// The settings that were named, after the change.
    pub items: Vec<Setting>,
    /// The revision after the change.
    pub revision: u64,
    /// Nothing was saved.
    #[serde(default)]
    pub dry_run: bool,
}

impl From<(&settings::Setting, settings::Value)> for Setting {
    fn from((setting, value): (&settings::Setting, settings::Value)) -> Self {
        let limits = setting.limits();
        let unit = setting.unit().map(settings::Unit::as_str).filter(|unit| !unit.is_empty());
        Self {
            name: setting.name.to_owned(),
            hidden: value == settings::Value::Hidden,
            value: json(value),
            default: json(setting.default()),
            unit: unit.map(str::to_owned),
            min: limits.map(|(min, _)| min),
            max: limits.map(|(_, max)| max),
            allowed: setting.allowed(),
            meaning: setting.meaning.to_owned(),
        }
    }
}

fn json(value: settings::Value) -> Value {
    match value {
        settings::Value::Number(number) => number.into(),
        settings::Value::Flag(flag) => flag.into(),
        settings::Value::Text(text) => text.into(),
        settings::Value::Hidden => Value::Null,
    }
}
