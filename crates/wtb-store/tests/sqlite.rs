//! The SQLite store keeps what every store promises.

use std::path::PathBuf;

use tempfile::TempDir;
use wtb_store::conformance::{self, Place};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Store, StoreError};

struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("store.db"),
            _directory: directory,
        }
    }
}

impl Place for File {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let options = SqliteOptions {
            readers: 2,
            group_max: 16,
            ..SqliteOptions::default()
        };
        Ok(Box::new(SqliteStore::open(
            self.path.to_str().unwrap(),
            options,
        )?))
    }

    fn damage_object(&self, hash: [u8; 32]) -> bool {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        let sql = "UPDATE objects SET data = zeroblob(length(data)) WHERE hash = ?1";
        connection.execute(sql, [hash]).unwrap() == 1
    }
}

#[test]
fn conforms() {
    conformance::run(&|| Box::new(File::fresh()));
}
