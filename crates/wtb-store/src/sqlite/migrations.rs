//! From an empty or older database to the schema that this program knows, one version at a time.
//!
//! A migration is a file of SQL that is never changed once it was released. The version is
//! SQLite's `user_version`; `application_id` tells a store from the database of another program.

use rusqlite::{Connection, TransactionBehavior};

use super::errors::While;
use crate::{StoreError, Upgrade};

/// The schema's history: migration `n` leads from version `n` to version `n + 1`.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

/// `WTBS` in ASCII.
const APPLICATION_ID: i32 = 0x5754_4253;

/// Brings the database to the last of `migrations`, each in a transaction of its own, so that
/// several programs may open one store at once and an interrupted upgrade goes on where it was.
pub(super) fn migrate(
    connection: &mut Connection,
    url: &str,
    migrations: &[&str],
) -> Result<(), StoreError> {
    check_owner(connection, url)?;
    while pending(connection, url, migrations)?.is_some() {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .while_("locking the store to upgrade it")?;
        // Another program may have been quicker: only what the lock shows counts.
        if let Some((version, sql)) = pending(&transaction, url, migrations)? {
            let doing = format!("upgrading the store from version {version}");
            transaction.execute_batch(sql).while_(&doing)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).while_(&doing)?;
            transaction.pragma_update(None, "user_version", version + 1).while_(&doing)?;
        }
        transaction.commit().while_("upgrading the store")?;
    }
    Ok(())
}

/// Compares the version of a store that has to be there with the last of `migrations`.
pub(super) fn compare(
    connection: &Connection,
    url: &str,
    migrations: &[&str],
) -> Result<Upgrade, StoreError> {
    check_owner(connection, url)?;
    if pragma::<i32>(connection, "application_id")? != APPLICATION_ID {
        return Err(StoreError::Open {
            url: url.to_owned(),
            reason: "there is nothing in it; check the address, or run a batch to create the store"
                .to_owned(),
        });
    }
    pending(connection, url, migrations)?;
    Ok(Upgrade {
        url: url.to_owned(),
        from: pragma(connection, "user_version")?,
        to: u32::try_from(migrations.len()).unwrap_or(u32::MAX),
        sessions: Vec::new(),
    })
}

/// Returns the version found and the migration that leads on from it, if there is one.
fn pending<'sql>(
    connection: &Connection,
    url: &str,
    migrations: &[&'sql str],
) -> Result<Option<(u32, &'sql str)>, StoreError> {
    let found: u32 = pragma(connection, "user_version")?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { url: url.to_owned(), found, known });
    }
    Ok(migrations.get(found as usize).map(|sql| (found, *sql)))
}

fn check_owner(connection: &Connection, url: &str) -> Result<(), StoreError> {
    let application: i32 = pragma(connection, "application_id")?;
    let tables: u32 = connection
        .query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))
        .while_("reading the store's schema")?;
    // Read before the lock: a program that is quicker leaves tables and its mark together.
    if application == APPLICATION_ID || tables == 0 {
        return Ok(());
    }
    let application: i32 = pragma(connection, "application_id")?;
    if application == APPLICATION_ID {
        return Ok(());
    }
    Err(StoreError::Open {
        url: url.to_owned(),
        reason: "it is the SQLite database of another program; name another file".to_owned(),
    })
}

fn pragma<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &str,
) -> Result<T, StoreError> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .while_("reading the store's version")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE one (x INTEGER); INSERT INTO one VALUES (1);";
    const SECOND: &str = "CREATE TABLE two (x INTEGER); INSERT INTO two SELECT x + 1 FROM one;";
    const BROKEN: &str = "CREATE TABLE three (x INTEGER); INSERT INTO nowhere VALUES (1);";

    fn version(connection: &Connection) -> u32 {
        pragma(connection, "user_version").unwrap()
    }

    #[test]
    fn an_older_store_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "u", &[FIRST]).unwrap();
        migrate(&mut connection, "u", &[FIRST, SECOND]).unwrap();
        migrate(&mut connection, "u", &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&connection), 2);
        let x: i64 = connection.query_row("SELECT x FROM two", [], |row| row.get(0)).unwrap();
        assert_eq!(x, 2, "each migration ran once, on the data of the one before");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let error = migrate(&mut connection, "u", &[FIRST, BROKEN]).unwrap_err();
        assert!(error.to_string().contains("upgrading the store from version 1"), "{error}");
        assert_eq!(version(&connection), 1);
        assert!(connection.prepare("SELECT * FROM three").is_err(), "half a migration is left");
        migrate(&mut connection, "u", &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn comparing_tells_what_would_be_done_and_does_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let nothing = compare(&connection, "u", &[FIRST]).unwrap_err();
        assert!(nothing.to_string().contains("run a batch to create"), "{nothing}");
        migrate(&mut connection, "u", &[FIRST]).unwrap();
        assert!(!compare(&connection, "u", &[FIRST]).unwrap().is_needed());
        for _ in 0..2 {
            let upgrade = compare(&connection, "u", &[FIRST, SECOND]).unwrap();
            assert_eq!((upgrade.from, upgrade.to, upgrade.is_needed()), (1, 2, true));
        }
        migrate(&mut connection, "u", &[FIRST, SECOND]).unwrap();
        let newer = compare(&connection, "u", &[FIRST]).unwrap_err();
        assert!(matches!(newer, StoreError::Newer { found: 2, known: 1, .. }), "{newer}");
    }

    #[test]
    fn a_newer_store_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, "u", &[FIRST, SECOND]).unwrap();
        let error = migrate(&mut connection, "u", &[FIRST]).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE recipes (x INTEGER)").unwrap();
        let error = migrate(&mut connection, "u", &[FIRST]).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
        assert!(connection.prepare("SELECT * FROM one").is_err());
    }
}
