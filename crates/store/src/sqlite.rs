//! The embedded engine: SQLite in WAL mode, one writer connection, readers apart.
//!
//! `synchronous = FULL`: a commit that returned survives `kill -9` and the loss of power. The database, its lock file and
//! its directory are closed to other users of the machine, since they hold digest credentials and the dialback secret.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{mpsc, watch};

use crate::{Edge, Revisions, StoreError, head, last, migration, setting, traffic};

/// Readers besides the one writer.
const READERS_MAX: u32 = 4;
/// How long a statement waits for another process (a backup) before it fails.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Code of SQLite for a file that is not a database.
const SQLITE_NOTADB: &str = "26";

/// The open database. Cloning is cheap; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    pub(crate) traffic: mpsc::Sender<traffic::Command>,
}

/// What the store and its writer task share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) revision: watch::Sender<u64>,
    pub(crate) revisions: watch::Sender<Revisions>,
    /// The newest revision that was read.
    pub(crate) edge: tokio::sync::Mutex<Option<Arc<Edge>>>,
    pub(crate) last: last::Kept,
    lock: File,
}

impl Store {
    /// Opens the database at `path`, creates it and its directory if missing, and brings its schema up to date.
    ///
    /// At the first opening the dialback secret is made. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Refuses, without a change: a database of a later version, a file that is something else, permissions that let other
    /// users in, and a database that another process has open.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        prepare_directory(path)?;
        prepare_file(path)?;
        let lock = lock(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let writer = pool().max_connections(1).connect_with(options.clone()).await.map_err(|e| open_error(path, e))?;
        if !migration::run(&mut *writer.acquire().await?).await? {
            return Err(StoreError::NotADatabase { path: path.to_owned() });
        }
        let readers = pool().max_connections(READERS_MAX).connect_with(options.read_only(true)).await?;
        let revisions = head::load(&mut *readers.acquire().await?).await?;
        let core = Arc::new(Core {
            writer,
            readers,
            revision: watch::Sender::new(revisions.head),
            revisions: watch::Sender::new(revisions),
            edge: tokio::sync::Mutex::default(),
            last: last::Kept::default(),
            lock,
        });
        setting::prepare(&core).await?;
        let traffic = traffic::start(Arc::clone(&core));
        Ok(Self { core, traffic })
    }

    /// Commits what traffic has queued, then closes the database. Later calls on any clone are [`StoreError::Closed`] or
    /// fail.
    pub async fn close(self) {
        traffic::stop(&self.traffic).await;
        self.core.readers.close().await;
        self.core.writer.close().await;
        if let Err(error) = self.core.lock.unlock() {
            tracing::warn!(%error, "the lock of the database was not released");
        }
    }

    /// The revision of the last committed write, followed.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.core.revision.subscribe()
    }

    /// The same per topic, so that a follower reloads only what changed.
    pub fn topics(&self) -> watch::Receiver<Revisions> {
        self.core.revisions.subscribe()
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Unwritable { path: path.to_owned(), source }
}

/// Creates the data directory with mode 0700, or checks that others have no part in it and the group cannot write.
fn prepare_directory(path: &Path) -> Result<(), StoreError> {
    let directory = directory(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable(directory))?;
    check_mode(directory, 0o027, "750")
}

/// Creates the file with mode 0600, or checks that it has no more than that.
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    if let Err(error) = create(path) {
        return Err(unwritable(path)(error));
    }
    check_mode(path, 0o077, "600")
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The directory and the file are closed to others.
pub(crate) fn check_modes(path: &Path) -> Result<(), StoreError> {
    check_mode(directory(path), 0o027, "750")?;
    check_mode(path, 0o077, "600")
}

fn check_mode(path: &Path, forbidden: u32, remedy: &'static str) -> Result<(), StoreError> {
    let mode = fs::metadata(path).map_err(unwritable(path))?.mode() & 0o7777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(StoreError::Permissions { path: path.to_owned(), mode, remedy })
}

/// One process at a time: the copies of the database in memory would not see another's writes.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = create(&lock_path).map_err(unwritable(&lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(&lock_path)(source)),
    }
}

pub(crate) fn open_error(path: &Path, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    match code.as_deref() {
        Some(SQLITE_NOTADB) => StoreError::NotADatabase { path: path.to_owned() },
        _ => StoreError::Database(error),
    }
}
