//! Upgrading a store that an older program made.

use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::Upgrade;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};

use crate::{EngineError, session};

/// Tells what [`upgrade_store`] would do, and changes nothing. The store has to be there.
pub fn upgrade_needed(url: &str) -> Result<Upgrade, EngineError> {
    if wtb_postgres::is_address(url) {
        let options = PostgresOptions::default();
        return Ok(PostgresStore::upgrade_needed(url, options, &session::lives)?);
    }
    Ok(SqliteStore::upgrade_needed(url, SqliteOptions::default())?)
}

/// Upgrades a store that has to be there to the schema of this program. Returns what it was before.
///
/// A store on a server is upgraded only while no session lives. A SQLite store is upgraded as it is
/// whenever it is opened.
pub fn upgrade_store(url: &str) -> Result<Upgrade, EngineError> {
    if wtb_postgres::is_address(url) {
        return Ok(PostgresStore::upgrade(url, PostgresOptions::default(), &session::lives)?);
    }
    Ok(SqliteStore::upgrade(url, SqliteOptions::default())?)
}
