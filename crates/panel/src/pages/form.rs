//! The form of a partner, in the original's order. Commit saves, or says at each field why not and saves nothing; what the
//! three settings of the connection type permit stands beside them.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::Response,
};
use policy::{Negotiation, Requirement};
use serde_json::{Map, Value};

use super::{
    Fields, Frame, Language, Pages, Visitor, Words,
    connection::{Choices, Permits},
    page,
    partners::{back, path},
    probe,
    words::korean,
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
    pub(super) tls: String,
    pub(super) sasl: String,
    pub(super) dialback: String,
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

    pub(super) fn negotiation(&self) -> Negotiation {
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

    /// The form with what is to be known before this is saved: how many contacts a change of type affects, and domains that
    /// look like others. None if there is nothing, or it was told before (`announced`).
    fn announcing(self, visitor: &Visitor, tried: &PartnerChanged, announced: &str) -> Option<Self> {
        let count = tried.contacts_affected.unwrap_or_default();
        let mut news = Vec::new();
        if count > 0 {
            let notice = Words::fill(visitor.words().affected, &[&count.to_string()]);
            news.push((format!("type={}", self.entered.partner_type), notice));
        }
        for warning in tried.warnings.iter().filter(|warning| warning.code == "look_alike_domain") {
            let told = korean::fault(visitor.language, &warning.code, &warning.message);
            let notice =
                format!("{} {}", told.unwrap_or_else(|| warning.message.clone()), visitor.words().commit_again);
            news.push((format!("look_alike={}", warning.message.len()), notice));
        }
        let keys = news.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(";");
        if news.is_empty() || keys == announced {
            return None;
        }
        let notice = news.iter().map(|(_, notice)| notice.as_str()).collect::<Vec<_>>().join(" ");
        Some(Self { notice: Some(notice), announced: keys, ..self })
    }

    pub(super) fn show(self, visitor: &Visitor, status: StatusCode) -> Response {
        let words = visitor.language.words();
        let Self { domain, revision, entered, errors, notice, announced } = self;
        let errors: Vec<_> = errors.into_iter().map(|error| told(visitor.language, error)).collect();
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

fn told(language: Language, error: FieldError) -> Told {
    let words = language.words();
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
        code => korean::fault(language, code, &error.message).unwrap_or(error.message),
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
    let tried: Result<PartnerChanged, _> =
        pages.inside.ask(&visitor.caller, Method::POST, "/partners?dry_run=true", None, &body).await;
    match tried {
        Ok(tried) => {
            if let Some(asked) = showing.announcing(&visitor, &tried, fields.text("announced")) {
                return asked.show(&visitor, StatusCode::OK);
            }
        }
        Err(problem) => return showing.refused(&visitor, problem),
    }
    let showing = Showing::of("", "", entered);
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
    match tried {
        Ok(tried) => {
            if let Some(asked) = showing.announcing(&visitor, &tried, fields.text("announced")) {
                return asked.show(&visitor, StatusCode::OK);
            }
        }
        Err(problem) => return refused_change(&pages, &visitor, showing, &path, problem).await,
    }
    let showing = Showing::of(&domain, fields.text("revision"), entered);
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
