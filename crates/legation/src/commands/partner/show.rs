//! A partner for people.

use panel::api::v1::dto::{LastAttempt, Partner};

use crate::output;

/// One line of the list.
pub(super) fn row(partner: &Partner) -> [String; 8] {
    let further = match partner.additional_domains.len() {
        0 => String::new(),
        count => format!(" (+{count})"),
    };
    let codes: Vec<_> = partner.warnings.iter().map(|warning| warning.code.as_str()).collect();
    [
        format!("{}{further}", partner.display_domain),
        output::or_dash(partner.state.as_deref().unwrap_or_default().replace('_', " ")),
        partner.partner_type.clone(),
        partner.tls.clone(),
        partner.sasl.clone(),
        partner.dialback.to_string(),
        output::flag(partner.enabled),
        output::or_dash(codes.join(", ")),
    ]
}

/// Every field, by its name in the API.
pub(super) fn fields(partner: &Partner) -> Vec<(&'static str, String)> {
    let domain = if partner.primary_domain == partner.display_domain {
        partner.primary_domain.clone()
    } else {
        format!("{} ({})", partner.display_domain, partner.primary_domain)
    };
    let roots = match partner.trust_roots.matches("-----BEGIN CERTIFICATE-----").count() {
        0 => partner.trust_roots.clone(),
        count => format!("{count} of its own"),
    };
    let warnings: Vec<_> =
        partner.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message)).collect();
    let last = |attempt: &Option<LastAttempt>| {
        attempt.as_ref().map_or_else(
            || "-".to_owned(),
            |last| {
                let LastAttempt { direction, remote, result, report, .. } = last;
                format!("{} {direction} {remote}: {result}\nreport {report}", output::time(&last.at))
            },
        )
    };
    let time = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), output::time);
    vec![
        ("primary_domain", domain),
        ("state", output::or_dash(partner.state.as_deref().unwrap_or_default().replace('_', " "))),
        ("last_success", last(&partner.last_success)),
        ("last_failure", last(&partner.last_failure)),
        ("description", output::or_dash(&partner.description)),
        ("additional_domains", output::or_dash(partner.additional_domains.join("\n"))),
        ("partner_type", partner.partner_type.clone()),
        ("tls", partner.tls.clone()),
        ("sasl", partner.sasl.clone()),
        ("dialback", partner.dialback.to_string()),
        ("methods", output::or_dash(partner.methods.join(", "))),
        ("connection_limit", partner.connection_limit.map_or_else(|| "gateway-wide".to_owned(), |n| n.to_string())),
        ("keep_alive", partner.keep_alive.to_string()),
        ("proxy_fqdn", output::or_dash(partner.proxy_fqdn.as_deref().unwrap_or_default())),
        ("trust_roots", roots),
        ("pins", output::or_dash(partner.pins.join("\n"))),
        ("enabled", partner.enabled.to_string()),
        ("warnings", output::or_dash(warnings.join("\n"))),
        ("created", time(&partner.created_at)),
        ("updated", time(&partner.updated_at)),
    ]
}
