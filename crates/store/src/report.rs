//! Reports of connection attempts: the newest of each partner, and the last success and failure of each domain pair.
//!
//! Everything here is bounded, since strangers cause attempts too: each partner keeps [`REPORTS_PER_PARTNER_MAX`], all
//! who are no partner share the place of one, and there are [`REPORTS_MAX`] in all. Probes are kept among the reports and
//! do not count as the last attempt.

use std::collections::BTreeSet;

use lexicon::{
    Direction, Domain, Method, Report, RowId, Timestamp,
    report::{Code, Purpose, Recorded},
};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{Store, StoreError, head::Change};

/// Reports kept of one partner, and of all who are none together.
pub const REPORTS_PER_PARTNER_MAX: u32 = 200;

/// Reports kept in all.
pub const REPORTS_MAX: u32 = 20_000;

/// Reports returned at most at a time.
pub const REPORT_PAGE_MAX: u32 = 200;

/// Domain pairs of which the last attempts are kept, for each partner.
const PAIRS_PER_PARTNER_MAX: u32 = 1000;

/// Which reports to list, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReportFilter {
    /// Only those of this partner.
    pub partner: Option<Domain>,
    /// Only those of strangers; `partner` is then without effect.
    pub strangers: bool,
    /// Only successes or only failures.
    pub succeeded: Option<bool>,
    /// Only those with this result.
    pub result: Option<String>,
    /// Only those of this direction.
    pub direction: Option<Direction>,
    /// Only those older than the one with this id: the next page.
    pub after: Option<RowId>,
    /// How many; at most [`REPORT_PAGE_MAX`].
    pub limit: u32,
}

/// The last attempts of one domain pair in one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastReports {
    /// Primary domain of the partner.
    pub partner: Domain,
    /// Who opened the connection.
    pub direction: Direction,
    /// Our domain, if it was said.
    pub local: Option<Domain>,
    /// The partner's domain.
    pub remote: Domain,
    /// The method that authorised the pair at the last attempt; none if that failed.
    pub method: Option<Method>,
    /// The strongest method that ever authorised it.
    pub strongest: Option<Method>,
    /// When it last succeeded, and the report.
    pub success: Option<(Timestamp, RowId)>,
    /// When it last failed, the report, and its result.
    pub failure: Option<(Timestamp, RowId, Recorded)>,
}

impl Store {
    /// Keeps reports, in one transaction, and drops the oldest beyond the limits.
    pub async fn add_reports(&self, reports: &[Report]) -> Result<(), StoreError> {
        if reports.is_empty() {
            return Ok(());
        }
        let mut change = Change::begin(&self.core).await?;
        let connection = change.connection();
        for report in reports {
            insert(connection, report).await?;
            if counts(report) {
                note(connection, report).await?;
            }
        }
        let partners: BTreeSet<_> = reports.iter().map(partner_of).collect();
        for partner in partners {
            prune_partner(connection, partner).await?;
        }
        prune_all(connection).await?;
        change.commit().await?;
        let told: BTreeSet<_> =
            reports.iter().filter(|report| counts(report)).filter_map(|of| of.partner.clone()).collect();
        self.refresh_last(told.into_iter()).await
    }

    /// A page of reports, newest first.
    pub async fn reports(&self, filter: &ReportFilter) -> Result<Vec<Report>, StoreError> {
        let partner = if filter.strangers { Some("") } else { filter.partner.as_ref().map(Domain::as_ascii) };
        let rows = sqlx::query(
            "SELECT id, story FROM report WHERE ($1 IS NULL OR partner = $1) AND ($2 IS NULL OR direction = $2) \
             AND ($3 IS NULL OR (result = 'ok') = $3) AND ($4 IS NULL OR result = $4) AND ($5 IS NULL OR id < $5) \
             ORDER BY id DESC LIMIT $6",
        )
        .bind(partner)
        .bind(filter.direction.map(Direction::as_str))
        .bind(filter.succeeded)
        .bind(filter.result.as_deref())
        .bind(filter.after.map(|id| id.to_string()))
        .bind(i64::from(filter.limit.min(REPORT_PAGE_MAX)))
        .fetch_all(&self.core.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The report with this id.
    pub async fn report(&self, id: RowId) -> Result<Option<Report>, StoreError> {
        let row = sqlx::query("SELECT id, story FROM report WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.core.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The last attempts of every pair; of one partner if it is named.
    pub async fn last_reports(&self, partner: Option<&Domain>) -> Result<Vec<LastReports>, StoreError> {
        let rows = sqlx::query(
            "SELECT partner, direction, local_domain, remote_domain, method, strongest, success_at, success_id, \
             failure_at, failure_id, failure_result FROM report_last WHERE $1 IS NULL OR partner = $1 \
             ORDER BY partner, remote_domain, local_domain, direction",
        )
        .bind(partner.map(Domain::as_ascii))
        .fetch_all(&self.core.readers)
        .await?;
        rows.iter().map(LastReports::try_from).collect()
    }
}

/// Forgets the last attempts of a partner that is removed.
pub(crate) async fn forget(connection: &mut SqliteConnection, partner: &Domain) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM report_last WHERE partner = $1").bind(partner.as_ascii()).execute(connection).await?;
    Ok(())
}

fn partner_of(report: &Report) -> &str {
    report.partner.as_ref().map_or("", |partner| partner.as_ascii())
}

/// Whether it says how a partner is.
fn counts(report: &Report) -> bool {
    let told = report.result.known().is_none_or(|code| code.tells_of_partner() && code != Code::NotInternal);
    report.partner.is_some() && report.remote.is_some() && report.purpose == Purpose::Stanzas && told
}

async fn insert(connection: &mut SqliteConnection, report: &Report) -> Result<(), StoreError> {
    let story = serde_json::to_string(report).map_err(|error| StoreError::damaged("a report", error))?;
    sqlx::query(
        "INSERT INTO report (id, partner, direction, purpose, result, story) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(report.id.to_string())
    .bind(partner_of(report))
    .bind(report.direction.as_str())
    .bind(report.purpose.as_str())
    .bind(report.result.as_str())
    .bind(story)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes an attempt as the last one of its pair and direction.
async fn note(connection: &mut SqliteConnection, report: &Report) -> Result<(), StoreError> {
    let name = |domain: &Option<Domain>| domain.as_ref().map_or("", |domain| domain.as_ascii()).to_owned();
    let (local, remote) = (name(&report.local), name(&report.remote));
    let key = (partner_of(report), report.direction.as_str());
    let method = report.method.filter(|_| report.result.is_ok());
    let known = sqlx::query(
        "SELECT strongest FROM report_last WHERE partner = $1 AND direction = $2 AND local_domain = $3 \
         AND remote_domain = $4",
    )
    .bind(key.0)
    .bind(key.1)
    .bind(&local)
    .bind(&remote)
    .fetch_optional(&mut *connection)
    .await?;
    let before = known.map(|row| row.try_get::<String, _>(0)).transpose()?.and_then(|text| method_of(&text));
    let strongest = before.into_iter().chain(method).min();
    let word = |method: Option<Method>| method.map_or("", Method::as_str);
    let end = if report.result.is_ok() { "success" } else { "failure" };
    let result = if report.result.is_ok() { "" } else { ", failure_result = $8" };
    // Only fixed words are put into the statement.
    let statement = format!(
        "INSERT INTO report_last (partner, direction, local_domain, remote_domain, method, strongest, failure_result, \
         {end}_at, {end}_id) VALUES ($1, $2, $3, $4, $5, $6, $8, $7, $9) \
         ON CONFLICT (partner, direction, local_domain, remote_domain) DO UPDATE SET method = $5, strongest = $6, \
         {end}_at = $7, {end}_id = $9{result}"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(key.0)
        .bind(key.1)
        .bind(&local)
        .bind(&remote)
        .bind(word(method))
        .bind(word(strongest))
        .bind(report.at.as_millis())
        .bind((!report.result.is_ok()).then_some(report.result.as_str()))
        .bind(report.id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn prune_partner(connection: &mut SqliteConnection, partner: &str) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM report WHERE partner = $1 AND id <= \
         (SELECT id FROM report WHERE partner = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(partner)
    .bind(i64::from(REPORTS_PER_PARTNER_MAX))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM report_last WHERE partner = $1 AND rowid IN (SELECT rowid FROM report_last WHERE partner = $1 \
         ORDER BY MAX(COALESCE(success_at, 0), COALESCE(failure_at, 0)) DESC LIMIT -1 OFFSET $2)",
    )
    .bind(partner)
    .bind(i64::from(PAIRS_PER_PARTNER_MAX))
    .execute(connection)
    .await?;
    Ok(())
}

async fn prune_all(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM report WHERE id <= (SELECT id FROM report ORDER BY id DESC LIMIT 1 OFFSET $1)")
        .bind(i64::from(REPORTS_MAX))
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Report, StoreError> {
    let (id, story): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    serde_json::from_str(&story).map_err(|error| StoreError::damaged(format!("report {id}"), error))
}

fn method_of(text: &str) -> Option<Method> {
    Method::ALL.into_iter().find(|method| method.as_str() == text)
}

impl TryFrom<&SqliteRow> for LastReports {
    type Error = StoreError;

    fn try_from(row: &SqliteRow) -> Result<Self, StoreError> {
        let text = |index: usize| row.try_get::<String, _>(index);
        let bad = |error: &dyn ToString| StoreError::damaged("a last report", error.to_string());
        let domain = |text: &str| Domain::parse(text).map_err(|error| bad(&error));
        let id = |text: String| text.parse::<RowId>().map_err(|error| bad(&error));
        let local = text(2)?;
        let success: (Option<i64>, Option<String>) = (row.try_get(6)?, row.try_get(7)?);
        let failure: (Option<i64>, Option<String>, Option<String>) =
            (row.try_get(8)?, row.try_get(9)?, row.try_get(10)?);
        let directions = [Direction::Inbound, Direction::Outbound];
        let direction = text(1)?;
        Ok(Self {
            partner: domain(&text(0)?)?,
            direction: directions
                .into_iter()
                .find(|one| one.as_str() == direction)
                .ok_or_else(|| bad(&format!("direction {direction}")))?,
            local: if local.is_empty() { None } else { Some(domain(&local)?) },
            remote: domain(&text(3)?)?,
            method: method_of(&text(4)?),
            strongest: method_of(&text(5)?),
            success: match success {
                (Some(at), Some(of)) => Some((Timestamp::from_millis(at), id(of)?)),
                _ => None,
            },
            failure: match failure {
                (Some(at), Some(of), Some(result)) => {
                    Some((Timestamp::from_millis(at), id(of)?, Recorded::from(&*result)))
                }
                _ => None,
            },
        })
    }
}
