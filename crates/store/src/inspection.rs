//! Looking at a database without changing it, whether or not a server has it open: for `doctor`.
//!
//! Nothing is made, migrated or locked. What a database of another schema holds is not read.

use std::path::{Path, PathBuf};

use lexicon::Timestamp;
use policy::EdgeSnapshot;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{Serving, StoreError, audit, migration, serving, snapshot, sqlite};

/// Faults of the file that are told at most.
const FAULTS_MAX: i64 = 20;

/// What was found in a database.
#[derive(Debug)]
pub struct Inspection {
    /// Number of its last migration.
    pub schema: i64,
    /// Number of the last migration of this version.
    pub schema_known: i64,
    /// What SQLite's integrity check says; empty for a sound file.
    pub faults: Vec<String>,
    /// What the rest says, if the schema is that of this version.
    pub contents: Option<Contents>,
}

/// What a database of the present schema holds.
#[derive(Debug)]
pub struct Contents {
    /// How many audit rows there are, in an unbroken chain; else what is wrong with it.
    pub audit: Result<u64, StoreError>,
    /// The last time that it holds: of an audit row or of a connection attempt.
    pub last_time: Option<Timestamp>,
    /// Who serves internal addresses.
    pub serving: Serving,
    /// Partners and settings.
    pub snapshot: EdgeSnapshot,
}

/// Looks at the database at `path`.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Permissions`], [`StoreError::NotADatabase`], and what the operating system or
/// the engine says.
pub async fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    if !path.exists() {
        return Err(StoreError::NotFound { what: format!("database {}", path.display()) });
    }
    sqlite::check_modes(path)?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true).create_if_missing(false);
    let options = options.busy_timeout(sqlite::BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(|error| sqlite::open_error(path, error))?;
    let found = look(&mut connection, path.to_owned()).await;
    let _ = connection.close().await;
    // SQLite reads a file at the first question.
    found.map_err(|error| match error {
        StoreError::Database(error) => sqlite::open_error(path, error),
        other => other,
    })
}

async fn look(connection: &mut SqliteConnection, path: PathBuf) -> Result<Inspection, StoreError> {
    let not_ours = StoreError::NotADatabase { path };
    let Some(schema) = migration::applied(connection).await? else { return Err(not_ours) };
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA integrity_check({FAULTS_MAX})")));
    let rows = rows.fetch_all(&mut *connection).await?;
    let told: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let faults = told.into_iter().filter(|line| line != "ok").collect();
    let contents = match schema == migration::KNOWN {
        true => Some(contents(connection).await?),
        false => None,
    };
    Ok(Inspection { schema, schema_known: migration::KNOWN, faults, contents })
}

/// Read in one transaction.
async fn contents(connection: &mut SqliteConnection) -> Result<Contents, StoreError> {
    let mut tx = connection.begin().await?;
    Ok(Contents {
        audit: audit::verify(&mut tx).await,
        last_time: last_time(&mut tx).await?,
        serving: serving::load(&mut tx).await?,
        snapshot: snapshot::load(&mut tx).await?,
    })
}

async fn last_time(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let mut last = None;
    for statement in [
        "SELECT MAX(at) FROM audit",
        "SELECT MAX(success_at) FROM report_last",
        "SELECT MAX(failure_at) FROM report_last",
    ] {
        let at: Option<i64> = sqlx::query(statement).fetch_one(&mut *connection).await?.try_get(0)?;
        last = last.max(at);
    }
    Ok(last.map(Timestamp::from_millis))
}
