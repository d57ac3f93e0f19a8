//! Numbered migrations, forward only. A database of a later version is refused before anything in it is touched.

use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::{StoreError, entropy};

struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "start", sql: include_str!("migrations/0001_start.sql") },
    Migration { number: 2, name: "reports", sql: include_str!("migrations/0002_reports.sql") },
    Migration { number: 3, name: "components", sql: include_str!("migrations/0003_components.sql") },
    Migration { number: 4, name: "trunks", sql: include_str!("migrations/0004_trunks.sql") },
    Migration { number: 5, name: "access", sql: include_str!("migrations/0005_access.sql") },
    Migration { number: 6, name: "tokens", sql: include_str!("migrations/0006_tokens.sql") },
    Migration { number: 7, name: "administrators", sql: include_str!("migrations/0007_administrators.sql") },
    Migration { number: 8, name: "setup", sql: include_str!("migrations/0008_setup.sql") },
    Migration { number: 9, name: "sessions", sql: include_str!("migrations/0009_sessions.sql") },
];

/// Number of the last migration of this version.
pub(crate) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].number;

/// What is in a database file.
enum Found {
    Nothing,
    Ours(i64),
    Foreign,
}

/// Brings the schema to that of this version; `false` if the file is a database of something else.
pub(crate) async fn run(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let applied = match found(connection).await? {
        Found::Foreign => return Ok(false),
        Found::Ours(found) if found > KNOWN => return Err(StoreError::Newer { found, known: KNOWN }),
        Found::Ours(found) => found,
        Found::Nothing => 0,
    };
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > applied) {
        apply(connection, migration).await?;
    }
    Ok(true)
}

/// Number of the last migration that was applied; none if the file is a database of something else, or of nothing.
pub(crate) async fn applied(connection: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(match found(connection).await? {
        Found::Ours(number) => Some(number),
        Found::Nothing | Found::Foreign => None,
    })
}

async fn apply(connection: &mut SqliteConnection, migration: &Migration) -> Result<(), StoreError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    if migration.number == 1 {
        sqlx::query(
            "CREATE TABLE schema_migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO schema_migration (number, name, applied_at) VALUES ($1, $2, $3)")
        .bind(migration.number)
        .bind(migration.name)
        .bind(entropy::now().as_millis())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    tracing::info!(number = migration.number, name = migration.name, "database migrated");
    Ok(())
}

async fn found(connection: &mut SqliteConnection) -> Result<Found, StoreError> {
    let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&mut *connection).await?;
    if tables.is_empty() {
        return Ok(Found::Nothing);
    }
    if !tables.iter().any(|row| row.get::<String, _>(0) == "schema_migration") {
        return Ok(Found::Foreign);
    }
    let number = sqlx::query("SELECT MAX(number) FROM schema_migration").fetch_one(connection).await?;
    Ok(Found::Ours(number.get::<Option<i64>, _>(0).unwrap_or(0)))
}
