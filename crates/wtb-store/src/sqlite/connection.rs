//! Opening the file: created for its owner alone, in write-ahead mode, at the known version.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::address::{Address, SqliteOptions, Synchronous};
use super::errors::{While, database};
use super::migrations::{MIGRATIONS, compare, migrate};
use crate::{StoreError, Upgrade};

/// Enough for every statement of the writer and the usual ones of a reader.
const STATEMENTS_CACHED: usize = 64;
/// How many pages the log may grow by before the writer copies them to the database: 16 MB.
const CHECKPOINT_PAGES: u32 = 4096;
/// What the writer keeps in memory of the database, in KiB (SQLite's sign for KiB is a minus).
const WRITER_CACHE_KIB: i32 = -32_768;

/// Opens the one connection that writes, creating or upgrading the store where needed.
pub(super) fn open_writer(address: &Address) -> Result<Connection, StoreError> {
    prepare_file(address)?;
    let named = |error: StoreError| not_opened(error, &address.url);
    let mut connection =
        connect(&address.path, &address.options, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(named)?;
    use_write_ahead_log(&connection, address.options.busy_timeout).map_err(named)?;
    migrate(&mut connection, &address.url, MIGRATIONS).map_err(named)?;
    set_writer_options(&connection, &address.options)
        .while_("setting the writer's options")
        .map_err(named)?;
    Ok(connection)
}

/// Compares the version of a store that has to be there with this program's. Changes nothing.
pub(super) fn compare_version(address: &Address) -> Result<Upgrade, StoreError> {
    let Address { url, path, options } = address;
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    // Where nobody has the file open it is all there is, and to read it leaves nothing beside it.
    let is_alone = path.is_file() && !Path::new(&log).exists();
    let opened = if let Some(name) = path.to_str().filter(|_| is_alone) {
        open_alone(name, options)
    } else {
        prepare_file(address)?;
        open_reader(path, options)
    };
    opened
        .and_then(|connection| compare(&connection, url, MIGRATIONS))
        .map_err(|error| not_opened(error, url))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    connect(path, options, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens a connection that reads a file which nobody changes meanwhile.
fn open_alone(path: &str, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let name = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let uri = format!("file:{name}?immutable=1");
    connect(Path::new(&uri), options, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// Opens a connection that writes beside the writer, once in a while.
pub(super) fn open_collector(address: &Address) -> Result<Connection, StoreError> {
    let Address { path, options, .. } = address;
    let connection = connect(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    set_writer_options(&connection, options).while_("setting the collector's options")?;
    Ok(connection)
}

fn connect(
    path: &Path,
    options: &SqliteOptions,
    access: OpenFlags,
) -> Result<Connection, StoreError> {
    // Each connection is used by one thread at a time: SQLite need not lock for itself.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .while_("opening the database")?;
    connection.busy_timeout(options.busy_timeout).while_("setting the busy timeout")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Otherwise many statements are planned anew whenever a parameter is bound: slower than to run them.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .while_("setting the database's options")?;
    Ok(connection)
}

fn set_writer_options(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    let synchronous = match options.synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(bytes) = options.size_max_bytes {
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        connection.pragma_update(None, "max_page_count", (bytes / page).max(1))?;
    }
    Ok(())
}

/// Two programs that open a new store at once may find it locked in a way that SQLite reports at
/// once instead of waiting (to wait could deadlock there), so the waiting is done here.
fn use_write_ahead_log(connection: &Connection, patience: Duration) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(|error| database("choosing the write-ahead log", &error));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Backend {
                    doing: "choosing the write-ahead log".to_owned(),
                    reason: format!(
                        "the file system only allows the `{mode}` log; \
                         put the store on a local disk"
                    ),
                });
            }
            Err(StoreError::Busy(_)) if begun.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes sure that the file is there and can be written, or says why not, before SQLite says less.
fn prepare_file(address: &Address) -> Result<(), StoreError> {
    let path = &address.path;
    let refuse = |reason| StoreError::Open { url: address.url.clone(), reason };
    if path.is_dir() {
        return Err(refuse(format!(
            "it is a directory; name a file in it, such as `{}`",
            path.join("wtb.db").display()
        )));
    }
    if address.options.create {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|error| {
                refuse(trouble("the directory", directory, "cannot be created", &error))
            })?;
        }
    } else if !path.exists() {
        return Err(refuse(format!(
            "there is no file `{}`; check the address, or run a batch to create it",
            path.display()
        )));
    }
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(address.options.create);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Inputs and outputs of a user's workflow are nobody else's business.
        open.mode(0o600);
    }
    match open.open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(trouble("the file", path, "cannot be written", &error))),
    }
}

fn trouble(what: &str, path: &Path, cannot: &str, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "free some space",
        _ => "change its permissions, or choose another place for the store",
    };
    format!("{what} `{}` {cannot}: {error}; {remedy}", path.display())
}

/// Adds the store's address, and what to do, to what went wrong while it was opened.
fn not_opened(error: StoreError, url: &str) -> StoreError {
    let (reason, remedy) = match error {
        StoreError::ReadOnly(reason) => (
            reason,
            "check the permissions of the file and its directory, or choose another place for \
             the store",
        ),
        StoreError::Unreadable { reason, .. } => {
            (reason, "it is damaged, or no store of this program: name another file")
        }
        other => return other.at_store(url),
    };
    StoreError::Open { url: url.to_owned(), reason: format!("{reason}; {remedy}") }
}
