//! From what SQLite reports to what the user of a store should do about it.

use rusqlite::{ErrorCode, ffi};

use crate::StoreError;

/// Turns an error of the database into one of the store; `doing` completes "failed while ...".
pub(super) fn database(doing: &str, error: &rusqlite::Error) -> StoreError {
    let reason = error.to_string();
    let told = format!("{reason} (while {doing})");
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreError::Full(told),
            // The shared-memory file beside the database could not grow.
            _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full(told),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                StoreError::ReadOnly(told)
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy(told),
            ErrorCode::SystemIoFailure => StoreError::Io(told),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                StoreError::Unreadable { what: "the database".to_owned(), reason: told }
            }
            _ => StoreError::Backend { doing: doing.to_owned(), reason },
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => {
            StoreError::Unreadable { what: format!("a row (while {doing})"), reason }
        }
        _ => StoreError::Backend { doing: doing.to_owned(), reason },
    }
}

/// Says what was being done when the database failed.
pub(super) trait While<T> {
    /// Turns the database's error into the store's; `doing` completes "failed while ...".
    fn while_(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> While<T> for Result<T, rusqlite::Error> {
    fn while_(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|error| database(doing, &error))
    }
}

/// Whether an error concerns the whole database rather than the one unit that met it.
pub(super) fn concerns_the_database(error: &StoreError) -> bool {
    use StoreError::{Busy, Full, Io, ReadOnly};
    matches!(error, Full(_) | ReadOnly(_) | Busy(_) | Io(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> StoreError {
        database("writing", &rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn each_trouble_of_the_database_has_its_own_kind() {
        assert!(matches!(failure(ffi::SQLITE_FULL), StoreError::Full(_)));
        assert!(matches!(failure(ffi::SQLITE_IOERR_SHMSIZE), StoreError::Full(_)));
        assert!(matches!(failure(ffi::SQLITE_IOERR), StoreError::Io(_)));
        assert!(matches!(failure(ffi::SQLITE_IOERR_WRITE), StoreError::Io(_)));
        assert!(matches!(failure(ffi::SQLITE_READONLY), StoreError::ReadOnly(_)));
        assert!(matches!(failure(ffi::SQLITE_PERM), StoreError::ReadOnly(_)));
        assert!(matches!(failure(ffi::SQLITE_BUSY), StoreError::Busy(_)));
        assert!(matches!(failure(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy(_)));
        assert!(matches!(failure(ffi::SQLITE_NOTADB), StoreError::Unreadable { .. }));
        assert!(matches!(failure(ffi::SQLITE_CORRUPT), StoreError::Unreadable { .. }));
        assert!(matches!(failure(ffi::SQLITE_CONSTRAINT), StoreError::Backend { .. }));
    }

    #[test]
    fn the_message_says_what_was_being_done() {
        assert!(failure(ffi::SQLITE_FULL).to_string().contains("while writing"));
        assert!(failure(ffi::SQLITE_IOERR).to_string().contains("while writing"));
    }

    #[test]
    fn what_concerns_the_database_names_the_store() {
        for code in
            [ffi::SQLITE_FULL, ffi::SQLITE_READONLY, ffi::SQLITE_BUSY, ffi::SQLITE_IOERR_FSYNC]
        {
            let error = failure(code);
            assert!(concerns_the_database(&error), "{error}");
            let message = error.at_store("sqlite:///a.db").to_string();
            assert!(message.contains("`sqlite:///a.db`"), "{message}");
        }
    }
}
