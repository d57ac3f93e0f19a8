//! Test message: whether an address is reached, with the time of each hop and the answer.

use axum::{Extension, extract::State, http::Method, response::Response};
use policy::role::Act;
use serde_json::json;

use super::{
    Fields, Form, Notice, Pages, Place, Section, View, Visitor,
    view::{Field, Kind, Step, Steps},
    words::{OperationWords, korean},
};
use crate::api::v1::dto::MessageTest;

pub(super) async fn show(Extension(visitor): Extension<Visitor>) -> Response {
    view(&visitor, vec![Section::Form(form(&visitor))]).show()
}

fn view(visitor: &Visitor, sections: Vec<Section>) -> View {
    let mut frame = visitor.frame_at(Place::Monitoring, "/message", visitor.words().test_message);
    // Nothing here changes by itself, and what is typed stays.
    frame.is_live = false;
    View::new(frame, OperationWords::of(visitor.language).message_lead, sections)
}

fn form(visitor: &Visitor) -> Form {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    Form {
        id: "message",
        heading: words.test_message.to_owned(),
        note: String::new(),
        action: "/message".to_owned(),
        hidden: Vec::new(),
        fields: vec![
            Field::new("to", w.to, Kind::Text, "").hint(w.message_to_hint).required(),
            Field::new("from", w.from, Kind::Text, "").hint(w.message_from_hint),
        ],
        submit: w.send.to_owned(),
        cancel: None,
        refused: visitor.refused(Act::Operate),
        fault: None,
    }
}

pub(super) async fn send(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let w = OperationWords::of(visitor.language);
    let from = Some(fields.text("from").trim()).filter(|from| !from.is_empty());
    let body = json!({ "to": fields.text("to").trim(), "from": from });
    let mut form = form(&visitor);
    form.refill(&fields);
    match pages.inside.ask::<MessageTest>(&visitor.caller, Method::POST, "/messages/test", None, &body).await {
        Ok(test) => {
            let told = |step: &crate::api::v1::dto::MessageStep| {
                let told = korean::hop(visitor.language, &step.stage, step.ok);
                Step { is_ok: step.ok, told, text: format!("{} ms: {} ({})", step.after_ms, step.text, step.stage) }
            };
            let steps = Steps {
                heading: visitor.words().what_happened.to_owned(),
                rows: test.steps.iter().map(told).collect(),
            };
            let mut view = view(&visitor, vec![Section::Steps(steps), Section::Form(form)]);
            let (class, fact) = if test.passed { ("ok", w.reached) } else { ("bad", w.not_reached) };
            view.notice = Some(Notice { class, fact: fact.to_owned(), why: test.to });
            view.show()
        }
        Err(problem) if problem.status == 403 => visitor.failed(&problem),
        Err(problem) => {
            form.faults(&visitor, &problem);
            view(&visitor, vec![Section::Form(form)]).refuse(problem.status)
        }
    }
}
