//! The command as its users meet it: command lines in, text, JSON and exit codes out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calling;
mod concluding;
mod fixture;
mod help;
mod histories;
mod init;
mod reading;
mod records;
mod running;
mod showing;
