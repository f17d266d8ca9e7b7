//! The SQLite store keeps what every store promises, and what only a file can show.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod full;
#[path = "../shared/model.rs"]
mod model;
#[path = "../shared/outside.rs"]
mod outside;
mod processes;
#[path = "../shared/random.rs"]
mod random;

use std::path::PathBuf;

use outside::Outside;
use proptest::prelude::*;
use tempfile::TempDir;
use wtb_store::conformance::{self, Place};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Store, StoreError};

/// A fresh place for a store's file.
struct File {
    path: PathBuf,
    directory: TempDir,
}

impl File {
    fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("store.db"), directory }
    }

    /// The path as text.
    fn address(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Opens the store with default options.
    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.address(), SqliteOptions::default()).unwrap()
    }

    /// Looks at the file with nothing of the store in between.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.path).unwrap()
    }

    /// Asserts that SQLite finds nothing wrong with the file.
    fn assert_sound(&self) {
        let sql = "PRAGMA integrity_check";
        let verdict: String = self.raw().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        let broken = self.raw().prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!broken, "a row points nowhere");
    }
}

impl Place for File {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let options = SqliteOptions { readers: 2, group_max: 16, ..SqliteOptions::default() };
        Ok(Box::new(SqliteStore::open(self.address(), options)?))
    }

    fn scratch(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn damage_object(&self, hash: [u8; 32]) -> bool {
        let sql = "UPDATE objects SET data = zeroblob(length(data)) WHERE hash = ?1";
        self.raw().execute(sql, [hash]).unwrap() == 1
    }

    fn age_objects(&self) -> bool {
        self.raw().execute("UPDATE objects SET touched_at = 0", []).is_ok()
    }

    fn remove_object(&self, hash: [u8; 32]) -> bool {
        self.raw().execute("DELETE FROM objects WHERE hash = ?1", [hash]).unwrap() == 1
    }
}

#[test]
fn conforms() {
    conformance::run(&|| Box::new(File::fresh()));
}

#[test]
fn conforms_with_objects_in_a_directory() {
    fn open(file: &File) -> Result<Box<dyn Store>, StoreError> {
        let options = SqliteOptions { outside_bytes_min: 1, ..SqliteOptions::default() };
        Ok(Box::new(SqliteStore::open(file.address(), options)?))
    }
    conformance::run_with(&|| Box::new(Outside(File::fresh(), open)), &["outside"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn units_do_what_the_model_says(units in random::units(), together in any::<bool>()) {
        random::check(&File::fresh(), &units, together)?;
    }
}
