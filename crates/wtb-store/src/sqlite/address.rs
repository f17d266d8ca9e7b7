//! Where a SQLite store lies and how it is to be opened: a path, or `sqlite:///path?key=value`.

use std::path::PathBuf;
use std::time::Duration;

use crate::options::unknown;
use crate::{OUTSIDE_BYTES_MIN, StoreError};

const SCHEME: &str = "sqlite:///";
const KEYS: [&str; 3] = ["synchronous", "busy_timeout", "size_max_mb"];

/// When a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// At checkpoints of the write-ahead log: a killed program loses nothing, a power cut may lose
    /// the last commits, and the file stays consistent either way.
    #[default]
    Normal,
    /// At every commit: a power cut loses nothing that was reported as durable.
    Full,
}

/// How a SQLite store is opened. The query of an address overrides what is set here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// When a commit waits for the disk. In an address: `synchronous=normal` or `full`.
    pub synchronous: Synchronous,
    /// How long to wait for another program that writes. In an address: `busy_timeout=SECONDS`.
    pub busy_timeout: Duration,
    /// Largest size of the database file in bytes; a write beyond it fails as a full disk does.
    /// `None` leaves it to the disk. In an address: `size_max_mb=MEGABYTES`.
    pub size_max_bytes: Option<u64>,
    /// Whether to create the file, and its directory, when there is none.
    pub create: bool,
    /// How many units and objects may wait for the writer before submitting waits.
    pub queue_capacity: usize,
    /// How many bytes of objects may wait for the writer before storing another one waits.
    pub queue_bytes: usize,
    /// How many units and objects one transaction takes at the most.
    pub group_max: usize,
    /// How many connections read at once.
    pub readers: usize,
    /// From how many bytes on objects go to the store's directory of objects, if it has one.
    pub outside_bytes_min: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Normal,
            busy_timeout: Duration::from_secs(30),
            size_max_bytes: None,
            create: true,
            queue_capacity: 4096,
            queue_bytes: 64 << 20,
            group_max: 1024,
            readers: 4,
            outside_bytes_min: OUTSIDE_BYTES_MIN,
        }
    }
}

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The address for messages: without its query.
    pub(super) url: String,
    /// The file, absolute: a later change of the working directory must not move the store.
    pub(super) path: PathBuf,
    /// The options with the query's on top.
    pub(super) options: SqliteOptions,
}

impl Address {
    /// Parses `sqlite:///relative`, `sqlite:////absolute` (either with a query), or a plain path,
    /// which is taken as it is. Percent signs have no special meaning.
    pub(super) fn parse(text: &str, mut options: SqliteOptions) -> Result<Self, StoreError> {
        let refuse = |reason: String| StoreError::Open { url: text.to_owned(), reason };
        let (path, query) = match text.strip_prefix(SCHEME) {
            Some(rest) => rest.split_once('?').unwrap_or((rest, "")),
            None if text.starts_with("sqlite:") || text.contains("://") => {
                return Err(refuse(format!(
                    "expected a path, or `{SCHEME}relative/path` or `{SCHEME}/absolute/path`"
                )));
            }
            None => (text, ""),
        };
        if path.is_empty() {
            return Err(refuse(format!("it names no file; write for example `{SCHEME}wtb.db`")));
        }
        if path == ":memory:" {
            return Err(refuse(
                "a store in memory would not outlive its program; name a file, if need be in a \
                 temporary directory"
                    .to_owned(),
            ));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            set_option(&mut options, pair).map_err(refuse)?;
        }
        let absolute = std::path::absolute(path)
            .map_err(|error| refuse(format!("the path cannot be made absolute: {error}")))?;
        Ok(Self { url: format!("{SCHEME}{path}"), path: absolute, options })
    }
}

fn set_option(options: &mut SqliteOptions, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let bad = |expected: &str| format!("`{key}` is `{value}`, but must be {expected}");
    match key {
        "synchronous" => {
            options.synchronous = match value {
                "normal" => Synchronous::Normal,
                "full" => Synchronous::Full,
                _ => return Err(bad("`normal` or `full`")),
            };
        }
        "busy_timeout" => {
            options.busy_timeout = value
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .ok_or_else(|| bad("a number of seconds"))?;
        }
        "size_max_mb" => {
            let megabytes: u32 = value.parse().map_err(|_| bad("a whole number of megabytes"))?;
            options.size_max_bytes = Some(u64::from(megabytes) << 20);
        }
        _ => return Err(unknown(key, &KEYS)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, StoreError> {
        Address::parse(text, SqliteOptions::default())
    }

    #[test]
    fn paths_are_relative_or_absolute() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(parse("sqlite:///a/b.db").unwrap().path, here.join("a/b.db"));
        assert_eq!(parse("sqlite:////a/b.db").unwrap().path, PathBuf::from("/a/b.db"));
        assert_eq!(parse("/a/50%?.db").unwrap().path, PathBuf::from("/a/50%?.db"));
        assert_eq!(parse("a.db").unwrap().url, "sqlite:///a.db");
    }

    #[test]
    fn the_query_overrides_the_options() {
        let address =
            parse("sqlite:///a.db?synchronous=full&busy_timeout=0.5&size_max_mb=2").unwrap();
        assert_eq!(address.url, "sqlite:///a.db");
        assert_eq!(address.options.synchronous, Synchronous::Full);
        assert_eq!(address.options.busy_timeout, Duration::from_millis(500));
        assert_eq!(address.options.size_max_bytes, Some(2 << 20));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_remedy() {
        for (text, expected) in [
            ("sqlite:///a.db?synchronos=full", "did you mean `synchronous`?"),
            ("sqlite:///a.db?colour=red", "(known: `synchronous`, `busy_timeout`, `size_max_mb`)"),
            ("sqlite:///a.db?synchronous=off", "must be `normal` or `full`"),
            ("sqlite:///a.db?busy_timeout=-1", "must be a number of seconds"),
            ("sqlite:///a.db?size_max_mb=x", "must be a whole number"),
            ("sqlite://a.db", "expected a path, or `sqlite:///relative/path`"),
            ("postgresql://host/db", "expected a path"),
            ("sqlite:///", "it names no file"),
            ("", "it names no file"),
            ("sqlite:///:memory:", "name a file"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
            assert!(message.contains(&format!("`{text}`")), "{message}");
        }
    }
}
