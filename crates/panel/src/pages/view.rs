//! What pages are made of beside the table and the form of partners: tables, facts, forms, said once and drawn by one
//! template. Everything of others is text here; nothing is markup before the template has escaped it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{Fields, Frame, Visitor, page, words::korean};
use crate::api::v1::dto::{FieldError, Problem};

/// A page.
#[derive(Template)]
#[template(path = "view.html")]
pub(super) struct View {
    pub(super) frame: Frame,
    pub(super) lead: String,
    /// Links and buttons in the head, the primary one last.
    pub(super) actions: Vec<Piece>,
    pub(super) crumbs: Vec<(String, String)>,
    /// What was done just now.
    pub(super) done: Option<String>,
    pub(super) notice: Option<Notice>,
    pub(super) sections: Vec<Section>,
}

/// Something that is wrong on the page as a whole: its class, the fact, and why or what next.
pub(super) struct Notice {
    pub(super) class: &'static str,
    pub(super) fact: String,
    pub(super) why: String,
}

/// A part of a page.
pub(super) enum Section {
    Table(Table),
    Facts(Facts),
    Form(Form),
    Search(Search),
    Figures(Vec<Figure>),
    Text(Text),
    Steps(Steps),
    Progress(Vec<Stage>),
}

/// A part of a line or of a cell.
#[derive(Clone)]
pub(super) enum Piece {
    Text(String),
    /// Below the rest.
    Small(String),
    /// The same in a language of its own: what is written in English whatever the page is in.
    English(String),
    Code(String),
    Time(String),
    Link {
        href: String,
        text: String,
    },
    /// Class of the shape, word.
    State(&'static str, String),
    Badge(&'static str, String),
    Button(Button),
}

/// A button that sends a form of its own.
#[derive(Clone)]
pub(super) struct Button {
    pub(super) action: String,
    pub(super) word: String,
    /// Whom or what it is for, for who hears it alone.
    pub(super) of: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) class: &'static str,
    /// Why it cannot be used; none: it can.
    pub(super) refused: Option<&'static str>,
}

pub(super) type Cell = Vec<Piece>;

pub(super) struct Table {
    pub(super) id: &'static str,
    pub(super) heading: String,
    pub(super) note: Vec<Piece>,
    /// Word and class of each column.
    pub(super) columns: Vec<(String, &'static str)>,
    pub(super) rows: Vec<Row>,
    pub(super) empty: String,
    /// The page behind this one.
    pub(super) next: Option<String>,
    /// The word for it.
    pub(super) next_word: &'static str,
}

pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) cells: Vec<Cell>,
}

pub(super) struct Facts {
    pub(super) id: &'static str,
    pub(super) heading: String,
    pub(super) rows: Vec<(String, Cell)>,
    pub(super) actions: Vec<Piece>,
}

pub(super) struct Figure {
    pub(super) name: String,
    pub(super) number: String,
    pub(super) split: Vec<Piece>,
}

/// What happened, in order.
pub(super) struct Steps {
    pub(super) heading: String,
    pub(super) rows: Vec<Step>,
}

pub(super) struct Step {
    pub(super) is_ok: bool,
    /// In the language of the page, where that is not the API's English.
    pub(super) told: Option<String>,
    pub(super) text: String,
}

/// A stage of setting up: its word and how it stands.
pub(super) struct Stage {
    pub(super) word: String,
    pub(super) class: &'static str,
    pub(super) is_current: bool,
}

/// Text that is copied from here.
pub(super) struct Text {
    pub(super) heading: String,
    pub(super) note: String,
    pub(super) text: String,
}

/// A search of what is shown: fields that go to the URL.
pub(super) struct Search {
    pub(super) action: &'static str,
    pub(super) label: String,
    pub(super) fields: Vec<Field>,
    pub(super) word: &'static str,
    pub(super) result: Vec<Piece>,
}

/// A form, whose fields have the names of the API.
pub(super) struct Form {
    pub(super) id: &'static str,
    pub(super) heading: String,
    pub(super) note: String,
    pub(super) action: String,
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    pub(super) submit: String,
    pub(super) cancel: Option<(String, &'static str)>,
    /// Why it cannot be sent; none: it can.
    pub(super) refused: Option<&'static str>,
    /// What belongs to no field.
    pub(super) fault: Option<String>,
}

#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) is_required: bool,
    pub(super) error: Option<String>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Text,
    Password,
    /// With its unit.
    Number(String),
    /// One a line, or a long text.
    Area,
    /// On if the value is `true`.
    Check,
    /// Value, name, rule.
    Choice(Vec<(String, String, String)>),
    /// Value and name, in a drop-down: for the many.
    Select(Vec<(String, String)>),
}

impl View {
    pub(super) fn new(frame: Frame, lead: impl Into<String>, sections: Vec<Section>) -> Self {
        let (actions, crumbs) = (Vec::new(), Vec::new());
        Self { frame, lead: lead.into(), actions, crumbs, done: None, notice: None, sections }
    }

    pub(super) fn show(&self) -> Response {
        page(StatusCode::OK, self)
    }

    /// The same after a refusal, whose faults stand in the form.
    pub(super) fn refuse(mut self, status: u16) -> Response {
        self.frame.title = format!("{}: {}", self.frame.words.error, self.frame.title);
        page(StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), &self)
    }
}

impl Form {
    /// After a refusal: what was entered stands there, with its faults.
    pub(super) fn after(mut self, visitor: &Visitor, entered: &Fields, problem: &Problem) -> Self {
        self.refill(entered);
        self.faults(visitor, problem);
        self
    }

    /// Takes what was refused to its fields; the rest to the form as a whole.
    pub(super) fn faults(&mut self, visitor: &Visitor, problem: &Problem) {
        let mut rest = Vec::new();
        for FieldError { field, code, message } in &problem.errors {
            let told = korean::fault(visitor.language, code, message);
            let message = told.as_ref().unwrap_or(message);
            let short = field.rsplit('.').next().unwrap_or(field);
            let found = self.fields.iter_mut().find(|known| known.name == *field || known.name == short);
            match found {
                Some(known) => known.error = Some(message.clone()),
                None => rest.push(format!("{field}: {message}")),
            }
        }
        if problem.errors.is_empty() {
            rest.push(problem.detail.clone());
        }
        self.fault = (!rest.is_empty()).then(|| rest.join(" "));
    }

    fn has_faults(&self) -> bool {
        self.fault.is_some() || self.fields.iter().any(|field| field.error.is_some())
    }

    /// Puts back what was entered; passwords are entered again.
    pub(super) fn refill(&mut self, entered: &Fields) {
        for field in &mut self.fields {
            match field.kind {
                Kind::Password => {}
                _ => entered.text(&field.name).clone_into(&mut field.value),
            }
        }
    }
}

impl Field {
    pub(super) fn new(name: &str, label: impl Into<String>, kind: Kind, value: impl Into<String>) -> Self {
        let (name, label, hint) = (name.to_owned(), label.into(), String::new());
        Self { name, label, hint, kind, value: value.into(), is_required: false, error: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(super) fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

impl Table {
    pub(super) fn new(id: &'static str, heading: &str, columns: &[&str], empty: &str) -> Self {
        let columns = columns.iter().map(|word| ((*word).to_owned(), "")).collect();
        let (heading, empty) = (heading.to_owned(), empty.to_owned());
        Self { id, heading, note: Vec::new(), columns, rows: Vec::new(), empty, next: None, next_word: "" }
    }

    /// Whether a column is that of the actions.
    fn is_of_actions(&self, index: &usize) -> bool {
        self.columns.get(*index).is_some_and(|(word, _)| word.is_empty())
    }

    /// Word and class of a column.
    fn column(&self, index: &usize) -> Option<(&str, &str)> {
        self.columns.get(*index).map(|(word, class)| (word.as_str(), *class))
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { class: "", cells });
    }
}

impl Button {
    pub(super) fn new(action: impl Into<String>, word: &str, of: &str, refused: Option<&'static str>) -> Self {
        let (word, of) = (word.to_owned(), of.to_owned());
        Self { action: action.into(), word, of, fields: Vec::new(), class: "", refused }
    }
}

pub(super) fn text(text: impl Into<String>) -> Piece {
    Piece::Text(text.into())
}

pub(super) fn small(text: impl Into<String>) -> Piece {
    Piece::Small(text.into())
}

pub(super) fn link(href: impl Into<String>, text: impl Into<String>) -> Piece {
    Piece::Link { href: href.into(), text: text.into() }
}

pub(super) fn state(class: &'static str, word: impl Into<String>) -> Piece {
    Piece::State(class, word.into())
}

pub(super) fn time(text: impl Into<String>) -> Piece {
    Piece::Time(text.into())
}

/// A path with each of these as one segment.
pub(super) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Date and time to the second, in UTC as everything here; the whole value stands beside it.
pub(super) fn short_time(text: &str) -> String {
    text.get(..19).map_or_else(|| text.to_owned(), |start| start.replace('T', " "))
}
