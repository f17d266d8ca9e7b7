//! From an empty or older schema to the one that this program knows, one version at a time.
//!
//! A migration is a file of SQL that is never changed once it was released. The versions that were
//! applied are rows of the table `migrations`, whose presence also tells a store from the schema of
//! another program. Programs that open a new store at once take turns by an advisory lock that
//! belongs to the transaction.

use wtb_store::StoreError;

use crate::address::Address;
use crate::connection::{Connection, get};
use crate::errors::Failure;
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

/// Brings the store to the last of `migrations`, or says why that is not done.
pub(crate) fn migrate(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
) -> Result<(), Failure> {
    if is_current(connection, address, migrations)? {
        return Ok(());
    }
    connection.begin()?;
    connection.query(
        "SELECT pg_advisory_xact_lock($1)",
        &[lock_key(&address.options.schema).into()],
        "locking the store to upgrade it",
    )?;
    // Another program may have been quicker: only what the lock shows counts.
    if !is_current(connection, address, migrations)? {
        apply(connection, address, migrations)?;
    }
    connection.commit()
}

/// Whether there is nothing to do. What may not be done is an error.
fn is_current(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
) -> Result<bool, Failure> {
    let Address { url, options, .. } = address;
    let refuse = |reason| Failure::Fatal(StoreError::Open { url: url.clone(), reason });
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    match find(connection, &options.schema)? {
        Found::Version(found) if found > known => {
            Err(Failure::Fatal(StoreError::Newer { url: url.clone(), found, known }))
        }
        Found::Version(found) if found == known => Ok(true),
        Found::Version(_) if options.migrate => Ok(false),
        Found::Version(found) => Err(refuse(format!(
            "it has schema version {found}, and this program works with version {known}: end the \
             programs that use it and open it once with `?migrate=true`"
        ))),
        Found::Nothing if options.create => Ok(false),
        Found::Nothing => Err(refuse(format!(
            "there is no store in schema `{}`; check the address, or run a batch to create it",
            options.schema
        ))),
        Found::Foreign => Err(refuse(format!(
            "schema `{}` belongs to another program; name another one with `?schema=`",
            options.schema
        ))),
    }
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

fn apply(
    connection: &mut Connection,
    address: &Address,
    migrations: &[&str],
) -> Result<(), Failure> {
    let schema = &address.options.schema;
    let first = match find(connection, schema)? {
        Found::Version(version) => version,
        Found::Nothing | Found::Foreign => {
            make_schema(connection, schema)?;
            0
        }
    };
    for (version, sql) in (first + 1..).zip(&migrations[first as usize..]) {
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
