//! From what PostgreSQL reports to what is done about it, and to what the store's user is told.

use std::error::Error as _;

use postgres::Error;
use postgres::error::{DbError, SqlState};
use wtb_store::StoreError;

use crate::tls::{of_tls, told_tls};

/// Why something did not work, by what is to be done about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone, or the server lets nobody in: try again on another connection.
    Lost(String),
    /// Other programs were in the way, and the database chose this one to give up: try again.
    Conflict(StoreError),
    /// The database refused these data: the unit that brought them is to blame.
    Data(StoreError),
    /// There is no point in trying again.
    Fatal(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error)
    }
}

/// Says what was being done when the database failed.
pub(crate) trait While<T> {
    /// Turns the database's error into a failure; `doing` completes "failed while ...".
    fn while_(self, doing: &str) -> Result<T, Failure>;
}

impl<T> While<T> for Result<T, Error> {
    fn while_(self, doing: &str) -> Result<T, Failure> {
        self.map_err(|error| failure(doing, &error))
    }
}

/// Turns an error of the client or the server into a failure.
pub(crate) fn failure(doing: &str, error: &Error) -> Failure {
    match error.as_db_error() {
        Some(reported) => of_state(doing, reported.code(), &told(reported)),
        None if is_about_the_connection(error) => Failure::Lost(with_causes(error)),
        None => Failure::Data(StoreError::Backend {
            doing: doing.to_owned(),
            reason: with_causes(error),
        }),
    }
}

fn is_about_the_connection(error: &Error) -> bool {
    let text = error.to_string();
    // The client tells its kinds of errors apart by nothing but their texts.
    error.is_closed()
        || ["communicating", "connecting", "timeout", "unexpected message", "TLS"]
            .iter()
            .any(|word| text.contains(word))
}

/// The error with what led to it. The client puts no passwords into either.
pub(crate) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What the server said, with its detail and its hint.
fn told(reported: &DbError) -> String {
    let mut text = reported.message().to_owned();
    for more in [reported.detail(), reported.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

/// What a state of the server means.
fn of_state(doing: &str, state: &SqlState, reason: &str) -> Failure {
    let code = state.code();
    let told = || format!("{reason} (while {doing}; SQLSTATE {code})");
    let backend = || StoreError::Backend {
        doing: doing.to_owned(),
        reason: format!("{reason} (SQLSTATE {code})"),
    };
    match code {
        "40001" | "40P01" => Failure::Conflict(StoreError::Busy(told())),
        "53300" => Failure::Lost(format!(
            "{reason}: the server has no connection left; raise its max_connections, lower \
             `?connections=`, or put PgBouncer in front of it"
        )),
        "55P03" | "57014" => Failure::Fatal(StoreError::Busy(told())),
        // Full of data; 53200 and 53400 are full of other things.
        "53100" => Failure::Fatal(StoreError::Full(told())),
        "58030" | "58P01" => Failure::Fatal(StoreError::Io(told())),
        "25006" => Failure::Fatal(StoreError::ReadOnly(format!(
            "{}; it is a standby or set to read only: name the primary server in the address",
            told()
        ))),
        "42501" => Failure::Fatal(StoreError::ReadOnly(format!(
            "{}; grant the user what it needs, or name another user",
            told()
        ))),
        "42P01" | "42703" | "42883" => Failure::Fatal(StoreError::Backend {
            doing: doing.to_owned(),
            reason: format!(
                "{reason} (SQLSTATE {code}); the schema is not the one that this program makes: \
                 another build made it, or somebody changed it"
            ),
        }),
        "XX001" | "XX002" => Failure::Fatal(StoreError::Unreadable {
            what: "the database".to_owned(),
            reason: told(),
        }),
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04" => {
            Failure::Lost(reason.to_owned())
        }
        _ => match &code[..2] {
            "08" => Failure::Lost(reason.to_owned()),
            "22" | "23" | "54" => Failure::Data(backend()),
            _ => Failure::Fatal(backend()),
        },
    }
}

/// Whether a connection did not come about because of TLS: in the handshake, or by a rule of the
/// server's.
pub(crate) fn is_about_tls(error: &Error) -> bool {
    let rule = Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    of_tls(error).is_some() || error.code() == rule
}

/// Why a server refused a connection for good, with the remedy; `None` when it may yet take one.
pub(crate) fn refusal(error: &Error) -> Option<String> {
    if let Some(tls) = of_tls(error) {
        return Some(told_tls(tls));
    }
    let Some(reported) = error.as_db_error() else {
        let text = with_causes(error);
        let known = [
            (
                "does not support TLS",
                "switch it on there (`ssl = on`), or write `sslmode=prefer` if the way to the server \
                 is safe without",
            ),
            (
                "channel binding",
                "it needs TLS (`sslmode=require`), a password that the server keeps for SCRAM, and \
                 nothing in between that ends TLS; or leave `channel_binding=require` out",
            ),
            ("invalid dns name", "check the host: it is looked for in the server's certificate"),
            ("authentication", "check the user and the password"),
            ("password missing", "write it into the address: `postgresql://user:password@host/db`"),
            ("invalid configuration", "check the address"),
        ];
        let remedy = known.iter().find(|(word, _)| text.contains(word))?.1;
        return Some(format!("{text}; {remedy}"));
    };
    let reason = reported.message();
    match reported.code().code() {
        "28P01" => Some(format!("{reason}; check the user and the password")),
        "28000" if reason.contains("no encryption") || reason.contains("SSL off") => Some(format!(
            "{reason}; the server wants TLS: write `sslmode=verify-full` with `sslrootcert=PATH`, or \
             `sslmode=require`"
        )),
        "28000" if reason.contains("client certificate") => Some(format!(
            "{reason}; write `sslcert=PATH` and `sslkey=PATH` for one that the server's ssl_ca_file \
             vouches for"
        )),
        "28000" if reason.starts_with("certificate authentication failed") => Some(format!(
            "{reason}; the name (CN) in the certificate of `sslcert` must be that of the user, or be \
             mapped to it on the server (pg_ident.conf)"
        )),
        "28000" => Some(format!("{reason}; check the user, and the server's pg_hba.conf")),
        "3D000" => Some(format!("{reason}; create it (CREATE DATABASE), or name another one")),
        "42501" => Some(format!("{reason}; let the user connect (GRANT CONNECT)")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Failure {
        of_state("writing", &SqlState::from_code(code), "it said so")
    }

    #[test]
    fn each_trouble_of_the_server_has_its_own_kind() {
        for code in ["57P01", "57P02", "57P03", "57P05", "25P03", "08006", "08P01", "53300"] {
            assert!(matches!(of(code), Failure::Lost(_)), "{code}");
        }
        for code in ["40001", "40P01"] {
            assert!(matches!(of(code), Failure::Conflict(StoreError::Busy(_))), "{code}");
        }
        for code in ["22021", "23505", "23503", "54000"] {
            assert!(matches!(of(code), Failure::Data(StoreError::Backend { .. })), "{code}");
        }
        assert!(matches!(of("53100"), Failure::Fatal(StoreError::Full(_))));
        assert!(matches!(of("58030"), Failure::Fatal(StoreError::Io(_))));
        assert!(matches!(of("25006"), Failure::Fatal(StoreError::ReadOnly(_))));
        assert!(matches!(of("42501"), Failure::Fatal(StoreError::ReadOnly(_))));
        assert!(matches!(of("55P03"), Failure::Fatal(StoreError::Busy(_))));
        assert!(matches!(of("57014"), Failure::Fatal(StoreError::Busy(_))));
        assert!(matches!(of("XX001"), Failure::Fatal(StoreError::Unreadable { .. })));
        assert!(matches!(of("42P01"), Failure::Fatal(StoreError::Backend { .. })));
    }

    #[test]
    fn the_message_says_what_was_being_done_and_what_to_do() {
        let Failure::Fatal(full) = of("53100") else { panic!("a full disk is final") };
        let text = full.to_string();
        assert!(text.contains("while writing") && text.contains("free some space"), "{text}");
        let Failure::Lost(text) = of("53300") else { panic!("connections come back") };
        assert!(text.contains("max_connections") && text.contains("PgBouncer"), "{text}");
    }
}
