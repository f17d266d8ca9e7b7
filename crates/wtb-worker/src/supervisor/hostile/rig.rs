//! What plays a worker's process, its keeper and its host.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use wtb_model::Value;
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointRecord, CheckpointStep, StoreError,
};

use crate::checkpointer::{Checkpointer, GivenCheckpoint, GivenWrites};
use crate::frame;
use crate::message::{FromWorker, Order, PROTOCOL_VERSION, ToWorker};
use crate::outcome::{End, Outcome};
use crate::process::{Report, Spec, ToKeeper};
use crate::supervisor::keeper::{Keeper, Spawned};
use crate::supervisor::{Ended, Host, Settings, SupervisorError, TemplateSettings, Worker};

/// Long enough that only a program that hangs takes so long.
pub(super) const LONG: Duration = Duration::from_secs(20);
pub(super) const SHORT: Duration = Duration::from_millis(150);

pub(super) fn settings(timeout: Duration, is_fresh: bool) -> Settings {
    Settings {
        template: TemplateSettings::default(),
        spec: Spec::default(),
        job: Bytes::from_static(b"job"),
        timeout: Some(timeout),
        grace: SHORT,
        is_fresh,
    }
}

/// What a process does when it is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// It ends when it is asked to.
    Polite,
    /// It ends when it is killed.
    Stubborn,
    /// It does not end at all.
    Undying,
}

/// A process from outside: its connection, and its keeper's.
pub(super) struct Process {
    pub(super) connection: UnixStream,
    report: UnixStream,
    is_over: AtomicBool,
    /// Whether it was asked to end.
    is_asked: Mutex<bool>,
    asked: Condvar,
}

impl Process {
    /// The process ends, and its keeper reports.
    pub(super) fn end(&self, report: &Report) {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            let _ = self.connection.shutdown(Shutdown::Both);
            self.report(report);
        }
    }

    /// The keeper reports, whatever the connection does.
    pub(super) fn report(&self, report: &Report) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = frame::write(&mut &self.report, report);
        let _ = self.report.shutdown(Shutdown::Both);
    }

    /// The keeper goes without a word.
    pub(super) fn lose_keeper(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.connection.shutdown(Shutdown::Both);
        let _ = self.report.shutdown(Shutdown::Both);
    }

    pub(super) fn say(&self, message: &FromWorker) -> bool {
        frame::write(&mut &self.connection, message).is_ok()
    }

    pub(super) fn write(&self, bytes: &[u8]) -> bool {
        (&self.connection).write_all(bytes).is_ok()
    }

    pub(super) fn hear(&self) -> Option<ToWorker> {
        frame::read(&mut &self.connection).ok().flatten()
    }

    /// What a worker does first: returns when it has its attempt.
    pub(super) fn begin(&self) {
        self.say(&FromWorker::Hello { version: PROTOCOL_VERSION });
        assert!(matches!(self.hear(), Some(ToWorker::Welcome { .. })));
        assert!(matches!(self.hear(), Some(ToWorker::Attempt(_))));
    }

    pub(super) fn deliver(&self, status: End) -> bool {
        self.say(&FromWorker::Outcome(Box::new(Outcome::of(status))))
    }

    /// Waits until it is asked to end.
    pub(super) fn wait_until_asked(&self) {
        let is_asked = self.is_asked.lock().unwrap();
        drop(self.asked.wait_while(is_asked, |is_asked| !*is_asked).unwrap());
    }

    fn obey(&self, manners: Manners) {
        while let Ok(Some(told)) = frame::read::<ToKeeper>(&mut &self.report) {
            *self.is_asked.lock().unwrap() = true;
            self.asked.notify_all();
            let signal = match (told, manners) {
                (ToKeeper::Terminate {}, Manners::Polite) => libc::SIGTERM,
                (ToKeeper::Kill {}, Manners::Polite | Manners::Stubborn) => libc::SIGKILL,
                _ => continue,
            };
            self.end(&Report { signal: Some(signal), ..Report::default() });
        }
    }
}

/// A worker, and the threads that play its process.
pub(super) struct Rig {
    pub(super) worker: Worker,
    threads: Vec<JoinHandle<()>>,
}

impl Rig {
    /// Plays a process that follows a script and then ends with status 0.
    pub(super) fn new(
        settings: &Settings,
        manners: Manners,
        script: impl FnOnce(&Process) + Send + 'static,
    ) -> Self {
        let (spawned, [report, connection, ..]) = connected();
        Self::of(settings, spawned, [report, connection], manners, script)
    }

    pub(super) fn of(
        settings: &Settings,
        spawned: Spawned,
        [report, connection]: [OwnedFd; 2],
        manners: Manners,
        script: impl FnOnce(&Process) + Send + 'static,
    ) -> Self {
        let (connection, report) = (connection.into(), report.into());
        let process = Arc::new(Process {
            connection,
            report,
            is_over: AtomicBool::new(false),
            is_asked: Mutex::new(false),
            asked: Condvar::new(),
        });
        let worker = Worker::begin(spawned, settings).unwrap();
        let keeper = Arc::clone(&process);
        let keeper = thread::spawn(move || keeper.obey(manners));
        let process = thread::spawn(move || {
            script(&process);
            process.end(&Report { status: Some(0), ..Report::default() });
        });
        Self { worker, threads: vec![keeper, process] }
    }

    /// Makes one attempt; the process has ended when this returns.
    pub(super) fn attempt(mut self, host: &Desk) -> Result<Ended, SupervisorError> {
        let ended = self.worker.attempt(order(), host);
        self.leave();
        ended
    }

    pub(super) fn leave(self) {
        drop(self.worker);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// A worker as it was made; with the other ends of its keeper's connection, its own, and its output.
pub(super) fn connected() -> (Spawned, [OwnedFd; 4]) {
    let (report, their_report) = UnixStream::pair().unwrap();
    report.set_nonblocking(true).unwrap();
    let (spawned, theirs) = Keeper::new(report, None).connected().unwrap();
    let [connection, stdout, stderr] = theirs;
    (spawned, [their_report.into(), connection, stdout, stderr])
}

pub(super) fn order() -> Order {
    Order {
        workspace: None,
        execution: "e".to_owned(),
        thread: Some("t".to_owned()),
        from_head: false,
        variant: 0,
        case: 0,
        repeat: 0,
        attempt: 1,
        seed: 7,
        input: Bytes::new(),
    }
}

/// A host that counts what it is asked.
#[derive(Default)]
pub(super) struct Desk {
    /// How long an answer takes.
    pub(super) takes: Duration,
    /// How large an answer is.
    pub(super) bytes: usize,
    /// Whether writes are refused.
    pub(super) is_full: bool,
    pub(super) stopped: AtomicBool,
    pub(super) asked: AtomicUsize,
    pub(super) stored: AtomicUsize,
}

impl Host for Desk {
    fn checkpoints(&self) -> &dyn Checkpointer {
        self
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

impl Checkpointer for Desk {
    fn put(&self, _: GivenCheckpoint) -> Result<Vec<String>, StoreError> {
        self.stored.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    fn put_writes(&self, _: GivenWrites) -> Result<(), StoreError> {
        self.stored.fetch_add(1, Ordering::SeqCst);
        if self.is_full { Err(StoreError::Elsewhere("the disk is full".into())) } else { Ok(()) }
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn get(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        thread::sleep(self.takes);
        Ok(Some(CheckpointRecord {
            snapshot: None,
            name: CheckpointName {
                thread: thread.to_owned(),
                namespace: namespace.to_owned(),
                id: id.unwrap_or_default().to_owned(),
            },
            sequence: 1,
            parent: None,
            metadata: "{}".to_owned(),
            body: Value::new("bytes", vec![0; self.bytes]),
            channels: Vec::new(),
            writes: Vec::new(),
        }))
    }

    fn head(&self, _: &str, _: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        Ok(None)
    }

    fn list(&self, _: &CheckpointFilter, _: u64) -> Result<Vec<CheckpointRecord>, StoreError> {
        Ok(Vec::new())
    }

    fn steps(&self, _: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        Ok(Vec::new())
    }

    fn history(&self, _: &CheckpointName, _: &[String]) -> Result<Vec<ChannelHistory>, StoreError> {
        Ok(Vec::new())
    }
}
