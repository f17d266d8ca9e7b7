//! The PostgreSQL store keeps what every store promises, and what only a server can show.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod concurrency;
mod cutter;
#[path = "../../../wtb-store/tests/shared/model.rs"]
mod model;
mod opening;
#[path = "../../../wtb-store/tests/shared/outside.rs"]
mod outside;
mod pooler;
mod processes;
#[path = "../../../wtb-store/tests/shared/random.rs"]
mod random;
mod restart;
mod rows;
mod server;
mod threads;
mod tls;

use std::path::PathBuf;

use outside::Outside;
use proptest::prelude::*;
use tempfile::TempDir;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::{self, Place};
use wtb_store::{Store, StoreError};

/// A fresh schema for a store.
struct Fresh {
    address: String,
    directory: TempDir,
}

impl Fresh {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { address: server::shared().fresh(), directory }
    }

    /// Opens the store with default options.
    fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.address, PostgresOptions::default()).unwrap()
    }

    fn schema(&self) -> &str {
        self.address.split_once("schema=").unwrap().1
    }
}

impl Place for Fresh {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let options = PostgresOptions { readers: 2, group_max: 16, ..PostgresOptions::default() };
        Ok(Box::new(PostgresStore::open(&self.address, options)?))
    }

    fn scratch(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn damage_object(&self, hash: [u8; 32]) -> bool {
        let sql = format!(
            "UPDATE {}.objects SET data = decode(repeat('00', length(data)), 'hex') \
             WHERE hash = $1",
            self.schema()
        );
        server::shared().raw().execute(&sql, &[&hash.as_slice()]).unwrap() == 1
    }

    fn age_objects(&self) -> bool {
        let sql = format!("UPDATE {}.objects SET touched_at = 0", self.schema());
        server::shared().raw().execute(&sql, &[]).is_ok()
    }

    fn remove_object(&self, hash: [u8; 32]) -> bool {
        let sql = format!("DELETE FROM {}.objects WHERE hash = $1", self.schema());
        server::shared().raw().execute(&sql, &[&hash.as_slice()]).unwrap() == 1
    }
}

#[test]
fn conforms() {
    conformance::run(&|| Box::new(Fresh::new()));
}

#[test]
fn conforms_with_objects_in_a_directory() {
    fn open(fresh: &Fresh) -> Result<Box<dyn Store>, StoreError> {
        let options = PostgresOptions { outside_bytes_min: 1, ..PostgresOptions::default() };
        Ok(Box::new(PostgresStore::open(&fresh.address, options)?))
    }
    conformance::run_with(&|| Box::new(Outside(Fresh::new(), open)), &["outside"]);
}

proptest! {
    // A schema has to be made for each.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn units_do_what_the_model_says(units in random::units(), together in any::<bool>()) {
        random::check(&Fresh::new(), &units, together)?;
    }
}
