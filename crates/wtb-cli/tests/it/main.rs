//! The command as its users meet it: command lines in, text, JSON and exit codes out.

mod concluding;
mod fixture;
mod help;
mod init;
mod reading;
mod running;
