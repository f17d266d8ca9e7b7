//! One connection to the server: how it is made, and the few ways in which it is used.

use std::collections::BTreeSet;

use postgres::config::SslMode;
use postgres::{Client, NoTls, Row, SimpleQueryMessage};
use wtb_store::StoreError;

use crate::address::Address;
use crate::errors::{Failure, While, failure, is_about_tls, refusal, with_causes};
use crate::locks::Locks;
use crate::migrations::{MIGRATIONS, last_of};
use crate::sql::{SCHEMA, Value};

/// The oldest server that has all that the statements need; 13.0 as the server counts.
const SERVER_VERSION_MIN: i32 = 130_000;

/// How long, in seconds, the server keeps the locks of a program that does not go on: that long it
/// may take to notice that the program's machine has gone. Shorter than others wait for the locks.
const IDLE_MAX_S: u32 = 15;

/// A connection, used by one thread at a time.
pub(crate) struct Connection {
    client: Client,
    url: String,
    prefix: String,
    begin: String,
    lock_timeout: String,
    locks: Locks,
}

impl Connection {
    /// Connects to the server of an address.
    pub(crate) fn open(address: &Address) -> Result<Self, Failure> {
        let client = connect(address)?;
        let lock_ms = address.options.lock_timeout.as_millis();
        Ok(Self {
            client,
            url: address.url.clone(),
            lock_timeout: lock_ms.to_string(),
            locks: Locks::new(&address.options.schema),
            prefix: format!("\"{}\".", address.options.schema),
            // Of the transaction alone: the connection behind a PgBouncer is another one next time.
            begin: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
                 SET LOCAL lock_timeout = {lock_ms}; \
                 SET LOCAL idle_in_transaction_session_timeout = '{IDLE_MAX_S}s'"
            ),
        })
    }

    /// Refuses a server that the statements would not work on.
    pub(crate) fn check_server(&mut self, url: &str) -> Result<(), Failure> {
        let refuse = |reason| Failure::Fatal(StoreError::Open { url: url.to_owned(), reason });
        let rows = self.query(
            "SELECT current_setting('server_version_num')::integer, \
             current_setting('server_version'), current_setting('server_encoding')",
            &[],
            "asking for the server's version",
        )?;
        let (number, version, encoding): (i32, String, String) = match rows.first() {
            Some(row) => (get(row, 0)?, get(row, 1)?, get(row, 2)?),
            None => return Err(refuse("the server does not tell its version".to_owned())),
        };
        if number < SERVER_VERSION_MIN {
            return Err(refuse(format!(
                "the server is PostgreSQL {version}, but {} or newer is needed: upgrade it",
                SERVER_VERSION_MIN / 10_000
            )));
        }
        if encoding != "UTF8" {
            return Err(refuse(format!(
                "the database's encoding is {encoding}, but must be UTF8: create it with \
                 ENCODING 'UTF8' TEMPLATE template0"
            )));
        }
        Ok(())
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.client.batch_execute(&self.begin).while_("beginning a transaction")
    }

    /// Begins a transaction that writes to a store, and takes the locks of threads. Returns how often
    /// objects have been collected.
    ///
    /// The store may have been upgraded since it was opened: then it is not written to any more.
    pub(crate) fn begin_writing(&mut self, threads: &BTreeSet<i64>) -> Result<i64, Failure> {
        let doing = "beginning a transaction";
        let (begin, locks) = (&self.begin, self.locks.to_write(threads));
        let prefix = &self.prefix;
        let sql = format!(
            "{begin}; {locks}; SELECT number, (SELECT max(version) FROM {prefix}migrations) \
             FROM {prefix}collections"
        );
        let messages = self.client.simple_query(&sql).while_(doing)?;
        // Locks are rows, too; that of the collections is the last one.
        let row = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let column = |index| row.and_then(|row| row.try_get(index).ok().flatten());
        let (Some(number), Some(version)) = (column(0), column(1)) else {
            let reason = "the row of the collections is gone".to_owned();
            return Err(StoreError::Backend { doing: doing.to_owned(), reason }.into());
        };
        let known = last_of(MIGRATIONS);
        if let Some(found) = version.parse().ok().filter(|found| *found != known) {
            return Err(StoreError::Newer { url: self.url.clone(), found, known }.into());
        }
        number.parse().map_err(|_| {
            let reason = format!("the number of collections is `{number}`");
            Failure::Fatal(StoreError::Unreadable { what: "the store".to_owned(), reason })
        })
    }

    /// Begins a transaction beside which nobody writes.
    pub(crate) fn begin_collecting(&mut self) -> Result<(), Failure> {
        self.begin()?;
        self.wait_for_writers()
    }

    /// Waits for those who write, and keeps others from it until the transaction ends.
    pub(crate) fn wait_for_writers(&mut self) -> Result<(), Failure> {
        let sql = self.locks.to_collect();
        self.batch(&sql, "waiting for those who write")
    }

    /// How many milliseconds a transaction waits for a lock.
    pub(crate) fn lock_timeout(&self) -> &str {
        &self.lock_timeout
    }

    /// The locks of the store.
    pub(crate) const fn locks(&self) -> Locks {
        self.locks
    }

    /// Begins one view of the store.
    pub(crate) fn begin_view(&mut self) -> Result<(), Failure> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "beginning to read")
    }

    /// Commits.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        self.batch("COMMIT", "committing")
    }

    /// Undoes the transaction. Returns whether the connection can be used again.
    pub(crate) fn undo(&mut self) -> bool {
        self.client.batch_execute("ROLLBACK").is_ok()
    }

    /// Runs statements of this program, without parameters.
    pub(crate) fn batch(&mut self, sql: &str, doing: &str) -> Result<(), Failure> {
        let sql = sql.replace(SCHEMA, &self.prefix);
        self.client.batch_execute(&sql).while_(doing)
    }

    /// Runs a statement and returns its rows.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        parameters: &[Value],
        doing: &str,
    ) -> Result<Vec<Row>, Failure> {
        let sql = sql.replace(SCHEMA, &self.prefix);
        let typed: Vec<_> = parameters.iter().map(Value::typed).collect();
        self.client.query_typed(&sql, &typed).while_(doing)
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) fn execute(
        &mut self,
        sql: &str,
        parameters: &[Value],
        doing: &str,
    ) -> Result<u64, Failure> {
        let sql = sql.replace(SCHEMA, &self.prefix);
        let typed: Vec<_> = parameters.iter().map(Value::typed).collect();
        self.client.execute_typed(&sql, &typed).while_(doing)
    }
}

/// Connects: with TLS, as far as the address wants it.
fn connect(address: &Address) -> Result<Client, Failure> {
    let Some(connector) = address.tls.connector() else {
        return address.config.connect(NoTls).map_err(|error| refused(address, &error, ""));
    };
    let encrypted = match address.config.connect(connector) {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    if !(address.tls.is_optional() && is_about_tls(&encrypted)) {
        return Err(refused(address, &encrypted, ""));
    }
    // As with libpq: a server may have TLS that does not work, or want none of it from this program.
    let mut config = address.config.clone();
    config.ssl_mode(SslMode::Disable);
    config.connect(NoTls).map_err(|plain| {
        // Where both are against a rule, the way that was wanted is the one to be put right.
        let (error, other, how) = if is_about_tls(&plain) {
            (&encrypted, &plain, "without TLS")
        } else {
            (&plain, &encrypted, "with TLS")
        };
        refused(address, error, &format!(" ({how}: {})", with_causes(other)))
    })
}

/// What a connection that did not come about means.
fn refused(address: &Address, error: &postgres::Error, besides: &str) -> Failure {
    let Some(reason) = refusal(error) else {
        return match failure("connecting", error) {
            Failure::Data(error) | Failure::Conflict(error) => Failure::Fatal(error),
            // An older server takes it for a broken message and hangs up.
            Failure::Lost(reason) if reason.contains("TLS") && address.tls.is_direct() => {
                Failure::Lost(format!("{reason}; `sslnegotiation=direct` needs PostgreSQL 17"))
            }
            other => other,
        };
    };
    let reason = format!("{reason}{besides}");
    Failure::Fatal(StoreError::Open { url: address.url.clone(), reason })
}

/// Returns a column of a row that this program's own statement made.
pub(crate) fn get<'row, T: postgres::types::FromSql<'row>>(
    row: &'row Row,
    index: usize,
) -> Result<T, Failure> {
    row.try_get(index).map_err(|error| {
        Failure::Fatal(StoreError::Unreadable {
            what: "a row".to_owned(),
            reason: crate::errors::with_causes(&error),
        })
    })
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
