//! Where a PostgreSQL store lies: `postgresql://user@host:port/database?key=value`.
//!
//! The store's own options are taken out of the query; the rest is the client's.

use std::time::Duration;

use postgres::Config;
use wtb_store::options::unknown;
use wtb_store::{OUTSIDE_BYTES_MIN, StoreError};

use crate::errors::with_causes;
use crate::tls::{Tls, Wishes};

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// What the query of an address can set: the store's own first, then the client's.
const KEYS: [&str; 25] = [
    "schema",
    "connections",
    "patience",
    "lock_timeout",
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslnegotiation",
    "channel_binding",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
];
/// What a name in PostgreSQL may be long.
const SCHEMA_BYTES_MAX: usize = 63;
/// Without an answer for that long a server that is somewhere else counts as gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How a PostgreSQL store is opened. The query of an address overrides what is set here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The schema that holds the tables: small letters, digits and underscores. In an address:
    /// `schema=NAME`.
    pub schema: String,
    /// Whether to make the schema and its tables when there are none.
    pub create: bool,
    /// How many connections read at once; one more writes. In an address: `connections=NUMBER`.
    pub readers: usize,
    /// How long to wait for a server that is away before giving up what was to be read or written.
    /// In an address: `patience=SECONDS`.
    pub patience: Duration,
    /// From how many bytes on objects go to the store's directory of objects, if it has one.
    pub outside_bytes_min: usize,
    /// How long to wait for rows that another program has locked. In an address:
    /// `lock_timeout=SECONDS`.
    pub lock_timeout: Duration,
    /// How long to wait for a connection, unless the address has a `connect_timeout`.
    pub connect_timeout: Duration,
    /// How many units and objects may wait for the writer before submitting waits.
    pub queue_capacity: usize,
    /// How many bytes of objects may wait for the writer before storing another one waits.
    pub queue_bytes: usize,
    /// How many units and objects one transaction takes at the most.
    pub group_max: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "wtb".to_owned(),
            create: true,
            readers: 4,
            patience: Duration::from_mins(1),
            outside_bytes_min: OUTSIDE_BYTES_MIN,
            lock_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            queue_capacity: 4096,
            queue_bytes: 64 << 20,
            group_max: 1024,
        }
    }
}

/// Whether an address is one of a server, rather than one of a file. Only those of PostgreSQL can be
/// opened; the error for others says so.
pub fn is_address(text: &str) -> bool {
    text.contains("://") && !text.starts_with("sqlite:")
}

/// Returns an address without its secrets, however malformed it is; what is none stays as it is.
pub fn redacted(text: &str) -> String {
    if !is_address(text) {
        return text.to_owned();
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    // A password that was not encoded may hold any of these: what is before the last @ is secret.
    let (user, place) = match rest.rfind('@') {
        Some(at) => (Some(rest[..at].split(':').next().unwrap_or_default()), &rest[at + 1..]),
        None => (None, rest),
    };
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let open: Vec<_> =
        query.split('&').filter(|pair| !pair.is_empty() && !is_secret(pair)).collect();
    let mut shown = format!("{scheme}://");
    if let Some(user) = user {
        shown.push_str(user);
        shown.push('@');
    }
    shown.push_str(path);
    if !open.is_empty() {
        shown.push('?');
        shown.push_str(&open.join("&"));
    }
    shown
}

fn is_secret(pair: &str) -> bool {
    let key = pair.split('=').next().unwrap_or_default().to_lowercase();
    // `options` may set anything, also what somebody wants to keep to himself.
    key.contains("pass") || key == "options" || key.contains('%')
}

/// An address taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The address for messages: without secrets.
    pub(crate) url: String,
    /// How to connect.
    pub(crate) config: Config,
    /// How to encrypt the connection.
    pub(crate) tls: Tls,
    /// The options with the query's on top.
    pub(crate) options: PostgresOptions,
}

impl Address {
    /// Parses an address of a server.
    pub(crate) fn parse(text: &str, mut options: PostgresOptions) -> Result<Self, StoreError> {
        let url = redacted(text);
        let refuse = |reason: String| StoreError::Open { url: url.clone(), reason };
        if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(refuse(
                "expected `postgresql://user@host:port/database`, or `sqlite:///path`".to_owned(),
            ));
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        if query.contains('@') {
            // Nothing of it is quoted: it may be the end of a password.
            return Err(refuse(
                "there is an `@` behind a `?`; write `?` in a user or password as `%3F`, and `@` in \
                 a value as `%40`"
                    .to_owned(),
            ));
        }
        let (mut wishes, mut theirs) = (Wishes::default(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !KEYS.contains(&key) {
                return Err(refuse(unknown(key, &KEYS)));
            }
            let ours = set_option(&mut options, key, value).map_err(refuse)?
                || wishes.set(key, value).map_err(refuse)?;
            if !ours {
                theirs.push(pair);
            }
        }
        check_schema(&options.schema).map_err(refuse)?;
        let mut config: Config =
            format!("{place}?{}", theirs.join("&")).parse().map_err(|error: postgres::Error| {
                refuse(format!(
                    "{}; letters such as `@` or `/` in a password have to be written as \
                                `%40` or `%2F`",
                    with_causes(&error)
                ))
            })?;
        complete(&mut config, &options);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refuse(
                "it names no host; write for example `postgresql://localhost/wtb`, \
                               or `?host=/run/postgresql` for a socket"
                    .to_owned(),
            ));
        }
        let tls = wishes.apply(&mut config).map_err(refuse)?;
        Ok(Self { url, config, tls, options })
    }
}

/// Sets what the address leaves open.
fn complete(config: &mut Config, options: &PostgresOptions) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(ANSWER_TIMEOUT);
        config.keepalives_idle(ANSWER_TIMEOUT / 2);
        config.keepalives_interval(ANSWER_TIMEOUT / 6);
    }
    if config.get_application_name().is_none() {
        config.application_name("wtb");
    }
    if config.get_user().is_none() && config.get_dbname().is_none() {
        config.dbname("postgres");
    }
}

/// Sets an option of the store's own; `false` when it is the client's.
fn set_option(options: &mut PostgresOptions, key: &str, value: &str) -> Result<bool, String> {
    let bad = |expected: &str| format!("`{key}` is `{value}`, but must be {expected}");
    let seconds = || {
        let seconds = value.parse().ok().filter(|seconds: &f64| *seconds <= 1e9);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.ok_or_else(|| bad("a number of seconds"))
    };
    match key {
        "schema" => value.clone_into(&mut options.schema),
        "connections" => {
            let number = value.parse().ok().filter(|number| *number > 0);
            options.readers = number.ok_or_else(|| bad("a whole number of at least 1"))?;
        }
        "patience" => options.patience = seconds()?,
        "lock_timeout" => options.lock_timeout = seconds()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The schema becomes part of statements, so that it must be a plain name.
fn check_schema(schema: &str) -> Result<(), String> {
    let begins_well = schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if begins_well
        && schema.len() <= SCHEMA_BYTES_MAX
        && schema.chars().all(plain)
        && !schema.starts_with("pg_")
    {
        return Ok(());
    }
    Err(format!(
        "`schema` is `{schema}`, but must be of small letters, digits and underscores, at most \
         {SCHEMA_BYTES_MAX} of them, and begin with neither a digit nor `pg_`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, StoreError> {
        Address::parse(text, PostgresOptions::default())
    }

    #[test]
    fn the_query_overrides_the_options_and_the_rest_is_the_clients() {
        let address = parse(
            "postgresql://me:secret@host:5433/db?schema=team_1&patience=0.5&connections=2\
             &application_name=nightly",
        )
        .unwrap();
        assert_eq!(address.options.schema, "team_1");
        assert_eq!(address.options.patience, Duration::from_millis(500));
        assert_eq!(address.options.readers, 2);
        assert_eq!(address.config.get_application_name(), Some("nightly"));
        assert_eq!(address.config.get_password(), Some(b"secret".as_slice()));
        assert_eq!(address.config.get_dbname(), Some("db"));
        assert!(parse("postgres://host/db").is_ok());
        assert!(parse("postgresql:///db?host=/run/postgresql").is_ok());
    }

    #[test]
    fn secrets_are_never_shown() {
        for (text, shown) in [
            ("postgresql://me:secret@host/db", "postgresql://me@host/db"),
            ("postgresql://me:se@c:ret/@host/db", "postgresql://me@host/db"),
            ("postgresql://me:se?secret@host/db", "postgresql://me@host/db"),
            ("postgresql://me:se?sslmode=secret@host/db", "postgresql://me@host/db"),
            ("postgresql://me:se?connections=secret&x@host/db", "postgresql://me@host/db"),
            ("postgresql://host/db?password=secret&schema=a", "postgresql://host/db?schema=a"),
            ("postgresql://host/db?PassWord=secret", "postgresql://host/db"),
            ("postgresql://host/db?password=secret%ff", "postgresql://host/db"),
            ("postgresql://host/db?p%61ssword=secret", "postgresql://host/db"),
            ("postgres://me:secret@[", "postgres://me@["),
            ("postgresql://me:secret@host/db?sslpassword=x", "postgresql://me@host/db"),
            (
                "postgresql://host/db?sslkey=/k&sslpassword=secret&sslcert=/c",
                "postgresql://host/db?sslkey=/k&sslcert=/c",
            ),
            ("postgresql+psycopg://me:secret@host/db", "postgresql+psycopg://me@host/db"),
            ("sqlite:///a@b.db", "sqlite:///a@b.db"),
            ("/a/b@c.db", "/a/b@c.db"),
        ] {
            assert_eq!(redacted(text), shown);
            if let Err(error) = parse(text) {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_remedy() {
        for (text, expected) in [
            ("postgresql://host/db?schem=x", "did you mean `schema`?"),
            ("postgresql://host/db?schema=Team", "must be of small letters"),
            ("postgresql://host/db?schema=pg_x", "nor `pg_`"),
            ("postgresql://host/db?schema=", "must be of small letters"),
            ("postgresql://host/db?schema=a\"b", "must be of small letters"),
            ("postgresql://host/db?patience=-1", "must be a number of seconds"),
            ("postgresql://host/db?connections=0", "of at least 1"),
            ("postgresql://host:port/db", "port"),
            ("postgresql:///db", "it names no host"),
            ("mysql://host/db", "expected `postgresql://"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
