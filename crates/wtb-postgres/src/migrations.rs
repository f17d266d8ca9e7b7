//! From an empty or older schema to the one that this program knows, one version at a time.
//!
//! A migration is a file of SQL that is never changed once it was released. The versions that were
//! applied are rows of the table `migrations`, whose presence also tells a store from the schema of
//! another program. Programs that open a new store at once take turns by an advisory lock that
//! belongs to the transaction.

use std::time::Duration;

use wtb_model::SessionRecord;
use wtb_store::{StoreError, Upgrade};

use crate::address::Address;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::read::Query;
use crate::sql::Value;

/// The schema's history: migration `n` leads from version `n` to version `n + 1`.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

/// What is found where a store is to be.
enum Found {
    /// No tables at all.
    Nothing,
    /// Tables, but not those of a store.
    Foreign,
    /// A store of this version.
    Version(u32),
}

/// Says whether a session lives that has been silent for so long.
pub type Lives<'a> = &'a dyn Fn(&SessionRecord, Duration) -> bool;

/// Makes a store of the last of `migrations` where there is none, or says why that is not done. One of
/// an older version is left to [`upgrade`]: others may be using it.
pub(crate) fn migrate(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
) -> Result<(), Failure> {
    if is_made(connection, address, migrations)? {
        return Ok(());
    }
    begin(connection, address)?;
    // Another program may have been quicker: only what the lock shows counts.
    if !is_made(connection, address, migrations)? {
        make_schema(connection, &address.options.schema)?;
        apply(connection, 0, migrations)?;
    }
    connection.commit()
}

/// Brings a store that is there to the last of `migrations`. Returns what it was before.
///
/// Nobody may live who reads: whoever has opened the store goes on as if it were as before. Whoever
/// writes is kept waiting meanwhile, and then finds the new version and writes nothing.
pub(crate) fn upgrade(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
    lives: Lives<'_>,
) -> Result<Upgrade, Failure> {
    let upgrade = compare(connection, address, migrations, lives)?;
    if !upgrade.is_needed() {
        return Ok(upgrade);
    }
    begin(connection, address)?;
    connection.wait_for_writers()?;
    let upgrade = compare(connection, address, migrations, lives)?;
    if !upgrade.sessions.is_empty() {
        let by = upgrade.in_the_way();
        return Err(StoreError::InUse { url: address.url.clone(), by }.into());
    }
    apply(connection, upgrade.from, migrations)?;
    // Checkpoints that are put the quick way rely on this number alone.
    let sql = "UPDATE @.collections SET number = number + 1";
    connection.batch(sql, "noting the upgrade")?;
    connection.commit()?;
    Ok(upgrade)
}

/// Compares the version of a store that has to be there with the last of `migrations`.
pub(crate) fn compare(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
    lives: Lives<'_>,
) -> Result<Upgrade, Failure> {
    let mut upgrade = Upgrade {
        url: address.url.clone(),
        from: match find(connection, &address.options.schema)? {
            Found::Version(found) => not_newer(found, address, migrations)?,
            Found::Nothing => return Err(no_store(address)),
            Found::Foreign => return Err(foreign(address)),
        },
        to: last_of(migrations),
        sessions: Vec::new(),
    };
    if upgrade.is_needed() && has_sessions(connection, address)? {
        // Asked of an older schema: what a migration makes of the sessions must not break this.
        let mut query = Query::new(connection);
        for session in query.open_sessions()? {
            if lives(&session, query.silence(&session.id)?) {
                upgrade.sessions.push(session);
            }
        }
    }
    Ok(upgrade)
}

/// Begins a transaction beside which nobody makes or upgrades the same store.
fn begin(connection: &mut Connection, address: &Address) -> Result<(), Failure> {
    connection.begin()?;
    connection.query(
        "SELECT pg_advisory_xact_lock($1)",
        &[lock_key(&address.options.schema).into()],
        "locking the store to upgrade it",
    )?;
    Ok(())
}

/// Whether a store is there that can be used as it is. What cannot be used, or may not be made, is an
/// error.
fn is_made(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
) -> Result<bool, Failure> {
    match find(connection, &address.options.schema)? {
        Found::Version(found) if not_newer(found, address, migrations)? < last_of(migrations) => {
            Err(older(found, address, migrations))
        }
        Found::Version(_) => Ok(true),
        Found::Nothing if address.options.create => Ok(false),
        Found::Nothing => Err(no_store(address)),
        Found::Foreign => Err(foreign(address)),
    }
}

/// The version that some migrations lead to.
pub(crate) fn last_of(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).unwrap_or(u32::MAX)
}

fn not_newer(found: u32, address: &Address, migrations: &[&str]) -> Result<u32, Failure> {
    let known = last_of(migrations);
    if found > known {
        return Err(StoreError::Newer { url: address.url.clone(), found, known }.into());
    }
    Ok(found)
}

fn older(found: u32, address: &Address, migrations: &[&str]) -> Failure {
    let (known, url) = (last_of(migrations), &address.url);
    refusal(
        address,
        format!(
            "it has schema version {found}, and this program works with version {known}: end the \
             programs that use it, and upgrade it by `wtb migrate --store '{url}'`, with the \
             password if it needs one"
        ),
    )
}

fn no_store(address: &Address) -> Failure {
    let schema = &address.options.schema;
    refusal(
        address,
        format!(
            "there is no store in schema `{schema}`; check the address, or run a batch to create it"
        ),
    )
}

fn foreign(address: &Address) -> Failure {
    let schema = &address.options.schema;
    refusal(
        address,
        format!("schema `{schema}` belongs to another program; name another one with `?schema=`"),
    )
}

fn refusal(address: &Address, reason: String) -> Failure {
    StoreError::Open { url: address.url.clone(), reason }.into()
}

/// Whether there is a table of sessions; the first migration makes it.
fn has_sessions(connection: &mut Connection, address: &Address) -> Result<bool, Failure> {
    let rows = connection.query(
        "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'sessions'",
        &[address.options.schema.as_str().into()],
        "looking for the sessions",
    )?;
    Ok(!rows.is_empty())
}

fn find(connection: &mut Connection, schema: &str) -> Result<Found, Failure> {
    let rows = connection.query(
        "SELECT count(*), count(*) FILTER (WHERE c.relname = 'migrations') \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')",
        &[schema.into()],
        "looking for the store",
    )?;
    let Some(row) = rows.first() else { return Ok(Found::Nothing) };
    let (tables, ours): (i64, i64) = (get(row, 0)?, get(row, 1)?);
    if tables == 0 {
        return Ok(Found::Nothing);
    }
    if ours == 0 {
        return Ok(Found::Foreign);
    }
    let sql = "SELECT COALESCE(MAX(version), 0)::bigint FROM @.migrations";
    let rows = connection.query(sql, &[], "reading the store's version")?;
    let version: i64 = rows.first().map(|row| get(row, 0)).transpose()?.unwrap_or_default();
    Ok(Found::Version(u32::try_from(version).unwrap_or(u32::MAX)))
}

/// Applies what leads on from a version.
fn apply(connection: &mut Connection, from: u32, migrations: &[&str]) -> Result<(), Failure> {
    for (version, sql) in (from + 1..).zip(&migrations[from as usize..]) {
        connection.batch(sql, &format!("upgrading the store to version {version}"))?;
        connection.execute(
            "INSERT INTO @.migrations (version) VALUES ($1)",
            &[Value::from(version)],
            "noting the store's version",
        )?;
    }
    Ok(())
}

fn make_schema(connection: &mut Connection, schema: &str) -> Result<(), Failure> {
    let rows = connection.query(
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
        &[schema.into()],
        "looking for the schema",
    )?;
    // The schema's name was checked when the address was read. Who made it beforehand for a user
    // that may make none spares that user the right to.
    if rows.is_empty() {
        connection.batch(&format!("CREATE SCHEMA \"{schema}\""), "creating the schema")?;
    }
    connection.batch(
        "CREATE TABLE @.migrations (version BIGINT PRIMARY KEY, \
         applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())",
        "creating the store",
    )
}

/// The lock of those who upgrade one schema; other schemas of the database have others.
fn lock_key(schema: &str) -> i64 {
    let hash = blake3::hash(format!("wtb migrations of {schema}").as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_le_bytes(key)
}

#[cfg(test)]
#[path = "../tests/it/server.rs"]
#[expect(dead_code, reason = "these tests need less of it than the others")]
mod server;
#[cfg(test)]
mod tests;
