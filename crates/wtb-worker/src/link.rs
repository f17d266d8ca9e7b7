//! A worker's end of its connection: it waits for attempts, asks for checkpoints and delivers outcomes.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wtb_store::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointRecord, CheckpointStep, StoreError,
};

use crate::checkpointer::{Checkpointer, GivenCheckpoint, GivenWrites};
use crate::frame::{self, FrameError};
use crate::message::{Answer, FromWorker, Order, PROTOCOL_VERSION, ToWorker};
use crate::outcome::Outcome;

/// A worker's connection to its supervisor. Threads may share it: one asks at a time.
#[derive(Debug)]
pub struct Link {
    stream: Mutex<UnixStream>,
    /// The worker's process. A copy of it, which a node has made, is no worker.
    process: u32,
}

impl Link {
    /// Says hello, and waits for what the worker's attempts have in common.
    pub fn open(mut stream: UnixStream) -> Result<(Self, Bytes), FrameError> {
        frame::write(&mut stream, &FromWorker::Hello { version: PROTOCOL_VERSION })?;
        match frame::read(&mut stream)? {
            Some(ToWorker::Welcome { version: PROTOCOL_VERSION, job }) => {
                Ok((Self { stream: Mutex::new(stream), process: std::process::id() }, job))
            }
            Some(ToWorker::Welcome { version, .. }) => Err(FrameError::Malformed(format!(
                "the supervisor speaks version {version} of the protocol, this worker {PROTOCOL_VERSION}"
            ))),
            Some(other) => Err(unexpected(&other)),
            None => Err(FrameError::CutOff { have: 0, bytes: 0 }),
        }
    }

    /// Waits for an attempt; `None` when nothing more will come.
    pub fn next(&self) -> Result<Option<Order>, FrameError> {
        match frame::read(&mut *self.lock()?)? {
            Some(ToWorker::Attempt(order)) => Ok(Some(*order)),
            Some(ToWorker::Farewell {}) | None => Ok(None),
            Some(other) => Err(unexpected(&other)),
        }
    }

    /// Delivers how the attempt ended.
    pub fn complete(&self, outcome: Outcome) -> Result<(), FrameError> {
        self.tell(&FromWorker::Outcome(Box::new(outcome)))
    }

    /// Tells that a node begins or has ended.
    pub fn node(&self, node: &str, ended: bool) -> Result<(), FrameError> {
        self.tell(&FromWorker::Node { node: node.to_owned(), ended })
    }

    fn tell(&self, message: &FromWorker) -> Result<(), FrameError> {
        let frame = frame::encode(message)?;
        Ok(self.lock()?.write_all(&frame)?)
    }

    fn ask(&self, question: &FromWorker) -> Result<Answer, StoreError> {
        let frame = frame::encode(question).map_err(|error| lost(&error))?;
        let mut stream = self.lock().map_err(|error| lost(&error))?;
        stream.write_all(&frame).map_err(|error| lost(&error.into()))?;
        match frame::read(&mut *stream).map_err(|error| lost(&error))? {
            Some(ToWorker::Answer(Answer::Failed { message })) => {
                Err(StoreError::Elsewhere(message))
            }
            Some(ToWorker::Answer(answer)) => Ok(answer),
            Some(other) => Err(lost(&unexpected(&other))),
            None => Err(StoreError::Closed),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, UnixStream>, FrameError> {
        if std::process::id() != self.process {
            let reason = "the connection is that of the process that this one was forked from";
            return Err(std::io::Error::other(reason).into());
        }
        Ok(self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lost(error: &FrameError) -> StoreError {
    StoreError::Elsewhere(format!("the supervisor does not answer: {error}"))
}

fn unexpected(message: &ToWorker) -> FrameError {
    let name = match message {
        ToWorker::Welcome { .. } => "welcome",
        ToWorker::Attempt(_) => "attempt",
        ToWorker::Answer(_) => "answer",
        ToWorker::Farewell {} => "farewell",
    };
    FrameError::Malformed(format!("`{name}` does not belong here"))
}

fn misplaced<T>() -> Result<T, StoreError> {
    let reason = "the answer is to another question".to_owned();
    Err(lost(&FrameError::Malformed(reason)))
}

impl Checkpointer for Link {
    fn put(&self, checkpoint: GivenCheckpoint) -> Result<Vec<String>, StoreError> {
        match self.ask(&FromWorker::Put(Box::new(checkpoint)))? {
            Answer::Put { missing } => Ok(missing),
            _ => misplaced(),
        }
    }

    fn put_writes(&self, writes: GivenWrites) -> Result<(), StoreError> {
        self.tell(&FromWorker::PutWrites(Box::new(writes))).map_err(|error| lost(&error))
    }

    fn is_busy(&self) -> bool {
        // A supervisor that is behind lets its workers wait.
        true
    }

    fn get(
        &self,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRecord>, StoreError> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        match self.ask(&FromWorker::Get { thread, namespace, id: id.map(str::to_owned) })? {
            Answer::Checkpoint { found } => Ok(found.map(|found| *found)),
            _ => misplaced(),
        }
    }

    fn head(&self, thread: &str, namespace: &str) -> Result<Option<CheckpointRecord>, StoreError> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        match self.ask(&FromWorker::Head { thread, namespace })? {
            Answer::Checkpoint { found } => Ok(found.map(|found| *found)),
            _ => misplaced(),
        }
    }

    fn list(
        &self,
        filter: &CheckpointFilter,
        limit: u64,
    ) -> Result<Vec<CheckpointRecord>, StoreError> {
        match self.ask(&FromWorker::List { filter: filter.clone(), limit })? {
            Answer::Checkpoints { found } => Ok(found),
            _ => misplaced(),
        }
    }

    fn steps(&self, thread: &str) -> Result<Vec<CheckpointStep>, StoreError> {
        match self.ask(&FromWorker::Steps { thread: thread.to_owned() })? {
            Answer::Steps { found } => Ok(found),
            _ => misplaced(),
        }
    }

    fn history(
        &self,
        name: &CheckpointName,
        channels: &[String],
    ) -> Result<Vec<ChannelHistory>, StoreError> {
        match self.ask(&FromWorker::History { name: name.clone(), channels: channels.to_vec() })? {
            Answer::History { found } => Ok(found),
            _ => misplaced(),
        }
    }
}
