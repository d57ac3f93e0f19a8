//! Access Edge Configuration: the gateway-wide settings, each with unit, default and limits (partner-policy §4).

use axum::{
    Extension,
    extract::{Query, State},
    http::Method,
    response::Response,
};
use policy::role::Act;
use serde_json::{Map, Value};

use super::{
    Asked, Fields, Form, Pages, Place, Section, View, Visitor, Words, saved,
    view::{Field, Kind},
    words::{self, InsideWords},
};
use crate::api::v1::dto::{Problem, Setting, Settings, SettingsChanged};

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    match read(&pages, &visitor).await {
        Ok(settings) => {
            let mut view = view(&visitor, form(&visitor, &settings));
            view.done = query.contains_key("saved").then(|| visitor.words().done_saved.to_owned());
            view.show()
        }
        Err(problem) => visitor.failed(&problem),
    }
}

async fn read(pages: &Pages, visitor: &Visitor) -> Result<Settings, Problem> {
    pages.inside.get(&visitor.caller, "/settings").await
}

fn view(visitor: &Visitor, form: Form) -> View {
    let frame = visitor.frame_at(Place::Federation, "/settings", visitor.words().access_edge);
    View::new(frame, InsideWords::of(visitor.language).settings_lead, vec![Section::Form(form)])
}

fn form(visitor: &Visitor, settings: &Settings) -> Form {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    Form {
        id: "settings",
        heading: w.settings.to_owned(),
        note: String::new(),
        action: "/settings".to_owned(),
        hidden: vec![("revision", settings.revision.to_string())],
        fields: settings.items.iter().map(|setting| field(visitor, setting)).collect(),
        submit: words.commit.to_owned(),
        cancel: Some(("/settings".to_owned(), words.cancel)),
        refused: visitor.refused(Act::ChangeConfiguration),
        fault: None,
    }
}

fn field(visitor: &Visitor, setting: &Setting) -> Field {
    let w = InsideWords::of(visitor.language);
    let told = words::setting(visitor.language, &setting.name);
    let (label, meaning) = told.unwrap_or((&setting.name, &setting.meaning));
    let kind = match &setting.value {
        _ if setting.hidden => Kind::Password,
        Value::Bool(_) => Kind::Check,
        Value::Number(_) => Kind::Number(setting.unit.clone().unwrap_or_default()),
        _ => Kind::Text,
    };
    let limits = match kind {
        Kind::Number(_) => {
            format!(" {}", Words::fill(w.default_and_limits, &[&plain(&setting.default), &setting.allowed]))
        }
        _ => String::new(),
    };
    Field::new(&setting.name, label, kind, plain(&setting.value)).hint(format!("{meaning}{limits}"))
}

/// A value as it stands in its field.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) async fn change(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let settings = match read(&pages, &visitor).await {
        Ok(settings) => settings,
        Err(problem) => return visitor.failed(&problem),
    };
    let body: Map<String, Value> = settings.items.iter().filter_map(|setting| changed(setting, &fields)).collect();
    let revision = fields.text("revision").parse().ok();
    let answer =
        pages.inside.ask::<SettingsChanged>(&visitor.caller, Method::PATCH, "/settings", revision, &body).await;
    match answer {
        Ok(_) => saved("/settings"),
        Err(problem) => {
            let form = form(&visitor, &settings).after(&visitor, &fields, &problem);
            view(&visitor, form).refuse(problem.status)
        }
    }
}

/// What was entered, if it is something else than there is.
fn changed(setting: &Setting, fields: &Fields) -> Option<(String, Value)> {
    let entered = fields.text(&setting.name).trim();
    let value = match &setting.value {
        _ if setting.hidden => (!entered.is_empty()).then(|| entered.into()),
        Value::Bool(before) => (fields.is_on(&setting.name) != *before).then(|| (!before).into()),
        Value::Number(_) => {
            let digits = entered.replace([',', ' '], "");
            (digits != plain(&setting.value)).then(|| digits.into())
        }
        _ => (entered != plain(&setting.value)).then(|| entered.into()),
    };
    value.map(|value| (setting.name.clone(), value))
}
