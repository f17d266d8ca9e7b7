//! What a keeper and its workers are made from.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;

use super::keeper::{Keeper, ToKeeper};
use super::{Isolation, Report, Spec, ground, receive_fds};
use crate::frame::{self, FrameError};

/// What a keeper and its workers are made from: the same value before and after each fork, of which
/// each process lets go of what is another one's.
#[derive(Debug)]
pub struct Seed {
    spec: Spec,
    isolation: Isolation,
    /// The keeper's.
    report: Mutex<Option<UnixStream>>,
    /// The next worker's.
    files: Mutex<Option<Files>>,
}

#[derive(Debug)]
struct Files {
    connection: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Seed {
    pub(super) fn new(spec: Spec, isolation: Isolation, report: UnixStream) -> Self {
        Self { spec, isolation, report: Mutex::new(Some(report)), files: Mutex::default() }
    }

    /// In the template, after the fork: lets go of what is the keeper's, whose end could not be seen
    /// otherwise.
    pub fn let_go(&self) {
        take(&self.report);
    }

    /// In the keeper, before it makes workers.
    pub fn begin_keeper(&self) -> std::io::Result<()> {
        match self.isolation {
            Isolation::PidNamespace => ground::mount_own_proc(),
            Isolation::Subreaper => {
                let own = rustix::process::getpid();
                Ok(rustix::process::set_child_subreaper(Some(own))?)
            }
        }
    }

    /// In the keeper: waits for a worker to make; false when the supervisor is gone.
    pub fn next(&self) -> Result<bool, FrameError> {
        self.with_report(|report| {
            loop {
                match receive_fds(report)? {
                    None => return Ok(false),
                    Some((ToKeeper::Start {}, files)) => {
                        let [connection, stdout, stderr] = <[OwnedFd; 3]>::try_from(files)
                            .map_err(|_| malformed("a worker comes with three files"))?;
                        let files = Files { connection, stdout, stderr };
                        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
                        return Ok(true);
                    }
                    // It was for the worker before, and that one has ended.
                    Some((ToKeeper::Terminate {} | ToKeeper::Kill {}, _)) => {}
                }
            }
        })
    }

    /// In the keeper, after it has forked a worker: returns when that one and all below it are gone.
    pub fn keep(&self, worker: i32) -> Result<(), FrameError> {
        // As long as the keeper had them open, nobody would see that the worker has closed them.
        take(&self.files);
        let worker = Pid::from_raw(worker).ok_or_else(|| malformed("a worker has a process"))?;
        self.with_report(|report| {
            Keeper { report, worker, spec: &self.spec, isolation: self.isolation }.run()
        })
    }

    /// In the keeper, when it could not fork.
    pub fn not_started(&self, reason: String) -> Result<(), FrameError> {
        take(&self.files);
        let report = Report { not_started: Some(reason), ..Report::default() };
        self.with_report(|mut stream| frame::write(&mut stream, &report))
    }

    /// In the worker: makes it what it is to be. Returns its connection, unless a program took its place.
    pub fn become_worker(&self) -> std::io::Result<UnixStream> {
        take(&self.report);
        let Files { connection, stdout, stderr } = take(&self.files)
            .ok_or_else(|| std::io::Error::other("the worker has begun already"))?;
        if self.isolation == Isolation::PidNamespace {
            ground::enter_worker_mounts()?;
        }
        self.spec.apply(&stdout, &stderr)?;
        if self.spec.command.is_empty() {
            return Ok(connection.into());
        }
        Err(self.spec.exec(&connection))
    }

    fn with_report<T>(
        &self,
        work: impl FnOnce(&UnixStream) -> Result<T, FrameError>,
    ) -> Result<T, FrameError> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        work(report.as_ref().ok_or_else(|| malformed("the connection is the keeper's"))?)
    }
}

fn take<T>(from: &Mutex<Option<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn malformed(reason: &str) -> FrameError {
    FrameError::Malformed(reason.to_owned())
}
