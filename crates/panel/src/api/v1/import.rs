//! Imports, and the export that they read: many changes at once, all or none.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use lexicon::Domain;
use store::StoreError;

use super::{
    body::{ATTEMPTS_MAX, File, Parameters},
    dto::{Import, Partner},
    problem::Refused,
};
use crate::{
    Means,
    access::Caller,
    import::{Basis, Kind, Plan, table::Table},
};

/// Largest file in octets: 100,000 contacts.
pub(crate) const FILE_BYTES_MAX: usize = 16 << 20;

/// How to import.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Importing {
    /// Say what would happen, save nothing.
    dry_run: bool,
    /// Leave invalid rows out instead of saving nothing.
    skip_invalid: bool,
    /// What the caller means to import, by commas; empty: whatever the file holds.
    kinds: String,
    /// Names of the original's sites with our domains: `Redmond=contoso.example`, by commas.
    sites: String,
}

/// How to export.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exporting {
    format: Option<String>,
}

pub(crate) async fn import(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(how): Parameters<Importing>,
    File(file): File,
) -> Result<Json<Import>, Refused> {
    let sites = sites(&how.sites)?;
    let table = Table::read(&file).map_err(Refused::malformed)?;
    let kind = Kind::of(&table).ok_or_else(|| {
        Refused::malformed(
            "the file holds nothing that is known: partners, contacts (columns internal and partner), or the output of \
             Get-CsXmppAllowedPartner, Get-CsXmppGatewayConfiguration, Get-CsExternalAccessPolicy or Get-CsUser",
        )
    })?;
    if !how.kinds.is_empty() && !how.kinds.split(',').any(|wanted| wanted == kind.as_str()) {
        return Err(Refused::malformed(format!("the file holds {}; {} were expected", kind.as_str(), how.kinds)));
    }
    let mut attempt = 1;
    loop {
        let basis = Basis::read(&means, sites.clone()).await?;
        let revision = basis.revision();
        let plan = Plan::make(kind, &table, basis);
        if how.dry_run {
            return Ok(Json(Import { dry_run: true, ..plan.import }));
        }
        let errors = plan.errors();
        if !how.skip_invalid && !errors.is_empty() {
            return Err(Refused::fields(errors));
        }
        match means.store.import(&actor, revision, &plan.steps).await {
            Ok(()) => return Ok(Json(plan.import)),
            Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// All partners, as JSON or CSV: what [`import`] reads.
pub(crate) async fn export(
    State(means): State<Means>,
    Parameters(how): Parameters<Exporting>,
) -> Result<Response, Refused> {
    let partners: Vec<_> = means.store.partners().await?.iter().map(|stored| Partner::from(&stored.partner)).collect();
    let (content_type, name, text) = match how.format.as_deref().unwrap_or("json") {
        "json" => {
            let text = serde_json::to_string_pretty(&partners);
            ("application/json", "partners.json", text.map_err(|error| Refused::failed(&error))?)
        }
        "csv" => ("text/csv; charset=utf-8", "partners.csv", csv(&partners).map_err(|error| Refused::failed(&error))?),
        other => return Err(Refused::field("format", "not_a_choice", format!("{other} was entered; json or csv"))),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let disposition = format!("attachment; filename=\"{name}\"");
    headers.extend(HeaderValue::try_from(disposition).ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    Ok((headers, text).into_response())
}

fn csv(partners: &[Partner]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "primary_domain",
        "description",
        "additional_domains",
        "partner_type",
        "tls",
        "sasl",
        "dialback",
        "connection_limit",
        "keep_alive",
        "proxy_fqdn",
        "trust_roots",
        "pins",
        "enabled",
    ])?;
    for partner in partners {
        writer.write_record([
            &partner.primary_domain,
            &partner.description,
            &partner.additional_domains.join(" "),
            &partner.partner_type,
            &partner.tls,
            &partner.sasl,
            &partner.dialback.to_string(),
            &partner.connection_limit.map(|limit| limit.to_string()).unwrap_or_default(),
            &partner.keep_alive.to_string(),
            partner.proxy_fqdn.as_deref().unwrap_or_default(),
            &partner.trust_roots,
            &partner.pins.join(" "),
            &partner.enabled.to_string(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names in lower case, as they are looked up.
fn sites(text: &str) -> Result<BTreeMap<String, Domain>, Refused> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty()).map(|pair| {
        let parsed =
            pair.split_once('=').and_then(|(site, domain)| Some((site.to_lowercase(), Domain::parse(domain).ok()?)));
        parsed.ok_or_else(|| {
            Refused::field("sites", "site_invalid", format!("{pair} was entered; SITE=DOMAIN is needed"))
        })
    });
    pairs.collect()
}
