//! A store in a directory of its own, and the people of the examples.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _, path::PathBuf};

use lexicon::{BareJid, Domain};
use policy::Partner;
use store::{Actor, Backend, Credential, Store};
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) store: Store,
}

impl Fixture {
    /// An empty store.
    pub(crate) async fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(path(&directory)).await.unwrap();
        Self { directory, store }
    }

    /// A store with contoso.example inside and the partner fabrikam.example.
    pub(crate) async fn new() -> Self {
        let fixture = Self::empty().await;
        fixture.store.add_domain(&actor(), &domain("contoso.example"), &[Backend::Registrar]).await.unwrap();
        fixture.store.add_partner(&actor(), &partner("fabrikam.example")).await.unwrap();
        fixture
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.directory)
    }

    /// What the disk would hold if the process were killed now: the files as they are, in another directory.
    pub(crate) async fn killed(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        DirBuilder::new().mode(0o700).create(path(&directory).parent().unwrap()).unwrap();
        for suffix in ["", "-wal"] {
            let name = format!("legation.db{suffix}");
            std::fs::copy(self.path().with_file_name(&name), path(&directory).with_file_name(&name)).unwrap();
        }
        let store = Store::open(path(&directory)).await.unwrap();
        Self { directory, store }
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        let store = Store::open(path(&self.directory)).await.unwrap();
        Self { directory: self.directory, store }
    }
}

pub(crate) fn actor() -> Actor {
    Actor::new("uid:0", "socket")
}

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

pub(crate) fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

pub(crate) fn partner(primary: &str) -> Partner {
    Partner::new(domain(primary))
}

pub(crate) fn credential() -> Credential {
    Credential {
        algorithm: "MD5".to_owned(),
        realm: "contoso.example".to_owned(),
        ha1: "939e7578ed9e3c518a452acee763bce9".to_owned(),
    }
}

/// Temporary directories are open to others; the store makes its own inside.
fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("data").join("legation.db")
}
