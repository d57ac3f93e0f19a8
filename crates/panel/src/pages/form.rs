//! The form of a partner, in the original's order. Commit saves, or says at each field why not and saves nothing; what the
//! three settings of the connection type permit stands beside them.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::Response,
};
use lexicon::Method as Way;
use policy::{Negotiation, Requirement};
use serde_json::{Map, Value};

use super::{
    Fields, Frame, Pages, Visitor, Words, page,
    partners::{back, path, requirement_word, warning_word},
    probe,
};
use crate::api::v1::dto::{FieldError, Partner, PartnerChanged, Problem};

/// The fields of the form, by the names of the API.
const TEXTS: [&str; 4] = ["description", "partner_type", "tls", "sasl"];

#[derive(Template)]
#[template(path = "partner_form.html")]
struct Form {
    frame: Frame,
    /// Empty for a new partner.
    domain: String,
    revision: String,
    entered: Entered,
    errors: Vec<Told>,
    notice: Option<String>,
    /// The change of type that was announced, so that the next Commit makes it.
    announced: String,
    choices: Choices,
    permits: Permits,
}

/// What stands in the fields.
#[derive(Clone, Default)]
pub(super) struct Entered {
    pub(super) primary_domain: String,
    description: String,
    additional_domains: String,
    partner_type: String,
    tls: String,
    sasl: String,
    dialback: String,
    connection_limit: String,
    keep_alive: bool,
    proxy_fqdn: String,
    trust_roots: String,
    pins: String,
    enabled: bool,
}

/// A fault at a field.
struct Told {
    field: String,
    label: &'static str,
    message: String,
}

impl Form {
    /// The fault of a field, if it has one.
    fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|told| told.field == field).map(|told| told.message.as_str())
    }
}

/// One of a list to choose from: value, name, rule.
pub(super) type Choice = (&'static str, &'static str, &'static str);

pub(super) struct Choices {
    partner_type: [Choice; 3],
    pub(super) tls: [Choice; 3],
    pub(super) sasl: [Choice; 3],
    pub(super) dialback: [Choice; 2],
}

impl Choices {
    pub(super) fn new(words: &'static Words) -> Self {
        Self {
            partner_type: [
                ("federated", words.federated, words.federated_rule),
                ("public_verified", words.public_verified, words.public_verified_rule),
                ("public_unverified", words.public_unverified, words.public_unverified_rule),
            ],
            tls: [
                ("required", words.required, words.tls_required),
                ("optional", words.optional, words.tls_optional),
                ("not_supported", words.not_supported, words.tls_not_supported),
            ],
            sasl: [
                ("required", words.required, words.sasl_required),
                ("optional", words.optional, words.sasl_optional),
                ("not_supported", words.not_supported, words.sasl_not_supported),
            ],
            dialback: [("true", words.yes, words.dialback_yes), ("false", words.no, words.dialback_no)],
        }
    }
}

/// What the connection type permits.
struct Permits {
    /// Name, whether it is permitted, why not.
    methods: Vec<(&'static str, bool, &'static str)>,
    is_valid: bool,
    warnings: Vec<&'static str>,
    /// Changes of one setting that make it valid: value of the button, its text.
    remedies: Vec<(String, String)>,
}

impl Permits {
    fn of(words: &'static Words, negotiation: Negotiation) -> Self {
        let row = negotiation.row();
        let ways = [
            (Way::SaslOverTls, words.sasl_over_tls),
            (Way::TlsDialback, words.tls_dialback),
            (Way::TcpDialback, words.tcp_dialback),
        ];
        let methods = ways.map(|(way, name)| match row.permits(way) {
            true => (name, true, words.permitted),
            false => (name, false, why_not(words, way, negotiation)),
        });
        let codes = row.warnings().iter().map(|warning| warning.as_str());
        let remedies = if row.is_valid() { Vec::new() } else { remedies(words, negotiation) };
        Self {
            methods: methods.to_vec(),
            is_valid: row.is_valid(),
            warnings: codes.filter_map(|code| warning_word(words, code)).collect(),
            remedies,
        }
    }
}

fn why_not(words: &'static Words, way: Way, negotiation: Negotiation) -> &'static str {
    let Negotiation { tls, sasl, dialback } = negotiation;
    match way {
        Way::SaslOverTls if tls == Requirement::NotSupported => words.because_tls_not_supported,
        Way::SaslOverTls => words.because_sasl_not_supported,
        _ if !dialback => words.because_no_dialback,
        Way::TlsDialback if tls == Requirement::NotSupported => words.because_tls_not_supported,
        Way::TcpDialback if tls == Requirement::Required => words.because_tls_required,
        _ if sasl == Requirement::Required => words.because_sasl_required,
        _ => words.because_sasl_offered,
    }
}

/// Strongest first.
fn remedies(words: &'static Words, negotiation: Negotiation) -> Vec<(String, String)> {
    use Requirement::{NotSupported, Optional, Required};
    let with_tls = |tls| ("tls", words.tls_negotiation, tls, Negotiation { tls, ..negotiation });
    let with_sasl = |sasl| ("sasl", words.sasl_negotiation, sasl, Negotiation { sasl, ..negotiation });
    let tried =
        [with_tls(Required), with_tls(Optional), with_sasl(Required), with_sasl(Optional), with_sasl(NotSupported)];
    let valid = tried.into_iter().filter(|(.., changed)| changed.row().is_valid());
    let mut remedies: Vec<_> = valid
        .map(|(field, label, value, _)| {
            let text = Words::fill(words.set_to, &[label, requirement_word(words, value.as_str())]);
            (format!("{field}={}", value.as_str()), text)
        })
        .collect();
    if (Negotiation { dialback: true, ..negotiation }).row().is_valid() {
        remedies
            .push(("dialback=true".to_owned(), Words::fill(words.set_to, &[words.dialback_negotiation, words.yes])));
    }
    remedies
}

impl Entered {
    fn of_partner(partner: &Partner) -> Self {
        Self {
            primary_domain: partner.display_domain.clone(),
            description: partner.description.clone(),
            additional_domains: partner.additional_domains.join("\n"),
            partner_type: partner.partner_type.clone(),
            tls: partner.tls.clone(),
            sasl: partner.sasl.clone(),
            dialback: partner.dialback.to_string(),
            connection_limit: partner.connection_limit.map(|limit| limit.to_string()).unwrap_or_default(),
            keep_alive: partner.keep_alive,
            proxy_fqdn: partner.proxy_fqdn.clone().unwrap_or_default(),
            trust_roots: if partner.trust_roots == "system" { String::new() } else { partner.trust_roots.clone() },
            pins: partner.pins.join("\n"),
            enabled: partner.enabled,
        }
    }

    /// The defaults of a partner (partner-policy §1).
    fn new() -> Self {
        Self {
            partner_type: "public_unverified".to_owned(),
            tls: "required".to_owned(),
            sasl: "required".to_owned(),
            dialback: "true".to_owned(),
            keep_alive: true,
            enabled: true,
            ..Self::default()
        }
    }

    fn of_fields(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).replace('\r', "");
        Self {
            primary_domain: text("primary_domain"),
            description: text("description"),
            additional_domains: text("additional_domains"),
            partner_type: text("partner_type"),
            tls: text("tls"),
            sasl: text("sasl"),
            dialback: text("dialback"),
            connection_limit: text("connection_limit"),
            keep_alive: !text("keep_alive").is_empty(),
            proxy_fqdn: text("proxy_fqdn"),
            trust_roots: text("trust_roots"),
            pins: text("pins"),
            enabled: !text("enabled").is_empty(),
        }
    }

    /// With one setting changed, as a remedy says: `tls=required`.
    pub(super) fn remedied(mut self, remedy: &str) -> Self {
        match remedy.split_once('=') {
            Some(("tls", value)) => value.clone_into(&mut self.tls),
            Some(("sasl", value)) => value.clone_into(&mut self.sasl),
            Some(("dialback", value)) => value.clone_into(&mut self.dialback),
            _ => {}
        }
        self
    }

    fn negotiation(&self) -> Negotiation {
        let requirement = |text: &str| text.parse().unwrap_or(Requirement::Required);
        Negotiation { tls: requirement(&self.tls), sasl: requirement(&self.sasl), dialback: self.dialback == "true" }
    }

    /// The request to the API. What cannot be a number is sent as it is, so that its fault is told with all others.
    pub(super) fn body(&self, is_new: bool) -> Value {
        let lines = |text: &str| text.split_whitespace().map(Value::from).collect::<Vec<_>>();
        let limit = self.connection_limit.trim();
        let limit = match limit.parse::<i64>() {
            Ok(limit) => Value::from(limit),
            Err(_) if limit.is_empty() => Value::Null,
            Err(_) => Value::from(limit),
        };
        let roots = if self.trust_roots.trim().is_empty() { "system" } else { &self.trust_roots };
        let mut body = Map::new();
        for (name, text) in TEXTS.iter().zip([&self.description, &self.partner_type, &self.tls, &self.sasl]) {
            body.insert((*name).to_owned(), text.as_str().into());
        }
        body.insert("additional_domains".to_owned(), lines(&self.additional_domains).into());
        body.insert("dialback".to_owned(), (self.dialback == "true").into());
        body.insert("connection_limit".to_owned(), limit);
        body.insert("keep_alive".to_owned(), self.keep_alive.into());
        body.insert("proxy_fqdn".to_owned(), self.proxy_fqdn.trim().into());
        body.insert("trust_roots".to_owned(), roots.into());
        body.insert("pins".to_owned(), lines(&self.pins).into());
        body.insert("enabled".to_owned(), self.enabled.into());
        if is_new {
            body.insert("primary_domain".to_owned(), self.primary_domain.trim().into());
        }
        body.into()
    }
}

/// What a form is shown with.
pub(super) struct Showing {
    domain: String,
    revision: String,
    entered: Entered,
    errors: Vec<FieldError>,
    notice: Option<String>,
    announced: String,
}

impl Showing {
    pub(super) fn of(domain: &str, revision: &str, entered: Entered) -> Self {
        let (domain, revision) = (domain.to_owned(), revision.to_owned());
        Self { domain, revision, entered, errors: Vec::new(), notice: None, announced: String::new() }
    }

    pub(super) fn show(self, visitor: &Visitor, status: StatusCode) -> Response {
        let words = visitor.language.words();
        let Self { domain, revision, entered, errors, notice, announced } = self;
        let errors: Vec<_> = errors.into_iter().map(|error| told(words, error)).collect();
        let title = if domain.is_empty() { words.new_title } else { words.edit_title };
        let title = if errors.is_empty() { title.to_owned() } else { format!("{}: {title}", words.error) };
        let permits = Permits::of(words, entered.negotiation());
        let (frame, choices) = (visitor.frame(title), Choices::new(words));
        page(status, &Form { frame, domain, revision, entered, errors, notice, announced, choices, permits })
    }

    /// Shown with the faults that a Commit would tell.
    pub(super) async fn judged(self, pages: &Pages, visitor: &Visitor) -> Response {
        let is_new = self.domain.is_empty();
        let (method, path) = match is_new {
            true => (Method::POST, "/partners".to_owned()),
            false => (Method::PATCH, path(&self.domain)),
        };
        let (path, body) = (format!("{path}?dry_run=true"), self.entered.body(is_new));
        match pages.inside.ask::<PartnerChanged>(&visitor.caller, method, &path, None, &body).await {
            Ok(_) => self.show(visitor, StatusCode::OK),
            Err(problem) => self.refused(visitor, problem),
        }
    }

    /// The faults that the API has told, or what else it says.
    pub(super) fn refused(mut self, visitor: &Visitor, problem: Problem) -> Response {
        let words = visitor.language.words();
        match problem.status {
            422 => self.errors = problem.errors,
            412 => self.notice = Some(words.changed_meanwhile.to_owned()),
            _ => self.notice = Some(problem.detail),
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.show(visitor, status)
    }
}

fn told(words: &'static Words, error: FieldError) -> Told {
    let label = match error.field.as_str() {
        "primary_domain" => words.primary_domain,
        "description" => words.description,
        "additional_domains" => words.additional_domains,
        "partner_type" => words.partner_type,
        "tls" => words.tls_negotiation,
        "sasl" => words.sasl_negotiation,
        "dialback" => words.dialback_negotiation,
        "connection_limit" => words.connection_limit,
        "proxy_fqdn" => words.proxy_fqdn,
        _ => words.advanced,
    };
    let message = match error.code.as_str() {
        "sasl_requires_tls" => words.invalid_sasl_requires_tls.to_owned(),
        "no_authentication_method" => words.invalid_no_method.to_owned(),
        "required" => words.field_required.to_owned(),
        _ => error.message,
    };
    Told { field: error.field, label, message }
}

pub(super) async fn new(Extension(visitor): Extension<Visitor>) -> Response {
    Showing::of("", "", Entered::new()).show(&visitor, StatusCode::OK)
}

pub(super) async fn create(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Response {
    let entered = Entered::of_fields(&fields).remedied(fields.text("remedy"));
    if fields.text("action") == "test" {
        return probe::start(&pages, &visitor, "", "", entered).await;
    }
    let showing = Showing::of("", "", entered.clone());
    if fields.text("action") != "commit" {
        return showing.show(&visitor, StatusCode::OK);
    }
    let body = entered.body(true);
    match pages.inside.ask::<PartnerChanged>(&visitor.caller, Method::POST, "/partners", None, &body).await {
        Ok(changed) => back(&changed.partner.primary_domain),
        Err(problem) => showing.refused(&visitor, problem),
    }
}

pub(super) async fn edit(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(domain): Path<String>,
) -> Response {
    match pages.inside.get::<Partner>(&visitor.caller, &path(&domain)).await {
        Ok(partner) => {
            let revision = partner.revision.map(|revision| revision.to_string()).unwrap_or_default();
            let entered = Entered::of_partner(&partner);
            Showing::of(&partner.primary_domain, &revision, entered).show(&visitor, StatusCode::OK)
        }
        Err(problem) => visitor.failed(&problem),
    }
}

pub(super) async fn change(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(domain): Path<String>,
) -> Response {
    let entered = Entered::of_fields(&fields).remedied(fields.text("remedy"));
    if fields.text("action") == "test" {
        return probe::start(&pages, &visitor, &domain, fields.text("revision"), entered).await;
    }
    let showing = Showing::of(&domain, fields.text("revision"), entered.clone());
    if fields.text("action") != "commit" {
        return showing.show(&visitor, StatusCode::OK);
    }
    let (path, revision, body) = (path(&domain), fields.text("revision").parse().ok(), entered.body(false));
    let tried: Result<PartnerChanged, _> =
        pages.inside.ask(&visitor.caller, Method::PATCH, &format!("{path}?dry_run=true"), revision, &body).await;
    let count = match tried {
        Ok(tried) => tried.contacts_affected.unwrap_or_default(),
        Err(problem) => return refused_change(&pages, &visitor, showing, &path, problem).await,
    };
    if count > 0 && fields.text("announced") != entered.partner_type {
        let notice = Words::fill(visitor.language.words().affected, &[&count.to_string()]);
        let announced = entered.partner_type;
        return Showing { notice: Some(notice), announced, ..showing }.show(&visitor, StatusCode::OK);
    }
    match pages.inside.ask::<PartnerChanged>(&visitor.caller, Method::PATCH, &path, revision, &body).await {
        Ok(changed) => back(&changed.partner.primary_domain),
        Err(problem) => refused_change(&pages, &visitor, showing, &path, problem).await,
    }
}

/// After somebody else's change the form is based on theirs, so that the next Commit is a choice.
async fn refused_change(
    pages: &Pages,
    visitor: &Visitor,
    mut showing: Showing,
    path: &str,
    problem: Problem,
) -> Response {
    if problem.status == 412
        && let Ok(now) = pages.inside.get::<Partner>(&visitor.caller, path).await
    {
        showing.revision = now.revision.map(|revision| revision.to_string()).unwrap_or_default();
    }
    showing.refused(visitor, problem)
}

#[cfg(test)]
mod tests {
    use policy::negotiation::ROWS;
    use serde_json::json;

    use super::*;
    use crate::pages::Language;

    /// Each of the 18 rows: what it permits is told, why the others are not, and how an invalid one becomes valid.
    #[test]
    fn every_row_is_explained() {
        let words = Language::English.words();
        for row in &ROWS {
            let permits = Permits::of(words, row.negotiation);
            let permitted = permits.methods.iter().filter(|(_, is_permitted, _)| *is_permitted).count();
            assert_eq!((permitted > 0, permits.is_valid), (row.is_valid(), row.is_valid()), "row {}", row.number);
            assert_eq!(permits.remedies.is_empty(), row.is_valid(), "row {}", row.number);
            for (remedy, _) in permits.remedies {
                let entered = Entered {
                    tls: row.negotiation.tls.to_string(),
                    sasl: row.negotiation.sasl.to_string(),
                    dialback: row.negotiation.dialback.to_string(),
                    ..Entered::default()
                };
                assert!(entered.remedied(&remedy).negotiation().row().is_valid(), "row {} {remedy}", row.number);
            }
        }
    }

    #[test]
    fn a_form_becomes_the_request_of_the_api() {
        let entered = Entered { connection_limit: "many".to_owned(), pins: "a\nb".to_owned(), ..Entered::new() };
        let body = entered.body(true);
        assert_eq!((&body["connection_limit"], &body["pins"]), (&json!("many"), &json!(["a", "b"])));
        assert_eq!((&body["trust_roots"], &body["dialback"]), (&json!("system"), &json!(true)));
        assert_eq!(Entered::new().body(false)["connection_limit"], Value::Null);
    }
}
